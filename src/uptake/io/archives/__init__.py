"""The parts of a release: names that say nothing, layouts, DICOM objects, the manifest, the search for patient data."""

"""The parts of `uptake.io.dicom.write`: what each vendor does, headers, pixels, multi-frame objects, UCSF's map."""

"""uptake: breast DCE-MRI from DICOM to harmonised images, exact FTV, annotations, radiomics and a report."""

__version__ = "0.1.0"

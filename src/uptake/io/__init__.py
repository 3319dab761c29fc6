"""Files live here and nowhere else: DICOM, NIfTI, tables, and the cohort folder that holds them."""

"""DICOM in and out: `scan` finds studies, `read` reads one, `ucsf` reads what UCSF recorded, `write` makes files."""

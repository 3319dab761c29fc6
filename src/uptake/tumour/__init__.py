"""Enhancement, functional and structural tumour volume: arrays and values in, values out, no files."""

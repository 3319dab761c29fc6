"""Reads a release with nibabel and pandas alone: python read_release.py [FOLDER]"""

import sys
from pathlib import Path

import nibabel
import pandas as pd

root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
manifest = pd.read_csv(root / "manifest.csv", dtype={"case_id": str, "patient_id": str}, keep_default_na=False)
features = pd.read_csv(root / "tables/features.csv", dtype={"case_id": str})
print(f"{manifest.case_id[manifest.case_id != ''].nunique()} cases, {features.shape[1] - 2} features each")
published = manifest[manifest.file.str.startswith("NIfTI-Files/")]
images = published[published["mask"] == ""]
for row in published[published["mask"] != ""].itertuples():
    mask = nibabel.load(root / row.file)
    on = [i for i in images[images.case_id == row.case_id].file if nibabel.load(root / i).shape == mask.shape]
    inside = mask.get_fdata() > 0
    image = nibabel.load(root / sorted(on)[min(1, len(on) - 1)]).get_fdata()
    cc = inside.sum() * abs(nibabel.affines.voxel_sizes(mask.affine).prod()) / 1000
    print(f"{row.case_id:<16} {row.mask:<13} {cc:9.3f} cc, mean {image[inside].mean() if inside.any() else 0:.3f}")

"""The published layout: folders and names of TCIA's ISPY1-Tumor-SEG-Radiomics (10.7937/TCIA.XC7A-QT20).

``N3`` stands in the published names though the images are N4-corrected; the FTV's values are 0 and 255, the STV's 0
and 1. Masks that the published release does not have lie in folders of their own.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from uptake.io.archives.case import Item, ReleasedCase, item_of
from uptake.io.nifti import read_mask, read_volume, write_volume
from uptake.volume import Grid, Volume

ROOT = "NIfTI-Files"
CORRECTED = "images_bias-corrected_nifti"
ZSCORED = "images_bias-corrected_resampled_zscored_nifti"
MASK_FOLDERS = ("masks_ftv", "masks_stv_manual", "masks_stv_resunet")
FEATURES = "ISPY_DataPaper_features.xlsx"
PARAMETERS = "captk_parameter_file_ispy1.csv"
FTV_VALUE = 255


def write(root: Path, case: ReleasedCase) -> tuple[Item, ...]:
    """Write the images and masks of a case below ``NIfTI-Files``; what was written. Raises `Refusal` NO_SPACE."""
    items = []
    for folder, suffix, what, unit, volumes in (
        (CORRECTED, "N3", "bias-corrected image, acquired grid", "scanner units", case.corrected),
        (ZSCORED, "N3_zscored", "harmonised image", "standard deviations", case.zscored),
    ):
        for phase, volume in enumerate(volumes):
            name = f"{ROOT}/{folder}/{case.case_id}/{case.case_id}_DCE_{phase:04d}_{suffix}.nii.gz"
            write_volume(volume, root / name)
            items.append(item_of(name, what, volume, unit))
    for mask in case.masks:
        name = f"{ROOT}/masks_{mask.kind.name}/{case.case_id}.nii.gz"
        value = FTV_VALUE if mask.kind.name == "ftv" else 1
        write_volume(mask.volume.with_array(mask.volume.array.astype(np.uint8) * np.uint8(value)), root / name)
        items.append(item_of(name, mask.kind.meaning, mask.volume, f"0 and {value}", mask.kind.name))
    return tuple(items)


def read(root: Path, case_id: str, grid: Grid | None = None) -> dict[str, Volume]:  # noqa: ARG001 (as all formats)
    """The images (``corrected_0000``, ``zscored_0000``, ...) and masks of a case by name."""
    found = {}
    for folder, key, suffix in ((CORRECTED, "corrected", "N3"), (ZSCORED, "zscored", "N3_zscored")):
        for path in sorted((root / ROOT / folder / case_id).glob(f"{case_id}_DCE_????_{suffix}.nii.gz")):
            found[f"{key}_{path.name.removeprefix(f'{case_id}_DCE_')[:4]}"] = read_volume(path)
    for path in sorted((root / ROOT).glob(f"masks_*/{case_id}.nii.gz")):
        found[path.parent.name.removeprefix("masks_")] = read_mask(path)
    return found

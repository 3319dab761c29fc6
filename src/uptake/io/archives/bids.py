"""A BIDS-shaped derivative: ``bids/sub-<label>/[ses-<label>/]anat/...``, for tools that read that.

BIDS has no suffix for DCE-MRI: phases are runs of a T1-weighted acquisition named DCE, as its derivatives allow.
Images are the files of the published layout under a second name (hard links where the disk has them).
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from uptake.io.archives import ispy1
from uptake.io.archives.case import Item, ReleasedCase, item_of
from uptake.io.archives.manifest import read_manifest
from uptake.io.archives.metadata import Metadata
from uptake.io.files import write_json_whole
from uptake.io.nifti import read_mask, read_volume, write_volume
from uptake.volume import Grid, Volume

ROOT = "bids"
VERSION = "1.10.0"
CORRECTED, ZSCORED = "biascorrected", "zscored"
README = f"""Dynamic contrast-enhanced MRI of the breast; dataset_description.json names the source collections.
Of every case three phases: run-0 before contrast, run-1 early, run-2 late. desc-{CORRECTED}: bias-corrected, on the
acquired grid; desc-{ZSCORED}: harmonised too (isotropic, z-scored over the phases together). Masks (label-..._mask) are
0 and 1: functional tumour volumes on the acquired grid, structural ones on the isotropic grid; their JSON files say
what each is and whether a person drew it. README.md beside this folder describes the release that it is a part of.
"""


def label(text: str) -> str:
    """A BIDS label: letters and digits only."""
    return re.sub(r"[^A-Za-z0-9]", "", text)


def write(root: Path, case: ReleasedCase) -> tuple[Item, ...]:
    """Write a case below ``bids``; what was written. Raises `Refusal` NO_SPACE."""
    subject, stem = _folder(case), _stem(case)
    items = []
    for desc, volumes, unit, what in (
        (CORRECTED, case.corrected, "scanner units", "bias-corrected image on the acquired grid"),
        (ZSCORED, case.zscored, "standard deviations", "harmonised image, isotropic, z-scored over the phases"),
    ):
        for phase, volume in enumerate(volumes):
            name = _image(subject, stem, phase, desc)
            _same_image(root, name, case.case_id, phase, desc, volume)
            items.append(item_of(name, f"{desc} image, BIDS name", volume, unit))
            about = {"Description": what, "Units": unit, "SkullStripped": False, "Phase": phase}
            items.append(_sidecar(root, name, about))
    for mask in case.masks:
        space, desc = (
            ("acquired", CORRECTED) if mask.volume.grid.same_as(mask.acquired.grid) else ("isotropic", ZSCORED)
        )
        name = f"{subject}/{stem}_space-{space}_label-{label(mask.kind.name)}_mask.nii.gz"
        write_volume(mask.volume.with_array(mask.volume.array.astype(np.uint8)), root / name)
        items.append(item_of(name, f"{mask.kind.meaning}, BIDS name", mask.volume, "0 and 1", mask.kind.name))
        like = _image(subject, stem, 0, desc).removeprefix(f"{ROOT}/")
        about = {"Description": mask.kind.meaning, "Type": "Lesion", "Label": mask.kind.label,
                 "Manual": mask.kind.made == "MANUAL", "SpatialReference": f"bids::{like}"}  # fmt: skip
        items.append(_sidecar(root, name, about))
    return tuple(items)


def read(root: Path, case_id: str, grid: Grid | None = None) -> dict[str, Volume]:  # noqa: ARG001 (as all formats)
    """The images (``corrected_0000``, ``zscored_0000``, ...) and masks of a case by name without punctuation."""
    found = {}
    listed = [entry.file for entry in read_manifest(root) if entry.case_id == case_id]
    for path in (root / name for name in listed if name.startswith(f"{ROOT}/") and name.endswith(".nii.gz")):
        if match := re.search(r"_run-(\d+)_desc-(\w+)_T1w", path.name):
            kind = "corrected" if match[2] == CORRECTED else "zscored"
            found[f"{kind}_{int(match[1]):04d}"] = read_volume(path)
        elif match := re.search(r"_label-(\w+)_mask", path.name):
            found[match[1]] = read_mask(path)
    return found


def write_collection(root: Path, metadata: Metadata, version: str, rows: list[tuple[str, str, str]]) -> None:
    """Write what a BIDS folder says of all cases. rows: label of the patient, PatientID, sex."""
    description = {
        "Name": metadata.title,
        "BIDSVersion": VERSION,
        "DatasetType": "derivative",
        "License": metadata.licence,
        "GeneratedBy": [{"Name": "uptake", "Version": version}],
    }
    sources = [{"DOI": f"doi:{origin.doi}"} for origin in metadata.collections if origin.doi]
    description |= {"Authors": [author.name for author in metadata.authors]} if metadata.authors else {}
    description |= {"SourceDatasets": sources} if sources else {}
    (root / ROOT).mkdir(exist_ok=True)
    (root / ROOT / "README").write_bytes(f"{metadata.title}\n\n{metadata.description}\n\n{README}".encode())
    write_json_whole(root / ROOT / "dataset_description.json", description)
    lines = ["participant_id\tpatient_id\tsex", *("\t".join(row) for row in rows)]
    (root / ROOT / "participants.tsv").write_bytes(("\n".join(lines) + "\n").encode())
    columns = {
        "patient_id": {"Description": "PatientID as in manifest.csv"},
        "sex": {"Description": "as the source says", "Levels": {"F": "female", "M": "male", "O": "other"}},
    }
    write_json_whole(root / ROOT / "participants.json", columns)


def _image(subject: str, stem: str, phase: int, desc: str) -> str:
    return f"{subject}/{stem}_acq-DCE_run-{phase}_desc-{desc}_T1w.nii.gz"


def _sidecar(root: Path, image: str, about: Mapping[str, object]) -> Item:
    name = image.replace(".nii.gz", ".json")
    write_json_whole(root / name, dict(about))
    return Item(name, "BIDS sidecar")


def _folder(case: ReleasedCase) -> str:
    session = f"/ses-{label(case.session)}" if case.session else ""
    return f"{ROOT}/sub-{label(case.patient)}{session}/anat"


def _stem(case: ReleasedCase) -> str:
    return f"sub-{label(case.patient)}" + (f"_ses-{label(case.session)}" if case.session else "")


def _same_image(root: Path, name: str, case_id: str, phase: int, desc: str, volume: Volume) -> None:
    """A second name for an image of the published layout, or a copy, or the file itself where that is not there."""
    folder, suffix = (ispy1.CORRECTED, "N3") if desc == CORRECTED else (ispy1.ZSCORED, "N3_zscored")
    twin = root / ispy1.ROOT / folder / case_id / f"{case_id}_DCE_{phase:04d}_{suffix}.nii.gz"
    path = root / name
    if not twin.is_file():
        write_volume(volume, path)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(twin, path)
    except OSError:
        shutil.copyfile(twin, path)

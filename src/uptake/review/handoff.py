"""To the desktop and back: a case for ITK-SNAP or 3D Slicer, and the file that comes from there.

What goes out is a folder named as the case, with the mask under the name that `uptake import` looks for. What comes
back by the browser takes the same way as `uptake import`, with bounds on what it may unpack to.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pydicom
from pydicom.errors import InvalidDicomError

from uptake.cohort import reading
from uptake.cohort.reading import Entry
from uptake.io import revisions
from uptake.io.files import write_bytes_whole
from uptake.io.nifti import read_grid, read_volume, write_volume
from uptake.io.nrrd import write_segmentation
from uptake.io.store import Cohort, open_cohort
from uptake.pipeline.settings import from_layers, read_toml
from uptake.review.bodies import Bad
from uptake.review.volumes import MASKS, grid_of
from uptake.review.worklist import PHASES, phase_files
from uptake.review.writes import By, keep
from uptake.study import SettingsError
from uptake.verbs.masks import MASK_SUFFIXES, BothGrids, on_both_grids
from uptake.volume import Volume

TOOLS = ("itk-snap", "slicer")
NAMES = {revisions.PRIMARY: "primary lesion", revisions.SATELLITE: "satellites"}
LABELS = """\
# ITK-SNAP label descriptions: index, red, green, blue, opacity, visible, mesh, name
    0     0    0    0        0  0  0    "Clear Label"
    1   255   51   51        1  1  1    "primary lesion"
    2   255  204   26        1  1  1    "satellites"
"""
DEFLATED = "1.2.840.10008.1.2.1.99"
VOXEL_BYTES = 8
HEADROOM = 2**20
DIGITS = 9


def export(cohort: Path, tool: str, cases: list[str], to: Path, reader: str = "") -> tuple[Path, ...]:
    """Write a folder per case below `to` for ITK-SNAP or 3D Slicer; those folders.

    reader: whose mask to start from; without one the mask in force, else the network's, else the proposal.
    Raises SettingsError for a tool or case that is none.
    """
    if tool not in TOOLS:
        raise SettingsError(f"a case is handed to one of {', '.join(TOOLS)}, not {tool!r}")
    opened = open_cohort(cohort)
    known = [case_id for case_id in opened.case_ids if phase_files(opened.case(case_id))]
    unknown = sorted(set(cases) - set(known))
    if unknown:
        raise SettingsError(
            f"there is no case {', '.join(unknown)} with images; there are {', '.join(known) or 'none'}"
        )
    folders = []
    for case_id in cases or known:
        for name, data in files(opened, case_id, tool, reader).items():
            write_bytes_whole(to / case_id / name, data)
        folders.append(to / case_id)
    return tuple(folders)


def files(cohort: Cohort, case_id: str, tool: str, reader: str) -> dict[str, bytes]:
    """What a desktop program needs of a case, by file name: images, mask, labels, how to start it."""
    folder = cohort.case(case_id)
    images = {f"{name}.nii.gz": path.read_bytes() for name, path in zip(PHASES, phase_files(folder), strict=True)}
    mask, words = start_mask(cohort.path, folder, reader)
    with TemporaryDirectory() as name:
        path = Path(name) / ("stv.nii.gz" if tool == "itk-snap" else "stv.seg.nrrd")
        if tool == "itk-snap":
            write_volume(mask, path)
            images["labels.txt"] = LABELS.encode()
        else:
            write_segmentation(mask, NAMES, path)
        images[path.name] = path.read_bytes()
    images["README.txt"] = _readme(case_id, tool, words).encode()
    return images


def zipped(case_id: str, found: dict[str, bytes]) -> bytes:
    """The files as one archive with a folder named as the case; the images are compressed already."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, data in found.items():
            archive.writestr(zipfile.ZipInfo(f"{case_id}/{name}"), data)
    return out.getvalue()


def start_mask(cohort: Path, folder: Path, reader: str) -> tuple[Volume, str]:
    """The labels that a reader goes on from, and whose they are."""
    entries = revisions.entries(cohort, folder.name)
    blind = reading.is_blind(entries, reader)
    found = reading.latest_revision(entries, reader) or (None if blind else reading.in_force(entries))
    if found is not None:
        return revisions.read_labels(cohort, found), f"revision {found.revision} of {found.chain}"
    for name in sorted(MASKS, key=lambda name: name != "stv_predicted"):
        path = folder / MASKS[name]
        if path.is_file() and (mask := read_volume(path)).array.any():
            return mask, name
    return revisions.blank(grid_of(folder)), "nothing"


def take_upload(by: By, name: str, data: bytes) -> dict[str, Any]:
    """A mask file from the browser as a revision of the chain, not yet approved. Raises `Bad`, `Refusal`."""
    suffix = next((s for s in MASK_SUFFIXES if name.lower().endswith(s)), None)
    if suffix is None:
        raise Bad(415, "a file that is no mask", f"one of {', '.join(MASK_SUFFIXES)}")
    settings = from_layers([read_toml(by.cohort / "uptake.toml")])
    shown = Path(name.replace("\\", "/")).name[:100]
    shown = shown if shown.isprintable() else f"a file{suffix}"
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"upload{suffix}"
        path.write_bytes(_bounded(data, suffix, by.folder))
        if suffix == ".dcm":
            _check_dicom(path, by.folder)
        both: BothGrids = on_both_grids(by.folder, path, settings, labels=revisions.SATELLITE)
    words = f"uploaded from {shown}"
    entry = Entry("imported", by.case_id, by.reader, chain=by.chain, comment=words)
    return keep(by, both.isotropic, entry, both.acquired if both.drawn_acquired else None)


def _bounded(data: bytes, suffix: str, folder: Path) -> bytes:
    """The file, unpacked where it is a gzip, of at most 8 bytes per voxel of the case's larger grid."""
    most = _most_voxels(folder) * VOXEL_BYTES + HEADROOM
    if suffix in (".nii", ".nii.gz") and data[:2] == b"\x1f\x8b":
        machine = zlib.decompressobj(wbits=31)
        try:
            plain = machine.decompress(data, most + 1)
        except zlib.error as error:
            raise Bad(422, "a damaged gzip file", "save the mask again") from error
        if len(plain) > most:
            raise Bad(413, f"a file that unpacks to more than {most} bytes", "save the mask on the case's own grid")
        if not machine.eof:
            raise Bad(422, "a gzip file that was cut short", "save the mask again")
        return plain
    if suffix.endswith(".nrrd"):
        _check_nrrd(data, _most_voxels(folder))
    if len(data) > most:
        raise Bad(413, f"a file of {len(data)} bytes", f"at most {most} bytes are taken for this case")
    return data


def _check_nrrd(data: bytes, most: int) -> None:
    """A NRRD header must not ask for more voxels than the case has, nor for another file."""
    lines = [line.rstrip("\r") for line in data[:HEADROOM].decode("latin-1").split("\n")]
    header = lines[: lines.index("")] if "" in lines else lines  # as ITK reads it: up to the first empty line
    said = {key.strip().lower(): value.strip() for key, _, value in (line.partition(":") for line in header[1:])}
    sizes = said.get("sizes", "").split()
    plain = all(size.isascii() and size.isdigit() and len(size) <= DIGITS for size in sizes)
    if not data.startswith(b"NRRD") or not plain or not sizes:
        raise Bad(422, "a file that is no NRRD", "save the segmentation again")
    if {"data file", "datafile"} & set(said):
        raise Bad(422, "a NRRD header whose voxels lie in another file", "save it as one file")
    if int(np.prod([int(size) for size in sizes], dtype=object)) > most:
        raise Bad(413, f"a segmentation of {' x '.join(sizes)} voxels", "save it on the case's own grid")


def _check_dicom(path: Path, folder: Path) -> None:
    try:
        if pydicom.filereader.read_file_meta_info(path).get("TransferSyntaxUID") == DEFLATED:
            raise Bad(413, "a deflated DICOM file", "export the segmentation uncompressed")
        head = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["Rows", "Columns", "NumberOfFrames"])
        voxels = int(head.get("Rows") or 0) * int(head.get("Columns") or 0) * int(head.get("NumberOfFrames") or 1)
    except (InvalidDicomError, EOFError, TypeError, ValueError) as error:  # TypeError: several values in one
        raise Bad(422, "a file that is no DICOM file", "export the segmentation again") from error
    if voxels > 2 * _most_voxels(folder):  # overlapping segments have frames of their own
        raise Bad(413, f"a segmentation of {voxels} voxels", "export it on the case's own images")


def _most_voxels(folder: Path) -> int:
    grids = [grid_of(folder), *(read_grid(path) for path in sorted((folder / "native").glob("*_0000.nii.gz")))]
    return max(int(np.prod(grid.shape)) for grid in grids)


def _readme(case_id: str, tool: str, words: str) -> str:
    command = (
        "itksnap -g early.nii.gz -s stv.nii.gz -l labels.txt -o pre.nii.gz late.nii.gz"
        if tool == "itk-snap"
        else "Slicer early.nii.gz pre.nii.gz late.nii.gz stv.seg.nrrd"
    )
    saved = "stv.nii.gz" if tool == "itk-snap" else "stv.seg.nrrd"
    return (
        f"{case_id}: the mask to go on from is {words}.\n\nStart in this folder:\n\n  {command}\n\n"
        f"Label 1 is the primary lesion, label 2 satellites. Save under the same name ({saved}), then\n\n"
        "  uptake import COHORT .. --as reader --reader NAME\n\n"
        "takes every mask of the folders beside this one, or open it on the case's page.\n"
    )

"""Masks made elsewhere into a cohort: a reader's, a phantom's truth, a published FTV."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from uptake.cohort.reading import CONSENSUS, Entry, is_blind, valid_name
from uptake.io import revisions
from uptake.io.dicom.seg import read_seg
from uptake.io.forms import StudyFile
from uptake.io.given import TRUTH_MASKS
from uptake.io.nifti import read_volume, write_volume
from uptake.io.nrrd import placed, read_segmentation
from uptake.io.store import Cohort, locked, open_cohort
from uptake.io.values import read_value, write_value
from uptake.pipeline.readers import MaskOrigin, readings, write_masks
from uptake.pipeline.settings import Settings, from_layers, read_toml
from uptake.preprocess.resample import MaskRule, isotropic_grid, resample_mask
from uptake.study import Code, Refusal, SettingsError
from uptake.volume import Grid, Volume

FTV_MASK = "masks/ftv_imported.nii.gz"
KINDS = ("reader", "truth", "ftv")
MASK_SUFFIXES = (".nii.gz", ".nii", ".seg.nrrd", ".nrrd", ".dcm")
UNNAMED = "unnamed"
NAMES = {"reader": ("stv",), "truth": ("stv",), "ftv": ("ftv", "ftv_ser", "ftv_pe")}
"""What a mask is called inside a folder named as its case."""


@dataclass(frozen=True)
class MaskRefused:
    """A mask that was not taken, and why."""

    case_id: str
    code: str
    found: str
    remedy: str


@dataclass(frozen=True)
class Imported:
    """Cases whose mask was taken, and refusals."""

    imported: tuple[str, ...]
    refused: tuple[MaskRefused, ...]


@dataclass(frozen=True)
class BothGrids:
    """Labels (uint8) on the harmonised and on the acquired grid; which of them they were drawn on."""

    isotropic: Volume
    acquired: Volume
    drawn_acquired: bool


def import_masks(
    cohort: str | Path,
    masks: str | Path,
    *,
    as_: str,
    reader: str = "",
    cases: Sequence[str] = (),
    dry_run: bool = False,
) -> Imported:
    """Take masks (NIfTI, DICOM SEG or 3D Slicer's .seg.nrrd) into a cohort; the next run computes what depends on them.

    masks: a folder with ``<case>.nii.gz`` or ``<case>/stv.nii.gz``, or one file together with one case. A mask lies on
    the acquired or on the harmonised grid of its case, in any order of axes; the other grid's mask is made of it.
    as_: reader (approved by one), truth (of a phantom), ftv (published, kept for comparison). A reader's mask becomes
    a revision of that reader in the readers' record, as one drawn in the browser does, and is approved with it; label 2
    stands for satellites, which are kept there and are no part of the STV.
    dry_run: every check is made, nothing is written.
    Raises SettingsError, CohortError. A mask that is empty or on another grid is refused in the result.
    """
    if as_ not in KINDS:
        raise SettingsError(f"masks are imported as one of {', '.join(KINDS)}, not {as_!r}")
    if reader and not valid_name(reader):
        raise SettingsError(f"a reader's name has 1 to 64 printable characters and is not {CONSENSUS!r}")
    opened = open_cohort(Path(cohort))
    settings = from_layers([read_toml(opened.path / "uptake.toml")])
    imported, refused = [], []
    with nullcontext() if dry_run else locked(opened.path):
        for case_id, path in _found(opened, Path(masks), as_, cases):
            try:
                both = on_both_grids(opened.case(case_id), path, settings, labels=2 if as_ == "reader" else 1)
                if not dry_run and as_ == "reader":
                    approve_import(opened, case_id, both, reader.strip() or UNNAMED, path)
                    write_masks(readings(opened, case_id), settings.resample)
                elif not dry_run:
                    digest = hashlib.sha256(path.read_bytes()).hexdigest()
                    _write(opened.case(case_id), both, MaskOrigin(as_, reader, path.name, digest))
                imported.append(case_id)
            except Refusal as error:
                refused.append(MaskRefused(case_id, error.code.value, error.found, error.remedy))
    return Imported(tuple(imported), tuple(refused))


def fitted(mask: Volume, grids: Sequence[Grid]) -> tuple[Volume, int] | None:
    """The mask with its axes in the order of the first of `grids` it fits, and which that is; None if none."""
    for order in itertools.permutations(range(3)):
        for flips in itertools.product((False, True), repeat=3):
            turned = _turned(mask.grid, order, flips)
            for number, grid in enumerate(grids):
                if turned.same_as(grid):
                    array = mask.array.transpose(order)
                    array = array[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]
                    return Volume(np.asfortranarray(array), grid), number
    return None


def on_both_grids(folder: Path, path: Path, settings: Settings, labels: int = 1) -> BothGrids:
    """The labels 1 to `labels` of a file on both grids of its case, which it must lie on one of.

    Raises `Refusal` UNREADABLE, MASK_GRID, EMPTY_MASK.
    """
    acquired, isotropic = _grids(folder, settings)
    mask = _read(path, acquired)
    found = _part(mask, (acquired, isotropic)) if path.suffix == ".nrrd" else fitted(mask, (acquired, isotropic))
    if found is None:
        raise Refusal(
            Code.MASK_GRID,
            found=f"{path.name}: {mask.grid.shape} voxels of {_words(mask.grid.spacing_mm)} mm on another grid",
            allowed=f"the acquired {acquired.shape} or the harmonised grid {isotropic.shape}",
            remedy="draw on native/ or harmonised/ images of the case, or resample the mask to one of them",
        )
    fitting = _labels(found[0], labels, path.name)
    rule = settings.resample.mask
    if found[1] == 0:
        return BothGrids(resample_labels(fitting, isotropic, rule), fitting, drawn_acquired=True)
    return BothGrids(fitting, resample_labels(fitting, acquired, rule), drawn_acquired=False)


def resample_labels(labels: Volume, grid: Grid, rule: MaskRule) -> Volume:
    """Labels on another grid, each as a mask by itself; the lower label wins where two meet."""
    array = np.zeros(grid.shape, dtype=np.uint8, order="F")
    for label in sorted(np.unique(labels.array[labels.array > 0]), reverse=True):
        array[resample_mask(labels.with_array(labels.array == label), grid, rule).array] = label
    return Volume(array, grid)


def approve_import(cohort: Cohort, case_id: str, both: BothGrids, reader: str, path: Path) -> Entry:
    """A revision of that reader from a file, and her approval of it; the revision as it stands in the log."""
    words = f"imported from {path.name}, SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()}"
    blind = is_blind(revisions.entries(cohort.path, case_id), reader)
    made = Entry("imported", case_id, reader, chain=reader, parent=f"file {path.name}", comment=words, blind=blind)
    return revisions.import_revision(cohort.path, made, both.isotropic, both.acquired if both.drawn_acquired else None)


def _read(path: Path, acquired: Grid) -> Volume:
    """The voxels of a mask file; a DICOM SEG is brought to the acquired grid as it is read."""
    if path.suffix == ".dcm":
        return read_seg(path, acquired)
    return read_segmentation(path) if path.suffix == ".nrrd" else read_volume(path)


def _part(mask: Volume, grids: Sequence[Grid]) -> tuple[Volume, int] | None:
    for number, grid in enumerate(grids):
        found = placed(mask, grid)
        if found is not None:
            return found, number
    return None


def _labels(mask: Volume, most: int, name: str) -> Volume:
    """Labels 1 to `most` as uint8; 255 stands for 1 where there is nothing else. At least a voxel of label 1."""
    values = np.unique(mask.array)
    marked = [value for value in values if value != 0]
    array = mask.array != 0 if marked == [255] else mask.array
    if marked != [255] and not set(marked) <= set(range(1, most + 1)):
        raise Refusal(
            Code.UNREADABLE,
            found=f"mask {name} with the values {', '.join(f'{value:g}' for value in values[:8])}",
            allowed="0 and 1, or 0 and 255: one structure per file"
            + ("; 2 for satellites beside a primary lesion" if most > 1 else ""),
            remedy="export the one label that is meant as a binary mask",
        )
    if not (array == 1).any():
        what = f"{name} holds no voxel" + (" of a primary lesion (label 1)" if marked else "")
        raise Refusal(Code.EMPTY_MASK, found=what, allowed="a voxel at least", remedy="draw the lesion")
    return mask.with_array(array.astype(np.uint8))


def _write(folder: Path, both: BothGrids, origin: MaskOrigin) -> None:
    acquired, isotropic = revisions.primary(both.acquired), revisions.primary(both.isotropic)
    if origin.kind == "ftv":
        write_volume(acquired, folder / FTV_MASK)
        write_value(origin, folder / "masks/ftv_imported.json")
        return
    write_volume(acquired, folder / TRUTH_MASKS[1])
    write_volume(isotropic, folder / TRUTH_MASKS[0])
    write_value(origin, folder / TRUTH_MASKS[0].replace(".nii.gz", ".json"))


def _grids(folder: Path, settings: Settings) -> tuple[Grid, Grid]:
    if not (folder / "study.json").is_file():
        raise Refusal(
            Code.NO_STUDY,
            found="the case was not made, so its grid is not known",
            allowed="a case with a study",
            remedy="see tables/refusals.csv for why, and run again",
        )
    geometry = read_value(StudyFile, folder / "study.json").geometry
    acquired = Grid(geometry.shape, np.array(geometry.affine))
    return acquired, isotropic_grid(acquired, settings.resample.spacing_mm, settings.resample.placement)


def _found(cohort: Cohort, masks: Path, kind: str, cases: Sequence[str]) -> list[tuple[str, Path]]:
    known = cohort.case_ids
    unknown = sorted(set(cases) - set(known))
    if unknown:
        raise SettingsError(f"there is no case {', '.join(unknown)}; there are {', '.join(known)}")
    if not masks.exists():
        raise SettingsError(f"there is no file or folder {masks}")
    if masks.is_file():
        if len(cases) != 1:
            raise SettingsError("one mask file is imported for one case: name it with --case")
        return [(cases[0], masks)]
    pairs = [(case_id, _mask_of(masks, case_id, kind)) for case_id in (cases or known)]
    found = [(case_id, path) for case_id, path in pairs if path is not None]
    if not found:
        raise SettingsError(f"{masks} holds no mask named as a case ({', '.join(known[:3])}, ...)")
    return found


def _mask_of(folder: Path, case_id: str, kind: str) -> Path | None:
    candidates = [folder / f"{case_id}{suffix}" for suffix in MASK_SUFFIXES]
    candidates += [folder / case_id / f"{name}{suffix}" for name in NAMES[kind] for suffix in MASK_SUFFIXES]
    return next((path for path in candidates if path.is_file()), None)


def _turned(grid: Grid, order: tuple[int, ...], flips: tuple[bool, ...]) -> Grid:
    i, j, k = order
    shape = (grid.shape[i], grid.shape[j], grid.shape[k])
    affine = grid.affine[:, [i, j, k, 3]].copy()
    for axis, flip in enumerate(flips):
        if flip:
            affine[:, 3] += affine[:, axis] * (shape[axis] - 1)
            affine[:, axis] *= -1
    return Grid(shape, affine)


def _words(spacing: tuple[float, ...]) -> str:
    return " x ".join(f"{s:.4g}" for s in spacing)

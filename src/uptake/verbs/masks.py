"""Masks made elsewhere into a cohort: a reader's, a phantom's truth, a published FTV."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from uptake.io.dicom.seg import read_seg
from uptake.io.forms import StudyFile
from uptake.io.given import READER_MASKS, TRUTH_MASKS
from uptake.io.nifti import read_mask, write_volume
from uptake.io.store import Cohort, locked, open_cohort
from uptake.io.values import read_value, write_value
from uptake.pipeline.settings import Settings, from_layers, read_toml
from uptake.preprocess.resample import isotropic_grid, resample_mask
from uptake.study import Code, Refusal, SettingsError
from uptake.volume import Grid, Volume

FTV_MASK = "masks/ftv_imported.nii.gz"
KINDS = ("reader", "truth", "ftv")
MASK_SUFFIXES = (".nii.gz", ".nii", ".dcm")
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
class MaskOrigin:
    """Kept beside an imported mask: what it is, who made it, which file it came from."""

    kind: str
    reader: str
    file: str
    sha256: str


def import_masks(
    cohort: str | Path,
    masks: str | Path,
    *,
    as_: str,
    reader: str = "",
    cases: Sequence[str] = (),
    dry_run: bool = False,
) -> Imported:
    """Take masks (NIfTI or DICOM SEG) into a cohort; the next run computes what depends on them.

    masks: a folder with ``<case>.nii.gz`` or ``<case>/stv.nii.gz``, or one file together with one case. A mask lies on
    the acquired or on the harmonised grid of its case, in any order of axes; the other grid's mask is made of it.
    as_: reader (approved by one), truth (of a phantom), ftv (published, kept for comparison).
    dry_run: every check is made, nothing is written.
    Raises SettingsError, CohortError. A mask that is empty or on another grid is refused in the result.
    """
    if as_ not in KINDS:
        raise SettingsError(f"masks are imported as one of {', '.join(KINDS)}, not {as_!r}")
    opened = open_cohort(Path(cohort))
    settings = from_layers([read_toml(opened.path / "uptake.toml")])
    imported, refused = [], []
    with nullcontext() if dry_run else locked(opened.path):
        for case_id, path in _found(opened, Path(masks), as_, cases):
            try:
                both = _on_both_grids(opened.case(case_id), path, settings)
                if not dry_run:
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


def _on_both_grids(folder: Path, path: Path, settings: Settings) -> tuple[Volume, Volume]:
    """A mask on the harmonised and on the acquired grid of its case."""
    acquired, isotropic = _grids(folder, settings)
    mask = read_seg(path, acquired) if path.suffix == ".dcm" else read_mask(path)
    found = fitted(mask, (acquired, isotropic))
    if found is None:
        raise Refusal(
            Code.MASK_GRID,
            found=f"{path.name}: {mask.grid.shape} voxels of {_words(mask.grid.spacing_mm)} mm on another grid",
            allowed=f"the acquired {acquired.shape} or the harmonised grid {isotropic.shape}",
            remedy="draw on native/ or harmonised/ images of the case, or resample the mask to one of them",
        )
    if not mask.array.any():
        raise Refusal(
            Code.EMPTY_MASK, found=f"{path.name} holds no voxel", allowed="a voxel at least", remedy="draw the lesion"
        )
    fitting, number = found
    rule = settings.resample.mask
    on_isotropic = resample_mask(fitting, isotropic, rule) if number == 0 else fitting
    return on_isotropic, fitting if number == 0 else resample_mask(fitting, acquired, rule)


def _write(folder: Path, both: tuple[Volume, Volume], origin: MaskOrigin) -> None:
    if origin.kind == "ftv":
        write_volume(both[1], folder / FTV_MASK)
        write_value(origin, folder / "masks/ftv_imported.json")
        return
    names = READER_MASKS if origin.kind == "reader" else TRUTH_MASKS
    write_volume(both[1], folder / names[1])
    write_volume(both[0], folder / names[0])
    write_value(origin, folder / names[0].replace(".nii.gz", ".json"))


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

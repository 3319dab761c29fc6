"""What people give to a case: a volume of interest, a structural tumour volume. Kept in the case folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from uptake.io.nifti import read_mask, write_volume
from uptake.io.roi import RoiBox, box_on_grid, parse_box, read_roi_xml
from uptake.io.values import read_value, write_value
from uptake.study import Box, SettingsError
from uptake.tumour.voi import UserVoi
from uptake.volume import Grid, Layout, Volume

VOI_FILE = "voi_given.json"
VOI_MASK = "masks/voi_given.nii.gz"
READER_MASKS = ("masks/stv.nii.gz", "masks/stv_acquired.nii.gz")
TRUTH_MASKS = ("masks/stv_truth.nii.gz", "masks/stv_truth_acquired.nii.gz")
MODEL_MASKS = ("masks/stv_predicted.nii.gz", "masks/stv_predicted_acquired.nii.gz")


@dataclass(frozen=True)
class GivenVoi:
    """A volume of interest as given: one box in column, row, slice; or boxes in RAS mm; or a mask. `by`: by whom."""

    words: str
    box: Box | None = None
    rois: tuple[RoiBox, ...] = ()
    mask: Volume | None = None
    by: Literal["user", "reader"] = "user"


@dataclass(frozen=True)
class StvMask:
    """A structural tumour volume from outside on the isotropic and on the acquired grid."""

    isotropic: Volume
    acquired: Volume


def read_given(text: str) -> GivenVoi:
    """A VOI from ``c0,r0,s0:c1,r1,s1``, the name of a ROI XML file, or the name of a mask (NIfTI)."""
    path = Path(text)
    if not path.suffix and ":" in text:
        return GivenVoi(f"box {text}", box=parse_box(text))
    if not path.is_file():
        raise SettingsError(f"--voi takes a box c0,r0,s0:c1,r1,s1, an XML file or a mask, and {text!r} is none of them")
    if path.suffix.lower() == ".xml":
        return GivenVoi(f"region of interest file {path.name}", rois=tuple(read_roi_xml(path)))
    return GivenVoi(f"mask {path.name}", mask=read_mask(path))


def write_given(folder: Path, given: GivenVoi) -> None:
    """Keep a given VOI in a case folder, in place of an earlier one."""
    if given.mask is not None:
        write_volume(given.mask, folder / VOI_MASK)
    else:
        (folder / VOI_MASK).unlink(missing_ok=True)
    write_value(GivenVoi(given.words, given.box, given.rois), folder / VOI_FILE)


def load_given(folder: Path) -> GivenVoi | None:
    """The VOI that was given to a case, or None."""
    if not (folder / VOI_FILE).is_file():
        return None
    given = read_value(GivenVoi, folder / VOI_FILE)
    mask = read_mask(folder / VOI_MASK) if (folder / VOI_MASK).is_file() else None
    return GivenVoi(given.words, given.box, given.rois, mask)


def on_grid(given: GivenVoi, grid: Grid, layout: Layout) -> UserVoi:
    """A given VOI in voxels of `grid`: the first region that is no omit region is the VOI, omit regions its holes."""
    if not given.rois:
        return UserVoi(given.words, given.box, given.mask, by=given.by)
    wanted = [roi for roi in given.rois if not roi.omit]
    omit = tuple(box_on_grid(roi, grid, layout) for roi in given.rois if roi.omit)
    return UserVoi(given.words, box_on_grid(wanted[0], grid, layout), omit=omit)


def load_stv(folder: Path, names: tuple[str, str]) -> StvMask | None:
    """A structural tumour volume from outside, or None."""
    if not (folder / names[0]).is_file():
        return None
    return StvMask(read_mask(folder / names[0]), read_mask(folder / names[1]))

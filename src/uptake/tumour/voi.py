"""The volume of interest (VOI): from the study's own objects, the user, or found automatically and marked so.

UCSF's boxes count columns, rows and slices, with both ends inside the box. Their background percentile however
leaves out the last column and the last row; `VoiRegion` carries both readings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt

from uptake.study import Box, Code, Recorded, Refusal, SettingsError
from uptake.volume import Array, Layout, Shape, Volume, bounding_slices

Bool = npt.NDArray[np.bool_]
Source = Literal["study", "user", "reader", "automatic"]


@dataclass(frozen=True)
class Voi:
    """How a VOI is found where neither the study nor the user gives one."""

    automatic: Annotated[bool, "find a VOI from the enhancement where none is given; off: such a case is refused"] = (
        True
    )
    margin_mm: Annotated[float, "mm around what an automatic VOI must hold"] = 10.0
    reach_mm: Annotated[float, "mm from the main enhancing region within which others belong to it"] = 20.0

    def __post_init__(self) -> None:
        if not 0 <= self.margin_mm <= 100 or not 0 <= self.reach_mm <= 200:
            raise SettingsError(
                f"voi.margin_mm and voi.reach_mm are lengths in mm, not {self.margin_mm}, {self.reach_mm}"
            )


@dataclass(frozen=True)
class UserVoi:
    """A VOI that the user or a reader gives: a box, or a mask on the acquired grid, with omit boxes."""

    words: str
    box: Box | None = None
    mask: Volume | None = None
    omit: tuple[Box, ...] = ()
    by: Literal["user", "reader"] = "user"


@dataclass(frozen=True)
class VoiChoice:
    """The VOI in force. A mask has the box that bounds it, and `shape` says which it is."""

    source: Source
    words: str
    start: Shape
    end: Shape
    shape: Literal["box", "mask"] = "box"
    omit: tuple[Box, ...] = ()

    @property
    def automatic(self) -> bool:
        """Whether no person chose it."""
        return self.source == "automatic"


@dataclass(frozen=True)
class VoiRegion:
    """inside: bool (i, j, k), omit regions taken out. sample: what the background percentile is taken of."""

    inside: Bool
    sample: tuple[slice, slice, slice] | Bool


def choose_voi(  # noqa: PLR0913, PLR0917 (three kinds of VOI, and where to look for the third)
    pre: Volume,
    early: Volume,
    layout: Layout,
    recorded: Recorded,
    user: UserVoi | None,
    settings: Voi,
    breast: Volume | None = None,
) -> tuple[VoiChoice, VoiRegion]:
    """The user's VOI, else the one the study records, else an automatic one.

    pre, early: raw volumes on the acquired grid. breast: a mask on that grid to which an automatic VOI keeps, heart
    and chest wall left out; it changes nothing where a VOI is given or recorded. Refuses a VOI outside the volume, an
    empty one, a mask on another grid, and an active omit region that is not understood.
    """
    if user is not None:
        return _from_user(user, pre, layout)
    if recorded.voi is not None:
        if recorded.omit_unknown:
            raise _omit_refusal(recorded.omit_unknown)
        words = f"recorded in the study ({recorded.sources.get('voi', 'derived object')})"
        return _box_choice("study", words, recorded.voi, recorded.omit, pre, layout)
    if not settings.automatic:
        raise Refusal(
            Code.VOI,
            found="a study without a volume of interest",
            allowed="a VOI in the study's own objects or given by the user",
            remedy="give one with --voi, or allow voi.automatic",
        )
    box = automatic_voi(pre, early, layout, settings, breast)
    where = " in the breast" if breast else ""
    words = f"automatic: around the strongest early enhancement{where}; no person chose it"
    choice, region = _box_choice("automatic", words, box, (), pre, layout)
    return choice, VoiRegion(region.inside & breast.array, region.sample) if breast else region


def automatic_voi(pre: Volume, early: Volume, layout: Layout, settings: Voi, breast: Volume | None = None) -> Box:
    """A box around the strongest early enhancement.

    Smoothed by 2 mm, voxels above the noise floor whose enhancement exceeds 70 % of the pre-contrast signal
    *and* half of the 99th percentile of such enhancement form regions; the one with the greatest summed
    enhancement, and those within `reach_mm` of it, plus `margin_mm`. breast: a mask on the same grid outside which
    nothing is looked at. Refuses when nothing enhances.
    """
    from scipy import ndimage

    spacing = np.asarray(pre.grid.spacing_mm)
    before, after = (ndimage.gaussian_filter(v.array.astype(np.float32), 2.0 / spacing) for v in (pre, early))
    rise = after - before
    strong = (before > 0.6 * np.percentile(pre.array, 95)) & (rise > 0.7 * before)
    if breast is not None:
        strong &= breast.array
    if not strong.any():
        raise Refusal(
            Code.VOI,
            found=f"no region {'of the breast ' if breast else ''}that enhances by 70 % or more",
            allowed="an enhancing lesion, or a given VOI",
            remedy="give a VOI with --voi",
        )
    strong &= rise > 0.5 * np.percentile(rise[strong], 99)
    labels, count = ndimage.label(strong, np.ones((3, 3, 3)))
    main = 1 + int(np.argmax(ndimage.sum(rise, labels, range(1, count + 1))))
    near = strong & (ndimage.distance_transform_edt(labels != main, sampling=spacing) <= settings.reach_mm)
    return _bounding_box(near, np.ceil(settings.margin_mm / spacing).astype(int), layout)


def region_of(box: Box, omit: tuple[Box, ...], shape: Shape, layout: Layout) -> VoiRegion:
    """The voxels of a box: all of it for the FTV, without its last column and row for the percentile.

    Omitted voxels stay in the percentile's sample, as in UCSF's software.
    """
    inside = np.zeros(shape, dtype=bool)
    inside[_inclusive(box, shape, layout)] = True
    for hole in omit:
        inside[_inclusive(hole, shape, layout)] = False
    column, row, last = box.end
    stop = (max(column, box.start[0] + 1), max(row, box.start[1] + 1), last + 1)
    return VoiRegion(inside, layout.slices(box.start, stop, shape))


def _from_user(user: UserVoi, pre: Volume, layout: Layout) -> tuple[VoiChoice, VoiRegion]:
    if user.box is not None:
        return _box_choice(user.by, user.words, user.box, user.omit, pre, layout)
    if user.mask is None or not user.mask.grid.same_as(pre.grid):
        raise Refusal(
            Code.MASK_GRID,
            found=f"a VOI mask on another grid than the acquired one ({user.words})",
            allowed="a mask on the acquired grid",
            remedy="resample the mask to the native images, or give a box",
        )
    if not user.mask.array.any():
        raise Refusal(
            Code.EMPTY_MASK, found=f"an empty VOI mask ({user.words})", allowed="at least one voxel", remedy="draw it"
        )
    box = _bounding_box(user.mask.array, np.zeros(3, dtype=int), layout)
    choice = VoiChoice(user.by, user.words, box.start, box.end, "mask")
    return choice, VoiRegion(user.mask.array, user.mask.array)


def _box_choice(
    source: Source, words: str, box: Box, omit: tuple[Box, ...], pre: Volume, layout: Layout
) -> tuple[VoiChoice, VoiRegion]:
    sizes = layout.dicom_shape(pre.grid.shape)
    if any(end >= size for end, size in zip(box.end, sizes, strict=True)):
        raise Refusal(
            Code.VOI,
            found=f"a VOI ending at column, row, slice {box.end} ({words})",
            allowed=f"less than {sizes}",
            remedy="give a VOI inside the volume with --voi",
        )
    region = region_of(box, omit, pre.grid.shape, layout)
    if not region.inside.any():
        raise Refusal(
            Code.VOI, found=f"a VOI that its omit regions cover ({words})", allowed="a voxel", remedy="give --voi"
        )
    return VoiChoice(source, words, box.start, box.end, "box", omit), region


def _inclusive(box: Box, shape: Shape, layout: Layout) -> tuple[slice, slice, slice]:
    column, row, last = box.end
    return layout.slices(box.start, (column + 1, row + 1, last + 1), shape)


def _bounding_box(mask: Array, margin: npt.NDArray[np.int_], layout: Layout) -> Box:
    """The box around a mask's true voxels plus `margin` voxels per array axis, cut to the volume."""
    start, end = [0, 0, 0], [0, 0, 0]
    for a, tight in enumerate(bounding_slices(mask)):
        low, high = max(tight.start - int(margin[a]), 0), min(tight.stop - 1 + int(margin[a]), mask.shape[a] - 1)
        if layout.flipped[a]:
            low, high = mask.shape[a] - 1 - high, mask.shape[a] - 1 - low
        start[layout.axes[a]], end[layout.axes[a]] = low, high
    return Box((start[0], start[1], start[2]), (end[0], end[1], end[2]))


def _omit_refusal(words: tuple[str, ...]) -> Refusal:
    return Refusal(
        Code.OMIT_REGION,
        found="; ".join(words),
        allowed="omit regions that are switched off, or boxes along the image axes",
        remedy="give the VOI and its omit regions with --voi",
    )

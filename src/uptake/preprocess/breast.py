"""Where the breast is: air, breast and chest wall from the pre-contrast phase alone, left and right told apart.

The breast is all of the body before the chest wall: skin, fat, gland and what grows in them, with the thin layer on
the breastbone and towards the armpit. No network and no weights: two surfaces, the skin (`uptake.preprocess.surfaces`)
and the chest wall (`uptake.preprocess.chest_wall`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from itertools import permutations
from typing import Annotated, Literal, get_args

import numpy as np
import numpy.typing as npt

from uptake.preprocess.chest_wall import ChestWall, completed_skin, find_chest_wall
from uptake.preprocess.foreground import block_means
from uptake.preprocess.surfaces import Floats, Skin, Spacing, find_skin
from uptake.study import Code, Refusal, SettingsError
from uptake.volume import Array, Grid, Volume

Fat = Literal["auto", "dark", "bright"]
View = Literal["sagittal", "axial", "coronal"]
SideName = Literal["L", "R"]

COLUMN_MM = 1.6
"""mm. Columns of about this width are averaged before the surfaces are looked for."""

BOTH_BREASTS_MM = 240.0
"""mm. Images at least so wide from side to side show both breasts; one breast's show 100-200."""

MIDLINE_TIE_MM = 1e-3
"""mm. A voxel this near to the midline lies on it, so that float noise in an affine decides nothing."""

FEWEST_VOXELS = 8
"""From front to back. Images with fewer show no chest wall behind a breast."""

WEAK_SUPPORT = 0.2
"""Share of columns with a visible chest wall below which the mask says that it is little more than a guess."""


class Part(IntEnum):
    """Labels of a breast mask."""

    AIR = 0
    CHEST_WALL = 1
    LEFT_BREAST = 2
    RIGHT_BREAST = 3


@dataclass(frozen=True)
class Breast:
    """How the breast is told from air and chest wall."""

    fat: Annotated[Fat, "auto, dark (fat-suppressed images) or bright: fat against muscle before contrast"] = "auto"
    chest_wall_depth_mm: Annotated[
        float, "mm; how far behind the skin the chest wall lies beside the breast: where it is looked for first"
    ] = 10.0

    def __post_init__(self) -> None:
        if self.fat not in get_args(Fat):
            raise SettingsError(f"breast.fat is one of {get_args(Fat)}, not {self.fat!r}")
        if not 0 <= self.chest_wall_depth_mm <= 60:
            raise SettingsError(f"breast.chest_wall_depth_mm must be in [0, 60], not {self.chest_wall_depth_mm}")


@dataclass(frozen=True)
class Side:
    """One breast: L or R, and its volume in cc."""

    side: SideName
    cc: float


@dataclass(frozen=True)
class BreastNumbers:
    """What ``breast.json`` says.

    view: the anatomical plane of the slices. sides: the breasts that were found, left first. midline_x_mm: where two
    are told apart. chest_wall_support: share of columns (0-1) in which an edge shows the chest wall; elsewhere it is
    bridged. fat: dark or bright against muscle. notes: what a person should know of this mask.
    """

    view: View
    sides: tuple[Side, ...]
    midline_x_mm: float | None
    chest_wall_support: float
    fat: Literal["dark", "bright"]
    notes: tuple[str, ...] = ()

    @property
    def sure(self) -> bool:
        """Whether the chest wall was seen in enough places for others to rely on it."""
        return self.chest_wall_support >= WEAK_SUPPORT


@dataclass(frozen=True, eq=False)
class BreastMask:
    """Labels of `Part` (uint8) on the grid of the images, and their numbers."""

    labels: Volume
    numbers: BreastNumbers

    @property
    def breast(self) -> Volume:
        """Both breasts as a mask."""
        return self.labels.with_array(self.labels.array >= Part.LEFT_BREAST)

    def sides(self) -> dict[SideName, npt.NDArray[np.bool_]]:
        """Each breast that was found as an array of bool."""
        names: dict[SideName, Part] = {"L": Part.LEFT_BREAST, "R": Part.RIGHT_BREAST}
        return {side.side: self.labels.array == names[side.side] for side in self.numbers.sides}

    @property
    def chest_wall(self) -> Volume:
        """The chest wall and everything behind it as a mask."""
        return self.labels.with_array(self.labels.array == Part.CHEST_WALL)


def breast_mask(
    pre: Volume, laterality: str | None = None, settings: Breast | None = None, *, slice_axis: int = 2
) -> BreastMask:
    """Air, breast and chest wall of a pre-contrast volume, whatever the order and direction of its axes.

    laterality: what the study records (L, R or B); where the images show one breast and nothing is recorded, the sign
    of its x decides. slice_axis: the array axis along which the slices lie; it only names the view.
    Images at least 240 mm wide from side to side show both breasts, parted at the lowest point between them.
    Where there is no air, nothing behind the breast, or no visible chest wall, the mask says so in its notes.
    Raises Refusal (non-finite-voxels), and (all-zero-voxels) for an image that is constant or nowhere positive.
    """
    settings = settings or Breast()
    _check(pre.array)
    columns, axes = _columns(pre)
    spacing = [pre.grid.spacing_mm[a] for a in axes]
    steps = [max(1, min(n, round(COLUMN_MM / s))) for n, s in zip(columns.shape[:2], spacing[:2], strict=True)]
    coarse = (steps[0] * spacing[0], steps[1] * spacing[1], spacing[2])
    skin = find_skin(block_means(columns, [*steps, 1]), coarse)
    wall, notes = _wall(skin, coarse, columns.shape[2], settings)
    front_mm = completed_skin(skin, wall, coarse, settings.chest_wall_depth_mm)
    parts = _parts(columns.shape, steps, spacing[2], front_mm, wall.depth_mm)
    x_mm = _x_mm(pre.grid, axes[0])
    both = columns.shape[0] * spacing[0] >= BOTH_BREASTS_MM
    midline = (
        _midline(skin.depth_mm, wall.depth_mm, block_means(x_mm[:, None, None], [steps[0], 1, 1])) if both else None
    )
    right, more = _right(parts, x_mm, midline, laterality)
    parts[right & (parts == Part.LEFT_BREAST)] = Part.RIGHT_BREAST
    labels = Volume(_acquired(parts, pre, axes), pre.grid)
    numbers = BreastNumbers(
        view=_view(pre.grid, slice_axis),
        sides=_sides(labels),
        midline_x_mm=midline,
        chest_wall_support=wall.support,
        fat="bright" if wall.bright_fat else "dark",
        notes=(*notes, *more),
    )
    return BreastMask(labels, numbers)


def _check(array: Array) -> None:
    finite = bool(np.isfinite(array).all())
    if finite and array.max() > 0 and np.ptp(array) > 0:
        return
    raise Refusal(
        Code.ALL_ZERO if finite else Code.NON_FINITE,
        found="an image without contrast: no two intensities, or none above zero"
        if finite
        else "voxels that are infinite or not a number",
        allowed="an image with different positive intensities",
        remedy="look at the pre-contrast images of this study",
    )


def _bright(settings: Breast) -> bool | None:
    return None if settings.fat == "auto" else settings.fat == "bright"


def _wall(skin: Skin, spacing_mm: Spacing, depth: int, settings: Breast) -> tuple[ChestWall, tuple[str, ...]]:
    """The chest wall, none where there are too few voxels from front to back (`depth`), and what to know of both."""
    notes: tuple[str, ...] = (
        () if skin.seen else ("no air before the breast: its surface is where the images say so least",)
    )
    if depth < FEWEST_VOXELS:
        words = f"{depth} voxels from front to back show no chest wall: all of the body is breast"
        return ChestWall(np.full(skin.depth_mm.shape, np.inf), 0.0, settings.fat == "bright"), (*notes, words)
    wall = find_chest_wall(skin, spacing_mm, settings.chest_wall_depth_mm, _bright(settings))
    if wall.support < WEAK_SUPPORT:
        notes += (f"the chest wall shows in {100 * wall.support:.0f} % of the columns only: little but a guess",)
    return wall, notes


def _world(grid: Grid) -> tuple[int, ...]:
    """The world axis (0 x, 1 y, 2 z) nearest to each array axis, each used once."""
    weight = np.abs(grid.direction)
    return max(permutations(range(3)), key=lambda order: sum(weight[order[axis], axis] for axis in range(3)))


def _view(grid: Grid, slice_axis: int) -> View:
    views: tuple[View, View, View] = ("sagittal", "coronal", "axial")
    return views[_world(grid)[slice_axis]]


def _columns(volume: Volume) -> tuple[Array, tuple[int, int, int]]:
    """The array as (x to the right, z to the head, y from front to back), and which of its axes these are."""
    world = _world(volume.grid)
    axes = (world.index(0), world.index(2), world.index(1))
    return volume.array.transpose(axes)[_turns(volume.grid, axes)], axes


def _turns(grid: Grid, axes: tuple[int, int, int]) -> tuple[slice, slice, slice]:
    x, z, y = (slice(None, None, 1 if grid.direction[w, a] > 0 else -1) for w, a in zip((0, 2, 1), axes, strict=True))
    return x, z, slice(None, None, -(y.step))


def _acquired(parts: npt.NDArray[np.uint8], like: Volume, axes: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    """Labels laid out as columns, in the order and the memory layout of the images."""
    labels = np.empty_like(like.array, dtype=np.uint8)
    labels.transpose(axes)[_turns(like.grid, axes)] = parts
    return labels


def _parts(
    shape: tuple[int, ...], steps: list[int], step_mm: float, skin: Floats, wall: Floats
) -> npt.NDArray[np.uint8]:
    """AIR, LEFT_BREAST (for either) and CHEST_WALL of every voxel from the two depths of every column."""
    y = (np.arange(shape[2]) * step_mm).astype(np.float32)
    front, rear = (
        _between(_between(depth, 0, shape[0], steps[0]), 1, shape[1], steps[1])[..., None]
        for depth in (np.nan_to_num(skin, nan=np.inf), wall)
    )
    parts = (y >= front).astype(np.uint8) * np.uint8(Part.LEFT_BREAST)
    parts[(parts > 0) & (y >= rear)] = Part.CHEST_WALL
    return parts


def _between(depth: Floats, axis: int, size: int, step: int) -> npt.NDArray[np.float32]:
    """Depths of columns that are `step` voxels wide at each of the `size` voxels along an axis.

    Linear between the columns' middles, so that a slanting surface has no stairs; the nearest beside a column without.
    """
    last = depth.shape[axis] - 1
    at = np.clip((np.arange(size) - (step - 1) / 2) / step, 0, last)
    low = at.astype(np.intp)
    share = np.expand_dims(at - low, 1 - axis)
    one, other = np.take(depth, low, axis), np.take(depth, np.minimum(low + 1, last), axis)
    slope = np.subtract(other, one, out=np.zeros_like(one), where=np.isfinite(one) & np.isfinite(other))
    nearest = np.where(share < 0.5, one, other)
    return np.where(np.isfinite(nearest) & np.isfinite(one), one + share * slope, nearest).astype(np.float32)


def _x_mm(grid: Grid, axis: int) -> Floats:
    """World x of the middle of every slab along an array axis, rising."""
    index = np.array([[(n - 1) / 2 for n in grid.shape]] * grid.shape[axis])
    index[:, axis] = np.arange(grid.shape[axis])
    return np.sort(grid.to_world(index)[:, 0])


def _midline(skin: Floats, wall: Floats, x_mm: Floats) -> float:
    """World x of the thinnest place in the middle third: the breastbone. The middle where the thickness is unknown."""
    from scipy import ndimage

    x = x_mm.ravel()
    thickness = np.nan_to_num(np.clip(wall - skin, 0, 200)).mean(axis=1)
    smooth = ndimage.gaussian_filter1d(thickness, 10 / max(float(x[1] - x[0]), 1e-6), mode="nearest")
    third = x.size // 3
    return float(x[third + int(np.argmin(smooth[third : x.size - third]))])


def _right(
    parts: npt.NDArray[np.uint8], x_mm: Floats, midline: float | None, laterality: str | None
) -> tuple[npt.NDArray[np.bool_], tuple[str, ...]]:
    """Where it is right (broadcasts over the columns), and what a person should know of that."""
    if midline is not None:
        return (x_mm > midline + MIDLINE_TIE_MM)[:, None, None], ()
    share = (parts == Part.LEFT_BREAST).sum(axis=(1, 2), dtype=np.int64)
    middle = float(np.average(x_mm, weights=share)) if share.any() else float(x_mm.mean())
    lies = "R" if middle > 0 else "L"
    if laterality not in get_args(SideName):
        return np.array(lies == "R"), (f"side from the position of the images, x {middle:.0f} mm",)
    if laterality != lies:
        return np.array(laterality == "R"), (f"recorded as {laterality} but lying at x {middle:.0f} mm",)
    return np.array(laterality == "R"), ()


def _sides(labels: Volume) -> tuple[Side, ...]:
    found: list[Side] = []
    names: tuple[tuple[SideName, Part], ...] = (("L", Part.LEFT_BREAST), ("R", Part.RIGHT_BREAST))
    for name, part in names:
        cc = int(np.count_nonzero(labels.array == part)) * labels.grid.voxel_volume_mm3 / 1000.0
        if cc > 0:
            found.append(Side(name, cc))
    return tuple(found)

"""The two surfaces that bound a breast from front to back: the skin and the chest wall.

Images are laid out as columns: axes ``(x to the right, z to the head, y from front to back)``. Both surfaces are one
depth per column in mm, measured from the centre of the first voxel.

The chest wall is a smooth sheet. Where there is no breast it lies a finger's breadth behind the skin, so a flat
surface through the rearmost skin says roughly where to look; near it, the sheet that follows the front of the muscle
best and bends least is found by dynamic programming, in turn along z and along x.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from uptake.preprocess.foreground import block_means, otsu

Floats = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]
Spacing = tuple[float, float, float]

SMOOTHING_MM = 1.2
"""mm. SD of the Gaussian along finely sampled axes: noise falls, a skin of 2 mm stays."""

NOISE_SDS = 5.0
"""Standard deviations above the air: what counts as tissue."""

SKIN_PEAK_MM = 4.0
"""mm behind the first tissue within which the skin is brightest; its surface lies at half of that."""

CELL_MM = 4.0
"""mm. Columns of about this width are taken together for the chest wall."""

SEARCH_MM = (-45.0, 30.0)
"""mm in front of and behind the first guess: where the chest wall is looked for."""

HALF_EDGE_MM = 5
"""mm. An edge is the mean of so much behind a point less that of so much before it."""

VISIBLE_EDGE = 0.12
"""Of the muscle's level above the air (on a logarithmic scale): what counts as an edge that one can see."""

BRIGHT_FAT = 1.4
"""What lies 4-7 mm under the skin is so many times as bright as the skin in images without fat suppression."""

LEAST_DEPTH_MM = 6.0
"""mm. The chest wall is hardly ever nearer to the skin than this."""

# Weights of the chest wall's cost, in units of the muscle's own edge. Chosen on two real studies and on phantoms
# beside which they were then judged slice by slice; the sheets moved little when each was halved or doubled.
BRIGHT_BEHIND = 0.1  # per mm of what is much brighter than muscle, and so gland, behind the sheet
FAR_FROM_GUESS = 0.1  # per 25 mm, squared
NEAR_SKIN = 0.2  # per mm
BENDING = 0.02  # per mm of step between neighbouring cells, squared
PULL = 0.004  # per mm from the sheet of the pass before, squared
STEEPEST = 4  # mm per cell, beyond the guess's own slope
PASSES = 4


@dataclass(frozen=True)
class Skin:
    """The skin: its depth per column (NaN where a column holds no tissue), and what the air before it is like.

    smooth: the image, a little smoothed. air: median of the air. seen: whether there is any air.
    """

    depth_mm: Floats
    smooth: Floats
    air: float
    seen: bool


@dataclass(frozen=True)
class ChestWall:
    """The chest wall: its depth per column in mm, and the share of columns (0-1) where an edge shows it."""

    depth_mm: Floats
    support: float
    bright_fat: bool


def find_skin(columns: Floats, spacing_mm: Spacing) -> Skin:
    """The front of the body: the first tissue above the noise, then where it reaches half of its brightest 4 mm.

    Noise is measured in the air before the bright parts of the body. Without air (a breast that fills the images, or a
    background set to zero) the tissue is what Otsu's threshold on the logarithm keeps.
    """
    from scipy import ndimage

    sigmas = [SMOOTHING_MM / s if s < 1.5 * SMOOTHING_MM and n > 1 else 0.0
              for s, n in zip(spacing_mm, columns.shape, strict=True)]  # fmt: skip
    smooth: Floats = ndimage.gaussian_filter(columns, sigmas, truncate=3)
    core = _core(smooth)
    level, air = _tissue_level(columns, smooth, core, spacing_mm[2])
    body = core if level is None else largest(ndimage.binary_opening(smooth > level, np.ones((1, 3, 3)))
                                              if min(columns.shape[1:]) > 2 else smooth > level)  # fmt: skip
    first = body.argmax(axis=2)
    reach = max(2, round(SKIN_PEAK_MM / spacing_mm[2]))
    peaks = ndimage.maximum_filter1d(smooth, 2 * reach + 1, axis=2, origin=-reach)
    half = (air + np.take_along_axis(peaks, first[..., None], 2)) / 2
    behind = (np.arange(columns.shape[2]) >= first[..., None]) & (smooth >= half)
    depth = np.where(body.any(axis=2), behind.argmax(axis=2) * spacing_mm[2], np.nan)
    width = [3 if s > 2.5 else 5 for s in spacing_mm[:2]]
    return Skin(ndimage.median_filter(depth, width, mode="nearest"), smooth, air, level is not None)


def find_chest_wall(skin: Skin, spacing_mm: Spacing, depth_mm: float, bright_fat: bool | None) -> ChestWall:
    """The front of the chest wall behind the skin.

    depth_mm: how far behind the skin it lies where there is no breast. bright_fat: whether fat is brighter than
    muscle; None: found out.
    """
    from scipy import ndimage

    guess = rear_plane(skin.depth_mm) + depth_mm
    steps = [max(1, min(n, round(CELL_MM / s))) for n, s in zip(guess.shape, spacing_mm[:2], strict=True)]
    cells = block_means(skin.smooth, [*steps, 1])
    near, front = (block_means(part[..., None], [*steps, 1])[..., 0] for part in (guess, skin.depth_mm))
    offsets = np.arange(SEARCH_MM[0], SEARCH_MM[1] + 1)
    place = (near[..., None] + offsets) / spacing_mm[2]
    i, j = np.meshgrid(*map(np.arange, near.shape), indexing="ij")
    values = ndimage.map_coordinates(
        cells, np.broadcast_arrays(i[..., None], j[..., None], place), order=1, mode="nearest"
    )
    if bright_fat is None:
        bright_fat = _fat_is_bright(skin, spacing_mm[2])
    profile = ndimage.gaussian_filter(_profile(values, skin.air, bright_fat), (0.7, 0.7, 0), mode="nearest")
    depth = offsets - (front - near)[..., None]
    edge, cost = _cost(profile, depth, offsets, bright_fat)
    sheet = _sheet(cost, offsets)
    found = np.take_along_axis(edge, np.rint(sheet - offsets[0]).astype(int)[..., None], 2)
    full = _enlarged(sheet - 0.5, steps, (guess.shape[0], guess.shape[1]))
    return ChestWall(guess + full, float((found > VISIBLE_EDGE).mean()), bright_fat)


def rear_plane(depth_mm: Floats) -> Floats:
    """A surface through the rearmost parts of the skin, of second degree from side to side and of first in z.

    By iterated least squares in which points before the surface, the breast, hardly count, nor do far ones.
    depth_mm may hold NaN; where nothing is known the result is 0.
    """
    x = np.linspace(-1, 1, depth_mm.shape[0])[:, None] if depth_mm.shape[0] > 1 else np.zeros((1, 1))
    z = np.linspace(-1, 1, depth_mm.shape[1])[None] if depth_mm.shape[1] > 1 else np.zeros((1, 1))
    terms = np.stack([np.broadcast_to(term, depth_mm.shape) for term in (x**0 * z**0, x, x**2, z, x * z)], -1)
    known = np.isfinite(depth_mm)
    if not known.any():
        return np.zeros(depth_mm.shape)
    design, target = terms[known], depth_mm[known]
    weights = np.ones(target.size)
    for _ in range(80):
        normal = design.T @ (design * weights[:, None]) + 1e-9 * np.eye(design.shape[1]) * target.size
        coefficients = np.linalg.solve(normal, design.T @ (weights * target))
        behind = target - design @ coefficients
        far = np.minimum(1, 12 / np.maximum(np.abs(behind), 1e-9))
        weights = np.where(behind > 0, 0.97 * far, 0.03 * far**2)
    surface: Floats = terms @ coefficients
    return surface


def largest(mask: Bools) -> Bools:
    """The largest connected part (faces) of a mask; all false for an empty one."""
    from scipy import ndimage

    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    part: Bools = labels == sizes.argmax()
    return part


def _core(smooth: Floats) -> Bools:
    logs = np.log1p(np.maximum(smooth, 0) / (0.01 * max(float(np.percentile(smooth, 99)), 1e-9)))
    return largest(logs > otsu(logs))


def _tissue_level(columns: Floats, smooth: Floats, core: Bools, step_mm: float) -> tuple[float | None, float]:
    """The level above which there is tissue (None where there is too little air to measure), and that of the air."""
    first = np.where(core.any(axis=2), core.argmax(axis=2), columns.shape[2])
    before = (np.arange(columns.shape[2]) < (first - round(8 / step_mm))[..., None]) & (columns > 0)
    air = smooth[before]
    if air.size < 0.01 * columns.size:
        return None, 0.0
    middle = float(np.median(air))
    spread = 1.4826 * float(np.median(np.abs(air - middle)))
    return middle + NOISE_SDS * spread, middle


def _fat_is_bright(skin: Skin, step_mm: float) -> bool:
    """Whether the fat under the skin is brighter than the skin: images without fat suppression.

    Compared within 10 mm, so that the coil's shading hardly matters.
    """
    known = np.isfinite(skin.depth_mm)
    first = np.rint(skin.depth_mm[known] / step_mm).astype(np.intp)
    profiles = skin.smooth[known]

    def level(depth_mm: float) -> Floats:
        at = np.minimum(first + round(depth_mm / step_mm), profiles.shape[1] - 1)
        return np.asarray(np.take_along_axis(profiles, at[:, None], 1)[:, 0])

    surface = np.max([level(depth) for depth in (0.0, 1.0)], axis=0)
    under = np.median([level(depth) for depth in (4.0, 5.5, 7.0)], axis=0)
    return bool(known.any() and np.median(under / np.maximum(surface, 1e-9)) > BRIGHT_FAT)


def _profile(values: Floats, air: float, bright_fat: bool) -> Floats:
    """Intensities on the scale on which the step from fat to muscle stands out.

    Dark fat: the logarithm over the air, as fat and muscle are both far below gland. Bright fat: as they are, as the
    logarithm would make more of the step from muscle to lung.
    """
    if bright_fat:
        return values / max(float(np.percentile(values, 95)), 1e-9)
    level = max(air, 1e-3 * float(values.max()))
    return np.log(np.maximum(values, level) / level)


def _cost(profile: Floats, depth: Floats, offsets: Floats, bright_fat: bool) -> tuple[Floats, Floats]:
    """How well an edge from fat to muscle fits each place (0-0.6 of the muscle's level), and what the sheet pays."""
    from scipy import ndimage

    wall = (
        profile[(offsets >= -10) & (offsets <= 15) & (depth > LEAST_DEPTH_MM + 2)]
        if not bright_fat
        else profile.ravel()
    )
    upper = wall[wall > otsu(wall)] if wall.size and np.ptp(wall) else profile.ravel()
    muscle = max(float(np.median(upper)), 1e-3)
    kernel = np.repeat([-1.0, 1.0], HALF_EDGE_MM) / HALF_EDGE_MM
    edge = ndimage.correlate1d(profile, -kernel if bright_fat else kernel, axis=2, mode="nearest") / muscle
    edge = np.clip(edge, 0, 0.6)
    cost = -edge + FAR_FROM_GUESS * (offsets / 25) ** 2
    cost += NEAR_SKIN * np.clip(np.nan_to_num(LEAST_DEPTH_MM - depth, nan=0.0), 0, 30)
    if not bright_fat:
        gland = np.maximum(profile / muscle - 1.75, 0)
        cost += BRIGHT_BEHIND * np.minimum(np.flip(np.cumsum(np.flip(gland, 2), 2), 2), 10)
    return edge, cost


def _sheet(cost: Floats, offsets: Floats) -> Floats:
    """The sheet (offset in mm per cell) of least cost, by paths along z and along x in turn."""
    from scipy import ndimage

    sheet = np.zeros(cost.shape[:2])
    for number in range(PASSES):
        pulled = cost + (PULL * (offsets - sheet[..., None]) ** 2 if number else 0)
        chosen = _paths(pulled) if number % 2 == 0 else _paths(pulled.swapaxes(0, 1)).T
        sheet = ndimage.gaussian_filter(offsets[chosen], 0.7, mode="nearest")
    return sheet


def _paths(cost: Floats) -> npt.NDArray[np.intp]:
    """For every row of ``(rows, places, offsets)`` the offsets' indices along the path of least cost."""
    count, depth = cost.shape[1:]
    steps = np.arange(-STEEPEST, STEEPEST + 1)
    total, came_from = cost[:, 0], np.zeros(cost.shape, dtype=np.intp)
    for place in range(1, count):
        padded = np.pad(total, ((0, 0), (STEEPEST, STEEPEST)), constant_values=np.inf)
        options = np.stack([padded[:, STEEPEST + s : STEEPEST + s + depth] + BENDING * s**2 for s in steps])
        best = options.argmin(axis=0)
        came_from[:, place] = np.arange(depth) + steps[best]
        total = np.take_along_axis(options, best[None], 0)[0] + cost[:, place]
    path = np.empty(cost.shape[:2], dtype=np.intp)
    path[:, -1] = total.argmin(axis=1)
    for place in range(count - 1, 0, -1):
        path[:, place - 1] = np.take_along_axis(came_from[:, place], path[:, place, None], 1)[:, 0]
    return path


def _enlarged(cells: Floats, steps: list[int], shape: tuple[int, int]) -> Floats:
    """Values of cells at the columns they were taken from, linear between the cells' centres."""
    from scipy import ndimage

    at = [np.clip((np.arange(n) - (step - 1) / 2) / step, 0, size - 1)
          for n, step, size in zip(shape, steps, cells.shape, strict=True)]  # fmt: skip
    full: Floats = ndimage.map_coordinates(cells, np.meshgrid(*at, indexing="ij"), order=1, mode="nearest")
    return full

"""Where the skin is, and how far it moved from one phase to another: no landmark, no registration.

From the front, the first voxel of the body on every line is skin. Profiles of intensity along the normal there show
the step from air to skin in every phase, whatever contrast does behind it; how far the step of one phase lies from
that of another is how far the skin moved. Movement along the skin leaves no trace in that: a pure shift downwards
shows at the upper and lower side of a breast, and so in the 95th percentile rather than in the median.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uptake.preprocess.foreground import foreground
from uptake.volume import Grid, Volume

Floats = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]

RASTER_MM = 4.0
"""mm. Distance between profiles along the skin; each is averaged with its eight neighbours."""

PROFILE_STEP_MM = 0.5
TEMPLATE_MM = 6.0
"""mm. What is compared: so far outside and inside the skin of the first phase."""

FARTHEST_MM = 6.0
"""mm. Movement beyond this is not looked for; such a profile counts as not comparable."""

LEAST_CORRELATION = 0.7
"""Of two profiles' slopes. Below this they do not show the same edge."""

STEEPEST = 0.35
"""Cosine between the normal and the line from the front; flatter than this the first voxel is no good skin point."""

KNEE = 0.3
"""Of the body's 95th percentile. Below this, intensities count as alike (the logarithm's zero)."""


@dataclass(frozen=True, eq=False)
class Skin:
    """Points on the skin with their inward normals, on a raster as seen from the front.

    points: (3, m, n) in mm along the array axes (index x spacing). normals: the same shape, unit length.
    valid: (m, n) bool, where there is a usable point. knee: intensity below which all counts as air.
    """

    points: Floats
    normals: Floats
    valid: npt.NDArray[np.bool_]
    knee: float


def find_skin(volume: Volume) -> Skin:
    """The skin as seen from the front in one phase; no valid point where the image shows no body.

    Front is where patients look: the positive y axis of RAS+. A line whose first body voxel is one of the two
    outermost has no air in front of it and gives no point.
    """
    grid = volume.grid
    body = foreground(volume.array, grid.spacing_mm)
    axis, towards_back = _line_of_sight(grid)
    lines = np.moveaxis(body, axis, 0)[::towards_back]
    first = lines.argmax(axis=0)
    hit = lines.any(axis=0) & (first >= 2)
    others = [a for a in range(3) if a != axis]
    spacing = [grid.spacing_mm[a] for a in others]
    height = (first if towards_back > 0 else body.shape[axis] - 1 - first) * grid.spacing_mm[axis]
    smooth = _smooth(height, hit, spacing)
    slopes = [np.gradient(smooth, s, axis=a) if smooth.shape[a] > 1 else 0 * smooth for a, s in enumerate(spacing)]
    at = np.ix_(*(np.arange(0, n, max(1, round(RASTER_MM / s))) for n, s in zip(smooth.shape, spacing, strict=True)))
    points, normals = (np.zeros((3, *smooth[at].shape)) for _ in range(2))
    points[axis], normals[axis] = smooth[at], towards_back
    for other, index, step, slope in zip(others, at, spacing, slopes, strict=True):
        points[other], normals[other] = index * step, -towards_back * slope[at]
    normals /= np.linalg.norm(normals, axis=0)
    valid = hit[at] & (np.abs(normals[axis]) > STEEPEST) & (np.abs(smooth - height)[at] < RASTER_MM)
    inside = volume.array[::2, ::2, ::2][body[::2, ::2, ::2]]
    return Skin(points, normals, valid, KNEE * float(np.percentile(inside, 95)) if inside.size else 1.0)


def skin_shift_mm(skin: Skin, before: Volume, after: Volume) -> Float32:
    """How far the skin lies deeper in `after` than in `before`, mm, one number per comparable profile.

    Negative: it came forward. Empty where no profile is comparable. On phantoms of 0.8 mm voxels accurate to a quarter
    of the movement; contrast alone gives less than 0.1.
    Raises ValueError for volumes on different grids.
    """
    if not after.grid.same_as(before.grid):
        raise ValueError("the skin is compared between phases on one grid")
    lags = round(FARTHEST_MM / PROFILE_STEP_MM)
    first, second = _slopes(skin, before), _slopes(skin, after)
    width = first.shape[1] - 2 * lags
    weights = np.hanning(width + 2)[1:-1].astype(np.float32)
    template = _standard(first[:, lags : lags + width], weights)
    alike = np.stack(
        [(template * _standard(second[:, n : n + width], weights)).sum(axis=1) for n in range(2 * lags + 1)], axis=1
    )
    best = alike.argmax(axis=1)
    usable = (best > 0) & (best < 2 * lags) & (alike.max(axis=1, initial=0) > LEAST_CORRELATION)
    rows, best = np.flatnonzero(usable), best[usable]
    left, middle, right = alike[rows, best - 1], alike[rows, best], alike[rows, best + 1]
    # The top of the parabola through the best lag and its neighbours.
    finer = best + 0.5 * (left - right) / (left - 2 * middle + right)
    return np.asarray((finer - lags) * PROFILE_STEP_MM, dtype=np.float32)


def _line_of_sight(grid: Grid) -> tuple[int, int]:
    """The array axis nearest to the line from front to back, and 1 or -1: whether its index grows to the back."""
    towards_front = grid.direction[1]
    axis = int(np.argmax(np.abs(towards_front)))
    return axis, -1 if towards_front[axis] > 0 else 1


def _smooth(height: Floats, known: npt.NDArray[np.bool_], spacing: list[float]) -> Floats:
    """A Gaussian mean of the known heights, SD three quarters of the raster."""
    from scipy import ndimage

    sigmas = [0.75 * RASTER_MM / s if n > 1 else 0.0 for n, s in zip(height.shape, spacing, strict=True)]
    weight = ndimage.gaussian_filter(known.astype(np.float64), sigmas)
    smooth: Floats = ndimage.gaussian_filter(np.where(known, height, 0.0), sigmas) / np.maximum(weight, 1e-3)
    return smooth


def _slopes(skin: Skin, volume: Volume) -> Float32:
    """(valid points, steps): slopes of the log intensity along the normals, each a mean over neighbouring profiles."""
    from scipy import ndimage

    reach = TEMPLATE_MM + FARTHEST_MM + PROFILE_STEP_MM / 2
    depth = np.arange(-reach, reach + PROFILE_STEP_MM / 2, PROFILE_STEP_MM)
    spacing = np.asarray(volume.grid.spacing_mm)[:, None, None, None]
    at = ((skin.points[..., None] + skin.normals[..., None] * depth) / spacing).astype(np.float32)
    profiles = ndimage.map_coordinates(volume.array, at, order=1, mode="nearest", output=np.float32)
    share = ndimage.uniform_filter(skin.valid.astype(np.float32), 3, mode="constant")
    means = ndimage.uniform_filter(profiles * skin.valid[..., None], (3, 3, 1), mode="constant")[skin.valid]
    means /= share[skin.valid][:, None]
    return np.asarray(np.diff(np.log(np.maximum(means, 0) + skin.knee), axis=1), dtype=np.float32)


def _standard(rows: Float32, weights: Float32) -> Float32:
    """Rows with weighted mean 0 and weighted sum of squares 1, times the square root of the weights."""
    centred: Float32 = rows - (rows @ weights / weights.sum())[:, None]
    centred *= np.sqrt(weights)
    norm = np.sqrt(np.square(centred).sum(axis=1, keepdims=True))
    np.divide(centred, norm, out=centred, where=norm > 0)
    return centred

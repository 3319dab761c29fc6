"""Resampling: the same picture on another grid.

The rules are ITK's, and so CaPTk's, which made the published images: the first voxel centre is kept, a size is
rounded half up, a point belongs to the image while it is less than half a voxel beyond the outermost voxel centres
(there the outermost value holds), and everything further out is 0. The Image Biomarker Standardisation Initiative
(IBSI) has another grid: sizes rounded up, the centres of both images in one place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Literal, get_args

import numpy as np
import numpy.typing as npt

from uptake.study import SettingsError
from uptake.volume import Array, Grid, Volume

Interpolation = Literal["linear", "bspline", "nearest"]
MaskRule = Literal["nearest", "threshold"]
Placement = Literal["first-voxel", "centre"]
Edge = Literal["zero", "extend"]
Floats = npt.NDArray[np.float64]
Sampler = Callable[[Floats], Array]

TIE = 1e-6
"""Voxels. An index this close to a half counts as the half, so that float noise in an affine decides nothing."""


@dataclass(frozen=True)
class Resample:
    """How the harmonised images are resampled."""

    spacing_mm: Annotated[float, "mm; voxel edge of the harmonised images, the same along all three axes"] = 1.0
    interpolation: Annotated[
        Interpolation, "linear; bspline (cubic, sharper, can overshoot at edges); or nearest to copy voxels unmixed"
    ] = "linear"
    mask: Annotated[
        MaskRule, "nearest, as CaPTk; or threshold: where the linearly resampled mask is at least 0.5, as IBSI"
    ] = "nearest"
    placement: Annotated[
        Placement,
        "first-voxel: the first voxel centre is kept and sizes are rounded, as ITK, CaPTk and the published images; "
        "centre: the image centre is kept and sizes are rounded up, as IBSI",
    ] = "first-voxel"
    edge: Annotated[
        Edge,
        "what stands half a voxel or more beyond the outermost voxel centres: zero (ITK, CaPTk and so the published "
        "images, whose last slice can be blank) or extend (the outermost value)",
    ] = "zero"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.spacing_mm) and self.spacing_mm > 0):
            raise SettingsError(f"spacing_mm is a positive number of mm, not {self.spacing_mm}")
        choices = {"interpolation": Interpolation, "mask": MaskRule, "placement": Placement, "edge": Edge}
        for name, allowed in choices.items():
            if getattr(self, name) not in get_args(allowed):
                raise SettingsError(f"{name} is one of {get_args(allowed)}, not {getattr(self, name)!r}")


def isotropic_grid(grid: Grid, spacing_mm: float = 1.0, placement: Placement = "first-voxel") -> Grid:
    """The grid of cubic voxels of `spacing_mm` along the directions of `grid`.

    first-voxel: the first voxel centre is kept; voxels along each axis: ``floor(n * spacing / spacing_mm + 0.5)``, at
    least 1 (round half up, as CaPTk 1.8.1). centre: the middle of the image is kept; ``ceil(n * spacing /
    spacing_mm)`` voxels (IBSI reference manual, "Interpolation"). A ratio within 1e-6 of a whole or half counts as it.
    Raises ValueError if `spacing_mm` is not positive.
    """
    if not (math.isfinite(spacing_mm) and spacing_mm > 0):
        raise ValueError(f"a voxel has a positive size, not {spacing_mm} mm")
    extents = [n * s / spacing_mm for n, s in zip(grid.shape, grid.spacing_mm, strict=True)]
    affine = grid.affine.copy()
    affine[:3, :3] = grid.direction * spacing_mm
    if placement == "centre":
        i, j, k = (max(1, math.ceil(extent - TIE)) for extent in extents)
        middle = grid.to_world((np.asarray(grid.shape) - 1) / 2)
        affine[:3, 3] = middle - affine[:3, :3] @ ((np.array((i, j, k)) - 1) / 2)
    else:
        i, j, k = (max(1, math.floor(extent + 0.5 + TIE)) for extent in extents)
    return Grid((i, j, k), affine)


def resample(volume: Volume, grid: Grid, settings: Resample | None = None) -> Volume:
    """The intensities of `volume` at the voxel centres of `grid`, float32.

    Equal to ITK's ResampleImageFilter with an identity transform and a default value of 0, cubic B-splines to float32
    precision. Spacing and placement of `settings` are not used: `grid` says where. A single voxel along an axis is
    constant along it. Raises TypeError for a mask, which has `resample_mask`.
    """
    settings = settings or Resample()
    if volume.is_mask:
        raise TypeError("a mask is resampled by resample_mask")
    extend = settings.edge == "extend"
    to_source = _index_map(grid, volume.grid)
    if not _axis_aligned(to_source):
        sampled = SAMPLERS[settings.interpolation](volume.array)
        return Volume(_oblique(volume.array, to_source, grid, sampled, extend), grid)
    axes = _axis_indices(to_source, grid)
    if settings.interpolation == "nearest":
        return Volume(_pick(volume.array, axes, extend).astype(np.float32), grid)
    if settings.interpolation == "bspline":
        return Volume(_by_splines(volume.array, axes, extend), grid)
    return Volume(_separable(volume.array, axes, extend), grid)


def resample_mask(mask: Volume, grid: Grid, rule: MaskRule = "nearest") -> Volume:
    """A mask at the voxel centres of `grid`, bool; false outside the mask's own grid.

    nearest: half-way between two voxels the one with the higher index wins (ITK's rule). threshold: where linear
    interpolation of the mask gives at least 0.5. An empty mask stays empty. Raises TypeError if `mask` is not of bool.
    """
    if not mask.is_mask:
        raise TypeError("resample_mask takes a mask of bool")
    if rule == "threshold":
        share = resample(mask.with_array(mask.array.astype(np.float32)), grid).array
        return Volume(share >= np.float32(0.5 - TIE), grid)
    to_source = _index_map(grid, mask.grid)
    if _axis_aligned(to_source):
        return Volume(_pick(mask.array, _axis_indices(to_source, grid), extend=False), grid)
    return Volume(_oblique(mask.array, to_source, grid, _nearest(mask.array), extend=False), grid)


def _index_map(grid: Grid, source: Grid) -> Floats:
    """4 x 4: voxel indices of `grid` to fractional voxel indices of `source`."""
    return np.asarray(np.linalg.inv(source.affine) @ grid.affine, dtype=np.float64)


def _axis_aligned(to_source: Floats) -> bool:
    """Whether every axis of the one grid runs along the same axis of the other (either way round)."""
    linear = to_source[:3, :3]
    return bool(np.abs(linear - np.diag(np.diag(linear))).max() < 1e-7 * np.abs(linear).max())


def _axis_indices(to_source: Floats, grid: Grid) -> list[Floats]:
    """Per axis, the fractional source index of every voxel of `grid`."""
    return [np.arange(n) * to_source[a, a] + to_source[a, 3] for a, n in enumerate(grid.shape)]


def _inside(index: Floats, size: int) -> npt.NDArray[np.bool_]:
    """ITK's IsInsideBuffer: half a voxel beyond the first centre is in, half a voxel beyond the last is out."""
    inside: npt.NDArray[np.bool_] = (index >= -0.5 - TIE) & (index < size - 0.5 - TIE)
    return inside


def _rounded(index: Floats, size: int) -> npt.NDArray[np.intp]:
    return np.clip(np.floor(index + 0.5 + TIE), 0, size - 1).astype(np.intp)


def _pick(array: Array, axes: list[Floats], extend: bool) -> Array:
    """Nearest neighbour on aligned grids."""
    sizes = array.shape
    picked: Array = array[np.ix_(*(_rounded(index, n) for index, n in zip(axes, sizes, strict=True)))]
    for axis, (index, n) in enumerate(zip(axes, sizes, strict=True)):
        if not extend:
            np.moveaxis(picked, axis, 0)[~_inside(index, n)] = 0
    return picked


def _separable(array: Array, axes: list[Floats], extend: bool) -> Array:
    """Linear on aligned grids: plane by plane along the slowest axis in memory, the others by two sparse products."""
    from scipy import sparse

    if array.flags.f_contiguous and not array.flags.c_contiguous:
        return _separable(array.T, axes[::-1], extend).T
    first, *others = [_weights(index, n, extend) for index, n in zip(axes, array.shape, strict=True)]
    rows, columns = [sparse.csr_array(weights) for weights in others]
    result = np.zeros((len(axes[0]), len(axes[1]), len(axes[2])), dtype=np.float32)

    @lru_cache(maxsize=2)
    def within(n: int) -> Array:
        plane: Array = (columns @ (rows @ array[n].astype(np.float32, copy=False)).T).T
        return plane

    # Each source plane once, as the next result needs at most two of them and moves on.
    for out, weights in zip(result, first, strict=True):
        for n in np.flatnonzero(weights):
            np.add(out, weights[n] * within(int(n)), out=out)
    return result


def _by_splines(array: Array, axes: list[Floats], extend: bool) -> Array:
    """Cubic B-splines on aligned grids: one dense matrix product per axis.

    Prefilter and evaluation are both linear along an axis, so that one matrix does both, at the speed of a product.
    """
    if array.flags.f_contiguous and not array.flags.c_contiguous:
        return _by_splines(array.T, axes[::-1], extend).T
    i, j, k = (_spline_weights(index, n, extend) for index, n in zip(axes, array.shape, strict=True))
    # Plain matrix products: a stack of them goes another, slower way.
    values = array.astype(np.float32, copy=False)
    values = (values.reshape(-1, values.shape[2]) @ k.T).reshape(*values.shape[:2], len(k))
    values = np.stack([j @ plane for plane in values])
    result: Array = (i @ values.reshape(len(values), -1)).reshape(len(i), len(j), len(k))
    return result


def _spline_weights(index: Floats, size: int, extend: bool) -> npt.NDArray[np.float32]:
    """(len(index), size): what each source voxel along one axis adds to each result, by the interpolating spline.

    Beyond the edges the image goes on as its mirror image about the outermost voxel centres (ITK's rule).
    """
    inside = _inside(index, size)
    if size == 1:
        return (inside | extend)[:, None].astype(np.float32)
    at = np.clip(index, 0, size - 1) if extend else index
    whole = _mirrored(np.arange(size, dtype=np.float64), size)
    weights = np.linalg.solve(whole.T, _mirrored(at, size).T).T
    if not extend:
        weights[~inside] = 0
    return weights.astype(np.float32)


def _mirrored(index: Floats, size: int) -> Floats:
    """(len(index), size): cubic B-splines at `index`, those beyond the edges folded back onto their mirror images."""
    first = np.floor(index).astype(np.intp) - 1
    t = index - np.floor(index)
    taps = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    matrix = np.zeros((len(index), size))
    period = 2 * (size - 1)
    for shift, tap in enumerate(taps):
        folded = (first + shift) % period
        np.add.at(matrix, (np.arange(len(index)), np.minimum(folded, period - folded)), tap / 6)
    return matrix


def _weights(index: Floats, size: int, extend: bool) -> npt.NDArray[np.float32]:
    """(len(index), size): what each source voxel along one axis adds to each result."""
    clamped = np.clip(index, 0, size - 1)
    low = np.minimum(np.floor(clamped).astype(np.intp), max(size - 2, 0))
    share = (clamped - low).astype(np.float32)
    weights = np.zeros((len(index), size), dtype=np.float32)
    here = np.arange(len(index))
    weights[here, low] = 1 - share
    weights[here, np.minimum(low + 1, size - 1)] += share
    if not extend:
        weights[~_inside(index, size)] = 0
    return weights


def _oblique(array: Array, to_source: Floats, grid: Grid, sample: Sampler, extend: bool) -> Array:
    """Any two grids, plane by plane: one plane's indices are all that is held beside input and result."""
    result = np.zeros(grid.shape, dtype=array.dtype if array.dtype == np.bool_ else np.float32)
    j, k = np.meshgrid(np.arange(grid.shape[1]), np.arange(grid.shape[2]), indexing="ij")
    within = to_source[:3, 1, None, None] * j + to_source[:3, 2, None, None] * k + to_source[:3, 3, None, None]
    for i, out in enumerate(result):
        index = within + i * to_source[:3, 0, None, None]
        inside = np.ones(out.shape, dtype=np.bool_)
        if not extend:
            for axis, n in enumerate(array.shape):
                inside &= _inside(index[axis], n)
        else:
            index = np.clip(index, 0, np.reshape(np.asarray(array.shape) - 1, (3, 1, 1)))
        out[inside] = sample(index[:, inside])
    return result


def _linear(array: Array) -> Sampler:
    from scipy import ndimage

    return lambda index: ndimage.map_coordinates(array, index, output=np.float32, order=1, mode="nearest")


def _bspline(array: Array) -> Sampler:
    """The prefilter once for the image, the evaluation per plane."""
    from scipy import ndimage

    coefficients = array.astype(np.float64)
    for axis, n in enumerate(array.shape):
        if n > 1:
            coefficients = ndimage.spline_filter1d(coefficients, order=3, axis=axis, mode="mirror")
    return lambda index: ndimage.map_coordinates(
        coefficients, index, output=np.float32, order=3, mode="mirror", prefilter=False
    )


def _nearest(array: Array) -> Sampler:
    return lambda index: array[tuple(_rounded(axis, n) for axis, n in zip(index, array.shape, strict=True))]


SAMPLERS: Mapping[Interpolation, Callable[[Array], Sampler]] = {
    "linear": _linear,
    "bspline": _bspline,
    "nearest": _nearest,
}
"""For oblique grids: made from an image, each gives its values at (3, n) fractional indices."""

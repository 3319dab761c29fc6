"""Resampling: the same picture on another grid.

The rules are ITK's, and so CaPTk's, which made the published images: the first voxel centre is kept, a size is
rounded half up, a point belongs to the image while it is less than half a voxel beyond the outermost voxel centres
(there the outermost value holds), and everything further out is 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

import numpy as np
import numpy.typing as npt

from uptake.study import SettingsError
from uptake.volume import Array, Grid, Volume

Interpolation = Literal["linear", "nearest"]
Edge = Literal["zero", "extend"]
Floats = npt.NDArray[np.float64]
Sampler = Callable[[Array, Floats], Array]

TIE = 1e-6
"""Voxels. An index this close to a half counts as the half, so that float noise in an affine decides nothing."""


@dataclass(frozen=True)
class Resample:
    """How the harmonised images are resampled."""

    spacing_mm: Annotated[float, "mm; voxel edge of the harmonised images, the same along all three axes"] = 1.0
    interpolation: Annotated[Interpolation, "linear, or nearest to copy voxels unmixed"] = "linear"
    edge: Annotated[
        Edge,
        "what stands half a voxel or more beyond the outermost voxel centres: zero (ITK, CaPTk and so the published "
        "images, whose last slice can be blank) or extend (the outermost value)",
    ] = "zero"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.spacing_mm) and self.spacing_mm > 0):
            raise SettingsError(f"spacing_mm is a positive number of mm, not {self.spacing_mm}")
        if self.interpolation not in get_args(Interpolation):
            raise SettingsError(f"interpolation is one of {get_args(Interpolation)}, not {self.interpolation!r}")
        if self.edge not in get_args(Edge):
            raise SettingsError(f"edge is one of {get_args(Edge)}, not {self.edge!r}")


def isotropic_grid(grid: Grid, spacing_mm: float = 1.0) -> Grid:
    """The grid of cubic voxels of `spacing_mm` with the first voxel centre and the directions of `grid`.

    Voxels along each axis: ``floor(n * spacing / spacing_mm + 0.5)``, at least 1 (round half up, as CaPTk 1.8.1).
    Raises ValueError if `spacing_mm` is not positive.
    """
    if not (math.isfinite(spacing_mm) and spacing_mm > 0):
        raise ValueError(f"a voxel has a positive size, not {spacing_mm} mm")
    sizes = [
        max(1, math.floor(n * s / spacing_mm + 0.5 + TIE)) for n, s in zip(grid.shape, grid.spacing_mm, strict=True)
    ]
    affine = grid.affine.copy()
    affine[:3, :3] = grid.direction * spacing_mm
    return Grid((sizes[0], sizes[1], sizes[2]), affine)


def resample(volume: Volume, grid: Grid, settings: Resample | None = None) -> Volume:
    """The intensities of `volume` at the voxel centres of `grid`, float32.

    Equal to ITK's ResampleImageFilter with an identity transform and a default value of 0. The spacing of
    `settings` is not used: `grid` says where. Raises TypeError for a mask, which has `resample_mask`.
    """
    settings = settings or Resample()
    if volume.is_mask:
        raise TypeError("a mask is resampled by resample_mask")
    nearest = settings.interpolation == "nearest"
    extend = settings.edge == "extend"
    to_source = _index_map(grid, volume.grid)
    if not _axis_aligned(to_source):
        return Volume(_oblique(volume.array, to_source, grid, _nearest if nearest else _linear, extend), grid)
    axes = _axis_indices(to_source, grid)
    if nearest:
        return Volume(_pick(volume.array, axes, extend).astype(np.float32), grid)
    return Volume(_separable(volume.array, axes, extend), grid)


def resample_mask(mask: Volume, grid: Grid) -> Volume:
    """A mask at the voxel centres of `grid` by nearest neighbour, bool; false outside the mask's own grid.

    Half-way between two voxels the one with the higher index wins (ITK's rule). An empty mask stays empty.
    Raises TypeError if `mask` is not of bool.
    """
    if not mask.is_mask:
        raise TypeError("resample_mask takes a mask of bool")
    to_source = _index_map(grid, mask.grid)
    if _axis_aligned(to_source):
        return Volume(_pick(mask.array, _axis_indices(to_source, grid), extend=False), grid)
    return Volume(_oblique(mask.array, to_source, grid, _nearest, extend=False), grid)


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
    for out, weights in zip(result, first, strict=True):
        used = np.flatnonzero(weights)
        if used.size:
            plane = np.tensordot(weights[used], array[used].astype(np.float32, copy=False), axes=1)
            out[:] = (columns @ (rows @ plane).T).T
    return result


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
        out[inside] = sample(array, index[:, inside])
    return result


def _linear(array: Array, index: Floats) -> Array:
    from scipy import ndimage

    values: Array = ndimage.map_coordinates(array, index, output=np.float32, order=1, mode="nearest")
    return values


def _nearest(array: Array, index: Floats) -> Array:
    values: Array = array[tuple(_rounded(axis, n) for axis, n in zip(index, array.shape, strict=True))]
    return values

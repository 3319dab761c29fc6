"""Image and mask on a grid of another spacing, before anything is measured (IBSI VTM2)."""

from __future__ import annotations

import math

import numpy as np

from uptake.features.region import Float
from uptake.features.settings import Features
from uptake.study import Code, Refusal, SettingsError
from uptake.volume import Array, Grid, Volume

ORDERS = {"linear": 1, "cubic-spline": 3}
MOST_VOXELS = 2**31
ROUNDING = 1e-3
"""Voxels; a grid that would be larger by less is not: spacings are known in single precision."""


def interpolate(volume: Volume, mask: Volume, settings: Features) -> tuple[Volume, Volume]:
    """Image and mask with voxels of `settings.spacing_mm`, as IBSI's reference values were made.

    The new grid has the old one's centre and directions and covers it. Beyond the outermost centres the nearest
    intensity counts. The mask is interpolated linearly, and a voxel is inside from one half on. Intensities are
    rounded where `settings.round_intensities`. An axis of spacing 0 keeps its own.
    Raises SettingsError for a grid of more than `MOST_VOXELS`; Refusal NON_FINITE where any voxel of the image is
    not finite, inside the mask or not, because interpolation would spread it.
    """
    _check_finite(volume.array)
    grid = grid_of(volume.grid, settings.spacing_mm)
    image = _sampled(volume.array, volume.grid, grid, settings.interpolation)
    if settings.round_intensities:
        image = np.round(image)
    share = _sampled(mask.array != 0, mask.grid, grid, "linear")
    return Volume(image, grid), Volume(share >= 0.5 - 1e-9, grid)


def grid_of(grid: Grid, spacing_mm: tuple[float, ...]) -> Grid:
    """A grid with the same centre and directions and another spacing in mm along i, j, k (0: as it is)."""
    spacing = [new or old for new, old in zip(spacing_mm, grid.spacing_mm, strict=True)]
    shape = [
        math.ceil(n * old / new - ROUNDING) for n, old, new in zip(grid.shape, grid.spacing_mm, spacing, strict=True)
    ]
    if math.prod(shape) > MOST_VOXELS:
        raise SettingsError(f"spacing_mm {list(spacing_mm)} gives a grid of {shape} voxels: allowed are {MOST_VOXELS}")
    affine = np.eye(4)
    affine[:3, :3] = grid.direction * spacing
    centre = grid.to_world((np.array(grid.shape) - 1) / 2)
    affine[:3, 3] = centre - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Grid((shape[0], shape[1], shape[2]), affine)


def _check_finite(array: Array) -> None:
    wrong = int(np.count_nonzero(~np.isfinite(array))) if array.dtype.kind == "f" else 0
    if wrong:
        raise Refusal(
            Code.NON_FINITE,
            found=f"{wrong} voxels of an image to be interpolated are not finite",
            allowed="finite intensities, outside of the mask as well",
            remedy="give these voxels a number, or leave spacing_mm empty",
        )


def _sampled(array: Array, old: Grid, new: Grid, method: str) -> Float:
    from scipy import ndimage

    # By the centres, not by the affines, which are rounded to single precision.
    scale = np.where(np.array(old.shape) == new.shape, 1.0, np.array(new.spacing_mm) / old.spacing_mm)
    start = (np.array(old.shape) - 1) / 2 - scale * (np.array(new.shape) - 1) / 2
    values: Float = ndimage.affine_transform(
        array.astype(np.float64), scale, start, new.shape, order=ORDERS[method], mode="nearest"
    )
    return values

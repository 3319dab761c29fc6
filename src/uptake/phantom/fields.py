"""Smooth functions of space: cubic B-splines on lattices that stay where they are whatever grid they are looked at on.

Random texture and the signed distances of the anatomy are such functions, so that the acquired grid, its
supersampled parts and the 1 mm grid show one and the same body.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uptake.phantom.frames import Float, Frame, frame_of
from uptake.volume import Grid

Scale = float | tuple[float, float, float]

UNIT_SD = 3.0
"""Brings three axes of B-spline weights (sum of squares about 0.48 each) back to a standard deviation of 1."""


@dataclass(frozen=True)
class Region:
    """A box of the world, RAS+ mm: (x, y, z) of its lowest and highest corner."""

    low_mm: tuple[float, float, float]
    high_mm: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Field:
    """A smooth function of space: cubic B-spline coefficients (x, y, z), float32, every `spacing_mm` from `origin_mm`.

    Beyond the lattice the border's coefficients go on.
    """

    coefficients: Float
    origin_mm: tuple[float, float, float]
    spacing_mm: tuple[float, float, float]

    def on(self, frame: Frame) -> Float:
        """Its values at the frame's voxels, shape ``frame.grid.shape``.

        One axis after another and no matrix product, so that the bytes do not depend on the threads of a linear
        algebra library.
        """
        lattice = self.coefficients.transpose(np.argsort(frame.axes))
        lines = (frame.x, frame.y, frame.z)
        order = sorted(range(3), key=lambda world: lines[world].size / self.coefficients.shape[world])
        for world in order:
            position = (lines[world].ravel() - np.float32(self.origin_mm[world])) / np.float32(self.spacing_mm[world])
            lattice = _along(lattice, position, frame.axes[world])
        return lattice


def region_of(frame: Frame, margin_mm: float) -> Region:
    """The box that holds a frame's voxel centres, grown by a margin."""
    lines = (frame.x, frame.y, frame.z)
    x, y, z = (float(line.min()) - margin_mm for line in lines)
    ex, ey, ez = (float(line.max()) + margin_mm for line in lines)
    return Region((x, y, z), (ex, ey, ez))


def random_field(region: Region, scale_mm: Scale, rng: np.random.Generator) -> Field:
    """Normal draws on a lattice: mean 0, SD about 1, smooth over `scale_mm` (one number or one for x, y and z)."""
    spacing = _three(scale_mm)
    shape = _shape(region, spacing)
    return Field(rng.standard_normal(shape, dtype=np.float32) * np.float32(UNIT_SD), _origin(region, spacing), spacing)


def sampled(region: Region, spacing_mm: float) -> tuple[Frame, tuple[float, float, float]]:
    """A frame of the lattice's points in (x, y, z) order, to compute coefficients on, and its origin.

    Values used as coefficients are smoothed a little (over `spacing_mm`) and otherwise kept: a linear function of
    space stays exactly what it is.
    """
    spacing = _three(spacing_mm)
    origin, shape = _origin(region, spacing), _shape(region, spacing)
    affine = np.diag((*spacing, 1.0))
    affine[:3, 3] = origin
    return frame_of(Grid(shape, affine)), origin


def _three(scale_mm: Scale) -> tuple[float, float, float]:
    return scale_mm if isinstance(scale_mm, tuple) else (scale_mm, scale_mm, scale_mm)


def _origin(region: Region, spacing: tuple[float, float, float]) -> tuple[float, float, float]:
    x, y, z = (low - 2 * step for low, step in zip(region.low_mm, spacing, strict=True))
    return x, y, z


def _shape(region: Region, spacing: tuple[float, float, float]) -> tuple[int, int, int]:
    lengths = (high - low for low, high in zip(region.low_mm, region.high_mm, strict=True))
    i, j, k = (int(length // step) + 6 for length, step in zip(lengths, spacing, strict=True))
    return i, j, k


def _along(lattice: Float, position: npt.NDArray[np.float32], axis: int) -> Float:
    last = lattice.shape[axis] - 1
    base = np.floor(position).astype(np.intp)
    t = np.asarray(position - base, dtype=np.float32)
    weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    shape = [-1 if a == axis else 1 for a in range(3)]
    parts = (
        lattice.take(np.clip(base + shift, 0, last), axis) * np.asarray(weight / 6, dtype=np.float32).reshape(shape)
        for shift, weight in enumerate(weights, start=-1)
    )
    total = next(parts)
    for part in parts:
        total += part
    return np.asarray(total, dtype=np.float32)

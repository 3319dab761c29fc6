"""Where a phantom's voxels lie: the two views, and smooth random fields over them.

World coordinates are RAS+ mm with the sternum at x = 0: the left breast has negative x, anterior is positive y.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from uptake.volume import Grid, Shape

Float = npt.NDArray[np.float32]
View = Literal["sagittal", "axial"]
Size = Literal["full", "small"]

BREAST_X_MM = 85.0
"""Distance of a breast's centre from the sternum."""

IN_PLANE_MM = (0.703125, 0.78125, 0.78125, 0.8203125, 0.859375)
SLICE_MM = (2.0, 2.0, 2.2, 2.3, 2.5)
"""Sagittal spacings of I-SPY 1 (fields of view of 180-220 mm over 256 columns), the common ones twice."""


@dataclass(frozen=True, eq=False)
class Frame:
    """World coordinates of a grid whose axes run along x, y and z.

    x, y, z: RAS+ mm, float32, each of a shape that broadcasts to ``grid.shape``.
    axes: for x, y and z the array axis that runs along it.
    """

    grid: Grid
    x: Float
    y: Float
    z: Float
    axes: Shape


def frame_of(grid: Grid) -> Frame:
    """The coordinates of a grid; every column of its affine must lie along one world axis."""
    i, j, k = (int(axis) for axis in np.argmax(np.abs(grid.affine[:3, :3]), axis=1))
    x, y, z = (_coordinate(grid, world, axis) for world, axis in enumerate((i, j, k)))
    return Frame(grid, x, y, z, (i, j, k))


def view_grid(view: View, size: Size, side: int, rng: np.random.Generator) -> Grid:
    """The acquired grid in dcm2niix order: columns, rows from the bottom up, slices along the normal.

    sagittal: one breast (`side` -1 left, 1 right), columns to posterior, slices to the right.
    axial: both breasts, columns to the left, slices upwards. Spacing varies with `rng`.
    """
    return _sagittal(size, side, rng) if view == "sagittal" else _axial(size, rng)


def smooth_field(frame: Frame, scale_mm: float, rng: np.random.Generator) -> Float:
    """A random field of mean 0 and SD about 1 on the frame's grid, smooth over `scale_mm`, float32.

    Normal draws on a cubic lattice of that spacing, interpolated by cubic B-splines one axis after another:
    no matrix product, so the bytes do not depend on how many threads a linear algebra library uses.
    """
    lines = [line.ravel() for line in (frame.x, frame.y, frame.z)]
    counts = [int((line.max() - line.min()) // scale_mm) + 5 for line in lines]
    lattice = rng.standard_normal(counts, dtype=np.float32).transpose(np.argsort(frame.axes))
    for line, axis in zip(lines, frame.axes, strict=True):
        lattice = _along(lattice, (line - line.min()) / np.float32(scale_mm), axis)
    return lattice * np.float32(UNIT_SD)


UNIT_SD = 3.0
"""Brings three axes of B-spline weights (sum of squares about 0.48 each) back to a standard deviation of 1."""


def _coordinate(grid: Grid, world: int, axis: int) -> Float:
    line = grid.affine[world, axis] * np.arange(grid.shape[axis]) + grid.affine[world, 3]
    return np.asarray(line, dtype=np.float32).reshape([-1 if a == axis else 1 for a in range(3)])


def _along(lattice: Float, position: Float, axis: int) -> Float:
    base = np.floor(position).astype(np.intp)
    t = position - base
    weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    shape = [-1 if a == axis else 1 for a in range(3)]
    total = np.zeros([position.size if a == axis else n for a, n in enumerate(lattice.shape)], dtype=np.float32)
    for shift, weight in enumerate(weights):
        total += lattice.take(base + shift, axis) * (weight / 6).astype(np.float32).reshape(shape)
    return total


def _sagittal(size: Size, side: int, rng: np.random.Generator) -> Grid:
    in_plane, step = float(rng.choice(IN_PLANE_MM)), float(rng.choice(SLICE_MM))
    shape: Shape = (256, 256, 60)
    if size == "small":
        # The field of view of 56-60 slices over 24, of 256 columns over 64.
        shape, in_plane, step = (64, 64, 24), 4 * in_plane, 2.0 * step
    first_x = side * BREAST_X_MM - (shape[2] - 1) / 2 * step
    affine = np.zeros((4, 4))
    affine[1, 0], affine[2, 1], affine[0, 2], affine[3, 3] = -in_plane, in_plane, step, 1
    affine[:3, 3] = np.round([first_x, 0.66 * shape[0] * in_plane, -shape[1] / 2 * in_plane], 1)
    return Grid(shape, affine)


def _axial(size: Size, rng: np.random.Generator) -> Grid:
    columns_mm, step = float(rng.choice((340.0, 350.0, 360.0))), float(rng.choice((2.0, 2.2, 2.4)))
    # Not square, so that nobody can take columns for rows.
    shape: Shape = (320, 240, 64)
    if size == "small":
        shape, step = (96, 72, 28), 2.0 * step
    in_plane = columns_mm / shape[0]
    affine = np.diag((-in_plane, in_plane, step, 1.0))
    first = (columns_mm / 2, -0.38 * shape[1] * in_plane, -shape[2] / 2 * step)
    affine[:3, 3] = np.round(first, 1)
    return Grid(shape, affine)

"""Where a phantom's voxels lie: the two views with spacings and slices as vendors acquired them.

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
Size = Literal["full", "half", "small"]
Slices = tuple[slice, slice, slice]
Vendor = Literal["ge", "siemens", "philips"]

SLAB_VOXELS = 1_500_000
"""Supersampled voxels handled at a time: small enough for the processor's cache, and for memory."""
THREADS = 2
BREAST_X_MM = 85.0
"""Distance of a breast's centre from the sternum."""
BELOW_MM = 82.0
"""So far below a breast's middle a sagittal field of view reaches at least, if it is large enough."""

IN_PLANE_MM: dict[Vendor, dict[float, int]] = {
    "ge": {
        0.703125: 31, 0.78125: 41, 0.8203125: 4, 0.859375: 13, 0.8984375: 2, 0.9375: 9, 0.9765625: 3, 1.0546875: 3,
    },
    "siemens": {0.703125: 13, 0.78125: 13},
    "philips": {0.703125: 2, 0.78125: 9, 0.859375: 1},
}  # fmt: skip
STEP_MM: dict[Vendor, dict[float, int]] = {
    "ge": {1.5: 9, 1.8: 1, 2.0: 35, 2.1: 3, 2.2: 8, 2.3: 7, 2.4: 1, 2.5: 35, 2.6: 3, 2.7: 1, 2.8: 3, 3.0: 3},
    "siemens": {2.0: 17, 2.0625: 4, 2.25: 1, 2.3: 3},
    "philips": {1.5: 2, 2.0: 10},
}
SLICES: dict[Vendor, dict[int, int]] = {
    "ge": {50: 1, 52: 2, 54: 1, 56: 15, 58: 4, 60: 72, 62: 5, 64: 2, 66: 3},
    "siemens": {54: 2, 64: 25},
    "philips": {55: 1, 60: 10, 70: 1},
}
"""How many of 160 patients of ACRIN 6657/I-SPY 1 had what (the paper's cohort, its voxel volumes): spacing of 256
columns, step between slices, slices. Not taken over: Siemens' 512 columns (13 of 39), which show nothing more at four
times the size, fields of view above 270 mm and stacks of 74 to 104 slices (7 of 109 GE)."""


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


def part_of(frame: Frame, where: Slices) -> Frame:
    """A box of a frame."""
    grid = frame.grid
    affine = grid.affine.copy()
    affine[:3, 3] = grid.to_world([part.start for part in where])
    shape = (where[0].stop - where[0].start, where[1].stop - where[1].start, where[2].stop - where[2].start)
    cut = [line[tuple(part if n > 1 else slice(None) for part, n in zip(where, line.shape, strict=True))]
           for line in (frame.x, frame.y, frame.z)]  # fmt: skip
    return Frame(Grid(shape, affine), cut[0], cut[1], cut[2], frame.axes)


def supersampled(grid: Grid, factors: Shape, part: tuple[slice, slice, slice] | None = None) -> Grid:
    """`factors` voxels for one along each axis, filling it, over a part of the grid (all of it without one)."""
    i, j, k = part or (slice(0, grid.shape[0]), slice(0, grid.shape[1]), slice(0, grid.shape[2]))
    fine = np.diag((*(1 / np.asarray(factors, dtype=float)), 1.0))
    fine[:3, 3] = np.array([i.start, j.start, k.start]) - 0.5 + 0.5 / np.asarray(factors)
    shape = tuple((p.stop - p.start) * factor for p, factor in zip((i, j, k), factors, strict=True))
    return Grid((shape[0], shape[1], shape[2]), grid.affine @ fine)


def slabs(shape: Shape, finer: int) -> list[Slices]:
    """A grid in parts across its shortest axis, each of at most `SLAB_VOXELS` when every voxel becomes `finer` ones."""
    slowest = int(np.argmin(shape))
    step = max(1, SLAB_VOXELS // (int(np.prod(shape)) // shape[slowest] * finer))
    found = []
    for start in range(0, shape[slowest], step):
        i, j, k = (slice(start, min(start + step, n)) if a == slowest else slice(0, n) for a, n in enumerate(shape))
        found.append((i, j, k))
    return found


def averaged(fine: npt.NDArray[np.generic], factors: Shape) -> Float:
    """Means of blocks of `factors` values, float32: what a voxel holds of a supersampled quantity."""
    for axis, factor in enumerate(factors):
        shape = (*fine.shape[:axis], fine.shape[axis] // factor, factor, *fine.shape[axis + 1 :])
        blocks = fine.reshape(shape)
        # By hand, as numpy's mean along a short axis is slow.
        total = blocks.take(0, axis + 1).astype(np.float32)
        for n in range(1, factor):
            total += blocks.take(n, axis + 1)
        fine = total * np.float32(1 / factor)
    return np.asarray(fine, dtype=np.float32)


def view_grid(view: View, size: Size, side: int, rng: np.random.Generator, vendor: Vendor = "ge") -> Grid:
    """The acquired grid in dcm2niix order: columns, rows from the bottom up, slices along the normal.

    sagittal: one breast (`side` -1 left, 1 right), columns to posterior, slices to the right; spacings and slices
    drawn as the vendor's patients of I-SPY 1 had them. axial: both breasts, columns to the left, slices upwards.
    """
    return _sagittal(size, side, vendor, rng) if view == "sagittal" else _axial(size, rng)


def _coordinate(grid: Grid, world: int, axis: int) -> Float:
    line = grid.affine[world, axis] * np.arange(grid.shape[axis]) + grid.affine[world, 3]
    return np.asarray(line, dtype=np.float32).reshape([-1 if a == axis else 1 for a in range(3)])


def _drawn(counts: dict[float, int] | dict[int, int], rng: np.random.Generator) -> float:
    weights = np.array(list(counts.values()), dtype=float)
    return float(rng.choice(np.array(list(counts)), p=weights / weights.sum()))


def _sagittal(size: Size, side: int, vendor: Vendor, rng: np.random.Generator) -> Grid:
    in_plane, step = _drawn(IN_PLANE_MM[vendor], rng), _drawn(STEP_MM[vendor], rng)
    shape: Shape = (256, 256, int(_drawn(SLICES[vendor], rng)))
    if size == "small":
        # The field of view of 256 columns over 64, of 60 slices over 24.
        shape, in_plane, step = (64, 64, 24), 4 * in_plane, 2.5 * step
    elif size == "half":
        shape, in_plane = (128, 128, shape[2]), 2 * in_plane
    first_x = side * BREAST_X_MM - (shape[2] - 1) / 2 * step
    affine = np.zeros((4, 4))
    affine[1, 0], affine[2, 1], affine[0, 2], affine[3, 3] = -in_plane, in_plane, step, 1
    # A larger field of view shows more of the armpit, as often as not.
    above = float(rng.spawn(1)[0].uniform(0, max(shape[1] / 2 * in_plane - BELOW_MM, 0)))
    affine[:3, 3] = np.round([first_x, 0.66 * shape[0] * in_plane, above - shape[1] / 2 * in_plane], 1)
    return Grid(shape, affine)


def _axial(size: Size, rng: np.random.Generator) -> Grid:
    columns_mm, step = float(rng.choice((340.0, 350.0, 360.0))), float(rng.choice((2.0, 2.2, 2.4)))
    # Not square, so that nobody can take columns for rows.
    shape: Shape = (320, 240, 64)
    if size == "small":
        shape, step = (96, 72, 28), 2.0 * step
    elif size == "half":
        shape = (160, 120, 64)
    in_plane = columns_mm / shape[0]
    affine = np.diag((-in_plane, in_plane, step, 1.0))
    first = (columns_mm / 2, -0.38 * shape[1] * in_plane, -shape[2] / 2 * step)
    affine[:3, 3] = np.round(first, 1)
    return Grid(shape, affine)

"""The longest diameter of a mask: what a radiologist would measure as its largest extent."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from uptake.volume import Volume, bounding_slices

Bool = npt.NDArray[np.bool_]
Points = npt.NDArray[np.float64]

ROWS = 256
"""So many points at a time against all others, for memory's sake."""

ROUNDING_MM = 1e-6


def longest_diameter_mm(mask: Volume) -> float:
    """Largest distance between the centres of two true voxels in mm; 0 for an empty or one-voxel mask.

    The trial's longest diameter spans all disease, with normal tissue between foci, so all components count. Exact.
    """
    box = bounding_slices(mask.array)
    points = _far_out(mask.grid.to_world(_line_ends(mask.array[box]) + [s.start for s in box]))
    largest = 0.0
    for start in range(0, len(points), ROWS):
        differences = points[start : start + ROWS, None, :] - points[None, start:, :]
        largest = max(largest, float((differences**2).sum(-1).max()))
    return float(np.sqrt(largest))


def _far_out(points: Points) -> Points:
    """The points (n, 3) that can be one of the farthest two: from the others the ball around all is too small.

    A point r from the centre of a ball of radius R is at most r + R from any other.
    """
    if len(points) < 2:
        return points
    first = _farthest(points, points.mean(axis=0))
    second = _farthest(points, first)
    radii = np.linalg.norm(points - (first + second) / 2, axis=1)
    kept: Points = points[radii >= np.linalg.norm(first - second) - radii.max() - ROUNDING_MM]
    return kept


def _farthest(points: Points, place: Points) -> Points:
    return np.asarray(points[np.linalg.norm(points - place, axis=1).argmax()])


def _line_ends(array: Bool) -> npt.NDArray[np.int64]:
    """Voxels (n, 3) that end a line of true voxels along every axis: no other is one of the farthest two."""
    ends = array.copy()
    for axis in range(3):
        along = np.moveaxis(array, axis, 0)
        inner = np.zeros_like(along)
        before = np.logical_or.accumulate(along, axis=0)
        after = np.logical_or.accumulate(along[::-1], axis=0)[::-1]
        inner[1:-1] = before[:-2] & after[2:]
        ends &= ~np.moveaxis(inner, 0, axis)
    return np.argwhere(ends)

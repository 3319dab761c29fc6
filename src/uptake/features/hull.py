"""The convex hull of a mask's surface mesh, and the largest distance between two of its points."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uptake.features.region import Bool, Float

_ROWS = 1024


class Hull(NamedTuple):
    """Convex hull of a mesh: corners in mm, shape (n, 3), area in mm2, volume in mm3, largest distance in mm."""

    corners_mm: Float
    area_mm2: float
    volume_mm3: float
    diameter_mm: float


def hull_of(mask: Bool, frame: Float) -> Hull:
    """Convex hull of the surface mesh (see `mesh_of`) of a mask with at least one voxel; `frame` as in `Region`."""
    from scipy.spatial import ConvexHull

    found = ConvexHull(outer_points(mask) @ frame.T)
    corners = found.points[found.vertices]
    return Hull(corners, float(found.area), float(found.volume), diameter(corners))


def outer_points(mask: Bool) -> Float:
    """The mesh points that can be corners of the hull, in voxel steps, shape (n, 3).

    The mesh has a point half a voxel step beyond a voxel wherever the neighbour is outside. It can only be a corner
    of the hull where the voxel is the first or last one of its row along every axis, and the point points outwards.
    """
    ends = [_ends(mask, axis) for axis in range(3)]
    outer = np.argwhere((ends[0][0] | ends[0][1]) & (ends[1][0] | ends[1][1]) & (ends[2][0] | ends[2][1]))
    points = []
    for axis, sides in enumerate(ends):
        for step, side in zip((-0.5, 0.5), sides, strict=True):
            chosen = outer[side[tuple(outer.T)]].astype(np.float64)
            chosen[:, axis] += step
            points.append(chosen)
    return np.concatenate(points)


def diameter(points_mm: Float) -> float:
    """Largest distance between two of the points, shape (n, 3), n >= 1."""
    centred = points_mm - points_mm.mean(axis=0)
    square = np.einsum("ij,ij->i", centred, centred)
    largest = 0.0
    for row in range(0, len(centred), _ROWS):
        part = slice(row, row + _ROWS)
        distances = square[part, None] + square - 2 * (centred[part] @ centred.T)
        largest = max(largest, float(distances.max()))
    return float(np.sqrt(largest))


def _ends(mask: Bool, axis: int) -> tuple[Bool, Bool]:
    """Which voxels are the first, and which the last one inside of their row along an axis."""
    first = np.logical_or.accumulate(mask, axis=axis)
    last = np.flip(np.logical_or.accumulate(np.flip(mask, axis), axis=axis), axis)
    low, high = np.zeros_like(mask), np.zeros_like(mask)
    ahead, behind = (_cut(axis, slice(1, None)), _cut(axis, slice(None, -1)))
    low[...], high[...] = first, last
    low[ahead] &= ~first[behind]
    high[behind] &= ~last[ahead]
    return low, high


def _cut(axis: int, part: slice) -> tuple[slice, ...]:
    return tuple(part if a == axis else slice(None) for a in range(3))

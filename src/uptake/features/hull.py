"""The convex hull of a mask's surface mesh, and the largest distance between two of its points."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uptake.features import _kernels
from uptake.features.region import Bool, Float


class Hull(NamedTuple):
    """Convex hull of a mesh: corners in mm, shape (n, 3), area in mm2, volume in mm3, largest distance in mm."""

    corners_mm: Float
    area_mm2: float
    volume_mm3: float
    diameter_mm: float


def hull_of(mask: Bool, frame: Float) -> Hull:
    """Convex hull of the surface mesh (see `mesh_of`) of a mask with at least one voxel; `frame` as in `Region`.

    The mesh has a point half a voxel step beyond a voxel wherever the neighbour is outside, so that its hull is that
    of all points half a step away from voxels along an axis. It is found exactly, in half steps, and then measured.
    """
    found = np.frombuffer(_kernels.hull(np.ascontiguousarray(mask.T)), np.int32).reshape(-1, 3, 3)
    steps = found[:, :, ::-1] / 2.0
    triangles = steps @ frame.T
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    corners = _different(found)[:, ::-1] / 2.0 @ frame.T
    inner = triangles[0, 0]  # pyramids from one of the corners
    volume = np.abs(np.einsum("ij,ij->i", normals, triangles[:, 0] - inner)).sum() / 6
    return Hull(corners, float(np.linalg.norm(normals, axis=1).sum() / 2), float(volume), diameter(corners))


def diameter(points_mm: Float) -> float:
    """Largest distance between two of the points, shape (n, 3), n >= 1."""
    return float(np.sqrt(_kernels.farthest(np.ascontiguousarray(points_mm))))


def _different(triangles: np.ndarray[tuple[int, ...], np.dtype[np.int32]]) -> Float:
    """The corners of triangles, each once, shape (n, 3)."""
    points = triangles.reshape(-1, 3).astype(np.int64) + 1
    key = (points[:, 0] << 42) | (points[:, 1] << 21) | points[:, 2]
    return (points[np.unique(key, return_index=True)[1]] - 1).astype(np.float64)

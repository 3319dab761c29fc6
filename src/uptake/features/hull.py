"""The convex hull of a mask's surface mesh, and the largest distance between two of its points."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from uptake.features import _kernels
from uptake.features.region import Bool, Float


class Hull(NamedTuple):
    """Convex hull of a mesh: corners in mm, shape (n, 3), area in mm2, volume in mm3, largest distance in mm.

    normals_mm2: of its triangles, twice as long as these are large, shape (m, 3).
    """

    corners_mm: Float
    normals_mm2: Float
    area_mm2: float
    volume_mm3: float
    diameter_mm: float


def hull_of(mask: Bool, frame: Float) -> Hull:
    """Convex hull of the surface mesh (see `mesh_of`) of a mask with at least one voxel; `frame` as in `Region`.

    The mesh has a point half a voxel step beyond a voxel wherever the neighbour is outside, so that its hull is that
    of all points half a step away from voxels along an axis. It is found exactly, in half steps, and then measured.
    """
    parts = _kernels.hull(np.ascontiguousarray(mask.T))
    found, triangles = (np.frombuffer(part, np.int32).reshape(-1, 3) for part in parts)
    corners = found[:, ::-1] @ (frame.T / 2)
    normals = np.empty(triangles.shape)
    area, volume = _kernels.measure(corners, triangles, normals)
    return Hull(corners, normals, area, volume, diameter(corners))


def diameter(points_mm: Float) -> float:
    """Largest distance between two of the points, shape (n, 3), n >= 1."""
    return math.sqrt(_kernels.farthest(np.ascontiguousarray(points_mm)))

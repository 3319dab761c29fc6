"""The surface of a mask as a triangle mesh (marching cubes), without ever building the mesh.

A binary mask has 256 kinds of cubes of eight neighbouring voxel centres, and each kind has fixed triangles, whose
corners lie half-way between a voxel inside and one outside (iso-level 0.5). So area and volume of the mesh follow
from how often each kind occurs, and for the volume also where.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import permutations, product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from uptake.features import _kernels
from uptake.features.region import Bool, Float

_CLASSES = {
    1: "010-100-001",
    3: "010-100-012 012-100-102",
    6: "010-001-120 001-102-120 012-021-120 012-120-102",
    24: "122-021-012 210-201-100",
    7: "021-120-012 120-102-012 120-100-102",
    22: "120-210-100 201-100-210 100-201-102 100-102-001 012-001-102 001-012-010 021-010-012 010-021-120 010-120-100",
    25: "001-012-201 122-201-012 201-122-210 021-210-122 210-021-010",
    15: "122-100-102 120-100-122",
    23: "120-210-201 120-201-102 021-120-102 012-021-102",
    27: "102-122-021 210-102-021 010-210-021 201-102-210",
    30: "100-010-001 210-201-120 102-120-201 120-102-122",
    60: "212-122-210 120-210-122 100-012-102 012-100-010",
    105: "100-201-210 021-010-120 102-001-012 122-221-212",
    31: "120-210-201 102-120-201 122-120-102",
    61: "212-111-210 111-102-210 001-210-102 210-001-120 012-120-001 120-012-111 111-122-120 212-122-111 111-012-102",
    107: "021-010-120 201-210-100 221-212-122",
    63: "212-122-120 212-120-210",
    111: "212-122-221 201-210-100",
    126: "001-100-010 212-122-221",
    127: "221-212-122",
}
"""Triangles of one cube per class; all other kinds are turned or mirrored ones. The kind is the sum of
``1 << (4 i + 2 j + k)`` over the corners (i, j, k) inside; a triangle is three points in half voxel steps.

These are the triangles of Lewiner et al. (2003), https://doi.org/10.1080/10867651.2003.10487582, in the choice that
scikit-image 0.26 makes on binary masks (inside voxels that touch along an edge are joined), on which several IBSI
compliant programs build: the values agree with theirs to rounding.
"""


_SIGNS = tuple(product((1, -1), repeat=3))


class Mesh(NamedTuple):
    """Area in mm2 and enclosed volume in mm3 of a surface mesh."""

    area_mm2: float
    volume_mm3: float


def mesh_of(mask: Bool, frame: Float) -> Mesh:
    """Surface mesh of a mask, shape (i, j, k), with at least one voxel; `frame` as in `Region`.

    The mesh is closed (the mask may touch the border of its array); one voxel gives an octahedron of a sixth of the
    voxel's volume.
    """
    numbers, starts = _count_cubes(mask)
    # Volume = sum over the triangles of (area projected along k) x (mean k), in voxel steps.
    voxels = numbers @ _MOMENTS + starts @ _PROJECTED
    return Mesh(float(numbers @ _areas(frame.tobytes())), float(voxels * frame[0, 0] * frame[1, 1] * frame[2, 2]))


def _cross(a: Float, b: Float) -> Float:
    """Cross products of vectors, shape (n, 3); NumPy's own is several times slower."""
    return a[:, [1, 2, 0]] * b[:, [2, 0, 1]] - a[:, [2, 0, 1]] * b[:, [1, 2, 0]]


def _count_cubes(mask: Bool) -> Float:
    """How many cubes there are of each kind, and the sum of the k at which they start; shape (2, 256)."""
    padded = np.zeros([n + 2 for n in mask.shape[::-1]], np.bool_)
    padded[1:-1, 1:-1, 1:-1] = mask.T
    counts = np.zeros((2, 256))
    _kernels.cubes(padded, counts)
    return counts


@lru_cache(maxsize=64)
def _areas(frame: bytes) -> Float:
    """Area of the triangles of each kind of cube in mm2, shape (256,), in a `Region.frame`."""
    # The cubes are counted along memory, with axes (k, j, i); normals turn with the cofactors of their axes.
    axes = np.frombuffer(frame).reshape(3, 3).T[::-1]
    normals = _NORMALS @ _cross(axes[[1, 2, 0]], axes[[2, 0, 1]])
    return _per_kind(np.sqrt((normals * normals).sum(axis=1)) / 2)


def _normals(triangles: Float) -> Float:
    return _cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])


def _per_kind(values: Float) -> Float:
    """Sums over the triangles of each kind of cube, shape (256,)."""
    return np.bincount(_KINDS, weights=values, minlength=256).astype(np.float64)


def _triangles() -> tuple[npt.NDArray[np.int64], Float]:
    """Kinds of cubes, shape (n,), and their triangles in voxel steps, outside in front, shape (n, 3 corners, 3)."""
    kinds, found = [], []
    turns = np.array(
        [np.eye(3)[list(axes)] * np.array(signs)[:, None] for axes in permutations(range(3)) for signs in _SIGNS]
    )
    rotated = np.linalg.det(turns) > 0  # the classes above have their outside behind
    for kind, text in _CLASSES.items():
        points = np.array([[list(map(int, p)) for p in triangle.split("-")] for triangle in text.split()]) - 1
        moved = ((_all_turned(points.reshape(-1, 3), turns) + 1) / 2).reshape(len(turns), *points.shape)
        moved[rotated] = moved[rotated, :, ::-1]
        different, first = np.unique(_turned(kind, turns), return_index=True)
        kinds.append(np.repeat(different, len(points)))
        found.append(moved[first].reshape(-1, 3, 3))
    return np.concatenate(kinds), np.concatenate(found)


def _turned(kind: int, turns: Float) -> npt.NDArray[np.int64]:
    """The kinds that a kind of cube becomes when it is turned or mirrored in each of several ways."""
    corners = np.array([(c >> 2 & 1, c >> 1 & 1, c & 1) for c in range(8) if kind >> c & 1])
    places = (_all_turned(2 * corners - 1, turns) + 1) / 2 @ (4.0, 2.0, 1.0)
    return np.asarray((1 << places.astype(np.int64)).sum(axis=1))


def _all_turned(points: npt.NDArray[np.int64], turns: Float) -> Float:
    """Points, shape (n, 3), in every turn, shape (turns, n, 3)."""
    moved = points.astype(np.float64) @ turns.reshape(-1, 3).T
    return moved.reshape(len(points), len(turns), 3).transpose(1, 0, 2)


# Made on import, in a few milliseconds, so that the first mesh takes no longer than any other.
_KINDS, _TRIANGLES = _triangles()
_NORMALS = _normals(_TRIANGLES)
_PROJECTED = _per_kind(_NORMALS[:, 0] / 2)
_MOMENTS = _per_kind(_NORMALS[:, 0] / 2 * _TRIANGLES[:, :, 0].mean(axis=1))
"""Per kind of cube: area projected along the first axis, and that times its mean within; shape (256,) both."""

"""Uniform cubic B-splines on a regular grid: contractions with one small matrix per axis, since they are separable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

T = TypeVar("T", np.float32, np.float64)

ORDER = 3


def positions(indices: npt.ArrayLike, size: int) -> Floats:
    """Voxel indices of an axis of `size` voxels as fractions of the lattice's span, kept within 0 and 1."""
    return np.clip(np.asarray(indices, dtype=np.float64) / max(size - 1, 1), 0.0, 1.0)


def basis(u: Floats, mesh: int) -> Floats:
    """(len(u), mesh + 3): the uniform cubic B-splines at the fractions `u` of a mesh of that many elements."""
    x = u * mesh
    span = np.minimum(x.astype(np.intp), mesh - 1)
    t = x - span
    weights = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1) / 6
    matrix = np.zeros((len(u), mesh + ORDER))
    np.put_along_axis(matrix, span[:, None] + np.arange(ORDER + 1), weights, axis=1)
    return matrix


def contract(grid: npt.NDArray[T], bases: Sequence[npt.NDArray[T]]) -> npt.NDArray[T]:
    """Sum over i, j, k of grid[i, j, k] times one basis per axis: (i, j, k) -> control points."""
    i, j, k = bases
    planes = j.T @ (grid @ k)
    return (i.T @ planes.reshape(len(planes), -1)).reshape(i.shape[1], j.shape[1], k.shape[1])


def expand(lattice: npt.NDArray[T], bases: Sequence[npt.NDArray[T]]) -> npt.NDArray[T]:
    """Sum over control points of lattice times one basis per axis: control points -> (i, j, k)."""
    i, j, k = bases
    planes = (i @ lattice.reshape(len(lattice), -1)).reshape(len(i), *lattice.shape[1:])
    return (j @ planes) @ k.T


def refine(lattice: Floats) -> Floats:
    """The same cubic spline on a mesh of half the size (Catmull and Clark's rule for knots at the middles)."""
    for axis in range(3):
        moved = np.moveaxis(lattice, axis, 0)
        finer = np.empty((2 * len(moved) - ORDER, *moved.shape[1:]))
        finer[0::2] = (moved[:-1] + moved[1:]) / 2
        finer[1::2] = (moved[:-2] + 6 * moved[1:-1] + moved[2:]) / 8
        lattice = np.moveaxis(finer, 0, axis)
    return np.ascontiguousarray(lattice)

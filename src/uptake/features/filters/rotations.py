"""Rotation invariance of separable filters: responses to all right-angled rotations of a filter, pooled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import permutations, product
from typing import Literal, get_args

import numpy as np

from uptake.features.filters.boundary import Float
from uptake.study import SettingsError

Pooling = Literal["max", "mean", "min"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)


def check_pooling(pooling: str) -> None:
    """Raise SettingsError for a pooling that there is not."""
    if pooling not in POOLINGS:
        raise SettingsError(f"pooling {pooling!r}: allowed are {', '.join(POOLINGS)}")


def rotations(dimensions: int) -> tuple[tuple[tuple[int, int], ...], ...]:
    """All rotations by right angles, 4 in a plane and 24 in space.

    Each tells for every axis from which axis its kernel comes, and whether (-1) or not (1) it is reversed.
    """
    return tuple(
        tuple(zip(order, signs, strict=True))
        for order in permutations(range(dimensions))
        for signs in product((1, -1), repeat=dimensions)
        if _determinant(order, signs) == 1
    )


def turned(kernels: Sequence[Float], rotation: Sequence[tuple[int, int]]) -> tuple[Float, ...]:
    """The kernels of a separable filter after a rotation."""
    return tuple(kernels[source][::sign] for source, sign in rotation)


def pooled(responses: Iterable[Float], pooling: Pooling) -> Float:
    """Voxel by voxel the largest, mean or smallest of several responses, of which two are held at a time."""
    join: Callable[[Float, Float], Float] = {"max": np.maximum, "mean": np.add, "min": np.minimum}[pooling]
    iterator = iter(responses)
    total, count = next(iterator).copy(), 1
    for response in iterator:
        total, count = join(total, response), count + 1
    return total / count if pooling == "mean" else total


def _determinant(order: Sequence[int], signs: Sequence[int]) -> int:
    matrix = np.zeros((len(order), len(order)))
    matrix[np.arange(len(order)), order] = signs
    return round(float(np.linalg.det(matrix)))

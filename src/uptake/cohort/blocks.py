"""Images in blocks of some millimetres: large beside noise, small beside a breast."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from uptake.volume import Array, Volume

BLOCK_MM = 3.0
"""mm. Everything is looked at in blocks of about this edge."""


def block_steps(volume: Volume) -> list[int]:
    """Voxels per block along each axis."""
    return [max(1, min(n, round(BLOCK_MM / s))) for n, s in zip(volume.grid.shape, volume.grid.spacing_mm, strict=True)]


def block_mm(volume: Volume, steps: list[int]) -> list[float]:
    """Edges of a block in mm."""
    return [step * s for step, s in zip(steps, volume.grid.spacing_mm, strict=True)]


def blocks(array: Array, steps: list[int], how: np.ufunc) -> npt.NDArray[Any]:
    """One value per block; the last block of an axis can be smaller."""
    for axis, step in enumerate(steps):
        array = how.reduceat(array, np.arange(0, array.shape[axis], step), axis=axis)
    return array


def block_means(array: Array, steps: list[int]) -> npt.NDArray[np.float64]:
    """The mean of every block."""
    sums = blocks(array.astype(np.float64), steps, np.add)
    return np.asarray(sums / blocks(np.ones(array.shape), steps, np.add), dtype=np.float64)

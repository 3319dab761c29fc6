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
    """One value per block; the last block of an axis can be smaller.

    By slabs, which is quicker than reducing short runs, and along the axis first whose slabs are whole in memory.
    """
    for axis in sorted(range(array.ndim), key=lambda axis: -array.strides[axis]):
        slabs, step = np.moveaxis(array, axis, 0), steps[axis]
        whole = slabs[::step].copy(order="K")
        for offset in range(1, min(step, len(slabs))):
            others = slabs[offset::step]
            how(whole[: len(others)], others, out=whole[: len(others)])
        array = np.moveaxis(whole, 0, axis)
    return array


def block_means(array: Array, steps: list[int]) -> npt.NDArray[np.float64]:
    """The mean of every block; sums in float32, which holds those of whole numbers up to 2**24 exactly."""
    sums = blocks(array.astype(np.float32, copy=False), steps, np.add)
    i, j, k = (np.minimum(step, n - np.arange(0, n, step)) for n, step in zip(array.shape, steps, strict=True))
    return np.asarray(sums / (i[:, None, None] * j[:, None] * k), dtype=np.float64)


def behind(inside: npt.NDArray[np.bool_], volume: Volume) -> npt.NDArray[np.bool_]:
    """Blocks of a body, and those with some of it in front of them (anterior): lung and heart, no air."""
    axis = int(np.argmax(np.abs(volume.grid.direction[1])))
    forwards = volume.grid.direction[1, axis] > 0
    ordered = np.flip(inside, axis) if forwards else inside
    seen: npt.NDArray[np.bool_] = np.logical_or.accumulate(ordered, axis=axis)
    return np.flip(seen, axis) if forwards else seen

"""Images averaged over blocks of voxels for a network, and its answer brought back. NumPy only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Factors = tuple[int, int, int]


def factors_to(spacing_mm: tuple[float, float, float], wanted_mm: float) -> Factors:
    """Voxels per block along each axis, so that blocks come nearest to `wanted_mm`; 1 everywhere where it is 0."""
    i, j, k = (max(1, round(wanted_mm / spacing)) for spacing in spacing_mm)
    return i, j, k


def coarsened(image: Floats, factors: Factors) -> Floats:
    """Means over blocks of an image (channels, i, j, k), float32; a last block that is cut is continued by its edge."""
    if factors == (1, 1, 1):
        return image
    missing = [(0, -n % factor) for n, factor in zip(image.shape[1:], factors, strict=True)]
    found = np.pad(image, [(0, 0), *missing], mode="edge") if any(m for _, m in missing) else image
    for axis, factor in enumerate(factors, start=1):
        shape = (*found.shape[:axis], found.shape[axis] // factor, factor, *found.shape[axis + 1 :])
        found = found.reshape(shape).mean(axis=axis + 1, dtype=np.float32)
    return found


def refined(coarse: Floats, factors: Factors, shape: tuple[int, int, int]) -> Floats:
    """A map (i, j, k) of blocks at the voxels of the image they were made of: linear between the blocks' centres."""
    if factors == (1, 1, 1):
        return coarse
    found = coarse
    for axis, (factor, size) in enumerate(zip(factors, shape, strict=True)):
        found = np.moveaxis(_along_first(np.moveaxis(found, axis, 0), factor, size), 0, axis)
    return np.ascontiguousarray(found, dtype=np.float32)


def _along_first(values: Floats, factor: int, size: int) -> Floats:
    at = np.clip((np.arange(size) - (factor - 1) / 2) / factor, 0, len(values) - 1)
    low = np.minimum(at.astype(np.intp), max(len(values) - 2, 0))
    share = (at - low).astype(np.float32)[:, None, None]
    high = np.minimum(low + 1, len(values) - 1)
    return np.asarray(values[low] * (1 - share) + values[high] * share, dtype=np.float32)

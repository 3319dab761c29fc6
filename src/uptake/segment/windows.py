"""Whole volumes through a network that sees patches: overlapping windows, weighted and averaged. NumPy only."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Run = Callable[[Floats], Floats]
"""Patches (n, channels, p, p, p) to probabilities of the lesion (n, p, p, p)."""
SIGMA = 0.125
"""Standard deviation of the Gaussian window, as a share of the patch (nnU-Net's)."""


def slide(  # noqa: PLR0913, PLR0917 (a volume, windows, a network)
    image: Floats,
    patch: int,
    overlap: float,
    weighting: Literal["gaussian", "constant"],
    run: Run,
    batch: int = 1,
    wanted: npt.NDArray[np.bool_] | None = None,
) -> Floats:
    """Probability of the lesion in every voxel, shape (i, j, k), of an image (channels, i, j, k).

    A volume smaller than the patch is continued by its edge. wanted: windows without a voxel of it are not run, and
    voxels in none of the others get 0.
    """
    shape = image.shape[1:]
    padded = padded_to(image, patch)
    total, weights = np.zeros(padded.shape[1:], np.float32), np.zeros(padded.shape[1:], np.float32)
    window = _window(patch, weighting)
    places = [p for p in places_of(padded.shape[1:], patch, overlap) if wanted is None or _holds(wanted, p, patch)]
    for group in _batched(places, batch):
        found = run(np.stack([padded[(slice(None), *_box(place, patch))] for place in group]))
        for place, probability in zip(group, found, strict=True):
            total[_box(place, patch)] += window * probability
            weights[_box(place, patch)] += window
    result: Floats = np.divide(total, weights, out=np.zeros_like(total), where=weights > 0)
    return result[: shape[0], : shape[1], : shape[2]]


def places_of(shape: Sequence[int], patch: int, overlap: float) -> list[tuple[int, ...]]:
    """First voxels of windows that cover `shape`, evenly spread, at least `overlap` of a patch in common."""
    step = max(1, int(patch * (1 - overlap)))
    axes = []
    for size in shape:
        count = 1 + max(0, -(-(size - patch) // step))
        axes.append(np.unique(np.linspace(0, size - patch, count).round().astype(int)).tolist())
    return list(itertools.product(*axes))


def padded_to(image: Floats, patch: int) -> Floats:
    """An image (channels, i, j, k), continued by its edge at the end of every axis that is shorter than `patch`."""
    missing = [(0, max(0, patch - n)) for n in image.shape[1:]]
    return np.pad(image, [(0, 0), *missing], mode="edge") if any(m for _, m in missing) else image


def _window(patch: int, weighting: str) -> Floats:
    if weighting == "constant":
        return np.ones((patch,) * 3, np.float32)
    at = np.arange(patch) - (patch - 1) / 2
    line = np.exp(-0.5 * (at / (SIGMA * patch)) ** 2).astype(np.float32)
    cube: Floats = line[:, None, None] * line[:, None] * line
    return cube


def _box(place: Sequence[int], patch: int) -> tuple[slice, ...]:
    return tuple(slice(start, start + patch) for start in place)


def _holds(wanted: npt.NDArray[np.bool_], place: Sequence[int], patch: int) -> bool:
    return bool(wanted[_box(place, patch)].any())


def _batched(places: list[tuple[int, ...]], size: int) -> Iterator[tuple[tuple[int, ...], ...]]:
    for start in range(0, len(places), size):
        yield tuple(places[start : start + size])

"""Separable wavelets (IBSI 25BO), undecimated: low- and high-pass kernels along each axis."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from uptake.features.filters.boundary import Boundary, Float, axes_of, check_boundary, convolve_separably, voxels
from uptake.features.filters.rotations import Pooling, check_pooling, pooled, rotations, turned
from uptake.features.filters.wavelet_kernels import wavelet_kernels
from uptake.study import SettingsError
from uptake.volume import Volume

MOST_LEVELS = 6


@dataclass(frozen=True)
class SeparableWavelet:
    """Undecimated separable wavelet."""

    wavelet: Annotated[str, "haar, db1 to db10, or coif1 to coif3"] = "db2"
    passes: Annotated[str, "L (low-pass) or H (high-pass) per axis, i first; two of them with by_slice"] = "LLH"
    level: Annotated[int, "decomposition level, from 1"] = 1
    rotation_invariant: Annotated[bool, "pool the responses to all right-angled rotations of the filter"] = True
    pooling: Annotated[Pooling, "how responses are pooled"] = "mean"
    by_slice: Annotated[bool, "in slices (array axis k) instead of the volume"] = False
    boundary: Annotated[Boundary, "what lies beyond the border of the image"] = "mirror"

    def __post_init__(self) -> None:
        check_boundary(self.boundary)
        check_pooling(self.pooling)
        wavelet_kernels(self.wavelet)
        wanted = len(axes_of(self.by_slice))
        if not re.fullmatch(f"[LH]{{{wanted}}}", self.passes):
            raise SettingsError(f"passes {self.passes!r}: allowed are {wanted} of L and H in a row")
        if not 1 <= self.level <= MOST_LEVELS:
            raise SettingsError(f"level {self.level}: allowed are 1 to {MOST_LEVELS}")


def separable_wavelet(volume: Volume, settings: SeparableWavelet) -> Volume:
    """The response map, float64 on the same grid. Raises Refusal NON_FINITE.

    Nothing is left out between levels (stationary wavelet): the kernels of level n have ``2^(n - 1) - 1`` zeros between
    their numbers (a trous) and follow the low-pass kernels of all levels before.
    """
    array = voxels(volume)
    axes = len(axes_of(settings.by_slice))
    turns = rotations(axes) if settings.rotation_invariant else rotations(axes)[:1]
    return volume.with_array(pooled((_response(array, settings, turn) for turn in turns), settings.pooling))


def _response(array: Float, settings: SeparableWavelet, turn: tuple[tuple[int, int], ...]) -> Float:
    low, high = wavelet_kernels(settings.wavelet)
    last = [low if letter == "L" else high for letter in settings.passes]
    for level in range(1, settings.level + 1):
        chosen = last if level == settings.level else [low for _ in last]
        kernels = turned([with_holes(kernel, level) for kernel in chosen], turn)
        array = convolve_separably(array, kernels, settings.boundary)
    return array


def with_holes(kernel: Float, level: int) -> Float:
    """A kernel with ``2^(level - 1) - 1`` zeros between its numbers, and as many steps between them and its centre.

    The centre of a kernel of even length is the number after its middle. One zero at the end makes it the middle of an
    odd one, so that neither holes nor reversal move it.
    """
    odd = kernel if len(kernel) % 2 else np.append(kernel, 0.0)
    step = 2 ** (level - 1)
    wide = np.zeros(step * (len(odd) - 1) + 1)
    wide[::step] = odd
    return wide

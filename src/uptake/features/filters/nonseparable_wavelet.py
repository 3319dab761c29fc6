"""Non-separable wavelets (IBSI LODD): bands of spatial frequency that are the same in all directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

import numpy as np

from uptake.features.filters.boundary import Float, axes_of, voxels
from uptake.study import SettingsError
from uptake.volume import Volume

Band = Literal["simoncelli", "shannon"]
MOST_LEVELS = 6


@dataclass(frozen=True)
class NonseparableWavelet:
    """Non-separable wavelet; it works on frequencies, so the image is periodic at its border."""

    wavelet: Annotated[Band, "simoncelli has smooth bands (IBSI PRT7), shannon has sharp ones"] = "simoncelli"
    level: Annotated[int, "decomposition level, from 1: every next one has half the frequencies"] = 1
    by_slice: Annotated[bool, "in slices (array axis k) instead of the volume"] = False

    def __post_init__(self) -> None:
        if self.wavelet not in get_args(Band):
            raise SettingsError(f"wavelet {self.wavelet!r}: allowed are {', '.join(get_args(Band))}")
        if not 1 <= self.level <= MOST_LEVELS:
            raise SettingsError(f"level {self.level}: allowed are 1 to {MOST_LEVELS}")


def nonseparable_wavelet(volume: Volume, settings: NonseparableWavelet) -> Volume:
    """The response map, float64 on the same grid: the real part of the image's spectrum times `transfer`, turned back.

    Raises Refusal NON_FINITE.
    """
    array, axes = voxels(volume), axes_of(settings.by_slice)
    shape = tuple(array.shape[axis] for axis in axes)
    factor = transfer(shape, settings).reshape(*shape, *(1,) * (array.ndim - len(axes)))
    spectrum = np.fft.fftn(array, axes=axes) * factor
    return volume.with_array(np.real(np.fft.ifftn(spectrum, axes=axes)))


def transfer(shape: tuple[int, ...], settings: NonseparableWavelet) -> Float:
    """Factor of every frequency of the discrete Fourier transform of an array of `shape`.

    With v the length of the frequency vector, 1 at the highest frequency of an axis (half a cycle per voxel), and
    ``v_max = 2^(1 - level)``: Simoncelli's ``cos(pi / 2 log2(2 v / v_max))`` from ``v_max / 4`` to ``v_max``, Shannon's
    1 from ``v_max / 2`` to ``v_max``, and 0 elsewhere. As in the programs that the IBSI's reference maps were agreed
    with, frequencies reach from -1 to 1 with both ends, which is exact for odd sizes only: for an even size of n they
    lie up to ``1 / (n - 1)`` beside those of the transform.
    """
    squares = np.meshgrid(*[_frequencies(n) ** 2 for n in shape], indexing="ij")
    length, highest = np.sqrt(sum(squares)), 2.0 ** (1 - settings.level)
    lowest = highest / (4 if settings.wavelet == "simoncelli" else 2)
    band = (length >= lowest) & (length <= highest)
    factor = np.zeros(shape)
    smooth = np.cos(np.pi / 2 * np.log2(2 * length[band] / highest))
    factor[band] = smooth if settings.wavelet == "simoncelli" else 1.0
    return factor


def _frequencies(size: int) -> Float:
    """Frequencies from -1 to 1, ordered as the discrete Fourier transform has them."""
    return np.asarray(np.fft.ifftshift(np.linspace(-1, 1, size))) if size > 1 else np.zeros(1)

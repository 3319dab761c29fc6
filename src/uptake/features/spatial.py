"""Spatial autocorrelation of intensities: Moran's I (IBSI N365) and Geary's C (IBSI NPT7)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from uptake.features import _kernels
from uptake.features.region import Bool, Float
from uptake.volume import Array

Complex = npt.NDArray[np.complex128]


class Autocorrelation(NamedTuple):
    """Moran's I, 1 for perfectly clustered intensities, and Geary's C, 0 for them; both near 0 and 1 for noise."""

    moran_i: float
    geary_c: float


def autocorrelation(image: Array, inside: Bool, frame: Float) -> Autocorrelation:
    """Moran's I and Geary's C over all pairs of voxels inside, weighted by the inverse of their distance.

    With x the deviations from the mean, w_ij = 1 / distance in mm, w_ii = 0 and W the sum of all w:
    I = n / W * sum w_ij x_i x_j / sum x_i^2;  C = (n - 1) / (2 W) * sum w_ij (x_i - x_j)^2 / sum x_i^2.
    `inside` has at least two voxels, and they are not all equal.

    The sums over pairs are correlations with the kernel w and are taken in Fourier space over the zero-padded box
    (nothing is sampled): O(m log m) in the voxels of the box instead of O(n^2). Expanding the square,
    sum w_ij (x_i - x_j)^2 = 2 sum x_i^2 w_ij - 2 sum w_ij x_i x_j.
    """
    # Along memory: axes (k, j, i) throughout.
    image, inside, frame = image.T, inside.T, frame[:, ::-1]
    n = int(inside.sum())
    ones = np.asarray(inside, dtype=np.float64, order="C")
    deviation = np.where(inside, image, 0).astype(np.float64, order="C")
    deviation -= ones * (deviation.sum() / n)
    square = deviation * deviation
    shape = tuple(_fast_length(2 * size - 1) for size in image.shape)
    a, b, c = (_spectrum(values, shape).view(np.float64) for values in (ones, deviation, square))
    kernel = np.ascontiguousarray(_kernel_spectrum(shape, frame))
    # Parseval: sums over pairs are sums over frequencies.
    sums = _kernels.pair_sums(a, b, c, kernel, shape[2] % 2 == 0)
    weight_sum, cross, own = (total / (shape[0] * shape[1] * shape[2]) for total in sums)
    scale = float(square.sum()) * weight_sum
    return Autocorrelation(n * cross / scale, (n - 1) * (own - cross) / scale)


def _spectrum(values: Float, shape: tuple[int, ...]) -> Complex:
    """Half spectrum of values zero-padded to shape; the padding is added axis by axis, so that zeros cost little."""
    lines = np.fft.rfft(values, n=shape[2], axis=2)
    return np.fft.fft(np.fft.fft(lines, n=shape[1], axis=1), n=shape[0], axis=0)


def _kernel_spectrum(shape: tuple[int, ...], frame: Float) -> Float:
    """Half spectrum of the weights 1 / distance between two voxels: real, because the kernel is even."""
    if np.count_nonzero(frame) > 3:
        return np.asarray(np.fft.rfftn(_weights(shape, frame)).real, dtype=np.float64)
    # On right-angled grids it is even along each axis, and so is its spectrum: an eighth is enough.
    part = _weights(shape, frame, halves=True)
    for axis, size in enumerate(shape):
        part = np.fft.hfft(part, n=size, axis=axis).take(range(size // 2 + 1), axis=axis)
    for axis in (0, 1):
        half = np.arange(shape[axis])
        part = part.take(np.minimum(half, shape[axis] - half), axis=axis)
    return part


def _weights(shape: tuple[int, ...], frame: Float, *, halves: bool = False) -> Float:
    """1 / distance in mm of every voxel step, those beyond half of an axis being negative or, with halves, left out."""
    parts = (np.fft.fftfreq(size, 1 / size) for size in shape)
    i, j, k = (np.abs(part[: len(part) // 2 + 1]) if halves else part for part in parts)
    steps = (i[:, None, None], j[:, None], k)
    square = sum(sum(frame[row, axis] * steps[axis] for axis in range(3)) ** 2 for row in range(3))
    distance = np.sqrt(np.asarray(square, dtype=np.float64))
    distance[0, 0, 0] = np.inf
    return np.asarray(1 / distance, dtype=np.float64)


def _fast_length(least: int) -> int:
    """The smallest length of at least `least` whose prime factors are 2, 3 and 5: fast to transform."""
    size = least
    while True:
        rest = size
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return size
        size += 1

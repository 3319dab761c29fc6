"""N4 bias correction on a regular grid, with the spline fit done as tensor contractions.

Tustison et al., "N4ITK: Improved N3 Bias Correction", IEEE TMI 29 (2010) 1310: sharpen the histogram of the log
intensities by Wiener deconvolution, take what that moved as an estimate of the log field, smooth it by a B-spline
approximation (Lee, Wolberg and Shin, 1997), repeat until the field stops changing, double the mesh, repeat.

ITK fits the spline to scattered points, 64 products per point. On a regular grid the basis is a product of three
one-dimensional ones, so numerator, denominator and evaluation are contractions with one small matrix per axis.
Nothing here knows of millimetres: N4's mesh spans the image whatever its size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uptake.preprocess.splines import ORDER, Floats, basis, contract, expand, positions, refine

Axes = tuple[Floats, Floats, Floats]


@dataclass(frozen=True)
class Schedule:
    """N4's numbers, as in ITK: see `uptake.preprocess.bias.Bias` for what they mean."""

    levels: int
    iterations: int
    convergence_threshold: float
    fwhm: float
    wiener_noise: float
    bins: int
    control_points: int


def log_field_lattice(image: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_], schedule: Schedule) -> Floats:
    """The control points of the log field of `image` ``(i, j, k)``, on the finest mesh; natural logarithm.

    mask: the voxels to learn from; each must be positive. The lattice spans the centres of the first to the last
    voxel of each axis; `evaluate` with `positions` gives the field anywhere between them.
    """
    where = np.flatnonzero(mask)
    logs = np.log(image.ravel()[where].astype(np.float64))
    field = np.zeros_like(logs)
    lattice = np.zeros((schedule.control_points,) * 3)
    for level in range(schedule.levels):
        if level:
            lattice = refine(lattice)
        fit = _Fit.of(where, mask.shape, lattice.shape[0] - ORDER)
        for _ in range(schedule.iterations):
            uncorrected = logs - field
            change = fit.approximate(uncorrected - _sharpen(uncorrected, schedule))
            lattice += change
            step = fit.at_points(change)
            field += step
            ratio = np.exp(-step)
            if ratio.std(ddof=1) <= schedule.convergence_threshold * ratio.mean():
                break
    return lattice


def evaluate(lattice: Floats, at: Axes) -> npt.NDArray[np.float32]:
    """The spline of `lattice` at every combination of the fractions `at`, one array per axis; float32."""
    bases = [basis(u, n - ORDER).astype(np.float32) for u, n in zip(at, lattice.shape, strict=True)]
    return expand(lattice.astype(np.float32), bases)


@dataclass(frozen=True)
class _Fit:
    """B-spline approximation of values at the voxels `where` of a grid, for one mesh."""

    where: npt.NDArray[np.intp]
    shape: tuple[int, ...]
    bases: list[Floats]
    cubes: list[Floats]
    normaliser: Floats
    denominator: Floats

    @classmethod
    def of(cls, where: npt.NDArray[np.intp], shape: tuple[int, ...], mesh: int) -> _Fit:
        bases = [basis(positions(np.arange(n), n), mesh) for n in shape]
        squares = [b**2 for b in bases]
        i, j, k = (square.sum(axis=1) for square in squares)
        normaliser = (i[:, None, None] * j[:, None] * k).ravel()[where]
        inside = np.zeros(shape)
        inside.ravel()[where] = 1
        return cls(where, shape, bases, [b**3 for b in bases], normaliser, contract(inside, squares))

    def approximate(self, values: Floats) -> Floats:
        """The lattice nearest to `values` in Lee's sense; 0 at control points that no voxel reaches."""
        grid = np.zeros(self.shape)
        grid.ravel()[self.where] = values / self.normaliser
        numerator = contract(grid, self.cubes)
        return np.divide(numerator, self.denominator, out=np.zeros_like(numerator), where=self.denominator > 0)

    def at_points(self, lattice: Floats) -> Floats:
        """The spline of `lattice` at the voxels."""
        return expand(lattice, self.bases).ravel()[self.where]


def _sharpen(logs: Floats, schedule: Schedule) -> Floats:
    """What each log intensity most likely was before a Gaussian field blurred their histogram (N3's E[u | v])."""
    low, high = logs.min(), logs.max()
    if not high > low:
        return logs
    slope = (high - low) / (schedule.bins - 1)
    place = (logs - low) / slope
    lower = np.minimum(place.astype(np.intp), schedule.bins - 2)
    share = place - lower
    counts = np.bincount(lower, minlength=schedule.bins).astype(np.float64)
    upper = np.bincount(lower, share, schedule.bins)
    histogram = counts - upper
    histogram[1:] += upper[:-1]
    expected = _expected(histogram, low, slope, schedule)
    rise = np.diff(expected)
    return np.asarray(expected[lower] + rise[lower] * share)


def _expected(histogram: Floats, low: float, slope: float, schedule: Schedule) -> Floats:
    """Per bin, the expected true log intensity: Wiener deconvolution by the field's Gaussian, then its reverse."""
    size = 1 << (int(np.ceil(np.log2(schedule.bins))) + 1)
    offset = (size - schedule.bins) // 2
    padded = np.zeros(size)
    padded[offset : offset + schedule.bins] = histogram
    width = schedule.fwhm / slope
    distance = np.minimum(np.arange(size), size - np.arange(size))
    gaussian = 2 * np.sqrt(np.log(2) / np.pi) / width * np.exp(-4 * np.log(2) * (distance / width) ** 2)
    blur = np.fft.rfft(gaussian).real
    sharp = np.maximum(np.fft.irfft(np.fft.rfft(padded) * blur / (blur**2 + schedule.wiener_noise), size), 0)
    values = low + (np.arange(size) - offset) * slope
    numerator = np.fft.irfft(np.fft.rfft(sharp * values) * blur, size)
    denominator = np.fft.irfft(np.fft.rfft(sharp) * blur, size)
    expected = np.divide(numerator, denominator, out=np.zeros(size), where=denominator != 0)
    return expected[offset : offset + schedule.bins]

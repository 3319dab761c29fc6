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
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Axes = tuple[Floats, Floats, Floats]

T = TypeVar("T", np.float32, np.float64)

ORDER = 3


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


def positions(indices: npt.ArrayLike, size: int) -> Floats:
    """Voxel indices of an axis of `size` voxels as fractions of the lattice's span, kept within 0 and 1."""
    return np.clip(np.asarray(indices, dtype=np.float64) / max(size - 1, 1), 0.0, 1.0)


def evaluate(lattice: Floats, at: Axes) -> npt.NDArray[np.float32]:
    """The spline of `lattice` at every combination of the fractions `at`, one array per axis; float32."""
    bases = [_basis(u, n - ORDER).astype(np.float32) for u, n in zip(at, lattice.shape, strict=True)]
    return _expand(lattice.astype(np.float32), bases)


def refine(lattice: Floats) -> Floats:
    """The same cubic spline on a mesh of half the size (Catmull and Clark's rule for knots at the middles)."""
    for axis in range(3):
        moved = np.moveaxis(lattice, axis, 0)
        finer = np.empty((2 * len(moved) - ORDER, *moved.shape[1:]))
        finer[0::2] = (moved[:-1] + moved[1:]) / 2
        finer[1::2] = (moved[:-2] + 6 * moved[1:-1] + moved[2:]) / 8
        lattice = np.moveaxis(finer, 0, axis)
    return np.ascontiguousarray(lattice)


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
        bases = [_basis(positions(np.arange(n), n), mesh) for n in shape]
        squares = [basis**2 for basis in bases]
        i, j, k = (square.sum(axis=1) for square in squares)
        normaliser = (i[:, None, None] * j[:, None] * k).ravel()[where]
        inside = np.zeros(shape)
        inside.ravel()[where] = 1
        return cls(where, shape, bases, [b**3 for b in bases], normaliser, _contract(inside, squares))

    def approximate(self, values: Floats) -> Floats:
        """The lattice nearest to `values` in Lee's sense; 0 at control points that no voxel reaches."""
        grid = np.zeros(self.shape)
        grid.ravel()[self.where] = values / self.normaliser
        numerator = _contract(grid, self.cubes)
        return np.divide(numerator, self.denominator, out=np.zeros_like(numerator), where=self.denominator > 0)

    def at_points(self, lattice: Floats) -> Floats:
        """The spline of `lattice` at the voxels."""
        return _expand(lattice, self.bases).ravel()[self.where]


def _basis(u: Floats, mesh: int) -> Floats:
    """(len(u), mesh + 3): the uniform cubic B-splines at the fractions `u` of a mesh of that many elements."""
    x = u * mesh
    span = np.minimum(x.astype(np.intp), mesh - 1)
    t = x - span
    weights = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1) / 6
    basis = np.zeros((len(u), mesh + ORDER))
    np.put_along_axis(basis, span[:, None] + np.arange(ORDER + 1), weights, axis=1)
    return basis


def _contract(grid: npt.NDArray[T], bases: list[npt.NDArray[T]]) -> npt.NDArray[T]:
    """Sum over i, j, k of grid[i, j, k] times one basis per axis: (i, j, k) -> control points."""
    i, j, k = bases
    planes = j.T @ (grid @ k)
    return (i.T @ planes.reshape(len(planes), -1)).reshape(i.shape[1], j.shape[1], k.shape[1])


def _expand(lattice: npt.NDArray[T], bases: list[npt.NDArray[T]]) -> npt.NDArray[T]:
    """Sum over control points of lattice times one basis per axis: control points -> (i, j, k)."""
    i, j, k = bases
    planes = (i @ lattice.reshape(len(lattice), -1)).reshape(len(i), *lattice.shape[1:])
    return (j @ planes) @ k.T


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

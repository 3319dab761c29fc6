"""The scanner: coils, what is acquired of k-space and when, and the noise of two coils."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft

from uptake.phantom.frames import THREADS, Float, Frame

Complex = npt.NDArray[np.complex64]

DEEP_MM = 60.0
"""So far behind the chest's surface the coils see half as much."""


@dataclass(frozen=True)
class Window:
    """What is acquired along one axis: all up to `flat`, falling as a raised cosine to nothing at `end` (1: Nyquist).

    The rest is filled with zeros. That blurs and rings, and it correlates the noise of neighbouring pixels.
    """

    flat: float
    end: float


@dataclass(frozen=True)
class Acquired:
    """Windows along the three array axes and the axis of phase encoding, whose lines are acquired one after another."""

    windows: tuple[Window, Window, Window]
    phase_axis: int


@dataclass(frozen=True, eq=False)
class Coils:
    """Two elements. bias: root of the sum of their squared sensitivities. share: of the first in that sum, 0-1."""

    bias: Float
    share: Float


@dataclass(frozen=True)
class Elements:
    """Where the two elements are (RAS+ mm), how far they see (mm), and a random quadratic over `reach_mm`."""

    centres_mm: tuple[tuple[float, float, float], tuple[float, float, float]]
    sight_mm: float
    middle_mm: tuple[float, float, float]
    reach_mm: float
    linear: tuple[float, float, float]
    square: tuple[float, float, float]


@dataclass(frozen=True)
class Band:
    """A saturation band over the chest and heart.

    Tissue behind the plane y = ``y_mm - slope (z - z_mm)`` keeps `left`
    of its signal; the signal falls over `falls_mm` around it.
    """

    y_mm: float
    z_mm: float
    slope: float
    left: float
    falls_mm: float


@dataclass(frozen=True)
class Filter:
    """The receiver's filter along the read-out: signal and noise fall to nothing over the outermost columns.

    width: of the fall, share of the columns. bend: how much farther in it lies at the middle of the rows than at their
    ends (the warp that corrects the gradients' curvature leaves such bowed edges), share of the columns.
    """

    width: float
    bend: float


def draw_filter(rng: np.random.Generator) -> Filter:
    """As the two studies at hand have it: over 10 to 17 of 256 columns, up to 8 farther in at the middle."""
    return Filter(float(rng.uniform(0.03, 0.06)), float(rng.uniform(0, 0.03)))


def passed(shape: tuple[int, int, int], one: Filter, read_axis: int) -> Float:
    """What the filter leaves, 0-1, in a shape that broadcasts to the image's; the read-out is its axis 0 or 1."""
    row_axis = 1 - read_axis
    column = np.linspace(0, 1, shape[read_axis], dtype=np.float32)
    row = np.linspace(-1, 1, shape[row_axis], dtype=np.float32)
    bow = np.float32(one.bend) * (1 - row[:, None] ** 2)
    left = np.clip((column - bow) / np.float32(one.width), 0, 1)
    right = np.clip((1 - column) / np.float32(one.width) + np.float32(0.15), 0, 1)
    both = np.sin(np.float32(np.pi / 2) * left) * right
    return np.asarray((both if read_axis == 1 else both.T)[..., None], dtype=np.float32)


def draw_band(chest_mm: tuple[float, float], rng: np.random.Generator) -> Band | None:
    """In two of three studies there is one; `chest_mm`: y and z of the chest wall behind the breast."""
    y, z = chest_mm
    place, slope, left = rng.uniform(-8, 5), rng.uniform(0.1, 0.5), rng.uniform(0.12, 0.4)
    there, falls_mm = rng.random() < 0.65, rng.uniform(8, 18)
    return Band(y + place, z, slope, left, falls_mm) if there else None


def saturation(frame: Frame, band: Band | None) -> Float:
    """What the band leaves of the signal; shape that broadcasts to the frame's."""
    if band is None:
        return np.ones((1, 1, 1), dtype=np.float32)
    behind = np.float32(band.y_mm) - np.float32(band.slope) * (frame.z - np.float32(band.z_mm)) - frame.y
    there = np.clip(behind / np.float32(band.falls_mm) + 0.5, 0, 1)
    return np.asarray(1 - np.float32(1 - band.left) * there, dtype=np.float32)


def draw_elements(middle_mm: tuple[float, float, float], reach_mm: float, rng: np.random.Generator) -> Elements:
    """Two elements above and below the breast's middle: brighter towards them, darker towards the chest."""
    x, y, z = middle_mm
    away = rng.uniform(1.9, 3.0) * reach_mm
    tilt, forward = rng.uniform(-15, 15), rng.uniform(15, 45)
    above, below = (x + tilt, y + forward, z + away), (x - tilt, y + forward, z - away)
    linear, square = rng.uniform(-0.05, 0.05, 3), rng.uniform(-0.04, 0.04, 3)
    return Elements(
        (above, below),
        rng.uniform(190, 290),
        middle_mm,
        reach_mm,
        (linear[0], linear[1], linear[2]),
        (square[0], square[1], square[2]),
    )


def coils(frame: Frame, elements: Elements) -> Coils:
    """Sensitivities on a grid: each falls as 1 / (1 + (distance / sight)^2)^(3/2), the field on a loop's axis.

    The bias is 1 in the middle of the breast. Behind the chest's surface, out of both loops, little is left.
    """
    squares = [
        _sensitivity(frame.x, frame.y, frame.z, centre, elements.sight_mm) ** 2 for centre in elements.centres_mm
    ]
    x, y, z = (np.array([c], dtype=np.float32) for c in elements.middle_mm)
    first, second = (_sensitivity(x, y, z, centre, elements.sight_mm) ** 2 for centre in elements.centres_mm)
    there = first + second
    total = squares[0] + squares[1]
    quadratic = np.zeros(frame.grid.shape, dtype=np.float32)
    lines = zip((frame.x, frame.y, frame.z), elements.middle_mm, elements.linear, elements.square, strict=True)
    for line, middle, a, b in lines:
        u = np.clip((line - np.float32(middle)) / np.float32(elements.reach_mm), -1.5, 1.5)
        quadratic += np.float32(a) * u + np.float32(b) * u**2
    behind = np.maximum(np.float32(elements.middle_mm[1] - 0.6 * elements.reach_mm) - frame.y, 0) / np.float32(DEEP_MM)
    bias = np.sqrt(total / there) * np.exp(quadratic) / (1 + behind**2)
    return Coils(np.asarray(bias, dtype=np.float32), np.asarray(squares[0] / total, dtype=np.float32))


def sampled_magnitude(moments: Sequence[Float], acquired: Acquired) -> Float:
    """The magnitude image of an object that changes while it is scanned, noise-free, float32.

    moments: the object at equal steps of the scan, one or three of them. Of three, the first gives the first quarter
    of the phase-encoding lines, the second the middle half (contrast and brightness), the third the last quarter.
    """
    shape, axis = moments[0].shape, acquired.phase_axis
    windows = [_window(n, window) for n, window in zip(shape, acquired.windows, strict=True)]
    others = [a for a in range(3) if a != axis]
    space: Complex = np.zeros(shape, dtype=np.complex64)
    for moment, band in zip(moments, _bands(shape[axis], len(moments)), strict=True):
        lines = scipy.fft.fft(np.asarray(moment, dtype=np.complex64), axis=axis, workers=THREADS)
        space += lines * _shaped(windows[axis] * band, axis)
    space = scipy.fft.fftn(space, axes=others, overwrite_x=True, workers=THREADS)
    for a in others:
        space *= _shaped(windows[a], a)
    return np.asarray(np.abs(scipy.fft.ifftn(space, overwrite_x=True, workers=THREADS)), dtype=np.float32)


def coloured_noise(shape: tuple[int, int, int], acquired: Acquired, rng: np.random.Generator) -> Complex:
    """Complex noise as the acquired part of k-space gives it: SD 1 in real and imaginary part, complex64."""
    windows = [_window(n, window) for n, window in zip(shape, acquired.windows, strict=True)]
    kept = [np.flatnonzero(window) for window in windows]
    count = [index.size for index in kept]
    drawn = rng.standard_normal((*count, 2), dtype=np.float32)
    for axis, (window, index) in enumerate(zip(windows, kept, strict=True)):
        drawn *= _shaped(window[index], axis)[..., None]
    space = np.zeros(shape, dtype=np.complex64)
    space[np.ix_(*kept)] = drawn[..., 0] + 1j * drawn[..., 1]
    power = float(np.prod([float((window**2).sum()) for window in windows]))
    size = float(np.prod(shape))
    return np.asarray(
        scipy.fft.ifftn(space, overwrite_x=True, workers=THREADS) * np.float32(size / np.sqrt(power)),
        dtype=np.complex64,
    )


def with_noise(clean: Float, share: Float, sigma: float, acquired: Acquired, rng: np.random.Generator) -> Float:
    """Root of the sum of squares of two coils that share the signal, each with complex Gaussian noise of SD `sigma`.

    Far above the noise the SD is `sigma`; in air mean / SD is 2.7, as in the real studies (one coil's Rayleigh
    magnitude would give 1.91).
    """
    total = np.zeros_like(clean)
    for part in (share, 1 - share):
        noise = coloured_noise((clean.shape[0], clean.shape[1], clean.shape[2]), acquired, rng)
        noise *= np.float32(sigma)
        total += (noise.real + clean * np.sqrt(part)) ** 2 + noise.imag**2
    return np.sqrt(total)


def _sensitivity(x: Float, y: Float, z: Float, centre: tuple[float, float, float], sight_mm: float) -> Float:
    square = sum((line - np.float32(c)) ** 2 for line, c in zip((x, y, z), centre, strict=True))
    return np.asarray((1 + square / np.float32(sight_mm**2)) ** np.float32(-1.5), dtype=np.float32)


def _window(n: int, window: Window) -> npt.NDArray[np.float32]:
    frequency = np.abs(np.fft.fftfreq(n)) * 2
    fall = np.clip((frequency - window.flat) / max(window.end - window.flat, 1e-6), 0, 1)
    return np.asarray(np.where(fall < 1, 0.5 + 0.5 * np.cos(np.pi * fall), 0), dtype=np.float32)


def _bands(n: int, moments: int) -> list[npt.NDArray[np.float32]]:
    frequency = np.fft.fftfreq(n) * 2
    if moments == 1:
        return [np.ones(n, dtype=np.float32)]
    first, last = frequency < -0.5, frequency > 0.5
    return [band.astype(np.float32) for band in (first, ~(first | last), last)]


def _shaped(line: npt.NDArray[np.float32], axis: int) -> npt.NDArray[np.float32]:
    return line.reshape([-1 if a == axis else 1 for a in range(3)])

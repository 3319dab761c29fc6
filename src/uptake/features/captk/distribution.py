"""CaPTk's statistics of a list of numbers, from its distinct values and how often each occurs.

The same formulas serve intensities and bin numbers, so that what is shown for published bin counts holds for both.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from uptake.features.captk.roi import ratio
from uptake.features.definition import Undefined, Value
from uptake.features.region import Float

Counts = npt.NDArray[np.int64]

ONE_VOXEL = Undefined("one voxel has no variance: CaPTk divides by n - 1")
CONSTANT = Undefined("all values are equal: the standard deviation, by which it is divided, is zero")
NO_MEAN = Undefined("the mean, by which it is divided, is zero")
NO_QUARTILES = Undefined("the sum of the quartiles, by which it is divided, is zero")

UNITS = {
    "Minimum": "x", "Maximum": "x", "Mean": "x", "Sum": "x", "Mode": "x", "Median": "x", "Variance": "x2",
    "StandardDeviation": "x", "Skewness": "1", "Kurtosis": "1", "Range": "x", "Energy": "x2", "RootMeanSquare": "x",
    "TenthPercentile": "x", "NinetiethPercentile": "x", "InterQuartileRange": "x", "MeanAbsoluteDeviation": "x",
    "MedianAbsoluteDeviation": "x", "CoefficientOfVariation": "1", "QuartileCoefficientOfVariation": "1",
}  # fmt: skip
"""The 20 statistics that both families have; ``x`` stands for the unit of the numbers."""


def units(of: str) -> dict[str, str]:
    """Names of the 20 statistics and their units, for numbers in the unit `of`."""
    return {name: unit.replace("x", of) for name, unit in UNITS.items()}


def describe(x: Float, n: Counts) -> dict[str, Value]:
    """The 20 statistics of ascending distinct numbers `x` that occur `n` times each; `n` may hold zeros.

    As CaPTk 1.8.1 defines them, which is not always what the name says:
    Variance and StandardDeviation divide by N - 1, Skewness and Kurtosis by N with that deviation, and Kurtosis is
    not excess kurtosis. A percentile q is the number at place ``q N // 100`` of the sorted list, from zero, without
    interpolation. Mode is the most frequent number, the smallest of several; the largest number of all is never
    considered. MeanAbsoluteDeviation has no absolute value and is rounding noise around zero;
    MedianAbsoluteDeviation has none either and is the mean minus the median.
    """
    x, n = x[n > 0], n[n > 0]
    total, low, high = int(n.sum()), float(x[0]), float(x[-1])
    mean, energy = float(x @ n) / total, float((x * x) @ n)
    p10, q1, q3, p90 = (percentile(x, n, q) for q in (10, 25, 75, 90))
    middle = median(x, n)
    return {
        "Minimum": low,
        "Maximum": high,
        "Mean": mean,
        "Sum": float(x @ n),
        "Mode": low if len(x) == 1 else float(x[:-1][n[:-1].argmax()]),
        "Median": middle,
        **_moments(x, n, mean),
        "Range": high - low,
        "Energy": energy,
        "RootMeanSquare": float(np.sqrt(energy / total)),
        "TenthPercentile": p10,
        "NinetiethPercentile": p90,
        "InterQuartileRange": q3 - q1,
        "MeanAbsoluteDeviation": float((x - mean) @ n) / total,
        "MedianAbsoluteDeviation": mean - middle,
        "QuartileCoefficientOfVariation": ratio(q3 - q1, q3 + q1, NO_QUARTILES),
    }


def percentile(x: Float, n: Counts, q: int) -> float:
    """The number at place ``q N // 100`` of the sorted list, counted from zero."""
    return _at(x, n, q * int(n.sum()) // 100)


def median(x: Float, n: Counts) -> float:
    """The middle number, or the mean of the two middle ones."""
    total = int(n.sum())
    return (_at(x, n, (total - 1) // 2) + _at(x, n, total // 2)) / 2


def _at(x: Float, n: Counts, place: int) -> float:
    return float(x[np.searchsorted(n.cumsum(), place, side="right")])


def _moments(x: Float, n: Counts, mean: float) -> dict[str, Value]:
    total = int(n.sum())
    if total == 1:
        names = ("Variance", "StandardDeviation", "Skewness", "Kurtosis", "CoefficientOfVariation")
        return dict.fromkeys(names, ONE_VOXEL)
    deviation = x - mean
    variance = 0.0 if len(x) == 1 else float((deviation**2) @ n) / (total - 1)
    return {
        "Variance": variance,
        "StandardDeviation": variance**0.5,
        "Skewness": ratio(float(deviation**3 @ n) / total, variance**1.5, CONSTANT),
        "Kurtosis": ratio(float(deviation**4 @ n) / total, variance**2, CONSTANT),
        "CoefficientOfVariation": ratio(variance**0.5, mean, NO_MEAN),
    }

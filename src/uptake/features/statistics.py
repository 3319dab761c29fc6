"""Intensity-based statistics (IBSI UHIW): 18 features of the intensities, whatever their place."""

from __future__ import annotations

import numpy as np

from uptake.features.definition import Family, Undefined, Value, define
from uptake.features.region import Float, Region

DEFINITIONS = define(
    "statistics",
    (
        ("Mean intensity", "Q4LE", "stat_mean", "intensity"),
        ("Intensity variance", "ECT3", "stat_var", "intensity2"),
        ("Intensity skewness", "KE2A", "stat_skew", "1"),
        ("(Excess) intensity kurtosis", "IPH6", "stat_kurt", "1"),
        ("Median intensity", "Y12H", "stat_median", "intensity"),
        ("Minimum intensity", "1GSF", "stat_min", "intensity"),
        ("10th intensity percentile", "QG58", "stat_p10", "intensity"),
        ("90th intensity percentile", "8DWT", "stat_p90", "intensity"),
        ("Maximum intensity", "84IY", "stat_max", "intensity"),
        ("Intensity interquartile range", "SALO", "stat_iqr", "intensity"),
        ("Intensity range", "2OJQ", "stat_range", "intensity"),
        ("Intensity-based mean absolute deviation", "4FUA", "stat_mad", "intensity"),
        ("Intensity-based robust mean absolute deviation", "1128", "stat_rmad", "intensity"),
        ("Intensity-based median absolute deviation", "N72L", "stat_medad", "intensity"),
        ("Intensity-based coefficient of variation", "7TET", "stat_cov", "1"),
        ("Intensity-based quartile coefficient of dispersion", "9S40", "stat_qcod", "1"),
        ("Intensity-based energy", "N8CA", "stat_energy", "intensity2"),
        ("Root mean square intensity", "5ZWQ", "stat_rms", "intensity"),
    ),
)

NO_MEAN = Undefined("the mean intensity, by which it is divided, is zero")
NO_MIDDLE = Undefined("no intensity lies from the 10th to the 90th percentile")
NO_QUARTILES = Undefined("the sum of the quartiles, by which it is divided, is zero")


def statistics(region: Region) -> dict[str, Value]:
    """The 18 intensity-based statistics of a region."""
    return {f"stat_{name}": value for name, value in summary(*region.distribution).items()}


def summary(x: Float, counts: Float | None = None) -> dict[str, Value]:
    """Statistics of values `x`, shape (n,), n >= 1, by the last part of their IBSI tags.

    counts: how often each is there, shape (n,), where `x` rises; without it each once, in any order.

    Variance, skewness and kurtosis are those of the population (divided by n); kurtosis is excess kurtosis; skewness
    and kurtosis of equal values are 0 by definition, not undefined.
    Percentiles interpolate linearly between ranks, ``1 + (n - 1) p``: the IBSI manual leaves this open, and its
    reference values hold for it. The median absolute deviation is, as IBSI defines it, the *mean* distance from
    the median, and the robust one the mean distance of the values from P10 to P90 (inclusive) from their own mean
    (undefined for two different values, of which neither lies there).
    """
    x, counts = (np.sort(x), np.ones(x.shape)) if counts is None else (x, counts)
    n = float(counts.sum())
    mean, low, high = _mean(x, counts), float(x[0]), float(x[-1])
    deviation = x - mean
    p10, q1, median, q3, p90 = _percentiles(x, counts, (0.1, 0.25, 0.5, 0.75, 0.9))
    middle = slice(*np.searchsorted(x, (p10, np.nextafter(p90, np.inf))))
    energy = float(counts @ (x * x))
    return {
        "mean": mean,
        **_moments(deviation, counts / n, mean),
        "median": median,
        "min": low,
        "p10": p10,
        "p90": p90,
        "max": high,
        "iqr": q3 - q1,
        "range": high - low,
        "mad": float(counts @ np.abs(deviation)) / n,
        "rmad": _spread(x[middle], counts[middle]),
        "medad": float(counts @ np.abs(x - median)) / n,
        "qcod": NO_QUARTILES if q3 + q1 == 0 else (q3 - q1) / (q3 + q1),
        "energy": energy,
        "rms": float(np.sqrt(energy / n)),
    }


def _mean(x: Float, counts: Float) -> float:
    """The mean, without the rounding error that would give equal values a spread."""
    return float(x[0] + counts @ (x - x[0]) / counts.sum())


def _spread(x: Float, counts: Float) -> Value:
    """Mean distance from the mean."""
    if not x.size:
        return NO_MIDDLE
    return float(counts @ np.abs(x - _mean(x, counts)) / counts.sum())


def _percentiles(x: Float, counts: Float, shares: tuple[float, ...]) -> list[float]:
    """Percentiles of rising values, between ranks by linear interpolation."""
    last = np.cumsum(counts) - 1
    ranks = np.array(shares) * last[-1]
    below, above = (x[np.searchsorted(last, rank)] for rank in (np.floor(ranks), np.ceil(ranks)))
    return [float(p) for p in below + (above - below) * (ranks - np.floor(ranks))]


def _moments(deviation: Float, share: Float, mean: float) -> dict[str, Value]:
    square = deviation * deviation
    variance = float(share @ square)
    sigma = float(np.sqrt(variance))
    return {
        "var": variance,
        "skew": 0.0 if variance == 0 else float(share @ (square * (deviation / sigma))) / variance,
        "kurt": 0.0 if variance == 0 else float(share @ (square * (square / variance))) / variance - 3,
        "cov": NO_MEAN if mean == 0 else sigma / mean,
    }


FAMILY = Family("statistics", "UHIW", DEFINITIONS, statistics)

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
    return {f"stat_{name}": value for name, value in summary(region.values).items()}


def summary(x: Float) -> dict[str, Value]:
    """Statistics of values `x`, shape (n,), n >= 1, by the last part of their IBSI tags.

    Variance, skewness and kurtosis are those of the population (divided by n); kurtosis is excess kurtosis; skewness
    and kurtosis of equal values are 0 by definition, not undefined.
    Percentiles interpolate linearly between ranks, ``1 + (n - 1) p``: the IBSI manual leaves this open, and its
    reference values hold for it. The median absolute deviation is, as IBSI defines it, the *mean* distance from
    the median, and the robust one the mean distance of the values from P10 to P90 (inclusive) from their own mean
    (undefined for two different values, of which neither lies there).
    """
    mean, low, high = _mean(x), float(x.min()), float(x.max())
    deviation = x - mean
    p10, q1, median, q3, p90 = (float(p) for p in np.percentile(x, (10, 25, 50, 75, 90)))
    middle = x[(x >= p10) & (x <= p90)]
    energy = float((x * x).sum())
    return {
        "mean": mean,
        **_moments(deviation, mean),
        "median": median,
        "min": low,
        "p10": p10,
        "p90": p90,
        "max": high,
        "iqr": q3 - q1,
        "range": high - low,
        "mad": float(np.abs(deviation).mean()),
        "rmad": float(np.abs(middle - _mean(middle)).mean()) if middle.size else NO_MIDDLE,
        "medad": float(np.abs(x - median).mean()),
        "qcod": NO_QUARTILES if q3 + q1 == 0 else (q3 - q1) / (q3 + q1),
        "energy": energy,
        "rms": float(np.sqrt(energy / x.size)),
    }


def _mean(x: Float) -> float:
    """The mean, without the rounding error that would give equal values a spread; 0 for no values."""
    return float(x[0] + (x - x[0]).mean()) if x.size else 0.0


def _moments(deviation: Float, mean: float) -> dict[str, Value]:
    square = deviation * deviation
    variance = float(square.mean())
    sigma = float(np.sqrt(variance))
    return {
        "var": variance,
        "skew": 0.0 if variance == 0 else float((square * (deviation / sigma)).mean()) / variance,
        "kurt": 0.0 if variance == 0 else float((square * (square / variance)).mean()) / variance - 3,
        "cov": NO_MEAN if mean == 0 else sigma / mean,
    }


FAMILY = Family("statistics", "UHIW", DEFINITIONS, statistics)

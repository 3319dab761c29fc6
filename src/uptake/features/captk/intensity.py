"""CaPTk's Intensity family: 20 statistics of the intensities inside the mask.

Defects that are kept (and put right in the corrected panel): variance divided by N - 1; Kurtosis not in excess of 3;
percentiles without interpolation; MeanAbsoluteDeviation without an absolute value, so that it is rounding noise
around zero; MedianAbsoluteDeviation without one, so that it is the mean minus the median; Mode of exact values,
which for continuous intensities is as good as the minimum, and never the maximum.
"""

from __future__ import annotations

import numpy as np

from uptake.features.captk import distribution
from uptake.features.captk.parameters import CaptkParameters
from uptake.features.captk.roi import Roi
from uptake.features.definition import Value
from uptake.features.region import Float
from uptake.features.statistics import summary


def units(_: CaptkParameters) -> dict[str, str]:
    """Names and units."""
    return distribution.units("intensity")


def captk(roi: Roi, _: CaptkParameters) -> dict[str, Value]:
    """The 20 statistics as CaPTk 1.8.1 computes them, see `distribution.describe`."""
    return distribution.describe(*np.unique(roi.values, return_counts=True))


def corrected(roi: Roi, _: CaptkParameters) -> dict[str, Value]:
    """The 20 statistics with the definitions of the IBSI (UHIW); the mode as `ibsi_statistics` says."""
    return ibsi_statistics(roi.values)


def ibsi_statistics(x: Float) -> dict[str, Value]:
    """IBSI's statistics under CaPTk's names; the sum is the plain sum.

    The mode is the most frequent number, of several the one nearest to the mean, as in IBSI's histogram.
    """
    by_tag = summary(x)
    numbers, counts = np.unique(x, return_counts=True)
    fullest = numbers[counts == counts.max()]
    return {
        **{name: by_tag[tag] for name, tag in _TAGS.items()},
        "Sum": float(x.sum()),
        "Mode": float(fullest[np.abs(fullest - x.mean()).argmin()]),
        "StandardDeviation": float(x.std()),
    }


_TAGS = {
    "Minimum": "min", "Maximum": "max", "Mean": "mean", "Median": "median", "Variance": "var", "Skewness": "skew",
    "Kurtosis": "kurt", "Range": "range", "Energy": "energy", "RootMeanSquare": "rms", "TenthPercentile": "p10",
    "NinetiethPercentile": "p90", "InterQuartileRange": "iqr", "MeanAbsoluteDeviation": "mad",
    "MedianAbsoluteDeviation": "medad", "CoefficientOfVariation": "cov", "QuartileCoefficientOfVariation": "qcod",
}  # fmt: skip

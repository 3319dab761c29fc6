"""CaPTk's Histogram family: 29 summaries and two columns per bin, of the intensities sorted into equal bins.

Defects that are kept (and put right in the corrected panel): bins are numbered from zero, so that mean, sum, energy,
root mean square and the two coefficients depend on it; the range is stretched upwards by a hundredth of a bin;
Minimum, Maximum and Range are the constants 0, B - 1 and B - 1; four columns (FifthPercentile, its mean,
NinetyFifthPercentile and its mean) are in units of intensity, all others in bins; and those of the Intensity family.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uptake.features.captk import distribution
from uptake.features.captk.distribution import Counts
from uptake.features.captk.intensity import ibsi_statistics
from uptake.features.captk.parameters import CaptkParameters
from uptake.features.captk.roi import Roi, bin_of, itk_edges
from uptake.features.definition import Undefined, Value
from uptake.features.discretise import fixed_bin_number
from uptake.features.region import Float

NO_TAIL = Undefined("no voxel is above the 95th percentile that is not also at or below the 5th")
NO_MIDDLE = Undefined("no bin lies from the 10th to the 90th percentile")

INTENSITIES = ("FifthPercentile", "FifthPercentileMean", "NinetyFifthPercentile", "NinetyFifthPercentileMean")


class Histogram(NamedTuple):
    """Voxels per bin, shape (B,), and the edges of the bins in units of intensity, shape (B + 1,)."""

    counts: Counts
    edges: Float


def units(parameters: CaptkParameters) -> dict[str, str]:
    """Names and units: two per bin and 29 summaries."""
    bins = range(parameters.histogram_bins)
    return {
        **{f"Bin-{b}_Frequency": "voxel" for b in bins},
        **{f"Bin-{b}_Probability": "1" for b in bins},
        **distribution.units("bin"),
        "TwentyFifthPercentile": "bin",
        "SeventyFifthPercentile": "bin",
        "RobustMeanAbsoluteDeviation1090": "bin",
        "Entropy": "bit",
        "Uniformity": "1",
        **dict.fromkeys(INTENSITIES, "intensity"),
    }


def captk(roi: Roi, parameters: CaptkParameters) -> dict[str, Value]:
    """The family as CaPTk 1.8.1 computes it."""
    histogram = histogram_of(roi.values, parameters.histogram_bins)
    return {**of_counts(histogram.counts), **tails(roi.values, histogram)}


def histogram_of(x: Float, bins: int) -> Histogram:
    """Equal bins from the minimum to the maximum plus a hundredth of a bin, as ITK's automatic range has it."""
    low, high = float(x.min()), float(x.max())
    edges = itk_edges(low, high + (high - low) / (100 * bins), bins)
    return Histogram(np.bincount(bin_of(x, edges), minlength=bins), edges)


def of_counts(counts: Counts) -> dict[str, Value]:
    """Everything that depends on the voxels per bin alone: all columns but the four in units of intensity."""
    number, share = np.arange(len(counts), dtype=np.float64), counts / counts.sum()
    return {
        **{f"Bin-{b}_Frequency": float(n) for b, n in enumerate(counts)},
        **{f"Bin-{b}_Probability": float(p) for b, p in enumerate(share)},
        **distribution.describe(number, counts),
        "TwentyFifthPercentile": distribution.percentile(number, counts, 25),
        "SeventyFifthPercentile": distribution.percentile(number, counts, 75),
        "RobustMeanAbsoluteDeviation1090": robust_deviation(counts),
        **_spread(share),
    }


def robust_deviation(counts: Counts) -> float:
    """Mean distance of the bin numbers from P10 to P90, both inclusive, from their own mean."""
    number = np.arange(len(counts), dtype=np.float64)
    low, high = (distribution.percentile(number, counts, q) for q in (10, 90))
    kept = np.where((number >= low) & (number <= high), counts, 0)
    return float(np.abs(number - number @ kept / kept.sum()) @ kept) / int(kept.sum())


def quantile(histogram: Histogram, p: float) -> float:
    """Intensity below which a share `p` lies, linear inside its bin; counted from the nearer end, as ITK does."""
    share, edges = histogram.counts / histogram.counts.sum(), histogram.edges
    if p < 0.5:
        reached = share.cumsum()
        b = int((reached >= p).argmax())
        return float(edges[b] + (edges[b + 1] - edges[b]) * (p - (reached[b] - share[b])) / share[b])
    reached = 1 - share[::-1].cumsum()[::-1]  # what lies below each bin
    b = len(share) - 1 - int((reached[::-1] <= p).argmax())
    return float(edges[b + 1] - (edges[b + 1] - edges[b]) * (reached[b] + share[b] - p) / share[b])


def tails(x: Float, histogram: Histogram) -> dict[str, Value]:
    """The 5th and the 95th percentile and the means of the intensities beyond; a voxel beyond both counts below."""
    low, high = quantile(histogram, 0.05), quantile(histogram, 0.95)
    below, above = x[x <= low], x[(x >= high) & (x > low)]
    return {
        "FifthPercentile": low,
        "FifthPercentileMean": float(below.mean()) if below.size else NO_LOW_TAIL,
        "NinetyFifthPercentile": high,
        "NinetyFifthPercentileMean": float(above.mean()) if above.size else NO_TAIL,
    }


NO_LOW_TAIL = Undefined("no voxel is at or below the 5th percentile")


def corrected(roi: Roi, parameters: CaptkParameters) -> dict[str, Value]:
    """The family with the definitions of the IBSI (ZVCW): bins from 1, from the minimum to the maximum (K15C).

    The four columns in units of intensity stay so: the 5th and 95th percentile of the intensities, interpolated
    between ranks, and the means of the intensities at and beyond them.
    """
    numbers = fixed_bin_number(roi.values, parameters.histogram_bins).numbers
    counts = np.bincount(numbers, minlength=parameters.histogram_bins + 1)[1:]
    x, share = numbers.astype(np.float64), counts / counts.sum()
    q1, q3, p10, p90 = (float(q) for q in np.percentile(x, (25, 75, 10, 90)))
    middle = x[(x >= p10) & (x <= p90)]
    low, high = (float(q) for q in np.percentile(roi.values, (5, 95)))
    return {
        **{f"Bin-{b}_Frequency": float(n) for b, n in enumerate(counts)},
        **{f"Bin-{b}_Probability": float(p) for b, p in enumerate(share)},
        **ibsi_statistics(x),
        "TwentyFifthPercentile": q1,
        "SeventyFifthPercentile": q3,
        "RobustMeanAbsoluteDeviation1090": float(np.abs(middle - middle.mean()).mean()) if middle.size else NO_MIDDLE,
        **_spread(share),
        "FifthPercentile": low,
        "FifthPercentileMean": float(roi.values[roi.values <= low].mean()),
        "NinetyFifthPercentile": high,
        "NinetyFifthPercentileMean": float(roi.values[roi.values >= high].mean()),
    }


def _spread(share: Float) -> dict[str, Value]:
    filled = share[share > 0]
    return {"Entropy": 0.0 - float(filled @ np.log2(filled)), "Uniformity": float(share @ share)}

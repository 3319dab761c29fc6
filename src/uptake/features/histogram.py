"""Intensity histogram (IBSI ZVCW): 23 features of the grey levels of a region."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from uptake.features.definition import Family, Undefined, Value, define
from uptake.features.discretise import Levels, levels_of
from uptake.features.region import Float, Region
from uptake.features.statistics import summary

DEFINITIONS = define(
    "intensity_histogram",
    (
        ("Mean discretised intensity", "X6K6", "ih_mean", "bin"),
        ("Discretised intensity variance", "CH89", "ih_var", "bin2"),
        ("Discretised intensity skewness", "88K1", "ih_skew", "1"),
        ("(Excess) discretised intensity kurtosis", "C3I7", "ih_kurt", "1"),
        ("Median discretised intensity", "WIFQ", "ih_median", "bin"),
        ("Minimum discretised intensity", "1PR8", "ih_min", "bin"),
        ("10th discretised intensity percentile", "GPMT", "ih_p10", "bin"),
        ("90th discretised intensity percentile", "OZ0C", "ih_p90", "bin"),
        ("Maximum discretised intensity", "3NCY", "ih_max", "bin"),
        ("Intensity histogram mode", "AMMC", "ih_mode", "bin"),
        ("Discretised intensity interquartile range", "WR0O", "ih_iqr", "bin"),
        ("Discretised intensity range", "5Z3W", "ih_range", "bin"),
        ("Intensity histogram mean absolute deviation", "D2ZX", "ih_mad", "bin"),
        ("Intensity histogram robust mean absolute deviation", "WRZB", "ih_rmad", "bin"),
        ("Intensity histogram median absolute deviation", "4RNL", "ih_medad", "bin"),
        ("Intensity histogram coefficient of variation", "CWYJ", "ih_cov", "1"),
        ("Intensity histogram quartile coefficient of dispersion", "SLWD", "ih_qcod", "1"),
        ("Discretised intensity entropy", "TLU2", "ih_entropy", "bit"),
        ("Discretised intensity uniformity", "BJ5W", "ih_uniformity", "1"),
        ("Maximum histogram gradient", "12CE", "ih_max_grad", "voxel/bin"),
        ("Maximum histogram gradient intensity", "8E6O", "ih_max_grad_g", "bin"),
        ("Minimum histogram gradient", "VQB3", "ih_min_grad", "voxel/bin"),
        ("Minimum histogram gradient intensity", "RHQZ", "ih_min_grad_g", "bin"),
    ),
)

ONE_BIN = Undefined("a histogram of one bin has no gradient")


def histogram(region: Region) -> dict[str, Value]:
    """The 23 intensity histogram features of a region."""
    return {f"ih_{name}": value for name, value in describe(levels_of(region)).items()}


def describe(levels: Levels) -> dict[str, Value]:
    """Histogram features of grey levels by the last part of their IBSI tags; statistics as in `statistics.summary`."""
    counts = np.bincount(levels.numbers, minlength=levels.bins + 1)[1:]
    present = np.flatnonzero(counts)
    share = counts[present] / len(levels.numbers)
    common = summary((present + 1).astype(np.float64), counts[present].astype(np.float64))
    return {
        **{name: value for name, value in common.items() if name not in ("energy", "rms")},
        "mode": float(_mode(counts)),
        "entropy": -float((share * np.log2(share)).sum()) + 0.0,
        "uniformity": float((share * share).sum()),
        **_gradient(counts.astype(np.float64)),
    }


def _mode(counts: np.ndarray[tuple[int, ...], np.dtype[np.intp]]) -> int:
    """The fullest bin; of several the one nearest to the mean, of two as near the lower one."""
    numbers = np.arange(1, len(counts) + 1)
    fullest = numbers[counts == counts.max()]
    # In whole numbers, so that two bins as near to the mean are told to be so.
    return int(fullest[np.argmin(np.abs(fullest * counts.sum() - numbers @ counts))])


def _gradient(counts: Float) -> Mapping[str, Value]:
    """Differences of the counts: central ones, one-sided ones at both ends; the first of equal extremes counts."""
    if len(counts) == 1:
        return dict.fromkeys(("max_grad", "max_grad_g", "min_grad", "min_grad_g"), ONE_BIN)
    gradient = np.gradient(counts)
    highest, lowest = int(gradient.argmax()), int(gradient.argmin())
    return {
        "max_grad": float(gradient[highest]),
        "max_grad_g": highest + 1.0,
        "min_grad": float(gradient[lowest]),
        "min_grad_g": lowest + 1.0,
    }


FAMILY = Family("intensity_histogram", "ZVCW", DEFINITIONS, histogram)

"""CaPTk's GLCM family: 8 features of how often two grey levels are neighbours (Haralick), by ITK's formulas.

Defects that are kept (and put right in the corrected panel): grey levels lie between the minimum and the maximum
*plus one*, which leaves the top bins of a small range (a z-scored image) empty; they are numbered from zero; Entropy
skips cells with a probability of at most 1e-4, which at 128 bins are most of them; Correlation is divided by the
square of the variance instead of the variance; AutoCorrelation is ITK's "Haralick correlation", normalised by mean
and variance of the marginal probabilities instead of the grey levels; for a radius above 1 the offsets are an
accidental set (see `captk_offsets`). With `Average`, one direction without a pair leaves all features undefined
but Entropy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from uptake.features.captk.parameters import CaptkParameters
from uptake.features.captk.roi import (
    FORWARD,
    Int,
    Offset,
    Roi,
    averaged,
    bin_of,
    captk_offsets,
    itk_edges,
    pairs,
    ratio,
)
from uptake.features.definition import Undefined, Value
from uptake.features.discretise import fixed_bin_number
from uptake.features.region import Bool, Float

NO_PAIR = Undefined("a direction has no pair of neighbours inside the mask")
UNIFORM = Undefined("all grey levels are as probable: the variance of their probabilities, the divisor, is zero")
CONSTANT = Undefined("all neighbours have the same grey level: their variance, the divisor, is zero")

NAMES = (
    "AutoCorrelation",
    "ClusterProminence",
    "ClusterShade",
    "Contrast",
    "Correlation",
    "Energy",
    "Entropy",
    "Homogeneity",
)


def units(_: CaptkParameters) -> dict[str, str]:
    """Names and units; grey levels have none."""
    return {name: "bit" if name == "Entropy" else "1" for name in NAMES}


def captk(roi: Roi, parameters: CaptkParameters) -> dict[str, Value]:
    """The family as CaPTk 1.8.1 computes it, with `Average` or `Combined` offsets."""
    levels = np.zeros(roi.inside.shape, dtype=np.intp)
    low, high = float(roi.values.min()), float(roi.values.max())
    levels[roi.inside] = bin_of(roi.values, itk_edges(low, high + 1, parameters.glcm_bins))
    offsets = captk_offsets(parameters.glcm_radius)
    return _aggregated(roi.inside, levels, offsets, parameters, itk_features)


def corrected(roi: Roi, parameters: CaptkParameters) -> dict[str, Value]:
    """The 8 meanings with the definitions of the IBSI (LFYI), over all directions at a Chebyshev distance of `radius`.

    Grey levels from 1 (fixed bin number); AutoCorrelation is IBSI's QWB0, Correlation NI2N, Homogeneity inverse
    difference moment WF0Z, Energy angular second moment 8ZQL, Entropy joint entropy TU9B.
    """
    levels = np.zeros(roi.inside.shape, dtype=np.intp)
    levels[roi.inside] = fixed_bin_number(roi.values, parameters.glcm_bins).numbers - 1
    radius = parameters.glcm_radius
    offsets = tuple((i * radius, j * radius, k * radius) for i, j, k in FORWARD)
    return _aggregated(roi.inside, levels, offsets, parameters, ibsi_features)


def _aggregated(
    inside: Bool,
    levels: Int,
    offsets: Iterable[Offset],
    parameters: CaptkParameters,
    features: Callable[[Float], dict[str, Value]],
) -> dict[str, Value]:
    matrices = (cooccurrences(inside, levels, offset, parameters.glcm_bins) for offset in offsets)
    if parameters.glcm_offset == "Combined":
        return features(sum(matrices, start=np.zeros((parameters.glcm_bins,) * 2)))
    return averaged(map(features, matrices))


def cooccurrences(inside: Bool, levels: Int, offset: Offset, bins: int) -> Float:
    """How often two levels (from 0) are neighbours at `offset` and at its opposite, shape (bins, bins), symmetric."""
    here, there = pairs(inside, offset)
    both = inside[here] & inside[there]
    cells = levels[here][both] * bins + levels[there][both]
    counts = np.bincount(cells, minlength=bins * bins).reshape(bins, bins).astype(np.float64)
    return counts + counts.T


def itk_features(counts: Float) -> dict[str, Value]:
    """The 8 features of one symmetric matrix by the formulas of ITK 4.13, levels from 0."""
    if not counts.any():
        return {name: 0.0 if name == "Entropy" else NO_PAIR for name in NAMES}
    p = counts / counts.sum()
    i, j, mean, variance = _levels(p, 0)
    marginal = p.sum(axis=1)
    kept = p[p > 0.0001]
    covariance = float(((i - mean) * (j - mean) * p).sum())
    return {
        **_common(p, i, j, mean),
        "Entropy": 0.0 - float(kept @ np.log2(kept)),
        "Correlation": covariance / (variance**2 if variance > 1e-9 else 1.0),
        "AutoCorrelation": ratio(
            float((i * j * p).sum()) - marginal.mean() ** 2, _unless_rounding(float(marginal.var())), UNIFORM
        ),
    }


def ibsi_features(counts: Float) -> dict[str, Value]:
    """The 8 features of one symmetric matrix by the formulas of the IBSI, levels from 1."""
    if not counts.any():
        return dict.fromkeys(NAMES, NO_PAIR)
    p = counts / counts.sum()
    i, j, mean, variance = _levels(p, 1)
    kept = p[p > 0]
    return {
        **_common(p, i, j, mean),
        "Entropy": 0.0 - float(kept @ np.log2(kept)),
        "Correlation": ratio(float(((i - mean) * (j - mean) * p).sum()), _unless_rounding(variance), CONSTANT),
        "AutoCorrelation": float((i * j * p).sum()),
    }


def _levels(p: Float, first: int) -> tuple[Float, Float, float, float]:
    """Level numbers of rows and columns, and mean and variance of the grey level."""
    number = np.arange(len(p), dtype=np.float64) + first
    marginal = p.sum(axis=1)
    mean = float(number @ marginal)
    return number[:, None], number[None, :], mean, float((number - mean) ** 2 @ marginal)


def _common(p: Float, i: Float, j: Float, mean: float) -> dict[str, Value]:
    apart, cluster = (i - j) ** 2, i + j - 2 * mean
    return {
        "Energy": float((p * p).sum()),
        "Homogeneity": float((p / (1 + apart)).sum()),
        "Contrast": float((apart * p).sum()),
        "ClusterShade": float((cluster**3 * p).sum()),
        "ClusterProminence": float((cluster**4 * p).sum()),
    }


def _unless_rounding(variance: float) -> float:
    return variance if variance > 1e-18 else 0.0

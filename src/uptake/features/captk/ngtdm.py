"""CaPTk's NGTDM family: 5 features of how far a voxel's grey level is from the mean of its neighbourhood.

Defects that are kept (and put right in the corrected panel): a voxel without a neighbour inside the mask counts with
its whole grey level. CaPTk takes the radius not from the parameter of that name but from the last one called
`Range`, which is 0 in the file that it ships: then no voxel has a neighbour, and all five follow from the grey
levels' counts alone. That is not so in the published table, whose radius is unknown; 1 is assumed.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from uptake.features.captk.parameters import CaptkParameters
from uptake.features.captk.roi import Int, Roi, bin_of, itk_edges
from uptake.features.definition import Undefined, Value
from uptake.features.discretise import fixed_bin_number
from uptake.features.region import Bool, Float

NAMES = ("Busyness", "Coarsness", "Complexity", "Contrast", "Strength")
NO_NEIGHBOUR = Undefined("no voxel has a neighbour inside the mask")
EVEN = Undefined("all grey levels weigh the same, so that the sum of their differences, the divisor, is zero")


def units(_: CaptkParameters) -> dict[str, str]:
    """Names, with CaPTk's spelling, and units; grey levels have none."""
    return dict.fromkeys(NAMES, "1")


def captk(roi: Roi, parameters: CaptkParameters) -> dict[str, Value]:
    """The family as CaPTk 1.8.1 computes it, with a neighbourhood of `ngtdm_radius`."""
    low, high = float(roi.values.min()), float(roi.values.max())
    level = bin_of(roi.values, itk_edges(low, high, parameters.ngtdm_bins)) + 1
    around, neighbours = neighbourhood(roi.inside, level, parameters.ngtdm_radius)
    difference = np.abs(level - around / np.maximum(neighbours, 1))
    return features(level, difference, parameters.ngtdm_bins)


def corrected(roi: Roi, parameters: CaptkParameters) -> dict[str, Value]:
    """The 5 meanings with the definitions of the IBSI (IPET): voxels without a neighbour are left out."""
    level = fixed_bin_number(roi.values, parameters.ngtdm_bins).numbers
    around, neighbours = neighbourhood(roi.inside, level, max(parameters.ngtdm_radius, 1))
    valid = neighbours > 0
    if not valid.any():
        return dict.fromkeys(NAMES, NO_NEIGHBOUR)
    difference = np.abs(level[valid] - around[valid] / neighbours[valid])
    return features(level[valid], difference, parameters.ngtdm_bins)


def neighbourhood(inside: Bool, level: Int, radius: int) -> tuple[Float, Int]:
    """Sum of the levels, and number, of the other voxels inside the mask in a cube of ``2 radius + 1`` around each."""
    levels = np.zeros(inside.shape)
    levels[inside] = level
    padded, within = np.pad(levels, radius), np.pad(inside, radius).astype(np.intp)
    around, number = np.zeros(inside.shape), np.zeros(inside.shape, dtype=np.intp)
    for corner in product(range(2 * radius + 1), repeat=3):
        if corner != (radius, radius, radius):
            window = tuple(slice(c, c + n) for c, n in zip(corner, inside.shape, strict=True))
            around += padded[window]
            number += within[window]
    return around[inside], number[inside]


def features(level: Int, difference: Float, bins: int) -> dict[str, Value]:
    """The 5 features of voxels with levels from 1 and distances from the mean of their neighbourhoods."""
    voxels = len(level)
    n = np.bincount(level, minlength=bins + 1)[1:]
    s = np.bincount(level, weights=difference, minlength=bins + 1)[1:]
    g = np.flatnonzero(n) + 1.0
    p, s = n[n > 0] / voxels, s[n > 0]
    apart = g[:, None] - g[None, :]
    weighted, total, filled = float(p @ s), float(s.sum()), len(g)
    return {
        "Coarsness": min(1 / weighted, 1e6) if weighted > 0 else 1e6,
        "Contrast": float(p @ apart**2 @ p) / (filled * (filled - 1)) * total / voxels if filled > 1 else 0.0,
        "Busyness": _busyness(g * p, weighted),
        "Complexity": float((np.abs(apart) * _mixed(p * s, p)).sum()) / voxels,
        "Strength": float(((p[:, None] + p[None, :]) * apart**2).sum()) / total if total > 0 else 0.0,
    }


def _busyness(weights: Float, weighted: float) -> Value:
    if len(weights) == 1:
        return 0.0
    below = float(np.abs(weights[:, None] - weights[None, :]).sum())
    return EVEN if below == 0 else weighted / below


def _mixed(above: Float, below: Float) -> Float:
    return np.asarray((above[:, None] + above[None, :]) / (below[:, None] + below[None, :]))

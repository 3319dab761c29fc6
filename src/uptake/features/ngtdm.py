"""Neighbourhood grey tone difference matrix (IBSI IPET): how far voxels are from the mean of their neighbours.

With n(i) the voxels of level i that have a neighbour, s(i) the sum over them of |i - mean of the neighbours|,
N the sum of all n, p(i) = n(i) / N, and N_p the number of levels with p > 0. All sums run over these levels.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from uptake.features.average import average
from uptake.features.definition import DIMENSION_TAGS, Family, Undefined, Value, define_by_dimension, dimensions
from uptake.features.matrices import Neighbourhoods, neighbourhoods_2d, neighbourhoods_3d
from uptake.features.region import Float, Region

DEFINITIONS = define_by_dimension(
    "ngtdm",
    (
        ("Coarseness", "QCDE", "ngt_coarseness", "1/bin"),
        ("Contrast", "65HE", "ngt_contrast", "bin3"),
        ("Busyness", "NQ30", "ngt_busyness", "1"),
        ("Complexity", "HDEZ", "ngt_complexity", "bin2"),
        ("Strength", "1X9X", "ngt_strength", "bin"),
    ),
)

ALONE = Undefined("no voxel has a neighbour inside")
NAMES = ("coarseness", "contrast", "busyness", "complexity", "strength")


def ngtdm(region: Region) -> dict[str, Value]:
    """The tone difference features of a region, for each dimension of the chosen aggregations.

    In an average over slices those do not count in which no voxel has a neighbour.
    """
    values: dict[str, Value] = {}
    for dimension in dimensions(region.settings):
        n, s = difference_matrices(neighbourhoods_3d(region) if dimension == "3D" else neighbourhoods_2d(region))
        if dimension == "2.5D":
            n, s = n.sum(axis=0, keepdims=True), s.sum(axis=0, keepdims=True)
        each = [describe(of_n, of_s) for of_n, of_s in zip(n, s, strict=True) if of_n.any()]
        found = average({name: np.array([one[name] for one in each]) for name in NAMES}, ALONE)
        values |= {f"ngt_{name}_{DIMENSION_TAGS[dimension]}": found[name] for name in NAMES}
    return values


def difference_matrices(tables: Neighbourhoods) -> tuple[Float, Float]:
    """Both n and s of each matrix, shape (matrices, levels)."""
    neighbours = np.arange(1.0, tables.counts.shape[2])
    return tables.counts[:, :, 1:].sum(axis=2, dtype=np.float64), tables.differences[:, :, 1:] @ (1 / neighbours)


def describe(n: Float, s: Float) -> Mapping[str, float]:
    """Features of one matrix with at least one voxel; where all divisors vanish, the values that IBSI gives."""
    i = np.flatnonzero(n) + 1.0
    p, s = (n / n.sum())[n > 0], s[n > 0]
    levels, voxels = len(i), float(n.sum())
    smoothness, roughness = float(p @ s), float(s.sum())
    difference = i[:, None] - i
    apart = np.abs(np.subtract.outer(i * p, i * p)).sum()
    return {
        "coarseness": 1 / smoothness if smoothness > 0 else 1e6,
        "contrast": p @ difference**2 @ p / (levels * (levels - 1)) * roughness / voxels if levels > 1 else 0.0,
        "busyness": smoothness / apart if levels > 1 and apart > 0 else 0.0,
        "complexity": float((np.abs(difference) * np.add.outer(p * s, p * s) / np.add.outer(p, p)).sum()) / voxels,
        "strength": float((np.add.outer(p, p) * difference**2).sum()) / roughness if roughness > 0 else 0.0,
    }


FAMILY = Family("ngtdm", "IPET", DEFINITIONS, ngtdm)

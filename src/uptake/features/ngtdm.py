"""Neighbourhood grey tone difference matrix (IBSI IPET): how far voxels are from the mean of their neighbours.

With n(i) the voxels of level i that have a neighbour, s(i) the sum over them of |i - mean of the neighbours|,
N the sum of all n, p(i) = n(i) / N, and N_p the number of levels with p > 0. All sums run over these levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from uptake.features import _kernels
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


class Tones(NamedTuple):
    """Sums over the levels of a matrix, or over its pairs of levels (i, j).

    levels: N_p. voxels: N. smoothness: p(i) s(i). roughness: s(i). contrast: p(i) p(j) (i - j)^2. apart:
    |i p(i) - j p(j)|. weighted: |i - j| (p(i) s(i) + p(j) s(j)) / (p(i) + p(j)). strength: (p(i) + p(j)) (i - j)^2.
    """

    levels: float
    voxels: float
    smoothness: float
    roughness: float
    contrast: float
    apart: float
    weighted: float
    strength: float


def ngtdm(region: Region) -> dict[str, Value]:
    """The tone difference features of a region, for each dimension of the chosen aggregations.

    In an average over slices those do not count in which no voxel has a neighbour.
    """
    values: dict[str, Value] = {}
    for dimension in dimensions(region.settings):
        n, s = difference_matrices(neighbourhoods_3d(region) if dimension == "3D" else neighbourhoods_2d(region))
        if dimension == "2.5D":
            n, s = n.sum(axis=0, keepdims=True), s.sum(axis=0, keepdims=True)
        sums = np.empty((len(n), 8))
        _kernels.tones(n, s, sums)
        each = [describe(Tones(*row)) for row in sums.tolist() if row[0]]
        found = average({name: np.array([one[name] for one in each]) for name in NAMES}, ALONE)
        values |= {f"ngt_{name}_{DIMENSION_TAGS[dimension]}": found[name] for name in NAMES}
    return values


def difference_matrices(tables: Neighbourhoods) -> tuple[Float, Float]:
    """Both n and s of each matrix, shape (matrices, levels)."""
    neighbours = np.arange(1.0, tables.counts.shape[2])
    return tables.counts[:, :, 1:].sum(axis=2, dtype=np.float64), tables.differences[:, :, 1:] @ (1 / neighbours)


def describe(of: Tones) -> Mapping[str, float]:
    """Features of one matrix with at least one voxel; where all divisors vanish, the values that IBSI gives."""
    several = of.levels > 1
    return {
        "coarseness": 1 / of.smoothness if of.smoothness > 0 else 1e6,
        "contrast": of.contrast / (of.levels * (of.levels - 1)) * of.roughness / of.voxels if several else 0.0,
        "busyness": of.smoothness / of.apart if several and of.apart > 0 else 0.0,
        "complexity": of.weighted / of.voxels,
        "strength": of.strength / of.roughness if of.roughness > 0 else 0.0,
    }


FAMILY = Family("ngtdm", "IPET", DEFINITIONS, ngtdm)

"""The mean of a feature over matrices."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from uptake.features.definition import Undefined, Value
from uptake.features.region import Float


def average(features: Mapping[str, Float | float], otherwise: Undefined) -> dict[str, Value]:
    """Mean of each feature over its matrices but those where it is NaN; `otherwise` if none is left.

    features: shape (n,) all, or plain numbers of a single matrix.
    """
    table = np.array([*features.values()])
    if table.size == len(features):
        alone: list[float] = table.ravel().tolist()
        return {name: otherwise if math.isnan(value) else value for name, value in zip(features, alone, strict=True)}
    known = ~np.isnan(table)
    sums, counts = np.where(known, table, 0).sum(axis=1).tolist(), known.sum(axis=1).tolist()
    return {
        name: total / count if count else otherwise for name, total, count in zip(features, sums, counts, strict=True)
    }

"""The mean of a feature over matrices."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from uptake.features.definition import Undefined, Value
from uptake.features.region import Float


def average(features: Mapping[str, Float], otherwise: Undefined) -> dict[str, Value]:
    """Mean of each feature over its matrices, shape (n,), but those where it is NaN; `otherwise` if none is left."""
    table = np.array(list(features.values()))
    known = ~np.isnan(table)
    counts = known.sum(axis=1).tolist()
    sums = np.where(known, table, 0).sum(axis=1).tolist()
    return {
        name: total / count if count else otherwise for name, total, count in zip(features, sums, counts, strict=True)
    }

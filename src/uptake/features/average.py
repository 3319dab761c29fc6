"""The mean of a feature over matrices."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from uptake.features.definition import Undefined, Value
from uptake.features.region import Float


def average(features: Mapping[str, Float], otherwise: Undefined) -> dict[str, Value]:
    """Mean of each feature over its matrices, shape (n,), but those where it is NaN; `otherwise` if none is left."""
    return {name: _mean(values, otherwise) for name, values in features.items()}


def _mean(values: Float, otherwise: Undefined) -> Value:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else otherwise

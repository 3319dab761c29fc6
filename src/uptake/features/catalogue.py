"""Every family of features, in the order of the IBSI reference manual. A new one is a file and a line here."""

from __future__ import annotations

from uptake.features import morphology, statistics
from uptake.features.definition import Family

FAMILIES: tuple[Family, ...] = (
    morphology.FAMILY,
    statistics.FAMILY,
)

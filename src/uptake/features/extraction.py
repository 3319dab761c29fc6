"""From one image and one mask to a table of features."""

from __future__ import annotations

import math

from uptake.features.catalogue import FAMILIES
from uptake.features.definition import Definition, Undefined, Value
from uptake.features.interpolate import interpolate
from uptake.features.region import region_of
from uptake.features.settings import Features
from uptake.features.table import Feature, FeatureTable
from uptake.volume import Volume

DEFAULT = Features()


def extract(volume: Volume, mask: Volume, settings: Features = DEFAULT) -> FeatureTable:
    """Extract the features of `settings.families` from an image inside a mask.

    volume: intensities ``(i, j, k)``, any numeric type; whole volumes are fine, only the mask's box is worked on.
    mask: a Volume of bool (or of zeros and ones) on the same grid.
    A value is NaN only where the feature's definition has none, and then its row says why.
    Raises Refusal: MASK_GRID, EMPTY_MASK, NON_FINITE (inside the mask).
    Source: IBSI reference manual, https://doi.org/10.48550/arXiv.1612.07003.
    """
    region = region_of(*_prepared(volume, mask, settings), settings)
    rows: list[Feature] = []
    for family in FAMILIES:
        if family.name in settings.families:
            values = family.compute(region)
            rows += [_feature(definition, values[definition.ibsi_tag]) for definition in family.chosen(settings)]
    return FeatureTable(tuple(rows))


def _prepared(volume: Volume, mask: Volume, settings: Features) -> tuple[Volume, Volume]:
    """Image and mask as they are measured; those that do not fit are handed on, to be refused with the rest."""
    if not settings.spacing_mm or not volume.grid.same_as(mask.grid):
        return volume, mask
    return interpolate(volume, mask, settings)


def _feature(definition: Definition, value: Value) -> Feature:
    number, reason = (math.nan, value.reason) if isinstance(value, Undefined) else (float(value), "")
    d = definition
    return Feature(d.name, number, d.unit, d.family, d.ibsi, d.ibsi_tag, d.aggregation, reason)

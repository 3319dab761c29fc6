"""From one image and one mask to a table of features."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from uptake.features.catalogue import FAMILIES
from uptake.features.definition import Family, Undefined, Value
from uptake.features.filters.named import filter_of, filtered
from uptake.features.interpolate import interpolate
from uptake.features.matrices import Field, field_of
from uptake.features.region import Region, region_of
from uptake.features.settings import Features
from uptake.features.table import Feature, FeatureTable
from uptake.volume import Volume

DEFAULT = Features()
TWO_THREADS_FROM = 20_000
"""Voxels of the box."""
TEXTURES = ("glcm", "glrlm", "glszm", "gldzm", "ngtdm", "ngldm")
TOGETHER: tuple[tuple[str, ...], ...] = (
    ("morphology",),
    ("glszm", "gldzm"),
    ("local_intensity",),
    ("glrlm",),
    ("glcm",),
    ("ngtdm", "ngldm"),
    ("statistics", "intensity_histogram", "intensity_volume_histogram"),
)
"""Families that share matrices, the longest first: the thread that is free takes the next."""


def extract(volume: Volume, mask: Volume, settings: Features = DEFAULT) -> FeatureTable:
    """Extract the features of `settings.families` from an image inside a mask.

    volume: intensities ``(i, j, k)``, any numeric type; whole volumes are fine, only the mask's box is worked on.
    mask: a Volume of bool (or of zeros and ones) on the same grid.
    A value is NaN only where the feature's definition has none, and then its row says why.
    Raises Refusal: MASK_GRID, EMPTY_MASK, NON_FINITE (inside the mask; with a filter or interpolation anywhere).
    Source: IBSI reference manual, https://doi.org/10.48550/arXiv.1612.07003.
    """
    region = _region(volume, mask, settings)
    families, wanted = _wanted(settings)
    return _table(wanted, _values(region, families))


class _Columns(NamedTuple):
    """What a table says of each value, a tuple for each."""

    names: tuple[str, ...]
    units: tuple[str, ...]
    families: tuple[str, ...]
    codes: tuple[str, ...]
    tags: tuple[str, ...]
    aggregations: tuple[str, ...]


@lru_cache(maxsize=16)
def _wanted(settings: Features) -> tuple[tuple[Family, ...], _Columns]:
    families = tuple(family for family in FAMILIES if family.name in settings.families)
    chosen = [definition for family in families for definition in family.chosen(settings)]
    rows = [(d.name, d.unit, d.family, d.ibsi, d.ibsi_tag, d.aggregation) for d in chosen]
    return families, _Columns(*zip(*rows, strict=True))


def _table(wanted: _Columns, values: Mapping[str, Value]) -> FeatureTable:
    found = [values[tag] for tag in wanted.tags]
    numbers = [math.nan if isinstance(value, Undefined) else float(value) for value in found]
    reasons = [value.reason if isinstance(value, Undefined) else "" for value in found]
    columns = (wanted.names, numbers, wanted.units, wanted.families, wanted.codes, wanted.tags, wanted.aggregations)
    return FeatureTable(tuple(map(Feature._make, zip(*columns, reasons, strict=True))))


def _values(region: Region, families: Sequence[Family]) -> dict[str, Value]:
    """Values by IBSI tag; of large regions in two threads, since the kernels and NumPy let go of Python's lock."""
    groups = [[family for family in families if family.name in names] for names in TOGETHER]
    waiting = iter([group for group in groups if group])
    if region.image.size < TWO_THREADS_FROM:
        return _work(region, waiting)
    with ThreadPoolExecutor(1) as helper:
        textured = any(family.name in TEXTURES for family in families)
        levels = helper.submit(field_of, region) if textured else None  # once, for all families of texture
        other = helper.submit(_work, region, waiting, levels)
        return _work(region, waiting, levels) | other.result()


def _work(region: Region, waiting: Iterator[list[Family]], levels: Future[Field] | None = None) -> dict[str, Value]:
    """Values of all groups of families that are waiting; those of texture begin when there are grey levels."""
    values: dict[str, Value] = {}
    for group in waiting:
        if levels and group[0].name in TEXTURES:
            levels.result()
        for family in group:
            values |= family.compute(region)
    return values


def _region(volume: Volume, mask: Volume, settings: Features) -> Region:
    """What is measured: image and mask interpolated, re-segmented, and last of all the image filtered."""
    if settings.spacing_mm and volume.grid.same_as(mask.grid):  # those that do not fit are refused with the rest
        volume, mask = interpolate(volume, mask, settings)
    region = region_of(volume, mask, settings)
    if not settings.filter:
        return region
    response = filtered(volume, filter_of(settings.filter)).array
    return replace(region, whole=response, image=np.asfortranarray(response[region.box]))

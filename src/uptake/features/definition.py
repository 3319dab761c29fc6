"""What a feature is, and what a family of features is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from uptake.features.region import Region
from uptake.features.settings import FamilyName


@dataclass(frozen=True)
class Definition:
    """One feature of the Image Biomarker Standardisation Initiative (IBSI), without its value.

    name: as in the IBSI reference manual. ibsi: its four-character identifier there.
    ibsi_tag: its tag in the IBSI reference value tables, unique among all definitions.
    unit: of the value; ``1`` for a ratio, ``intensity`` for the unit of the image.
    aggregation: how values of slices or directions are combined; empty where nothing is.
    """

    name: str
    family: FamilyName
    ibsi: str
    ibsi_tag: str
    unit: str
    aggregation: str = ""


@dataclass(frozen=True)
class Undefined:
    """The value of a feature whose definition has no value in this region, and why."""

    reason: str


Value = float | Undefined


@dataclass(frozen=True)
class Family:
    """A table of definitions and the one function that computes them.

    compute: gives, for a region, a value for the `ibsi_tag` of every definition.
    """

    name: FamilyName
    ibsi: str
    definitions: tuple[Definition, ...]
    compute: Callable[[Region], Mapping[str, Value]]


def define(family: FamilyName, rows: Iterable[tuple[str, str, str, str]]) -> tuple[Definition, ...]:
    """Definitions of a family from its table of (name, IBSI identifier, IBSI tag, unit)."""
    return tuple(Definition(name, family, ibsi, tag, unit) for name, ibsi, tag, unit in rows)

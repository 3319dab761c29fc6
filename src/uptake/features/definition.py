"""What a feature is, and what a family of features is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from uptake.features.region import Region
from uptake.features.settings import AGGREGATIONS, FamilyName, Features


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Undefined:
    """The value of a feature whose definition has no value in this region, and why."""

    reason: str


Value = float | Undefined

TAGS: Mapping[str, str] = dict(
    zip(AGGREGATIONS, ("2D_avg", "2D_comb", "2_5D_avg", "2_5D_comb", "3D_avg", "3D_comb"), strict=True)
)
"""The end of an IBSI tag by aggregation (IBSI BTW3, SUJT, JJUI, ZW7Z, ITBB, IAZD)."""

AUTOCORRELATION = ("morph_moran_i", "morph_geary_c")

DIMENSION_TAGS = {"2D": "2D", "2.5D": "2_5D", "3D": "3D"}
"""The same for families without directions (IBSI 8QNN, 62GR, KOBO)."""


@dataclass(frozen=True)
class Family:
    """A table of definitions and the one function that computes them.

    compute: gives, for a region, a value for the `ibsi_tag` of every definition that the region's settings choose.
    """

    name: FamilyName
    ibsi: str
    definitions: tuple[Definition, ...]
    compute: Callable[[Region], Mapping[str, Value]]

    def chosen(self, settings: Features) -> tuple[Definition, ...]:
        """The definitions that settings ask for: without an aggregation or with one of the chosen."""
        wanted = {"", *settings.aggregations, *dimensions(settings)}
        left_out = () if settings.autocorrelation else AUTOCORRELATION
        return tuple(d for d in self.definitions if d.aggregation in wanted and d.ibsi_tag not in left_out)


def define(family: FamilyName, rows: Iterable[tuple[str, str, str, str]]) -> tuple[Definition, ...]:
    """Definitions of a family from its table of (name, IBSI identifier, IBSI tag, unit)."""
    return tuple(Definition(name, family, ibsi, tag, unit) for name, ibsi, tag, unit in rows)


def define_merged(family: FamilyName, rows: Iterable[tuple[str, str, str, str]]) -> tuple[Definition, ...]:
    """As `define`, once for each way of combining slices and directions."""
    return _aggregated(family, rows, TAGS)


def define_by_dimension(family: FamilyName, rows: Iterable[tuple[str, str, str, str]]) -> tuple[Definition, ...]:
    """As `define`, once in 2D (averaged over slices), 2.5D (slices merged) and 3D."""
    return _aggregated(family, rows, DIMENSION_TAGS)


def dimensions(settings: Features) -> tuple[str, ...]:
    """Of 2D, 2.5D and 3D those that the chosen aggregations are of."""
    return tuple(dict.fromkeys(name.split()[0] for name in settings.aggregations))


def _aggregated(
    family: FamilyName, rows: Iterable[tuple[str, str, str, str]], tags: Mapping[str, str]
) -> tuple[Definition, ...]:
    table = tuple(rows)
    return tuple(
        Definition(name, family, ibsi, f"{tag}_{suffix}", unit, aggregation)
        for aggregation, suffix in tags.items()
        for name, ibsi, tag, unit in table
    )

"""Two tables of features, feature by feature: what agrees, what does not, what is constant, what is missing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from uptake.features.region import Float
from uptake.study import SettingsError

Row = Mapping[str, object]
Status = Literal["agrees", "differs", "constant", "only in the first", "only in the second", "no values"]
STATUSES: tuple[Status, ...] = ("differs", "agrees", "constant", "no values", "only in the first", "only in the second")

CASE_COLUMNS = ("case_id", "CaseID", "PatientID", "SubjectID", "ID", "id", "case", "patient")
LONG_NAMES = ("ibsi_tag", "featureName", "Feature", "feature", "name")
_MISSING = ("", "nan", "-nan", "NA", "None")


@dataclass(frozen=True)
class Comparison:
    """When two values count as equal, and how the tables name their cases."""

    relative: Annotated[float, "largest relative difference of values that agree"] = 1e-6
    absolute: Annotated[float, "largest absolute difference of values that agree"] = 1e-9
    up_to_scale: Annotated[
        bool, "compare columns up to a scale and an offset of their own, as for standardised tables"
    ] = False
    unexplained: Annotated[float, "largest 1 - R2 of a column that agrees up to scale"] = 1e-9
    case_column: Annotated[str, "column that names the case; empty: the first known one, else the place of the row"] = (
        ""
    )

    def __post_init__(self) -> None:
        for field in ("relative", "absolute", "unexplained"):
            if not 0 <= getattr(self, field) < math.inf:
                raise SettingsError(f"{field} {getattr(self, field)}: allowed is 0 or more")


@dataclass(frozen=True)
class Compared:
    """One feature in both tables.

    cases: with a value in both. largest: the largest absolute difference (1 - R2 for a comparison up to scale), NaN
    where there is none; worst: the case that has it. missing: cases with a value in one table only.
    """

    name: str
    status: Status
    cases: int = 0
    largest: float = math.nan
    worst: str = ""
    missing: int = 0


@dataclass(frozen=True)
class Differences:
    """All features, those of the first table in its order and then those of the second alone."""

    features: tuple[Compared, ...]
    cases: int
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]

    @property
    def agree(self) -> bool:
        """Whether both tables have the same features and cases, with values that agree."""
        return not (self.only_first or self.only_second) and all(
            feature.status in ("agrees", "constant", "no values") for feature in self.features
        )

    def of(self, status: Status) -> tuple[Compared, ...]:
        """The features of one status."""
        return tuple(feature for feature in self.features if feature.status == status)

    def text(self) -> str:
        """For people: counts of each status, then every feature that does not simply agree."""
        counts = ", ".join(f"{len(self.of(status))} {_words(status)}" for status in STATUSES if self.of(status))
        lines = [f"{self.cases} cases in both tables; {counts or 'no features'}"]
        for cases, table in ((self.only_first, "first"), (self.only_second, "second")):
            if cases:
                lines.append(f"cases only in the {table}: {', '.join(cases)}")
        return "\n".join([*lines, *(_line(f) for status in STATUSES if status != "agrees" for f in self.of(status))])


DEFAULT = Comparison()


def compare_tables(first: Iterable[Row], second: Iterable[Row], settings: Comparison = DEFAULT) -> Differences:
    """Compare two tables of features, each wide (a row per case) or long (a row per feature, with `value`).

    Rows are mappings as from a CSV file: numbers or their texts; an empty cell or `nan` is no value, and columns that
    hold anything else (names, units) are not features. Long tables know a feature by `ibsi_tag`, or where that is
    empty by its name. A value agrees within the absolute or the relative tolerance (of the larger value); where one
    table has none, the feature differs. Constant is a feature that agrees and has one value in all of several cases:
    it says nothing about them. Up to scale, a feature agrees where a straight line explains all but a share
    `unexplained` of its variance, and what is constant in either table is constant.
    Raises SettingsError for two rows of one case (and feature), and for an unknown `case_column`.
    """
    one, other = _read(first, settings.case_column), _read(second, settings.case_column)
    cases = [case for case in one.cases if case in other.cases]
    names = [*one.features, *(name for name in other.features if name not in one.features)]
    return Differences(
        tuple(_compared(name, one, other, cases, settings) for name in names),
        len(cases),
        tuple(case for case in one.cases if case not in other.cases),
        tuple(case for case in other.cases if case not in one.cases),
    )


@dataclass(frozen=True)
class _Table:
    """Values by feature and case, and the cases in order."""

    features: Mapping[str, Mapping[str, float]]
    cases: Mapping[str, None]


def _read(rows: Iterable[Row], case_column: str) -> _Table:
    listed = list(rows)
    columns = list(dict.fromkeys(name for row in listed for name in row))
    if case_column and listed and case_column not in columns:
        raise SettingsError(f"case_column {case_column!r}: the table has {', '.join(columns[:8])}")
    case = case_column or next((name for name in CASE_COLUMNS if name in columns), "")
    value = next((name for name in ("value", "Value") if name in columns), "")
    name = next((name for name in LONG_NAMES if name in columns), "")
    return _long(listed, case, name, value) if value and name else _wide(listed, case, columns)


def _wide(rows: Sequence[Row], case: str, columns: Sequence[str]) -> _Table:
    cases = [str(row[case]) if case else str(place) for place, row in enumerate(rows, 1)]
    _check_unique(cases)
    features = {}
    for name in columns:
        texts = {row_case: row.get(name) for row_case, row in zip(cases, rows, strict=True)}
        numbers = {row_case: number for row_case, text in texts.items() if (number := _number(text)) is not None}
        if name != case and all(row_case in numbers or _blank(text) for row_case, text in texts.items()):
            features[name] = numbers
    return _Table(features, dict.fromkeys(cases))


def _long(rows: Sequence[Row], case: str, name: str, value: str) -> _Table:
    features: dict[str, dict[str, float]] = {}
    cases = [str(row[case]) if case else "" for row in rows]
    known = [str(row.get(name) or row.get("name") or row.get("Feature") or "") for row in rows]
    _check_unique([f"{c} {n}".strip() for c, n in zip(cases, known, strict=True)])
    for row, row_case, feature in zip(rows, cases, known, strict=True):
        values = features.setdefault(feature, {})
        number = _number(row.get(value))
        if number is not None:
            values[row_case] = number
    return _Table(features, dict.fromkeys(cases))


def _check_unique(names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise SettingsError(f"{name!r} is in the table twice: allowed is one row each")
        seen.add(name)


def _number(cell: object) -> float | None:
    """The number in a cell; None for a missing value and for anything that is no number."""
    if isinstance(cell, bool) or _blank(cell):
        return None
    try:
        return float(str(cell))
    except ValueError:
        return None


def _blank(cell: object) -> bool:
    return cell is None or str(cell).strip() in _MISSING


def _compared(name: str, one: _Table, other: _Table, cases: Sequence[str], settings: Comparison) -> Compared:
    if name not in other.features:
        return Compared(name, "only in the first")
    if name not in one.features:
        return Compared(name, "only in the second")
    here, there = one.features[name], other.features[name]
    both = [case for case in cases if case in here and case in there]
    missing = sum((case in here) != (case in there) for case in cases)
    if not both:
        return Compared(name, "differs" if missing else "no values", missing=missing)
    x, y = (np.array([table[case] for case in both]) for table in (here, there))
    found = _up_to_scale(x, y, settings) if settings.up_to_scale else _by_value(x, y, settings)
    status: Status = "differs" if missing and found.status == "agrees" else found.status
    return Compared(name, status, len(both), found.largest, both[found.place] if found.place >= 0 else "", missing)


@dataclass(frozen=True)
class _Found:
    status: Status
    largest: float
    place: int = -1


def _by_value(x: Float, y: Float, settings: Comparison) -> _Found:
    with np.errstate(invalid="ignore"):
        apart = np.where(x == y, 0.0, np.abs(x - y))  # infinities are equal to themselves
        larger = np.where(np.isfinite(apart), np.maximum(np.abs(x), np.abs(y)), 0.0)
    within = apart <= np.maximum(settings.absolute, settings.relative * larger)
    place = int(np.where(within, -1.0, apart).argmax()) if not within.all() else int(apart.argmax())
    if not within.all():
        return _Found("differs", float(apart[place]), place)
    constant = len(x) > 1 and x.min() == x.max() and y.min() == y.max()
    return _Found("constant" if constant else "agrees", float(apart[place]), place)


def _up_to_scale(x: Float, y: Float, settings: Comparison) -> _Found:
    """1 - R2 of the straight line from one to the other, which needs three cases to say anything."""
    if len(x) < 3:
        raise SettingsError(f"up_to_scale: {len(x)} cases in both tables; allowed are 3 or more")
    if x.min() == x.max() or y.min() == y.max():
        return _Found("constant", math.nan)
    x, y = x - x.mean(), y - y.mean()
    rest = y - x * (float(x @ y) / float(x @ x))
    share = float(rest @ rest) / float(y @ y)
    place = int(np.abs(rest).argmax())
    return _Found("agrees" if share <= settings.unexplained else "differs", share, place)


def _words(status: Status) -> str:
    return {"agrees": "agree", "differs": "differ", "no values": "without values"}.get(status, status)


def _line(feature: Compared) -> str:
    parts = [f"{feature.status:<18} {feature.name}"]
    if feature.largest > 0:
        parts.append(f"largest difference {feature.largest:.3g}" + (f" in {feature.worst}" if feature.worst else ""))
    if feature.missing:
        parts.append(f"{feature.missing} cases with a value in one table only")
    return "; ".join(parts)

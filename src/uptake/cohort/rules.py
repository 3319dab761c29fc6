"""Rules of selection and of description, as data: what a cohort asks of a patient, and what its tables show."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from uptake.study import SettingsError

Needs = Literal["images", "series", "phases", "clinical", "complete", "range", "one-of", "listed"]
Visit = Literal["any", "baseline"]
Kind = Literal["number", "category"]


@dataclass(frozen=True)
class Rule:
    """One step of the selection: what it asks for, and in which words those who fail are let go.

    needs: ``images`` any row in the index; ``series`` for each of `patterns` a row of the index whose `column` matches
    it; ``phases`` a number of at least `least` in `column` of the index; ``clinical`` a row in the clinical table;
    ``complete`` a value in each of `columns`; ``range`` a number from `least` to `most` in `column`; ``one-of`` one of
    `allowed` in `column`; ``listed`` a place on the inclusion list. visit: where images are looked for.
    """

    step: str
    needs: Needs
    reason: str
    visit: Visit = "baseline"
    column: str = ""
    columns: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None

    def __post_init__(self) -> None:
        missing = [name for name in _NEEDED.get(self.needs, ()) if getattr(self, name) in {"", (), None}]
        if missing:
            raise SettingsError(f"rule {self.step!r}: needs = {self.needs!r} asks for {', '.join(missing)} too")
        if self.needs == "range" and self.least is None and self.most is None:
            raise SettingsError(f"rule {self.step!r}: a range has a least or a most")
        for pattern in self.patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise SettingsError(f"rule {self.step!r}: {pattern!r} is no regular expression: {error}") from error


_NEEDED = {
    "series": ("column", "patterns"),
    "phases": ("column", "least"),
    "complete": ("columns",),
    "range": ("column",),
    "one-of": ("column", "allowed"),
}


@dataclass(frozen=True)
class Counted:
    """A number of patients that a publication gives, shown beside what the tables say.

    beside: the step it belongs to; ``end`` the last one; empty: it comes before the tables, which cannot check it.
    """

    step: str
    patients: int
    source: str
    lost: int = 0
    reason: str = ""
    beside: str = ""


@dataclass(frozen=True)
class Variable:
    """One row, or block of rows, of a table of characteristics.

    label: as printed. column: of the clinical table. kind: number (least, greatest, median) or category.
    value: of a category, the only one to show; without it every value is shown.
    """

    label: str
    column: str
    kind: Kind = "category"
    value: str = ""


@dataclass(frozen=True)
class Groups:
    """The groups that stand side by side: the values of a column and their names; without a column one group."""

    column: str = ""
    values: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.values) != len(self.labels):
            raise SettingsError(f"groups: {len(self.values)} values and {len(self.labels)} labels: one label per value")


@dataclass(frozen=True)
class RuleSet:
    """A whole selection with its tables.

    patients: regular expression of the identifiers that this set was made for; empty: any. index_id, clinical_id: the
    columns with identifiers, the first that exists. visit: the column that orders visits; baseline: the visit's
    name, or ``first``. index_needs: columns without which the set cannot be used. images: a row of the index is one
    that a scanner made (not a derived object) where `image_column` holds one of `image_values`.
    scanner: the columns of Table 2.
    """

    name: str
    title: str
    rules: tuple[Rule, ...]
    patients: str = ""
    index_id: tuple[str, ...] = ("PatientID", "patient_id", "case_id")
    clinical_id: tuple[str, ...] = ("SUBJECTID", "PatientID", "patient_id", "case_id", "ID")
    visit: tuple[str, ...] = ("StudyDate", "visit")
    baseline: str = "first"
    index_needs: tuple[str, ...] = ()
    image_column: str = ""
    image_values: tuple[str, ...] = ()
    scanner: tuple[str, ...] = ()
    published: tuple[Counted, ...] = ()
    groups: Groups = field(default_factory=Groups)
    variables: tuple[Variable, ...] = ()

    @property
    def steps(self) -> tuple[Rule, ...]:
        """The rules; before them what a set that never asks for it takes for granted: images, and a clinical row."""
        asked = {rule.needs for rule in self.rules}
        images = () if asked & {"images", "series", "phases"} else (IMAGES,)
        clinical = () if asked & {"clinical", "complete", "range", "one-of"} else (CLINICAL,)
        return (*images, *clinical, *self.rules)


IMAGES = Rule("images in the index", "images", "no images")
CLINICAL = Rule("a row in the clinical table", "clinical", "no clinical data")

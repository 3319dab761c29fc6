"""Who belongs to a cohort: every patient of the tables goes through the rules, and whoever leaves has a reason."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from uptake.cohort.rules import Rule

Cell = float | int | str | bool | None
Row = Mapping[str, Cell]


@dataclass(frozen=True)
class Patient:
    """What the tables say of a patient.

    clinical: the row of the clinical table, None without one. images: rows of the index, in order of visits.
    baseline: those of the baseline visit. listed: whether an inclusion list names the patient; True without a list.
    """

    patient_id: str
    clinical: Row | None = None
    images: tuple[Row, ...] = ()
    baseline: tuple[Row, ...] = ()
    listed: bool = True


@dataclass(frozen=True)
class Exclusion:
    """Why a patient left: the step, its reason, what was found; and the later steps that would not hold either."""

    patient_id: str
    step: str
    reason: str
    found: str
    also: str


@dataclass(frozen=True)
class FlowStep:
    """One step of the flow: how many entered, left and remain, and who left."""

    step: str
    entered: int
    excluded: int
    remaining: int
    reason: str
    excluded_ids: tuple[str, ...]


@dataclass(frozen=True)
class Selection:
    """The flow through all steps, the reasons of those who left, and who stayed."""

    flow: tuple[FlowStep, ...]
    exclusions: tuple[Exclusion, ...]
    included: tuple[Patient, ...]


def select(patients: Sequence[Patient], rules: Sequence[Rule]) -> Selection:
    """Take every patient through the rules in their order; nobody gives an empty flow of zeros."""
    left, flow, exclusions = list(patients), [], []
    for number, rule in enumerate(rules):
        judged = [(patient, missing(patient, rule)) for patient in left]
        gone = [(patient, found) for patient, found in judged if found]
        for patient, found in gone:
            also = [later.step for later in rules[number + 1 :] if missing(patient, later)]
            exclusions.append(Exclusion(patient.patient_id, rule.step, rule.reason, found, "; ".join(also)))
        stayed = [patient for patient, found in judged if not found]
        names = tuple(patient.patient_id for patient, _ in gone)
        flow.append(FlowStep(rule.step, len(left), len(gone), len(stayed), rule.reason, names))
        left = stayed
    return Selection(tuple(flow), tuple(exclusions), tuple(left))


def missing(patient: Patient, rule: Rule) -> str:
    """What a patient lacks under a rule, in words; empty where it holds."""
    return next(_JUDGES[rule.needs](patient, rule), "")


def is_empty(value: Cell) -> bool:
    """Whether a cell says nothing: empty, blank, or not a number."""
    return value is None or (isinstance(value, str) and not value.strip()) or value != value  # noqa: PLR0124 (NaN)


def as_number(value: Cell) -> float | None:
    """A cell as a finite number; None where it is none."""
    if is_empty(value) or isinstance(value, bool):
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def as_text(value: Cell) -> str:
    """A cell as people write it: 1.0 is ``1``; an empty one is empty."""
    if is_empty(value):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _images(patient: Patient, _: Rule) -> Iterator[str]:
    if not patient.images:
        yield "a clinical row without images in the index"


def _series(patient: Patient, rule: Rule) -> Iterator[str]:
    texts = [as_text(row.get(rule.column)) for row in _rows(patient, rule)]
    lacking = [pattern for pattern in rule.patterns if not any(re.search(pattern, text) for text in texts)]
    if lacking:
        where = "at the baseline visit" if rule.visit == "baseline" else "at any visit"
        yield f"no {rule.column} like " + " or like ".join(f"'{pattern}'" for pattern in lacking) + f" {where}"


def _phases(patient: Patient, rule: Rule) -> Iterator[str]:
    counts = [number for row in _rows(patient, rule) if (number := as_number(row.get(rule.column))) is not None]
    if max(counts, default=-1.0) < (rule.least or 0):
        yield f"{rule.column} {max(counts):g}" if counts else f"no {rule.column}"


def _clinical(patient: Patient, _: Rule) -> Iterator[str]:
    if patient.clinical is None:
        yield "images without a row in the clinical table"


def _complete(patient: Patient, rule: Rule) -> Iterator[str]:
    row = patient.clinical or {}
    empty = [name for name in rule.columns if is_empty(row.get(name))]
    if empty:
        yield f"no {', '.join(empty)}"


def _range(patient: Patient, rule: Rule) -> Iterator[str]:
    value = as_number((patient.clinical or {}).get(rule.column))
    low, high = rule.least, rule.most
    if value is None:
        yield f"no {rule.column}"
    elif (low is not None and value < low) or (high is not None and value > high):
        yield f"{rule.column} {value:g}"


def _one_of(patient: Patient, rule: Rule) -> Iterator[str]:
    value = as_text((patient.clinical or {}).get(rule.column))
    if value not in rule.allowed:
        yield f"{rule.column} {value}" if value else f"no {rule.column}"


def _listed(patient: Patient, _: Rule) -> Iterator[str]:
    if not patient.listed:
        yield "not on the inclusion list"


def _rows(patient: Patient, rule: Rule) -> Sequence[Row]:
    return patient.baseline if rule.visit == "baseline" else patient.images


_JUDGES: Mapping[str, Callable[[Patient, Rule], Iterator[str]]] = {
    "images": _images,
    "series": _series,
    "phases": _phases,
    "clinical": _clinical,
    "complete": _complete,
    "range": _range,
    "one-of": _one_of,
    "listed": _listed,
}

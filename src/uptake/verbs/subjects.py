"""Whom a network can be trained on: the cases of a cohort, whose each one is, and which have to be left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from uptake.cohort.folds import Subject
from uptake.cohort.patients import patient_of
from uptake.io import forms
from uptake.io.forms import StudyFile
from uptake.io.store import CaseRecord, Cohort
from uptake.io.tables import read_csv
from uptake.segment.cases import LABELS, Labels, harmonised_key, label_of
from uptake.segment.channels import PHASES
from uptake.study import Code, Refusal, SettingsError

ABSENT, EMPTY, UNMADE = "no label", "an empty label", "no harmonised images"
COLUMNS = ("case_id", "patient")


def subjects_of(cohort: Cohort, cases: Sequence[str] = (), table: Path | None = None) -> list[Subject]:
    """Every case that was not refused, of `cases` where there are any.

    table: a CSV file that says whose each of them is; without one their names do. Raises SettingsError for a case that
    is not there or not in the table, and for a table that says nothing clear.
    """
    unknown = sorted(set(cases) - set(cohort.case_ids))
    if unknown:
        raise SettingsError(f"there is no case {', '.join(unknown)}; there are {', '.join(cohort.case_ids) or 'none'}")
    records = [cohort.record(case_id) for case_id in cohort.case_ids if not cases or case_id in cases]
    made = [record for record in records if not any(result.refusal for result in record.results.values())]
    owners = patients_in(table, [record.case_id for record in made]) if table else {}
    return [_subject(cohort, record, owners) for record in made]


def patient_named(cohort: Cohort, record: CaseRecord) -> str:
    """Whose a case is by its name and by the visit that its study records."""
    folder = cohort.case(record.case_id)
    visit = forms.STUDY.glance(folder).acquisition.visit if (folder / "study.json").is_file() else None
    return patient_of(record.case_id, visit, recorded=record.study_uid is not None)


def patients_in(table: Path, cases: Sequence[str]) -> dict[str, str]:
    """Whose each of `cases` is, from a table with the columns case_id and patient; other rows may be there."""
    if not table.is_file():
        raise SettingsError(f"there is no file of patients {table}")
    rows = read_csv(table)
    if not all(row.get(name, "").strip() for row in rows for name in COLUMNS):
        raise SettingsError(f"{table.name} needs the columns {' and '.join(COLUMNS)}, filled in every row")
    pairs = {(row["case_id"].strip(), row["patient"].strip()) for row in rows}
    owners = dict(pairs)
    if len(owners) < len(pairs):
        twice = sorted(case for case, patient in pairs if owners[case] != patient)
        raise SettingsError(f"{table.name} gives {', '.join(twice[:3])} to two patients")
    missing = sorted(set(cases) - set(owners))
    if missing:
        raise SettingsError(f"{table.name} says nothing of {', '.join(missing[:3])}; it has to name every case")
    return owners


def without_use(cohort: Cohort, cases: Sequence[str], labels: Labels) -> dict[str, str]:
    """Cases that cannot be trained on, and why."""
    found = {case_id: _why_not(cohort, case_id, labels) for case_id in cases}
    return {case_id: why for case_id, why in found.items() if why}


def no_subjects(labels: Labels, left_out: Mapping[str, str]) -> Refusal:
    """What is said where every case had to be left out."""
    where = {
        "reader": "approve masks in `uptake review`, or `uptake import COHORT MASKS --as reader`",
        "truth": "`uptake import COHORT PHANTOMS/truth --as truth`",
        "proposal": "run the cohort to its end",
    }
    reasons = sorted(set(left_out.values()))
    counted = "; ".join(f"{why}: {sum(other == why for other in left_out.values())}" for why in reasons)
    return Refusal(
        Code.LABELS,
        found=f"none of {len(left_out)} cases can be learned from" + (f" ({counted})" if counted else ""),
        allowed=f"cases with {PHASES} harmonised phases and a {labels}'s mask with a voxel",
        remedy=where[labels],
    )


def _subject(cohort: Cohort, record: CaseRecord, owners: Mapping[str, str]) -> Subject:
    folder = cohort.case(record.case_id)
    study: StudyFile | None = forms.STUDY.glance(folder) if (folder / "study.json").is_file() else None
    lesion = forms.STV.glance(folder).stv_proposal_cc if (folder / "stv.json").is_file() else None
    made = study.acquisition if study else None
    scanner = " ".join(part for part in (made.manufacturer, made.model) if part) if made else ""
    patient = owners.get(record.case_id) or patient_named(cohort, record)
    return Subject(record.case_id, patient, lesion, scanner)


def _why_not(cohort: Cohort, case_id: str, labels: Labels) -> str:
    if not harmonised_key(cohort, case_id):
        return UNMADE
    phases = len(list((cohort.case(case_id) / "harmonised").glob("*.nii.gz")))
    if phases != PHASES:
        return f"{phases} harmonised phases, not {PHASES}"
    if label_of(cohort, case_id, labels) is None:
        return EMPTY if (cohort.case(case_id) / LABELS[labels]).is_file() else ABSENT
    return ""

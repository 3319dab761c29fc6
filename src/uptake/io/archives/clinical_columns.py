"""Which clinical columns a release takes over: numbers and codes. Dates, identifiers and free text stay behind."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from uptake.cohort.ids import spelled_as, unique
from uptake.io.archives.facts import Row
from uptake.io.archives.identifiers import Needle, of_text
from uptake.io.clinical import Table

IDENTIFIERS = ("SUBJECTID", "PatientID", "patient_id", "Patient ID", "case_id", "ID")
MOST_CODES = 12
LONGEST_CODE = 30
LONG_NUMBER = 10_000
DAY = re.compile(r"(18|19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
_PERSONAL = """
    name names surname forename firstname lastname initials physician doctor surgeon radiologist pathologist operator
    nurse reader hospital institution centre center clinic address street city town zip postcode phone telephone mail
    email contact insurance mrn ssn dob birth birthday birthdate comment comments remark remarks note notes
"""
PERSONAL = frozenset(_PERSONAL.split())
"""Words of a heading over names, places and free text, however few different values there are."""


@dataclass(frozen=True)
class Clinical:
    """Rows by case, the columns left behind with the reason, and what their values would betray.

    without_row: cases that the table does not know. without_case: how many of its patients have no case.
    """

    rows: tuple[Row, ...]
    left_behind: tuple[tuple[str, str], ...]
    needles: frozenset[Needle]
    without_row: tuple[str, ...]
    without_case: int


def clinical_rows(tables: Sequence[Table], patients: Mapping[str, str]) -> Clinical:
    """The clinical columns of every case. patients: case of the release -> PatientID in the source's spelling.

    A text column counts as one of codes where it has at most 12 different values of at most 30 characters, on average
    two rows to each, and its heading names no person or place. Raises `Refusal` CLINICAL where an identifier of the
    table fits several patients, and for a patient twice in a table.
    """
    kept: dict[str, Row] = {case_id: {"case_id": case_id} for case_id in patients}
    left: dict[str, str] = {}
    needles: set[Needle] = set()
    found: set[str] = set()
    strangers: set[str] = set()
    for table in tables:
        identifier = table.column(IDENTIFIERS)
        if identifier is None:
            continue
        listed = [str(row[identifier]) for row in table.rows]
        names = spelled_as(listed, sorted(set(patients.values())), table.name)
        unique(listed, table.name, names)
        by_patient = {names[str(row[identifier])]: row for row in table.rows}
        strangers |= set(by_patient) - set(patients.values())
        found |= {case_id for case_id, patient in patients.items() if patient in by_patient}
        for column in table.columns:
            reason = "an identifier" if column == identifier or column in IDENTIFIERS else _why_not(table, column)
            if reason:
                left[column] = reason
                needles |= _needles(table, column, reason)
                continue
            for case_id, patient in patients.items():
                if patient in by_patient:
                    kept[case_id].setdefault(column, by_patient[patient].get(column))
    rows = tuple(kept[case_id] for case_id in sorted(kept) if case_id in found)
    return Clinical(
        rows, tuple(sorted(left.items())), frozenset(needles), tuple(sorted(set(patients) - found)), len(strangers)
    )


def _why_not(table: Table, column: str) -> str:
    """Why a column stays behind; empty for one of numbers or codes."""
    values = [value for row in table.rows if (value := row.get(column)) is not None]
    if column in table.dates or (values and all(DAY.fullmatch(str(value)) for value in values)):
        return "dates"
    if set(re.findall(r"[a-z]+", column.lower())) & PERSONAL:
        return "a name or a remark by its heading"
    texts = [value for value in values if isinstance(value, str)]
    if len(set(texts)) > min(MOST_CODES, len(texts) / 2) or any(len(text) > LONGEST_CODE for text in texts):
        return "free text"
    whole = [value for value in values if isinstance(value, int) and value >= LONG_NUMBER]
    return "numbers like identifiers" if len(whole) == len(values) == len(set(values)) > 0 else ""


def _needles(table: Table, column: str, reason: str) -> set[Needle]:
    what = f"clinical column {column}"
    values = {str(row[column]) for row in table.rows if row.get(column) is not None}
    if reason == "dates":
        return {Needle(v[:10].replace("-", ""), "date", what) for v in values if v[:10].replace("-", "").isdigit()}
    return {needle for value in values if (needle := of_text(value, what)) is not None}

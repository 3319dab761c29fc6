"""Which clinical columns a release takes over: what could name somebody stays behind."""

from __future__ import annotations

import pytest

from uptake.io.archives.clinical_columns import clinical_rows
from uptake.io.clinical import Table
from uptake.study import Code, Refusal

PATIENTS = {"A-1": "A-1", "A-2": "A-2", "A-3": "A-3", "A-4": "A-4"}


def table(*values: object, column: str = "x", names: tuple[object, ...] = ("A-1", "A-2", "A-3", "A-4")) -> Table:
    """A column of four patients beside their identifiers."""
    rows = tuple({"PatientID": name, column: value} for name, value in zip(names, values, strict=True))
    return Table("t", ("PatientID", column), rows)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values", [(41.5, 63, None, 20), (0, 1, 1, 0), ("left", "right", "left", "right"), (100_000, 2, 3, 4)]
)
def test_numbers_and_codes_come_along(values: tuple[object, ...]) -> None:
    found = clinical_rows([table(*values)], PATIENTS)
    assert [row["x"] for row in found.rows] == list(values)


@pytest.mark.parametrize(
    ("column", "values", "reason"),
    [
        ("x", ("Brandauer", None, None, None), "free text"),
        ("x", ("Brandauer", "Odalys", "Valdepinos", "Brandauer"), "free text"),
        ("x", ("left", "right", "left", "y" * 31), "free text"),
        ("Referring physician", ("Brandauer", "Brandauer", "Odalys", "Odalys"), "a name or a remark by its heading"),
        ("hospital", (1, 2, 1, 2), "a name or a remark by its heading"),
        ("seen", (20190317, 20181102, None, 20190318), "dates"),
        ("number", (4471923, 4471924, 4471999, 5571923), "numbers like identifiers"),
        ("ID", (1, 2, 3, 4), "an identifier"),
    ],
)
def test_what_could_name_somebody_stays_behind(column: str, values: tuple[object, ...], reason: str) -> None:
    found = clinical_rows([table(*values, column=column)], PATIENTS)
    assert (column, reason) in found.left_behind
    assert all(column not in row for row in found.rows)


def test_what_stays_behind_is_searched_for() -> None:
    found = clinical_rows([table("Brandauer", "Valdepinos", None, None)], PATIENTS)
    assert {needle.text for needle in found.needles} >= {"Brandauer", "Valdepinos"}


def test_a_patient_twice_in_whatever_spelling_is_refused() -> None:
    with pytest.raises(Refusal, match="are one patient") as refused:
        clinical_rows([table(1, 2, 3, 4, names=("A-1", "A_1", "A-3", "A-4"))], PATIENTS)
    assert refused.value.code == Code.CLINICAL


def test_cases_without_a_row_are_named_and_rows_without_a_case_counted() -> None:
    found = clinical_rows([table(1, 2, 3, 4, names=("A-1", "A-2", "A-3", "B-9"))], PATIENTS)
    assert found.without_row == ("A-4",)
    assert found.without_case == 1
    assert [row["case_id"] for row in found.rows] == ["A-1", "A-2", "A-3"]

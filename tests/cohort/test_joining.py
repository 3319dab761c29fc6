"""Sheets joined by identifier, visits in order."""

from __future__ import annotations

import pytest

from uptake.cohort.joining import Sheet, baseline, by_patient, joined, last_visit, patients
from uptake.cohort.rules import RuleSet
from uptake.study import Code, Refusal

RULES = RuleSet("test", "Test", ())


def test_sheets_join_however_each_spells_the_patient() -> None:
    first = Sheet("a", "SUBJECTID", ({"SUBJECTID": 1002, "age": 50, "when": "x"},), leave=("when",))
    second = Sheet("b", "ID", ({"ID": "ISPY1-1002", "RFS": 7}, {"ID": "ISPY1-1003", "RFS": 8}))
    assert joined([first, second], ["ISPY1_1002"]) == {"ISPY1_1002": {"age": 50, "RFS": 7}, "ISPY1-1003": {"RFS": 8}}


def test_a_column_that_two_sheets_have_is_one_where_they_agree_and_two_where_not() -> None:
    first = Sheet("a", "ID", ({"ID": 1, "age": 50, "side": "L"},))
    second = Sheet("b", "ID", ({"ID": 1, "age": 50, "side": "R"},))
    assert joined([first, second]) == {"1": {"age": 50, "side": "L", "b.side": "R"}}


def test_a_row_without_an_identifier_is_refused() -> None:
    with pytest.raises(Refusal, match="a: data row 2 has values and no ID"):
        joined([Sheet("a", "ID", ({"ID": 1}, {"ID": None, "age": 3}))])


def test_a_patient_twice_in_a_sheet_is_refused() -> None:
    with pytest.raises(Refusal, match="are one patient") as refused:
        joined([Sheet("a", "ID", ({"ID": "P-1"}, {"ID": "P_1"}))])
    assert refused.value.code == Code.CLINICAL
    rows = ({"ID": "ISPY1-1002", "age": 50}, {"ID": 1002, "age": 60})
    with pytest.raises(Refusal, match="'ISPY1-1002' in row 1 and '1002' in row 2 are one patient"):
        joined([Sheet("a", "ID", rows)], ["ISPY1_1002"])


def test_an_index_has_many_rows_of_a_patient_but_one_spelling() -> None:
    rows = ({"ID": "P-1", "n": 1}, {"ID": "P-1", "n": 2})
    assert [row["n"] for row in by_patient(Sheet("i", "ID", rows))["P-1"]] == [1, 2]
    with pytest.raises(Refusal, match="'P-1' and 'P_1' are one patient") as refused:
        by_patient(Sheet("i", "ID", (*rows, {"ID": "P_1"})))
    assert refused.value.code == Code.INDEX


def test_the_first_visit_is_the_earliest_by_date_or_name_and_the_last_the_latest() -> None:
    rows = [{"StudyDate": d} for d in ("1985-02-01", "1984-12-31", "1984-12-31")]
    assert baseline(rows, RULES) == ({"StudyDate": "1984-12-31"},) * 2
    assert last_visit(rows, RULES) == ({"StudyDate": "1985-02-01"},)
    assert baseline([{"visit": "T2"}, {"visit": "T1"}], RULES) == ({"visit": "T1"},)


def test_a_named_baseline_is_that_visit_or_none() -> None:
    named = RuleSet("test", "Test", (), visit=("visit",), baseline="T1")
    assert baseline([{"visit": "T2"}, {"visit": "T1"}], named) == ({"visit": "T1"},)
    assert baseline([{"visit": "T2"}], named) == ()


def test_without_visits_there_is_one() -> None:
    rows = [{"phases": 3}, {"phases": 4}]
    assert baseline(rows, RULES) == last_visit(rows, RULES) == tuple(rows)


def test_patients_of_either_table_are_looked_at() -> None:
    found = patients({"a": {"age": 1}}, {"b": [{"visit": "T1"}]}, RULES, ["b"])
    assert [(p.patient_id, p.clinical is None, len(p.images), p.listed) for p in found] == [
        ("a", False, 0, False),
        ("b", True, 1, True),
    ]
    assert all(p.listed for p in patients({"a": {}}, {}, RULES, None))

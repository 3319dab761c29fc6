"""Whose a case is: visits of a patient are told from its name, and names that look alike are listed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptake.cohort.folds import Subject, plan_folds
from uptake.cohort.patients import look_alikes, patient_of

VISITS = (
    *("T1", "t12", "V1", "v02", "MR1", "mri2", "visit2", "Visit-2", "TP1", "tp_3", "ses-01", "session2", "baseline"),
    *("BL", "pre", "post", "FU1", "follow-up", "followup2", "day14", "week_6", "scan2", "exam1", "20240131"),
)
PATIENTS = st.from_regex(r"\A[A-Z]{0,3}[0-9]{2,5}\Z")
NAMES = st.tuples(PATIENTS, st.sampled_from("_-."), st.sampled_from(VISITS))


@given(PATIENTS, st.lists(st.tuples(st.sampled_from("_-."), st.sampled_from(VISITS)), max_size=3))
def test_a_name_without_its_visits_is_the_patient(patient: str, visits: list[tuple[str, str]]) -> None:
    assert patient_of(patient + "".join(f"{sign}{visit}" for sign, visit in visits)) == patient


@given(st.lists(NAMES, min_size=3, max_size=30), st.integers(0, 3))
def test_visits_of_one_patient_never_stand_on_two_sides_of_a_fold(names: list[tuple[str, str, str]], seed: int) -> None:
    owners = {patient + sign + visit: patient for patient, sign, visit in names}
    if len(set(owners.values())) < 3:
        return
    for outer in plan_folds([Subject(case, patient_of(case)) for case in owners], seed=seed).outer:
        for inner in outer.inner:
            sides = [{owners[case] for case in part} for part in (outer.test, inner.train, inner.validation)]
            assert sum(map(len, sides)) == len(set.union(*sides))


@pytest.mark.parametrize(
    ("case_id", "visit", "patient"),
    [
        ("ISPY1_1001", None, "ISPY1_1001"),
        ("ISPY1_1001_T2", None, "ISPY1_1001"),
        ("P7_baseline", "baseline", "P7"),
        ("P7_Visit-2", "Visit 2 ", "P7"),
        ("P7_T0-T1", "T0/T1", "P7"),
        ("P7", "T1", "P7"),
        ("_T1", "T1", "_T1"),
        ("T1", None, "T1"),
        ("P7_", None, "P7_"),
        ("1001_T1_MR2", None, "1001"),
        ("UCSF-BR-06", None, "UCSF-BR-06"),
        ("PHANTOM-0001", None, "PHANTOM-0001"),
        ("Breast_MRI_001", None, "Breast_MRI_001"),
        ("Breast_MRI_001_V2", None, "Breast_MRI_001"),
    ],
)
def test_a_case_without_its_visit_is_the_patient(case_id: str, visit: str | None, patient: str) -> None:
    assert patient_of(case_id, visit) == patient


@pytest.mark.parametrize(
    ("case_id", "visit", "patient"),
    [
        ("SITE1-V12", None, "SITE1-V12"),
        ("SITE1-V12_T2", None, "SITE1-V12"),
        ("SITE1-V12_week-3", "week 3", "SITE1-V12"),
    ],
)
def test_of_a_recorded_patient_id_only_the_visit_behind_it_is_taken_off(case_id: str, visit: str, patient: str) -> None:
    assert patient_of(case_id, visit, recorded=True) == patient


def test_names_that_may_be_visits_of_one_patient_are_listed() -> None:
    names = ["1001_1", "1001_2", "1002_1", "1003", "1003b", "1003V2", "p4", "P4", "site-a_x7", "site-a_x8", "Q"]
    assert look_alikes(names) == (
        ("1001_1", "1001_2"),
        ("1003", "1003V2", "1003b"),
        ("P4", "p4"),
        ("site-a_x7", "site-a_x8"),
    )


def test_the_numbers_of_a_study_s_patients_are_no_visits() -> None:
    assert look_alikes([f"ISPY1_{n}" for n in range(1001, 1005)]) == ()
    assert look_alikes(["UCSF-BR-06", *(f"ISPY1_{n}" for n in range(1001, 1031))]) == ()
    assert look_alikes([]) == ()

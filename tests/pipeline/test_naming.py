"""Case ids: from the PatientID and the visit, given once and for good."""

from __future__ import annotations

from pathlib import Path

from uptake.io.dicom.scan import StudySource
from uptake.io.dicom.sources import FileRef
from uptake.pipeline.naming import named_studies


def study(patient: str, uid: str, date: str = "20000101", visit: str | None = None) -> StudySource:
    file = FileRef(Path("x.dcm"), (), "x.dcm", "0")
    return StudySource("dicom", patient, uid, visit, date, uid, (file,))


def names(*studies: StudySource, before: dict[str, str] | None = None) -> dict[str, str]:
    named, _, clashes = named_studies(before or {}, studies)
    assert clashes == []
    return {source.study_uid or "": case_id for case_id, source in named.items()}


def test_a_patient_with_one_study_gives_it_the_patient_id() -> None:
    assert names(study("P1", "1.1", visit="T1"), study("P2", "1.2")) == {"1.1": "P1", "1.2": "P2"}


def test_several_studies_of_a_patient_carry_the_visit() -> None:
    assert names(study("P1", "1.1", visit="T1"), study("P1", "1.2", visit="T2")) == {"1.1": "P1_T1", "1.2": "P1_T2"}


def test_without_a_visit_studies_are_counted_by_date() -> None:
    assert names(study("P1", "1.9", "20000101"), study("P1", "1.1", "20010101")) == {"1.9": "P1_T1", "1.1": "P1_T2"}


def test_a_name_once_given_stays_when_another_study_of_the_patient_comes() -> None:
    found = names(study("P1", "1.1", visit="T1"), study("P1", "1.2", visit="T2"), before={"1.1": "P1"})
    assert found == {"1.1": "P1", "1.2": "P1_T2"}
    assert names(study("P1", "1.2", visit="T2"), before={"1.1": "P1"}) == {"1.2": "P1_T2"}


def test_characters_that_no_folder_name_should_hold_become_dashes() -> None:
    assert names(study("../A b/c", "1.1")) == {"1.1": "-A-b-c"}


def test_a_name_that_another_study_has_is_refused() -> None:
    named, given, clashes = named_studies({}, (study("A b", "1.1"), study("A-b", "1.2")))
    assert (list(named), given) == (["A-b"], {"1.1": "A-b"})
    assert [clash.refusal.code for clash in clashes] == ["case-id-collision"]
    _, _, clashes = named_studies({}, (study("P", "1.1", visit="T1"), study("P", "1.2", visit="T1")))
    assert len(clashes) == 1

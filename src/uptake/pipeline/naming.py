"""What a case is called: once given, a name never changes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from uptake.io.dicom.scan import StudySource
from uptake.io.store import RefusalRecord, RefusedSource
from uptake.study import Code


def named_studies(
    names: Mapping[str, str], studies: Sequence[StudySource]
) -> tuple[dict[str, StudySource], dict[str, str], list[RefusedSource]]:
    """A case id for every study: the PatientID where the patient has one study when first seen, else with the visit.

    names: case ids given before by StudyInstanceUID; they stay. The visit is (0012,0050), else T<n> by study date.
    Gives the studies by case id, every name given so far, and refusals of studies whose name another one has.
    """
    given = dict(names)
    named: dict[str, StudySource] = {}
    clashes: list[RefusedSource] = []
    for study in sorted(studies, key=_age):
        uid = _identity(study)
        case_id = given.get(uid) or _new_id(study, studies, given)
        owner = next((other for other, name in given.items() if name == case_id), uid)
        if owner != uid or not case_id:
            clashes.append(RefusedSource(study.files[0].name, case_id, _collision(case_id, study)))
            continue
        given[uid] = case_id
        named[case_id] = study
    return named, given, clashes


def _new_id(study: StudySource, studies: Sequence[StudySource], given: Mapping[str, str]) -> str:
    patient = _clean(study.patient_id)
    siblings = sorted((s for s in studies if s.patient_id == study.patient_id), key=_age)
    others = {_identity(other) for other in studies if other.patient_id != study.patient_id}
    earlier = [name for uid, name in given.items() if uid not in others]
    seen_before = any(name == patient or name.startswith(f"{patient}_") for name in earlier)
    if len(siblings) == 1 and not seen_before:
        return patient
    visit = _clean(study.visit) if study.visit else f"T{siblings.index(study) + 1}"
    return f"{patient}_{visit}"


def _identity(study: StudySource) -> str:
    return study.study_uid or f"phases {study.patient_id}"


def _age(study: StudySource) -> tuple[str, str, str]:
    return study.patient_id, study.study_date or "", _identity(study)


def _clean(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", text.strip()).lstrip(".")


def _collision(case_id: str, study: StudySource) -> RefusalRecord:
    return RefusalRecord(
        Code.CASE_ID.value,
        f"another study is called {case_id!r} already (visit {study.visit or 'not given'})",
        "one study per case id",
        "run the studies of this patient into separate cohorts, or correct the visit (0012,0050)",
    )

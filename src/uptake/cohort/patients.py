"""Whose a case is, told from its name: visits of one patient must never stand on two sides of a fold.

A DICOM case is named by its PatientID, so that is what the patient is called. Any other name says what its file was
called, and may end in a visit; the endings below are taken off, one after the other, whatever the case of their
letters, where ``_``, ``-`` or ``.`` stands before them and something is left:

* T, TP, V, visit, time, timepoint, ses, session, fu, followup, pre, post, day, week, month, year with a number
* baseline, bl, screening, pre, post, fu, followup without one
* MR, MRI, scan, exam, study with a number, and a date (20240131, 2024-01-31), where what is left holds a digit: so
  ``1001_MR1`` is 1001, and ``Breast_MRI_001`` itself
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MOST_VISITS = 12
"""More names than that with one beginning are patients of one study or place, not visits of one patient."""
_FOLLOWED = "fu|follow[-_]?up|pre|post"
_NUMBER = r"[_.-]*\d+[a-z]?"
_DATE = r"(?:19|20)\d\d[-.]?(?:0[1-9]|1[0-2])[-.]?(?:0[1-9]|[12]\d|3[01])"
_VISIT = re.compile(
    rf"(?P<patient>.*[^_.-])[_.-]+(?:(?:tp?|v|visit|time(?:point)?|ses(?:sion)?|day|week|month|year|{_FOLLOWED})"
    rf"{_NUMBER}|baseline|bl|screening|{_FOLLOWED})",
    re.IGNORECASE,
)
_SCAN = re.compile(rf"(?P<patient>.*\d(?:.*[^_.-])?)[_.-]+(?:(?:mri?|scan|exam|study){_NUMBER}|{_DATE})", re.IGNORECASE)
_ALIKE = re.compile(r"(?P<stem>.*[^_.-])[_.-]+(?:[^_.-]*\d[^_.-]*|[a-z])|(?P<close>.*\d)[a-z]+\d*", re.IGNORECASE)


def patient_of(case_id: str, visit: str | None = None, *, recorded: bool = False) -> str:
    """Whose a case is: its id without the visit, which stands there with a hyphen for every sign no file name may have.

    visit: as the study records it. recorded: whether the id is a PatientID of DICOM, of which nothing but the visit
    that `uptake run` put behind it is taken off. Two patients may be taken for one; one for two only where a name
    ends in none of the module's endings, which `look_alikes` then lists.
    """
    named = re.sub(r"[^A-Za-z0-9._-]", "-", (visit or "").strip()).lstrip(".")
    for suffix in ([f"_{named}"] if named else []) + re.findall(r"_T\d+$", case_id):
        if case_id.endswith(suffix) and len(case_id) > len(suffix):
            case_id = case_id.removesuffix(suffix)
            break
    while not recorded and (found := _VISIT.fullmatch(case_id) or _SCAN.fullmatch(case_id)):
        case_id = found["patient"]
    return case_id


def look_alikes(patients: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Different patients who may be one: names that are equal but for spelling, or for what stands at their end.

    An end is a last separated part that holds a digit or is one letter (``1001_1``, ``1001_a``), or letters right
    after a number (``1001b``, ``1001V2``). What all names begin with says nothing.
    """
    everyone = sorted(set(patients))
    groups: dict[str, set[str]] = {}
    for name in everyone:
        for beginning in {_spelled(name), _spelled(_stem(name))}:
            groups.setdefault(beginning, set()).add(name)
    found = {tuple(sorted(own)) for own in groups.values() if 2 <= len(own) <= MOST_VISITS}
    return tuple(sorted(own for own in found if len(own) < len(everyone)))


def _stem(name: str) -> str:
    found = _ALIKE.fullmatch(name)
    return (found["stem"] or found["close"]) if found else name


def _spelled(name: str) -> str:
    return re.sub(r"[_.-]+", "_", name).casefold()

"""Spellings of identifiers."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from uptake.cohort import ids
from uptake.study import Code, Refusal


@pytest.mark.parametrize("spelling", ["ISPY1-1002", "ISPY1_1002", "ispy1 1002", " ISPY1.1002 ", "ISPY1_01002"])
def test_case_separators_and_leading_zeros_do_not_make_another_patient(spelling: str) -> None:
    assert ids.key(spelling) == ids.key("ISPY1_1002")


@pytest.mark.parametrize("bare", ["1002", "1002.0", "01002"])
def test_a_number_alone_takes_the_spelling_of_the_only_one_that_ends_in_it(bare: str) -> None:
    assert ids.spelled_as([bare], ["ISPY1_1001", "ISPY1_1002"], "t") == {bare: "ISPY1_1002"}


def test_a_full_identifier_takes_the_bare_spelling_of_the_reference() -> None:
    assert ids.spelled_as(["ISPY1-1002"], ["1001", "1002"], "t") == {"ISPY1-1002": "1002"}


def test_an_unknown_identifier_keeps_its_own_spelling() -> None:
    assert ids.spelled_as(["B-7", "none"], ["A-7"], "t") == {"B-7": "B-7", "none": "none"}


def test_two_numbers_with_different_prefixes_are_two_patients() -> None:
    assert ids.key("A_7") != ids.key("B_7")


def test_a_number_that_fits_two_identifiers_is_refused() -> None:
    with pytest.raises(Refusal, match="'7' could be A_7 or B_7") as refused:
        ids.spelled_as(["7"], ["A_7", "B_7"], "t")
    assert refused.value.code == Code.CLINICAL


def test_a_patient_twice_in_two_spellings_is_refused_with_both_rows() -> None:
    with pytest.raises(Refusal, match="predictors: 'ISPY1-1002' in row 1 and 'ISPY1_1002' in row 3 are one patient"):
        _unique(["ISPY1-1002", "ISPY1-1003", "ISPY1_1002"])


def test_a_patient_twice_once_in_full_and_once_as_the_bare_number_is_refused() -> None:
    with pytest.raises(Refusal, match="predictors: 'ISPY1-1002' in row 1 and '1002' in row 2 are one patient"):
        _unique(["ISPY1-1002", "1002"], ["ISPY1_1002"])


def test_different_patients_are_unique() -> None:
    _unique(["1", "2", "A-1"])


def _unique(names: list[str], reference: Sequence[str] = ()) -> None:
    ids.unique(names, "predictors", ids.spelled_as(names, reference, "predictors"))

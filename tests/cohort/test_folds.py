"""Nested folds: no patient on two sides, every case tested once, scanners and lesion sizes shared out."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptake.cohort.folds import (
    Folds,
    Inner,
    Outer,
    Subject,
    checked,
    from_plain,
    only,
    plan_folds,
    plan_whole,
    trainable,
)
from uptake.study import Code, Refusal


@st.composite
def cohorts(draw: st.DrawFn) -> list[Subject]:
    """3 to 40 patients with 1 to 3 visits each, on up to three scanners, some lesions of unknown size."""
    subjects = []
    for number in range(draw(st.integers(3, 40))):
        scanner = draw(st.sampled_from(["GE", "Siemens", "Philips"]))
        for visit in range(draw(st.integers(1, 3))):
            volume = draw(st.none() | st.floats(0, 300))
            subjects.append(Subject(f"P{number}_T{visit + 1}", f"P{number}", volume, scanner))
    return subjects


@given(cohorts(), st.integers(0, 5))
def test_no_patient_stands_on_two_sides_of_a_fold_and_together_the_sides_are_all_cases(
    subjects: list[Subject], seed: int
) -> None:
    everyone = {subject.case_id for subject in subjects}
    owner = {subject.case_id: subject.patient for subject in subjects}
    for outer in plan_folds(subjects, seed=seed).outer:
        for inner in outer.inner:
            parts = [outer.test, inner.train, inner.validation]
            assert sorted(case for part in parts for case in part) == sorted(everyone)
            whose = [{owner[case] for case in part} for part in parts]
            assert all(not a & b for a, b in itertools.combinations(whose, 2))
            assert all(parts)


@given(cohorts())
def test_every_case_is_tested_once_and_validates_once_in_every_other_fold(subjects: list[Subject]) -> None:
    plan = plan_folds(subjects)
    everyone = sorted(subject.case_id for subject in subjects)
    assert sorted(case for outer in plan.outer for case in outer.test) == everyone
    for outer in plan.outer:
        rest = sorted(set(everyone) - set(outer.test))
        assert sorted(case for inner in outer.inner for case in inner.validation) == rest


@given(cohorts(), st.randoms())
def test_the_plan_does_not_depend_on_the_order_of_the_cases(subjects: list[Subject], random: object) -> None:
    shuffled = sorted(subjects, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert plan_folds(shuffled, seed=3) == plan_folds(subjects, seed=3)


@given(st.integers(10, 60), st.integers(2, 5), st.integers(0, 9))
def test_scanners_and_sizes_of_lesions_are_shared_out(patients: int, count: int, seed: int) -> None:
    """Hand rule: of n patients sorted in a row every fold gets n/k, rounded down or up, of any run of them, give or
    take one block at either end."""
    subjects = [Subject(f"P{n:02d}", f"P{n:02d}", float(n), "GE" if n % 3 else "Philips") for n in range(patients)]
    tests = [set(outer.test) for outer in plan_folds(subjects, outer=count, seed=seed).outer]
    assert max(map(len, tests)) - min(map(len, tests)) <= 1
    for scanner in ("GE", "Philips"):
        own = [s.case_id for s in subjects if s.scanner == scanner]
        large = set(own[len(own) // 2 :])
        for run in (set(own), large):
            shares = [len(run & test) for test in tests]
            assert max(shares) - min(shares) <= 2


def test_another_seed_gives_another_plan() -> None:
    subjects = [Subject(f"P{n}", f"P{n}") for n in range(20)]
    assert plan_folds(subjects, seed=1) != plan_folds(subjects, seed=2)


def test_five_folds_are_made_where_nobody_asks_otherwise_and_fewer_for_fewer_patients() -> None:
    def shape(patients: int) -> tuple[int, set[int]]:
        plan = plan_folds([Subject(f"P{n}", f"P{n}") for n in range(patients)])
        return len(plan.outer), {len(outer.inner) for outer in plan.outer}

    assert shape(20) == (5, {5})
    assert shape(4) == (4, {3})
    assert shape(3) == (3, {2})


def test_a_network_of_all_cases_has_no_test_part() -> None:
    (outer,) = plan_whole([Subject(f"P{n}", f"P{n}") for n in range(10)]).outer
    assert outer.test == ()
    assert len(outer.inner[0].validation) == 2
    assert len(outer.inner[0].train) == 8


@pytest.mark.parametrize(
    ("patients", "outer", "inner"), [(2, None, None), (6, 7, None), (6, 1, None), (6, 3, 5), (3, 2, None)]
)
def test_folds_that_cannot_be_made_are_refused(patients: int, outer: int | None, inner: int | None) -> None:
    subjects = [Subject(f"P{n}", f"P{n}") for n in range(patients)]
    with pytest.raises(Refusal) as refused:
        plan_folds(subjects, outer, inner)
    assert refused.value.code is Code.FOLDS


def test_one_case_is_too_few_for_a_network_of_all_cases() -> None:
    with pytest.raises(Refusal, match="two at least"):
        plan_whole([Subject("P0", "P0")])


OWNERS = {"A": "A", "B_T1": "B", "B_T2": "B", "C": "C"}


@pytest.mark.parametrize(
    ("outer", "words"),
    [
        (Outer(("A",), (Inner(("A", "B_T1", "B_T2"), ("C",)),)), "patient A is in test and in train"),
        (Outer(("A",), (Inner(("B_T1", "C"), ("B_T2",)),)), "patient B is in train and in validation"),
        (Outer(("A",), (Inner(("B_T1", "B_T2"), ()),)), "leaves out C"),
        (Outer(("A",), (Inner(("B_T1", "B_T2", "X"), ("C",)),)), "names X"),
    ],
)
def test_a_plan_that_leaks_or_does_not_fit_the_cohort_is_refused(outer: Outer, words: str) -> None:
    with pytest.raises(Refusal, match=words):
        checked(Folds((outer,)), OWNERS)


@pytest.mark.parametrize("folds", [Folds(()), Folds((Outer(("A", "B_T1", "B_T2", "C"), ()),))])
def test_a_plan_that_trains_nothing_is_refused(folds: Folds) -> None:
    with pytest.raises(Refusal, match="without an inner one"):
        checked(folds, OWNERS)


def test_a_case_that_is_tested_twice_is_refused() -> None:
    fold = Outer(("A",), (Inner(("B_T1", "B_T2"), ("C",)),))
    with pytest.raises(Refusal, match="tested in two"):
        checked(Folds((fold, fold)), OWNERS)


def test_fewer_cases_keep_their_sides_and_a_side_without_cases_cannot_be_trained() -> None:
    plan = Folds((Outer(("A",), (Inner(("B_T1", "B_T2"), ("C",)),)),))
    assert only(plan, ["A", "B_T2", "C"]).outer[0] == Outer(("A",), (Inner(("B_T2",), ("C",)),))
    assert trainable(plan) == plan
    with pytest.raises(Refusal, match="no case with a lesion to validation"):
        trainable(only(plan, ["A", "B_T1"]))


@pytest.mark.parametrize("plain", [[], {"outer": [{"test": ["A"]}]}, {"outer": [{"test": "A", "inner": []}]}, None])
def test_a_file_of_another_form_is_refused(plain: object) -> None:
    with pytest.raises(Refusal, match="another form"):
        from_plain(plain)

from __future__ import annotations

import pytest

from uptake.io.dicom.write import Habit
from uptake.io.habits import FILE_DEFECTS, HABITS, MIXED, habit_named, habit_of
from uptake.study import SettingsError


def test_without_names_the_habit_is_the_vendor_s_own() -> None:
    for vendor in ("ge", "siemens", "philips"):
        assert habit_named(vendor, ()) == Habit(vendor=vendor)  # type: ignore[arg-type]


def test_names_add_up() -> None:
    made = habit_named("ge", ("no-times", "jpeg-2000", "derived-between", "missing-slice"))
    assert made == Habit("ge", "none", "classic", "jpeg-2000", derived_series=True, missing_slice=True)


@pytest.mark.parametrize("name", [*HABITS, *FILE_DEFECTS])
def test_every_name_changes_something(name: str) -> None:
    assert habit_named("ge", [name]) != Habit()


def test_a_mixed_cohort_goes_through_every_vendor_and_every_habit() -> None:
    chosen = [habit_of(number, "mixed", ()) for number in range(len(MIXED))]
    assert len({habit for habit, _ in chosen}) == len(MIXED)
    assert {habit.vendor for habit, _ in chosen[:3]} == {"ge", "siemens", "philips"}
    assert {habit.ge_times for habit, _ in chosen} == {"clock", "temporal-position", "trigger-time", "none"}
    assert {habit.frames for habit, _ in chosen} == {"classic", "enhanced"}
    assert {name for _, names in chosen for name in names} >= {"derived-between", "varying-tags", "jpeg-2000"}
    assert habit_of(len(MIXED), "mixed", ()) == chosen[0]


def test_a_defect_is_added_to_every_case_of_a_mixed_cohort() -> None:
    habit, names = habit_of(4, "mixed", ["missing-slice"])
    assert habit.missing_slice
    assert names == ("derived-between", "missing-slice")


@pytest.mark.parametrize(
    ("vendor", "names", "words"),
    [
        ("agfa", (), "ge, siemens, philips, mixed"),
        ("ge", ("enhancd",), "did you mean enhanced"),
        ("ge", ("xyz",), "There are temporal-position"),
        ("ge", ("jpeg", "rle"), "does not go together"),
        ("siemens", ("no-times",), "a habit of GE"),
        ("mixed", ("jpeg",), "name a vendor for jpeg"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(vendor: str, names: tuple[str, ...], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        habit_of(0, vendor, names)  # type: ignore[arg-type]

"""Rules applied to patients: whoever leaves has a reason."""

from __future__ import annotations

import math

import pytest

from uptake.cohort.rules import Rule
from uptake.cohort.selection import Patient, as_number, as_text, is_empty, missing, select
from uptake.study import SettingsError

SERIES = Rule("DCE", "series", "incomplete", column="SeriesDescription", patterns=(": SER$", r": PE\d$"))


def _image(description: str) -> dict[str, str]:
    return {"SeriesDescription": description}


def test_whoever_leaves_at_a_step_is_not_asked_again_but_told_what_else_is_missing() -> None:
    images = Rule("images", "images", "no images")
    clinical = Rule("clinical", "clinical", "no row")
    row, picture = {"age": 50.0}, (_image("x"),)
    both, no_images = Patient("a", row, picture, picture), Patient("b", row)
    neither, no_row = Patient("c"), Patient("d", None, picture, picture)
    found = select([both, no_images, neither, no_row], [images, clinical])
    assert [(s.entered, s.excluded, s.remaining) for s in found.flow] == [(4, 2, 2), (2, 1, 1)]
    assert found.flow[0].excluded_ids == ("b", "c")
    assert [(e.patient_id, e.step, e.reason, e.also) for e in found.exclusions] == [
        ("b", "images", "no images", ""),
        ("c", "images", "no images", "clinical"),
        ("d", "clinical", "no row", ""),
    ]
    assert found.exclusions[2].found == "images without a row in the clinical table"
    assert [p.patient_id for p in found.included] == ["a"]


def test_nobody_gives_a_flow_of_zeros() -> None:
    found = select([], [Rule("images", "images", "none")])
    assert (found.flow[0].entered, found.flow[0].remaining, found.included) == (0, 0, ())


def test_every_pattern_of_a_series_rule_needs_a_series_of_the_visit() -> None:
    ser, pe = _image("Dynamic: SER"), _image("Dynamic: PE1")
    assert missing(Patient("a", images=(ser, pe), baseline=(ser, pe)), SERIES) == ""
    assert "': PE" in missing(Patient("a", images=(ser, pe), baseline=(ser,)), SERIES)
    anywhere = Rule("DCE", "series", "x", visit="any", column="SeriesDescription", patterns=(": PE",))
    assert missing(Patient("a", images=(ser, pe), baseline=(ser,)), anywhere) == ""
    assert "at any visit" in missing(Patient("a", images=(ser,), baseline=(ser,)), anywhere)


@pytest.mark.parametrize(("phases", "holds"), [(3, True), ("4", True), (2, False), (None, False)])
def test_a_pre_and_two_post_contrast_phases_are_three(phases: object, holds: bool) -> None:
    rule = Rule("phases", "phases", "too few", column="phases", least=3)
    image = {"phases": phases}
    assert (missing(Patient("a", images=(image,), baseline=(image,)), rule) == "") == holds  # type: ignore[arg-type]


@pytest.mark.parametrize("empty", [None, "", "  ", math.nan])
def test_complete_means_a_value_in_every_column(empty: object) -> None:
    rule = Rule("complete", "complete", "incomplete", columns=("age", "RFS"))
    assert missing(Patient("a", {"age": 0, "RFS": 1}), rule) == ""
    assert missing(Patient("a", {"age": 50, "RFS": empty}), rule) == "no RFS"  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("age", "found"), [(18, ""), (70, ""), (17.9, "age 17.9"), (70.1, "age 70.1"), ("x", "no age")]
)
def test_a_range_holds_with_its_ends(age: object, found: str) -> None:
    rule = Rule("adults", "range", "age", column="age", least=18, most=70)
    assert missing(Patient("a", {"age": age}), rule) == found  # type: ignore[dict-item]


def test_one_of_the_allowed_values_however_a_spreadsheet_writes_it() -> None:
    rule = Rule("side", "one-of", "x", column="side", allowed=("1", "2"))
    assert [missing(Patient("a", {"side": v}), rule) for v in (1, 2.0, "1", 3, None)] == [
        "", "", "", "side 3", "no side",
    ]  # fmt: skip


def test_an_inclusion_list_is_a_rule() -> None:
    rule = Rule("list", "listed", "not listed")
    assert missing(Patient("a"), rule) == ""
    assert missing(Patient("a", listed=False), rule) == "not on the inclusion list"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"needs": "series", "column": "x"}, "patterns"),
        ({"needs": "complete"}, "columns"),
        ({"needs": "range", "column": "x"}, "least or a most"),
        ({"needs": "series", "column": "x", "patterns": ("(",)}, "regular expression"),
    ],
)
def test_a_rule_that_says_too_little_is_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        Rule("step", reason="r", **given)  # type: ignore[arg-type]


def test_cells_are_read_as_people_mean_them() -> None:
    assert [as_text(v) for v in (1.0, 1.5, 3, " x ", None, math.nan, math.inf)] == ["1", "1.5", "3", "x", "", "", "inf"]
    assert [as_number(v) for v in ("1.5", 2, True, "x", None)] == [1.5, 2.0, None, None, None]
    assert [as_number(v) for v in ("nan", "inf", math.inf)] == [None, None, None]
    assert not is_empty(0)
    assert not is_empty(False)

from __future__ import annotations

import csv
import gzip
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptake.features.compare import Comparison, compare_tables
from uptake.study import SettingsError

FIRST = [
    {"case_id": "a", "mean": "1.5", "site": "ucsf", "flat": "3", "gone": "1"},
    {"case_id": "b", "mean": "2.5", "site": "mdacc", "flat": "3", "gone": "1"},
]


def test_a_table_agrees_with_itself() -> None:
    found = compare_tables(FIRST, FIRST)
    assert found.agree
    assert [(f.name, f.status, f.cases) for f in found.features] == [
        ("mean", "agrees", 2),
        ("flat", "constant", 2),
        ("gone", "constant", 2),
    ]


def test_every_kind_of_difference_is_told_apart_and_said() -> None:
    second = [
        {"case_id": "b", "mean": "2.75", "flat": "3", "new": "5"},
        {"case_id": "a", "mean": "1.5", "flat": "3", "new": "6"},
        {"case_id": "c", "mean": "9", "flat": "3", "new": "7"},
    ]
    found = compare_tables(FIRST, second)
    assert not found.agree
    assert {f.name: f.status for f in found.features} == {
        "mean": "differs",
        "flat": "constant",
        "gone": "only in the first",
        "new": "only in the second",
    }
    (mean,) = found.of("differs")
    assert (mean.largest, mean.worst, mean.cases) == (0.25, "b", 2)
    assert found.only_second == ("c",)
    assert found.text().splitlines() == [
        "2 cases in both tables; 1 differ, 1 constant, 1 only in the first, 1 only in the second",
        "cases only in the second: c",
        "differs            mean; largest difference 0.25 in b",
        "constant           flat",
        "only in the first  gone",
        "only in the second new",
    ]


def test_long_tables_are_compared_with_wide_ones_by_their_tags() -> None:
    long = [
        {"case_id": "a", "name": "Mean intensity", "ibsi_tag": "mean", "value": 1.5},
        {"case_id": "b", "name": "Mean intensity", "ibsi_tag": "mean", "value": 2.5},
        {"case_id": "a", "name": "flat", "ibsi_tag": "", "value": 3},
        {"case_id": "b", "name": "flat", "ibsi_tag": "", "value": 3},
    ]
    found = compare_tables(FIRST, long)
    assert {f.name: f.status for f in found.features} == {
        "mean": "agrees",
        "flat": "constant",
        "gone": "only in the first",
    }


def test_a_long_table_of_one_case_needs_no_name_for_it() -> None:
    one = [{"ibsi_tag": "mean", "value": "1"}, {"ibsi_tag": "var", "value": ""}]
    found = compare_tables(one, one)
    assert [(f.name, f.status) for f in found.features] == [("mean", "agrees"), ("var", "no values")]
    assert found.agree


def test_rows_without_a_name_are_matched_by_their_place() -> None:
    assert compare_tables([{"x": 1}, {"x": 2}], [{"x": 1}, {"x": 3}]).of("differs")[0].worst == "2"


def test_a_value_that_one_table_does_not_have_is_a_difference() -> None:
    second = [{**FIRST[0], "mean": "nan"}, FIRST[1]]
    (mean,) = compare_tables(FIRST, second).of("differs")
    assert (mean.missing, mean.cases) == (1, 1)
    both = [{**row, "mean": ""} for row in FIRST]
    assert compare_tables(FIRST, both).of("differs")[0].missing == 2
    assert compare_tables(both, both).of("no values")[0].name == "mean"


def test_values_agree_within_either_tolerance() -> None:
    one, other = [{"x": 1e6, "y": 1e-12}], [{"x": 1e6 + 0.5, "y": 0}]
    assert compare_tables(one, other).agree
    strict = compare_tables(one, other, Comparison(relative=1e-7, absolute=0))
    assert [f.name for f in strict.of("differs")] == ["x", "y"]


def test_infinity_agrees_with_itself_only() -> None:
    assert compare_tables([{"x": "inf"}], [{"x": math.inf}]).agree
    (x,) = compare_tables([{"x": "inf"}], [{"x": 1}]).of("differs")
    assert x.largest == math.inf


@given(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=9, unique=True), st.floats(0.1, 10), st.floats(-10, 10))
def test_up_to_scale_a_column_agrees_with_its_straight_images(values: list[float], scale: float, off: float) -> None:
    one, other = [{"x": v} for v in values], [{"x": scale * v + off} for v in values]
    settings = Comparison(up_to_scale=True, unexplained=1e-6)
    found = compare_tables(one, other, settings).features[0]
    spread = max(values) - min(values)
    assert found.status == "agrees" or spread < 1e-6


def test_up_to_scale_another_column_differs_and_a_constant_says_nothing() -> None:
    one = [{"x": 1, "k": 7}, {"x": 2, "k": 7}, {"x": 3, "k": 7}]
    other = [{"x": 1, "k": 1}, {"x": 2, "k": 2}, {"x": 9, "k": 3}]
    found = compare_tables(one, other, Comparison(up_to_scale=True))
    assert [f.status for f in found.features] == ["differs", "constant"]


def test_the_published_table_is_compared_with_what_was_recovered_from_it(shared_data: Path) -> None:
    """Voxels and volume in mm3, recovered, against their standardised columns, renamed."""
    tables = shared_data / "ispy1_tables"
    with gzip.open(tables / "radMLBench_ISPY1_370features_zscored.csv.gz", "rt", encoding="utf-8", newline="") as file:
        published = [{**row, "ID": row["ID"].replace("-", "_")} for row in csv.DictReader(file)]
    with (tables / "published_histograms.csv").open(encoding="utf-8", newline="") as file:
        recovered = [
            {"ID": r["PatientID"], "T1_E_Volumetric_Pixels": r["stv_voxels"], "T1_E_Volumetric_Volume": r["stv_mm3"]}
            for r in csv.DictReader(file)
        ]
    found = compare_tables(recovered, published, Comparison(up_to_scale=True))
    assert (found.cases, len(found.of("agrees")), len(found.of("differs"))) == (160, 2, 0)
    assert len(found.of("only in the second")) == 369


def test_one_case_twice_is_an_error() -> None:
    with pytest.raises(SettingsError, match="'a' is in the table twice"):
        compare_tables([FIRST[0], FIRST[0]], FIRST)
    with pytest.raises(SettingsError, match="'mean' is in the table twice"):
        compare_tables([{"ibsi_tag": "mean", "value": 1}] * 2, FIRST)


def test_a_case_column_that_is_not_there_is_an_error() -> None:
    with pytest.raises(SettingsError, match="case_column 'who'"):
        compare_tables(FIRST, FIRST, Comparison(case_column="who"))
    assert compare_tables(FIRST, FIRST, Comparison(case_column="site")).cases == 2


def test_two_cases_do_not_make_a_line() -> None:
    with pytest.raises(SettingsError, match="3 or more"):
        compare_tables(FIRST, FIRST, Comparison(up_to_scale=True))


def test_a_tolerance_below_zero_is_an_error() -> None:
    with pytest.raises(SettingsError, match="relative"):
        Comparison(relative=-1)


def test_tables_without_rows_agree() -> None:
    found = compare_tables([], [])
    assert found.agree
    assert found.text() == "0 cases in both tables; no features"

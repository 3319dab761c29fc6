"""Tables of characteristics: counted by hand, tests against published examples."""

from __future__ import annotations

import pytest

from uptake.cohort.describe import Scanner, found_variables, scanners, table_one
from uptake.cohort.rules import Groups, Variable
from uptake.study import SettingsError

ROWS = [
    {"event": 0, "age": 30.0, "HR": 1},
    {"event": 0, "age": 40.0, "HR": 1},
    {"event": 0, "age": 50.0, "HR": None},
    {"event": 1, "age": 45.5, "HR": 0},
]
GROUPS = Groups("event", ("0", "1"), ("without", "with"))


def test_percentages_are_of_the_whole_group_and_missing_values_are_counted_apart() -> None:
    (line,) = table_one(ROWS, [Variable("HR positive", "HR", value="1")], GROUPS)
    without, with_ = line.groups
    assert (without.patients, without.count, without.missing) == (3, 2, 1)
    assert without.percent == pytest.approx(200 / 3)
    assert (with_.count, with_.percent, with_.missing) == (0, 0.0, 0)


def test_numbers_have_least_median_and_greatest() -> None:
    (line,) = table_one(ROWS, [Variable("Age", "age", "number")], GROUPS)
    assert [(g.least, g.median, g.greatest) for g in line.groups] == [(30.0, 40.0, 50.0), (45.5, 45.5, 45.5)]


def test_without_a_chosen_value_every_value_has_its_line_and_the_test_stands_on_the_first() -> None:
    lines = table_one(ROWS, [Variable("HR", "HR")], GROUPS)
    assert [(line.level, [g.count for g in line.groups], bool(line.test)) for line in lines] == [
        ("0", [0, 1], True),
        ("1", [2, 0], False),
    ]


def test_fishers_exact_test_of_the_lady_tasting_tea() -> None:
    rows = [{"said": s, "was": w} for s, w, n in (("m", "m", 3), ("m", "t", 1), ("t", "m", 1), ("t", "t", 3))
            for _ in range(n)]  # fmt: skip
    lines = table_one(rows, [Variable("said", "said")], Groups("was"))
    assert lines[0].test == "Fisher's exact"
    assert lines[0].p_value == pytest.approx(34 / 70)  # Fisher 1935: 1 - 36/70 for both sides


def test_pearsons_chi_squared_without_correction_for_larger_tables() -> None:
    counts = {("a", "x"): 10, ("a", "y"): 20, ("a", "z"): 30, ("b", "x"): 6, ("b", "y"): 9, ("b", "z"): 17}
    rows = [{"g": g, "v": v} for (g, v), n in counts.items() for _ in range(n)]
    line = table_one(rows, [Variable("v", "v")], Groups("g"))[0]
    assert line.test == "chi-squared"
    assert line.p_value == pytest.approx(0.873028, abs=1e-6)  # chi2 = 0.27157 with two degrees of freedom


def test_mann_whitney_of_separate_samples_is_the_exact_two_sided_probability() -> None:
    rows = [{"g": "a", "x": x} for x in (1, 2, 3)] + [{"g": "b", "x": x} for x in (4, 5, 6)]
    (line,) = table_one(rows, [Variable("x", "x", "number")], Groups("g"))
    assert (line.test, line.p_value) == ("Mann-Whitney U", pytest.approx(2 / 20))


def test_three_groups_are_compared_with_kruskal_and_wallis() -> None:
    rows = [{"g": g, "x": x} for g, xs in (("a", (1, 2)), ("b", (3, 4)), ("c", (5, 6))) for x in xs]
    (line,) = table_one(rows, [Variable("x", "x", "number")], Groups("g"))
    assert line.test == "Kruskal-Wallis H"
    assert line.p_value == pytest.approx(0.101701, abs=1e-6)  # H = 32/7, exp(-H / 2)


@pytest.mark.parametrize("rows", [[{"g": "a", "x": 1}], [{"g": "a", "x": 2}, {"g": "b", "x": 2}]])
def test_where_nothing_can_differ_there_is_no_p_value(rows: list[dict[str, object]]) -> None:
    lines = table_one(rows, [Variable("x", "x", "number"), Variable("x", "x")], Groups("g"))  # type: ignore[arg-type]
    assert all(line.p_value is None for line in lines)


def test_without_groups_everybody_stands_in_one_column() -> None:
    (line,) = table_one(ROWS, [Variable("Age", "age", "number")], Groups())
    assert [(g.group, g.patients, g.median) for g in line.groups] == [("All", 4, 42.75)]


def test_an_unknown_column_a_text_among_numbers_and_free_text_are_refused() -> None:
    with pytest.raises(SettingsError, match="no column 'Age'"):
        table_one(ROWS, [Variable("Age", "Age")], Groups())
    with pytest.raises(SettingsError, match="no column 'group'"):
        table_one(ROWS, [], Groups("group"))
    with pytest.raises(SettingsError, match="no number everywhere: 'old'"):
        table_one([{"age": "old"}], [Variable("Age", "age", "number")], Groups())
    with pytest.raises(SettingsError, match="31 different values"):
        table_one([{"name": f"n{n}"} for n in range(31)], [Variable("name", "name")], Groups())


def test_a_column_is_a_number_where_all_are_and_more_than_five_differ() -> None:
    rows = [{"age": 30.0 + n, "grade": n % 3, "side": "LR"[n % 2]} for n in range(6)]
    assert [(v.column, v.kind) for v in found_variables(rows, ["age", "grade", "side"])] == [
        ("age", "number"),
        ("grade", "category"),
        ("side", "category"),
    ]


def test_a_case_counts_with_its_most_frequent_scanner_and_makers_stand_by_size() -> None:
    sonata, workstation, signa = ({"maker": m, "model": n} for m, n in (("S", "Sonata"), ("S", "WS"), ("G", "Signa")))
    found = scanners([[sonata, sonata, workstation], [signa], [signa], []], ["maker", "model"])
    assert found == (
        Scanner(("G", "Signa"), 2, 50.0),
        Scanner(("S", "Sonata"), 1, 25.0),
        Scanner(("unknown", "unknown"), 1, 25.0),
    )
    assert scanners([[sonata]], []) == ()

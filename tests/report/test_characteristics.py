"""Tables as they are printed."""

from __future__ import annotations

import pytest

from uptake.cohort.describe import Characteristic, Measured, Scanner
from uptake.report.characteristics import Printed, escaped, latex, p_words, table_one, table_two


def test_counts_have_whole_percentages_rounded_half_up() -> None:
    line = Characteristic("HER2", "", "category", (Measured("all", 8, 0, 1, 12.5), Measured("x", 44, 0, 18, 40.909)))
    printed = table_one([line], {"all": 8, "x": 44})
    assert printed.lines[1][1:3] == ("1 (13%)", "18 (41%)")


def test_a_group_without_values_prints_a_dash_and_how_many_lack_one() -> None:
    some = Measured("b", 2, 1, least=1.0, median=2.0, greatest=3.0)
    line = Characteristic("Age", "", "number", (Measured("a", 3, 3), some), "MW", 0.5)
    printed = table_one([line], {"a": 3, "b": 2})
    assert printed.lines[1] == ("Age (Min., Max., Median)", "–", "1.0, 3.0, 2.0", "3 / 1", "MW", "0.5")


def test_nobody_at_all_prints_zero() -> None:
    assert table_one([], {"All": 0}).lines == (("Cases", "0", "", "", ""),)


def test_the_last_visit_has_columns_only_where_it_differs() -> None:
    first = [Scanner(("GE", "Signa"), 2, 100.0)]
    assert table_two(first, first, ("Maker", "Model"), ("first", "last")).columns[2:] == (
        "Number of cases",
        "Percentage",
    )
    other = [Scanner(("GE", "Signa"), 1, 50.0), Scanner(("GE", "Excite"), 1, 50.0)]
    both = table_two(first, other, ("Maker", "Model"), ("first", "last"))
    assert both.lines == (("GE", "Signa", "2", "100%", "1", "50%"), ("GE", "Excite", "0", "0%", "1", "50%"))


def test_latex_prints_what_it_would_take_for_commands() -> None:
    assert escaped(r"50% of A_1 & \B {x} #1 ~^<$") == (
        r"50\% of A\_1 \& \textbackslash{}B \{x\} \#1 \textasciitilde{}\textasciicircum{}\textless{}\$"
    )
    text = latex(Printed("Two & more", ("a", "b"), (("x", "1"),)))
    assert r"\caption{Two \& more.}" in text
    assert r"\begin{tabular}{lr}" in text
    assert "x & 1 \\\\" in text


@pytest.mark.parametrize(("p", "words"), [(0.00099, "< 0.001"), (0.001, "0.001"), (0.0456, "0.046"), (0.999, "1.0")])
def test_p_values_have_two_digits(p: float, words: str) -> None:
    assert p_words(p) == words

"""Plots and page of the technical validation."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from uptake.cohort.agreement import limits_of_agreement
from uptake.cohort.collection import CaseFinding
from uptake.report.validation import (
    PairSummary,
    Plot,
    ValidationView,
    by_check,
    difference_plot,
    finite,
    plot_file,
    strip,
    validation_page,
)

SVG = "{http://www.w3.org/2000/svg}"


def _root(drawing: object) -> ET.Element:
    return ET.fromstring(plot_file(drawing))  # type: ignore[arg-type]  # noqa: S314 (our own)


def test_a_strip_has_a_named_dot_per_case_and_outliers_are_marked() -> None:
    root = _root(strip("TR, ms", {"A": 8.0, "B": 8.0, "C<": 20.0}, ["C<"]))
    dots = list(root.iter(f"{SVG}circle"))
    assert ["".join(dot.itertext()) for dot in dots] == ["A: 8", "B: 8", "C<: 20"]
    assert [dot.get("class") for dot in dots] == ["dot rest", "dot rest", "dot apart"]
    a, b, c = ((float(dot.get("cx", 0)), float(dot.get("cy", 0))) for dot in dots)
    assert a[0] == b[0] < c[0]
    assert a[1] != b[1]


@pytest.mark.parametrize("value", [0.0, 1e-9, 70.0])
def test_equal_values_have_an_axis_too(value: float) -> None:
    dots = list(_root(strip("x", {"A": value, "B": value})).iter(f"{SVG}circle"))
    assert {dot.get("cx") for dot in dots} == {"200"}


def test_a_difference_plot_has_bias_limits_and_their_intervals() -> None:
    pairs = [("A", 1.0, 1.5), ("B", 2.0, 2.2), ("C", 4.0, 3.9), ("D", 8.0, 9.0)]
    limits = limits_of_agreement([p[1] for p in pairs], [p[2] for p in pairs])
    assert limits is not None
    root = _root(difference_plot(pairs, limits, ("FTV", "STV")))
    assert len(list(root.iter(f"{SVG}circle"))) == 4
    assert [line.get("class") for line in root.iter(f"{SVG}line") if line.get("class") in {"bias", "limit"}] == [
        "limit", "bias", "limit",
    ]  # fmt: skip
    assert len([r for r in root.iter(f"{SVG}rect") if r.get("class") == "interval"]) == 3
    assert "bias +0.40 cc" in root.get("aria-label", "")


def test_findings_are_counted_by_check() -> None:
    said = (("A", "x", "pass"), ("B", "x", "fail"), ("", "y", "warn"))
    found = [CaseFinding(case, check, status, "", "") for case, check, status in said]  # type: ignore[arg-type]
    counted = by_check(found)
    assert list(counted) == ["x", "y"]
    assert (counted["x"]["pass"], counted["x"]["fail"], counted["x"]["warn"]) == (1, 1, 0)


def test_what_is_no_number_is_not_plotted() -> None:
    assert finite({"A": 1.0, "B": None, "C": float("nan")}) == {"A": 1.0}


def test_the_page_lists_what_did_not_pass_and_escapes_what_it_shows() -> None:
    findings = (
        CaseFinding("A", "one state", "pass", "fine", "made"),
        CaseFinding("B", "files whole", "fail", "<script>x</script> is gone", "all"),
        CaseFinding("", "PE threshold", "warn", "70 % in 2", "one"),
    )
    plot = Plot("tr_ms", "2 cases.", strip("TR, ms", {"A": 1.0}), ())
    pairs = (PairSummary("FTV", "reader", "acquired", 1, (0.5, 0.6, 0.7), None, None),)
    html = validation_page(ValidationView("c", 2, findings, (plot,), pairs, version="1"))
    assert "2 cases; 1 of 3 checks failed, 1 warn." in html
    assert "<script>x" not in html
    assert "&lt;script&gt;x&lt;/script&gt; is gone" in html
    assert '<th scope="row">collection</th>' in html
    assert 'href="plots/tr_ms.csv"' in html
    assert "0.600" in html
    assert ">failed<" in html


def test_a_page_without_findings_to_list_says_so() -> None:
    html = validation_page(ValidationView("c", 1, (CaseFinding("A", "x", "pass", "", ""),), version="1"))
    assert "<p>Nothing.</p>" in html
    assert ">passed<" in html

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from uptake.report import svg
from uptake.report.svg import Frame


def test_text_and_attributes_are_escaped() -> None:
    made = svg.tag("text", "<b>&", title='"><script>')
    assert str(made) == '<text title="&#34;&gt;&lt;script&gt;">&lt;b&gt;&amp;</text>'


def test_elements_nest_and_none_attributes_are_left_out() -> None:
    assert str(svg.tag("g", svg.tag("line", x1=1.0, class_=None))) == '<g><line x1="1"></line></g>'


def test_underscores_become_hyphens() -> None:
    assert str(svg.tag("text", text_anchor="end", class_="tick")) == '<text text-anchor="end" class="tick"></text>'


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 10, (0, 2, 4, 6, 8, 10)), (0, 1, (0, 0.2, 0.4, 0.6, 0.8, 1)), (-3, 9, (0, 5)), (5, 5, (5,))],
)
def test_ticks_are_round_numbers_inside_the_range(low: float, high: float, expected: tuple[float, ...]) -> None:
    assert svg.ticks(low, high) == pytest.approx(expected)


def test_logarithmic_ticks_are_powers_of_ten_or_finer_where_those_are_few() -> None:
    assert svg.log_ticks(0.5, 200) == pytest.approx((1, 10, 100))
    assert svg.log_ticks(3, 60) == pytest.approx((5, 10, 20, 50))
    assert svg.log_ticks(18, 51) == pytest.approx((20, 30, 40, 50))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (12.345, "12.35"), (-2, "\u22122"), (12000.0, "12\u2009000"), (2e-5, "2.00e\u221205")],
)
def test_labels_are_short(value: float, text: str) -> None:
    assert svg.label(value) == text


def test_a_frame_maps_the_range_to_the_area_inside_its_margins() -> None:
    frame = Frame(width=100, height=80, left=10, right=20, top=5, bottom=15)
    assert (frame.x(0, 2)(0), frame.x(0, 2)(2)) == (10, 80)
    assert (frame.y(0, 2)(0), frame.y(0, 2)(2)) == (65, 5)


def test_a_range_of_no_width_is_not_divided_by() -> None:
    assert Frame().x(3, 3)(3) == Frame().left


def test_a_drawing_has_a_text_alternative_and_is_well_formed() -> None:
    frame = Frame()
    axes = svg.x_axis(frame, [(60, "a<b")], "time & phase") + svg.y_axis(frame, [(20, "1")], "share")
    root = ET.fromstring(svg.drawing(frame, 'curve of "A"', axes))  # noqa: S314 (our own)
    assert root.get("role") == "img"
    assert root.get("aria-label") == 'curve of "A"'
    assert {"a<b", "time & phase", "share"} <= {element.text for element in root.iter("text")}

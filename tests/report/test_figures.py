from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from uptake.report import figures
from uptake.report.figures import Dot, Tick


def parsed(picture: Markup) -> ET.Element:
    return ET.fromstring(str(picture))  # noqa: S314 (our own)


def with_class(root: ET.Element, name: str) -> list[ET.Element]:
    return [element for element in root.iter() if name in (element.get("class") or "").split()]


def test_a_curve_is_the_mean_and_the_quartiles_of_the_masks_voxels() -> None:
    volume = np.arange(8.0).reshape(2, 2, 2)
    mask = volume < 5  # 0, 1, 2, 3, 4
    line = figures.curve("ftv", "FTV", [volume, 10 * volume], mask)
    assert line is not None
    assert line.mean == (2.0, 20.0)
    assert line.lower == (1.0, 10.0)
    assert line.upper == (3.0, 30.0)


def test_an_empty_mask_has_no_curve() -> None:
    assert figures.curve("ftv", "FTV", [np.zeros((2, 2, 2))], np.zeros((2, 2, 2), dtype=bool)) is None


def test_a_curve_plot_places_phases_in_proportion_to_time() -> None:
    line = figures.Curve("ftv", "FTV", (0, 10, 5), (0, 9, 4), (1, 11, 6))
    at = [Tick(0, "0", "pre"), Tick(100, "100", "early"), Tick(400, "400", "late")]
    root = parsed(figures.curve_plot([line], at, "seconds", "curve"))
    x = [float(point.get("cx", "nan")) for point in with_class(root, "point")]
    assert (x[2] - x[0]) / (x[1] - x[0]) == pytest.approx(4.0, rel=1e-3)
    y = [float(point.get("cy", "nan")) for point in with_class(root, "point")]
    assert y[1] < y[2] < y[0]  # brighter is higher
    assert {"pre", "early", "late", "seconds", "FTV"} <= {text.text for text in root.iter("text")}


def test_the_names_of_close_curves_do_not_overlap() -> None:
    lines = [
        figures.Curve(kind, kind, (0, 10 + n / 100), (0, 9), (0, 11)) for n, kind in enumerate(("ftv", "stv", "rest"))
    ]
    root = parsed(figures.curve_plot(lines, [Tick(0, "0"), Tick(1, "1")], "phase", "curve"))
    heights = sorted(float(text.get("y", "nan")) for text in with_class(root, "name"))
    assert all(b - a >= 14 for a, b in itertools.pairwise(heights))


def test_histograms_of_whole_numbers_count_equally_many_values_per_bin() -> None:
    values = np.repeat(np.arange(200), 5)
    (histogram,) = figures.histograms([("pre", "pre", values)], about=96)
    widths = np.diff(histogram.edges)
    assert widths == pytest.approx(np.full(len(widths), 3.0))  # 200 values over about 96 bins: 3 each
    assert histogram.edges[0] == -0.5
    assert set(np.round(np.array(histogram.shares[:-1]) * 1000).tolist()) == {15.0}


def test_phases_share_bins_and_shares_are_of_all_voxels() -> None:
    low, high = np.array([0.0, 0.5, 0.5, 1.0]), np.array([9.0, 9.5, 9.5, 10.0])
    first, second = figures.histograms([("pre", "pre", low), ("early", "early", high)], about=10)
    assert first.edges == second.edges
    assert sum(first.shares[:2]) == pytest.approx(0.75)  # 0.001 and beyond lies outside the percentiles
    assert sum(second.shares[:5]) == 0


def test_constant_images_have_a_histogram() -> None:
    (histogram,) = figures.histograms([("pre", "pre", np.full(10, 0.5))])
    assert sum(histogram.shares) == pytest.approx(1.0)


def test_the_floor_of_a_logarithmic_histogram_is_a_power_of_ten_below_every_share() -> None:
    made = figures.Histogram("pre", "pre", (0, 1, 2), (0.0, 0.03))
    assert figures.histogram_floor([[made]]) == pytest.approx(0.01)
    tiny = figures.Histogram("pre", "pre", (0, 1), (1e-9,))
    assert figures.histogram_floor([[tiny]]) == pytest.approx(1e-5)
    assert figures.histogram_floor([[]]) == pytest.approx(1e-3)


def test_a_histogram_plot_has_one_line_per_phase_on_one_pair_of_axes() -> None:
    phases = figures.histograms([(role, role, np.arange(50.0) + n) for n, role in enumerate(("pre", "early", "late"))])
    root = parsed(figures.histogram_plot(phases, "intensity", 1e-3, "histograms"))
    assert [line.get("class") for line in root.iter("polyline")] == [
        "line phase pre",
        "line phase early",
        "line phase late",
    ]


def test_the_band_bar_is_divided_by_the_percentages() -> None:
    root = parsed(figures.band_bar([50, 0, 30, 20], [(0, 0, 0), (1, 1, 1), (2, 2, 2), (255, 0, 16)], "bands"))
    bars = [(float(bar.get("x", 0)), float(bar.get("width", 0)), bar.get("fill")) for bar in root.iter("rect")]
    assert bars == [(0, 50, "#000000"), (50, 30, "#020202"), (80, 20, "#ff0010")]


def test_a_colour_scale_names_round_values_between_its_limits() -> None:
    root = parsed(figures.colour_scale(0.8, 1.25, [(0, 0, 0), (255, 255, 255)], "scale"))
    assert [text.text for text in root.iter("text")] == ["0.8", "1", "1.2"]


def test_a_strip_has_one_linked_dot_per_case_and_its_median() -> None:
    dots = [Dot(value, f"case <{value}>", f"../cases/{value}/report.html") for value in (1.0, 4.0, 100.0)]
    picture = figures.strip_plot(dots, "FTV, cc", "ftv")
    assert "<1.0>" not in str(picture)
    root = parsed(picture)
    assert [link.get("href") for link in root.iter("a")] == [dot.href for dot in dots]
    assert len(with_class(root, "median")) == 1
    assert root.get("aria-label") == "FTV, cc: 3 cases, median 4.00 cc"
    x = [float(dot.get("cx", "nan")) for dot in root.iter("circle")]
    assert (x[2] - x[1]) / (x[1] - x[0]) == pytest.approx(np.log(25) / np.log(4), rel=1e-2)


@given(st.lists(st.floats(1, 3), min_size=1, max_size=12))
def test_dots_of_a_strip_do_not_hide_each_other(values: list[float]) -> None:
    root = parsed(
        figures.strip_plot([Dot(v, "c", "#") for v in values] + [Dot(0.01, "c", "#"), Dot(500, "c", "#")], "t", "ftv")
    )
    places = [(float(d.get("cx", "nan")), float(d.get("cy", "nan"))) for d in root.iter("circle")]
    crowded = len(values) > 7  # seven levels fit: with more at one place some must share one
    near = [a for a, b in itertools.combinations(places, 2) if abs(a[0] - b[0]) < 8 and abs(a[1] - b[1]) < 8]
    assert crowded or not near

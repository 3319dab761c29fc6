"""Figures drawn from data."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from uptake.report import gallery
from uptake.report.gallery import Tumour
from uptake.volume import Grid, Volume

SHAPE = (24, 20, 10)
GRID = Grid(SHAPE, np.array([[0, 0, 2.0, -90], [-0.8, 0, 0, 60], [0, 0.8, 0, -40], [0, 0, 0, 1]]))
SVG = "{http://www.w3.org/2000/svg}"


def _tumour(case_id: str = "A<1>", **changed: object) -> Tumour:
    functional, structural = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    functional[8:14, 6:11, 6] = True
    structural[7:15, 5:12, 6:8] = True
    early = Volume(np.where(structural, 200.0, 50.0).astype(np.float32), GRID)
    given = {"ser": None, "place": None, **changed}
    return Tumour(case_id, "words", early, Volume(functional, GRID), Volume(structural, GRID), **given)  # type: ignore[arg-type]


def _root(drawing: object) -> ET.Element:
    return ET.fromstring(gallery.svg_file(drawing))  # type: ignore[arg-type]  # noqa: S314 (our own)


def test_a_row_of_the_agreement_has_the_slice_the_region_and_both_masks() -> None:
    root = _root(gallery.agreement_rows([_tumour(), _tumour("B")], ("FTV", "STV")))
    panels = root.findall(f"{SVG}g/{SVG}svg")
    assert len(panels) == 8
    assert [panel.find(f"{SVG}path") is not None for panel in panels[:4]] == [True, False, True, True]
    assert [path.get("stroke") for path in root.iter(f"{SVG}path")][:3] == ["#ffffff", "#00e5ff", "#ffb300"]
    assert "A<1>: words" in ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]


def test_the_outline_is_that_of_the_slice_with_most_of_both_masks_in_millimetres() -> None:
    root = _root(gallery.agreement_rows([_tumour()], ("FTV", "STV")))
    functional = list(root.iter(f"{SVG}path"))[1]
    assert functional.get("transform") == "scale(0.8 0.8)"
    runs = [int(length) for length in re.findall(r"h(\d+)", functional.get("d", ""))]
    assert runs == [6, 6]  # six voxels wide, as drawn at slice 6


def test_the_region_is_a_square_of_the_masks_with_a_margin_of_12_mm() -> None:
    root = _root(gallery.agreement_rows([_tumour()], ("FTV", "STV")))
    region = root.findall(f"{SVG}g/{SVG}svg")[1]
    box = [float(x) for x in region.get("viewBox", "").split()]
    assert box[2:] == pytest.approx([8 * 0.8 + 24] * 2)


def test_ser_is_laid_over_the_functional_volume_only_where_a_figure_shows_it() -> None:
    ser = Volume(np.full(SHAPE, 1.2, np.float32), GRID)
    with_ser, without = (_root(gallery.heterogeneity_panel([_tumour(ser=s)])) for s in (ser, None))
    assert len(list(with_ser.iter(f"{SVG}image"))) == 3
    assert len(list(without.iter(f"{SVG}image"))) == 2


def test_an_artefact_is_framed_on_its_own_slice() -> None:
    root = _root(gallery.artefact_panel([_tumour(place=(20, 3, 1))]))
    (frame,) = root.iter(f"{SVG}path")
    assert frame.get("stroke") == "#ff5252"
    assert frame.get("d")


def test_without_any_voxel_the_whole_middle_slice_is_shown() -> None:
    nothing = Volume(np.zeros(SHAPE, bool), GRID)
    empty = Tumour("A", "", _tumour().early, nothing, nothing)
    root = _root(gallery.agreement_rows([empty], ("FTV", "STV")))
    region = root.findall(f"{SVG}g/{SVG}svg")[1]
    assert [float(x) for x in region.get("viewBox", "").split()] == pytest.approx([0, 0, 24 * 0.8, 20 * 0.8])

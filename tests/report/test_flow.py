"""The flow diagram."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from uptake.cohort.rules import Counted
from uptake.cohort.selection import FlowStep
from uptake.report.flow import flow_diagram, flow_file

FLOW = (FlowStep("images", 5, 0, 5, "no images", ()), FlowStep("<phases>", 5, 2, 3, "too few & late", ("a", "b")))
PUBLISHED = (
    Counted("enrolled", 9, "a paper"),
    Counted("public", 5, "a paper", 4, "private", "images"),
    Counted("cohort", 2, "a paper", 3, "many reasons", "end"),
)


def _texts(svg: str) -> list[str]:
    root = ET.fromstring(svg)  # noqa: S314 (our own)
    return ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]


def test_the_file_is_svg_on_its_own_with_every_number() -> None:
    texts = _texts(flow_file(flow_diagram(FLOW, (), "Title")))
    assert texts == ["5 images", "2 excluded: too few & late", "3 <phases>"]


def test_published_numbers_stand_beside_and_are_marked_as_such() -> None:
    texts = _texts(flow_file(flow_diagram(FLOW, PUBLISHED, "Title")))
    assert texts == [
        "9 enrolled",
        "published: a paper",
        "4 private",
        "5 images",
        "published: 5",
        "2 excluded: too few & late",
        "published, of 5: 3 many reasons",
        "3 <phases>",
        "published: 2",
    ]


def test_nothing_overlaps() -> None:
    root = ET.fromstring(flow_file(flow_diagram(FLOW, PUBLISHED, "Title")))  # noqa: S314 (our own)
    boxes = [
        tuple(float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
        for rect in root.iter("{http://www.w3.org/2000/svg}rect")
    ]
    for n, (x, y, width, height) in enumerate(boxes):
        for ox, oy, owidth, oheight in boxes[n + 1 :]:
            assert x + width <= ox or ox + owidth <= x or y + height <= oy or oy + oheight <= y

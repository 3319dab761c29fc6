"""The flow diagram of a selection: who was there, who left and why, who stayed; published numbers beside."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from markupsafe import Markup

from uptake.cohort.rules import Counted
from uptake.cohort.selection import FlowStep
from uptake.report.svg import Frame, drawing, tag

BOX, SIDE, LEFT, GAP = 330.0, 300.0, 20.0, 46.0
_LINE, _PAD, _WRAP, _SIDE_WRAP = 16.0, 11.0, 42, 42
END = "end"


def flow_diagram(flow: Sequence[FlowStep], published: Sequence[Counted], title: str) -> Markup:
    """Boxes from top to bottom, exclusions to the right; dashed what only a publication says."""
    parts: list[Markup] = []
    y = 14.0
    middle = LEFT + BOX / 2
    before = [item for item in published if not item.beside]
    for number, item in enumerate(before):
        if number:
            parts.append(_leaving(y, f"{item.lost} {item.reason}", dashed=True))
            parts.append(_arrow(middle, y, y + GAP))
            y += GAP
        y, made = _box(y, item.patients, item.step, (f"published: {item.source}",), dashed=True)
        parts.append(made)
    for number, step in enumerate(flow):
        beside = _beside(published, step.step, last=number == len(flow) - 1)
        if before or number:
            if step.excluded or number:
                parts.append(_leaving(y, _left_words(step, beside)))
            else:
                words = next((f"{item.lost} {item.reason}" for item in beside if item.lost), "")
                parts.append(_leaving(y, words, dashed=True) if words else Markup(""))
            parts.append(_arrow(middle, y, y + GAP))
            y += GAP
        notes = [f"published: {item.patients}" for item in beside]
        y, made = _box(y, step.remaining, step.step, notes, final=number == len(flow) - 1)
        parts.append(made)
    frame = Frame(width=LEFT + BOX + 34 + SIDE + 16, height=y + 14)
    counted = ", ".join(f"{step.remaining} {step.step}" for step in flow)
    return drawing(frame, f"{title}: {counted}", *parts)


STYLE = """
.flow text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif;fill:#1d2226}
.flow .count{font-weight:600}.flow .small{font-size:12px;fill:#626b73}
.flow rect{fill:#fff;stroke:#626b73}
.flow rect.dashed{stroke-dasharray:5 4}.flow rect.final{stroke:#0b5c8a;stroke-width:2}
.flow line{stroke:#626b73}
"""


def flow_file(diagram: Markup) -> str:
    """The diagram as an SVG file of its own, with its colours."""
    head = '<svg xmlns="http://www.w3.org/2000/svg" '
    body = str(diagram).replace("<svg ", head, 1).replace('class="chart"', 'class="flow"', 1)
    start = body.index(">") + 1
    return f"{body[:start]}<style>{STYLE}</style>{body[start:]}\n"


def _left_words(step: FlowStep, beside: Sequence[Counted]) -> str:
    words = f"{step.excluded} excluded: {step.reason}"
    lost = [f"published, of {item.patients + item.lost}: {item.lost} {item.reason}" for item in beside if item.lost]
    return "\n".join([words, *lost])


def _beside(published: Sequence[Counted], step: str, *, last: bool) -> list[Counted]:
    return [item for item in published if item.beside == step or (last and item.beside == END)]


def _box(
    y: float, count: int, words: str, notes: Sequence[str], *, dashed: bool = False, final: bool = False
) -> tuple[float, Markup]:
    lines = textwrap.wrap(f"{count} {words}", _WRAP)
    height = 2 * _PAD + _LINE * (len(lines) + len(notes)) - 3
    kind = "dashed" if dashed else "final" if final else None
    parts = [tag("rect", class_=kind, x=LEFT, y=y, width=BOX, height=height, rx=4)]
    for number, line in enumerate([*lines, *notes]):
        at = y + _PAD + 11 + _LINE * number
        start = tag("tspan", str(count), class_="count") if number == 0 else ""
        rest = line.removeprefix(str(count)) if number == 0 else line
        kind = "small" if number >= len(lines) else None
        parts.append(tag("text", start, rest, class_=kind, x=LEFT + BOX / 2, y=at, text_anchor="middle"))
    return y + height, Markup("").join(parts)


def _leaving(y: float, words: str, *, dashed: bool = False) -> Markup:
    """The exclusion between two boxes, to the right of their arrow."""
    lines = [line for part in words.split("\n") for line in textwrap.wrap(part, _SIDE_WRAP)]
    height = _LINE * len(lines) + 12
    top = y + GAP / 2 - height / 2
    x = LEFT + BOX + 34
    parts = [
        tag("line", x1=LEFT + BOX / 2, x2=x, y1=y + GAP / 2, y2=y + GAP / 2),
        tag("rect", class_="dashed" if dashed else None, x=x, y=top, width=SIDE, height=height, rx=4),
    ]
    for number, line in enumerate(lines):
        parts.append(tag("text", line, class_="small" if number else None, x=x + 10, y=top + 18 + _LINE * number))
    return Markup("").join(parts)


def _arrow(x: float, top: float, bottom: float) -> Markup:
    return Markup("").join(
        [
            tag("line", x1=x, x2=x, y1=top, y2=bottom),
            tag("polyline", points=f"{x - 4},{bottom - 7} {x},{bottom} {x + 4},{bottom - 7}", fill="none",
                stroke="currentColor"),
        ]
    )  # fmt: skip

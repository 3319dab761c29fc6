"""The figures of a data descriptor, drawn from the data: each one SVG file that needs no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from uptake.report import images
from uptake.report.planes import Plane, plane
from uptake.report.svg import number, tag
from uptake.tumour.ftv import BANDS
from uptake.volume import Array, Volume, bounding_slices

PANEL, GAP, MARGIN_MM = 190.0, 8.0, 12.0
FTV_COLOUR, STV_COLOUR, BOX_COLOUR, MARK_COLOUR = "#00e5ff", "#ffb300", "#ffffff", "#ff5252"

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Tumour:
    """One case of a figure, all on one grid: the early phase, two masks, and what is said of it.

    ser: where a figure shows it. place: a voxel that a figure points to.
    """

    case_id: str
    words: str
    early: Volume
    ftv: Volume
    stv: Volume
    ser: Volume | None = None
    place: tuple[int, int, int] | None = None
    slice_axis: int = 2


@dataclass(frozen=True)
class Figure:
    """A figure: its name as a file, its caption, the drawing, and what it shows as rows."""

    name: str
    caption: str
    drawing: Markup
    rows: tuple[Mapping[str, object], ...] = ()


def agreement_rows(tumours: Sequence[Tumour], pair: tuple[str, str]) -> Markup:
    """A row per case: the whole slice, the region of interest, the first mask, the second mask (the paper's Fig. 3)."""
    parts: list[Markup] = []
    heads = ("(a) first post-contrast image", "(b) region of interest", f"(c) {pair[0]}", f"(d) {pair[1]}")
    for column, words in enumerate(heads):
        parts.append(_words(words, column * (PANEL + GAP), 12))
    y = 20.0
    for tumour in tumours:
        shown, section = _section(tumour)
        box = _zoom(shown, section(tumour.ftv.array) | section(tumour.stv.array))
        grey = _grey(tumour, section)
        whole = (0.0, 0.0, *_size(shown, grey))
        frame = f"M{number(box[0])} {number(box[1])}h{number(box[2])}v{number(box[3])}h-{number(box[2])}z"
        outline = [(frame, BOX_COLOUR, (1.0, 1.0))]
        pictures = (
            _panel(shown, grey, whole, outline),
            _panel(shown, grey, box, []),
            _panel(shown, grey, box, [_outline(shown, section(tumour.ftv.array), FTV_COLOUR)]),
            _panel(shown, grey, box, [_outline(shown, section(tumour.stv.array), STV_COLOUR)]),
        )
        parts += [_at(picture, column * (PANEL + GAP), y) for column, picture in enumerate(pictures)]
        parts.append(_words(f"{tumour.case_id}: {tumour.words}", 0, y + PANEL + 14))
        y += PANEL + 26
    return _drawing(4 * (PANEL + GAP) - GAP, y, "Agreement: best, median and worst case", parts)


def heterogeneity_panel(tumours: Sequence[Tumour]) -> Markup:
    """Tumours side by side, SER in UCSF's colours over the early image (as the paper's Fig. 1)."""
    parts = []
    for column, tumour in enumerate(tumours):
        shown, section = _section(tumour)
        mask = section(tumour.ftv.array)
        box = _zoom(shown, mask | section(tumour.stv.array))
        cover = ""
        if tumour.ser is not None:
            index = images.band_index(section(tumour.ser.array), mask, BANDS)
            cover = images.overlay(index, (*images.SER_COLOURS, images.SER_OUTSIDE))
        lines = [_outline(shown, section(tumour.stv.array), STV_COLOUR)]
        grey = _grey(tumour, section)
        parts.append(_at(_panel(shown, grey, box, [], ""), column * (PANEL + GAP), 0))
        parts.append(_at(_panel(shown, grey, box, lines, cover), column * (PANEL + GAP), PANEL + GAP))
        parts.append(_words(tumour.case_id, column * (PANEL + GAP), 2 * PANEL + GAP + 14))
        parts.append(_words(tumour.words, column * (PANEL + GAP), 2 * PANEL + GAP + 29))
    width = len(tumours) * (PANEL + GAP) - GAP
    return _drawing(width, 2 * PANEL + GAP + 36, "Spatial heterogeneity of representative tumours", parts)


def artefact_panel(tumours: Sequence[Tumour]) -> Markup:
    """The slice with the largest bright artefact outside the body, marked (as the paper's Fig. 2)."""
    parts = []
    for column, tumour in enumerate(tumours):
        shown, section = _section(tumour)
        grey = _grey(tumour, section)
        lines = []
        if tumour.place is not None:
            spot = np.zeros(tumour.early.grid.shape, bool)
            spot[tuple(slice(max(0, p - 4), p + 5) for p in tumour.place)] = True
            lines.append(_outline(shown, section(spot), MARK_COLOUR))
        parts.append(_at(_panel(shown, grey, (0.0, 0.0, *_size(shown, grey)), lines), column * (PANEL + GAP), 0))
        parts.append(_words(f"{tumour.case_id}: {tumour.words}", column * (PANEL + GAP), PANEL + 14))
    return _drawing(len(tumours) * (PANEL + GAP) - GAP, PANEL + 22, "Bright artefacts outside the body", parts)


def svg_file(drawing: Markup) -> str:
    """A drawing as a file of its own."""
    return str(drawing).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1) + "\n"


class _Cut:
    """One slice of an array as a picture."""

    def __init__(self, shown: Plane, index: int) -> None:
        self.shown, self.index = shown, index

    def __call__(self, array: Array) -> Array:
        return self.shown.section(array, self.index)


def _section(tumour: Tumour) -> tuple[Plane, _Cut]:
    """The slice through the marked place, else the one with most of both masks, else the middle."""
    shown = plane(tumour.early.grid, tumour.slice_axis)
    if tumour.place is not None:
        return shown, _Cut(shown, tumour.place[tumour.slice_axis])
    both = tumour.ftv.array.astype(np.uint8) + tumour.stv.array
    area = both.sum(axis=tuple(a for a in range(3) if a != tumour.slice_axis), dtype=np.int64)
    return shown, _Cut(shown, int(np.argmax(area)) if area.any() else len(area) // 2)


def _grey(tumour: Tumour, section: _Cut) -> Array:
    return images.grey(section(tumour.early.array), images.window(tumour.early.array, high_percent=99.95))


def _size(shown: Plane, picture: Array) -> tuple[float, float]:
    return picture.shape[1] * shown.spacing_mm[0], picture.shape[0] * shown.spacing_mm[1]


def _zoom(shown: Plane, mask: Array) -> Box:
    """A square in mm around a mask; the whole picture where it is empty."""
    width, height = _size(shown, mask)
    if not mask.any():
        return 0.0, 0.0, width, height
    rows, columns, _ = bounding_slices(mask[:, :, None])
    (x, y), (right, bottom) = (
        (columns.start * shown.spacing_mm[0], rows.start * shown.spacing_mm[1]),
        (columns.stop * shown.spacing_mm[0], rows.stop * shown.spacing_mm[1]),
    )
    side = max(right - x, bottom - y) + 2 * MARGIN_MM
    return (x + right - side) / 2, (y + bottom - side) / 2, side, side


def _outline(shown: Plane, mask: Array, colour: str) -> tuple[str, str, tuple[float, float]]:
    return images.outline(mask), colour, shown.spacing_mm


def _panel(
    shown: Plane, grey: Array, box: Box, lines: Sequence[tuple[str, str, tuple[float, float]]], cover: str = ""
) -> Markup:
    """A picture in mm, cut to a box, with outlines in the colours given."""
    width, height = _size(shown, grey)
    parts = [
        tag("rect", x=box[0], y=box[1], width=box[2], height=box[3], fill="#000"),
        _image(images.photo(grey), width, height),
    ]
    if cover:
        parts.append(_image(cover, width, height, pixelated=True))
    for path, colour, (across, down) in lines:
        parts.append(
            tag(
                "path", d=path, fill="none", stroke=colour, stroke_width="1.4", vector_effect="non-scaling-stroke",
                transform=f"scale({across:.6g} {down:.6g})",
            )
        )  # fmt: skip
    view = " ".join(number(value) for value in box)
    return tag("svg", *parts, viewBox=view, width=PANEL, height=PANEL, preserveAspectRatio="xMidYMid meet")


def _image(uri: str, width: float, height: float, *, pixelated: bool = False) -> Markup:
    style = "image-rendering:pixelated" if pixelated else None
    return tag("image", href=uri, x=0, y=0, width=width, height=height, preserveAspectRatio="none", style=style)


def _at(panel: Markup, x: float, y: float) -> Markup:
    return tag("g", panel, transform=f"translate({number(x)} {number(y)})")


def _words(text: str, x: float, y: float) -> Markup:
    return tag("text", text, x=x, y=y, font_size="12", font_family="system-ui, Arial, sans-serif", fill="#7b858d")


def _drawing(width: float, height: float, description: str, parts: Sequence[Markup]) -> Markup:
    view = f"0 0 {number(width)} {number(height)}"
    return tag("svg", *parts, viewBox=view, width=width, role="img", aria_label=description)

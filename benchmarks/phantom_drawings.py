"""Drawings of docs/phantom-realism.md: histograms, spectra, sizes of lesions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from phantom_lesions import REAL_DIAMETERS_MM, Size
from phantom_measured import Measured

from uptake.report.svg import tag
from uptake.volume import Array

TISSUES = ("gland", "fat", "FTV")
MAPS = ("intensity", "PE %", "SER")
COLOURS = ("#c0392b", "#2471a3")
LIMITS = {"intensity": (0.0, 2.0), "PE %": (-50.0, 200.0), "SER": (0.0, 2.0)}


def lesions_svg(lesions: Sequence[Size], real: tuple[Array, Array, Array]) -> str:
    """Volumes (log10 cc) and longest diameters, cumulated."""
    volumes, _, _, _, diameters = (np.array(column) for column in zip(*lesions, strict=True))
    known = np.array(list(REAL_DIAMETERS_MM.values()), dtype=float), np.array(list(REAL_DIAMETERS_MM)) / 100
    panels = [
        _panel(
            [_cumulated(np.log10(volumes), "#9a9a9a"), _cumulated(np.log10(real[0]), COLOURS[0])],
            (-0.5, 3.0),
            "STV, log10 cc",
            (0, 0),
            450,
        ),
        _panel(
            [_cumulated(diameters, "#9a9a9a"), (known[0], 4.5 * known[1], COLOURS[0], 2.2)],
            (0.0, 160.0),
            "longest diameter of all disease, mm",
            (450, 0),
            450,
        ),
    ]
    return _svg(900, 230, panels, [(COLOURS[0], "I-SPY 1"), ("#9a9a9a", "phantoms")])


def _cumulated(values: Array, colour: str) -> tuple[Array, Array, str, float]:
    return np.sort(values), 4.5 * (np.arange(values.size) + 0.5) / values.size, colour, 2.2


def histograms_svg(real: Sequence[Measured], phantoms: Sequence[Measured]) -> str:
    """Nine small histograms: intensity, PE and SER in gland, fat and FTV; phantoms grey, real studies in colour."""
    parts = []
    for row, name in enumerate(MAPS):
        for column, tissue in enumerate(TISSUES):
            key, limits = (name, tissue), LIMITS[name]
            lines = [(study.samples[key], "#9a9a9a", 1.0) for study in phantoms if key in study.samples]
            lines += [(study.samples[key], colour, 2.2) for study, colour in zip(real, COLOURS, strict=False)]
            curves = [(*_density(values, limits), colour, width) for values, colour, width in lines]
            parts.append(_panel(curves, limits, f"{name}, {tissue}", (column * 300, row * 200)))
    return _svg(900, 630, parts, _keys(real))


def spectrum_svg(real: Sequence[Measured], phantoms: Sequence[Measured]) -> str:
    """Power by spatial frequency along columns and rows."""
    parts = []
    for column, axis in enumerate(("columns", "rows")):
        place = np.linspace(0, 0.5, 16)
        curves = [(place, study.spectrum[axis] + 4.5, "#9a9a9a", 1.0) for study in phantoms]
        curves += [(place, study.spectrum[axis] + 4.5, c, 2.2) for study, c in zip(real, COLOURS, strict=False)]
        parts.append(_panel(curves, (0.0, 0.5), f"log10 power, {axis} (cycles per voxel)", (column * 450, 0), 450))
    return _svg(900, 230, parts, _keys(real))


def _density(values: Array, limits: tuple[float, float]) -> tuple[Array, Array]:
    counts, edges = np.histogram(np.clip(values, *limits), bins=50, range=limits)
    return (edges[1:] + edges[:-1]) / 2, counts / max(counts.max(), 1) * 4.5


def _panel(
    curves: Sequence[tuple[Array, Array, str, float]],
    limits: tuple[float, float],
    title: str,
    corner: tuple[float, float],
    width: float = 300,
) -> Markup:
    left, low = corner[0] + 12, corner[1] + 170
    drawn = [tag("text", title, x=left + 4, y=corner[1] + 22, font_size=13)]
    drawn.append(tag("line", x1=left, x2=left + width - 24, y1=low, y2=low, stroke="#444"))
    for value in np.linspace(*limits, 5):
        place = left + (value - limits[0]) / (limits[1] - limits[0]) * (width - 24)
        drawn.append(tag("text", f"{value:g}", x=place, y=low + 14, font_size=10, text_anchor="middle"))
    for x, y, colour, thick in curves:
        places = left + (x - limits[0]) / (limits[1] - limits[0]) * (width - 24)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(places, low - 30 * np.clip(y, 0, 4.8), strict=True))
        drawn.append(tag("polyline", points=points, fill="none", stroke=colour, stroke_width=thick))
    return Markup("").join(drawn)


def _keys(real: Sequence[Measured]) -> list[tuple[str, str]]:
    return [*zip(COLOURS, (study.name for study in real), strict=False), ("#9a9a9a", "phantoms")]


def _svg(width: int, height: int, parts: Sequence[Markup], keys: Sequence[tuple[str, str]]) -> str:
    legend = [
        tag("text", name, x=20 + 170 * n, y=height - 8, fill=colour, font_size=13)
        for n, (colour, name) in enumerate(keys)
    ]
    back = tag("rect", width=width, height=height, fill="#fff")
    view = f"0 0 {width} {height}"
    whole = tag(
        "svg", back, *parts, *legend, xmlns="http://www.w3.org/2000/svg", viewBox=view, font_family="sans-serif"
    )
    return str(whole) + "\n"

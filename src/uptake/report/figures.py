"""The plots of the report, as inline SVG: time-intensity curve, histograms, SER bands, cohort strips, colour scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from uptake.report.svg import Frame, drawing, label, log_ticks, number, polygon, polyline, tag, ticks, x_axis, y_axis
from uptake.volume import Array


@dataclass(frozen=True)
class Curve:
    """Intensity over the phases inside one mask: mean and quartiles, one number per phase.

    kind: ftv, stv or rest; it chooses the colour. words: what the mask is, for the label.
    """

    kind: str
    words: str
    mean: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]


@dataclass(frozen=True)
class Tick:
    """One phase on the time axis: its position (s, or its number), and up to two lines of text."""

    at: float
    words: str
    role: str = ""


@dataclass(frozen=True)
class Histogram:
    """Shares of voxels (0-1) per bin of one phase; all phases of a set have the same `edges`.

    role: pre, early, late or other; it chooses the colour.
    """

    role: str
    words: str
    edges: tuple[float, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Dot:
    """One case in a strip plot: its value, its name and the page it leads to."""

    value: float
    name: str
    href: str


def curve(kind: str, words: str, volumes: Sequence[Array], mask: Array) -> Curve | None:
    """Mean and quartiles of every volume inside `mask` (same shape); None for an empty mask."""
    inside = [volume[mask].astype(np.float64) for volume in volumes]
    if not inside[0].size:
        return None
    lower, _, upper = zip(*(quartiles(values) for values in inside), strict=True)
    return Curve(kind, words, tuple(float(values.mean()) for values in inside), lower, upper)


def quartiles(values: Array) -> tuple[float, float, float]:
    """25th, 50th and 75th percentile of values of any shape, at least one."""
    low, middle, high = percentiles(values, (25, 50, 75))
    return low, middle, high


def percentiles(values: Array, percents: Sequence[float]) -> tuple[float, ...]:
    """Percentiles of values of any shape, at least one, as plain floats."""
    return tuple(float(value) for value in np.percentile(values, percents))


def histograms(named: Sequence[tuple[str, str, Array]], about: int = 96) -> tuple[Histogram, ...]:
    """One histogram per (role, words, values), all on about as many bins between the pool's extreme percentiles.

    Bins run from the 0.01 to the 99.99 percentile; for whole numbers each holds equally many of them, so that no
    comb appears. Shares are of all values of the phase: what lies beyond the bins is missing from their sum.
    """
    flat = [values.ravel() for _, _, values in named]
    low, high = percentiles(np.concatenate(flat), (0.01, 99.99))
    width = (high - low) / about or 1.0
    if all(np.array_equal(values, np.round(values)) for values in flat):
        low, width = math.floor(low) - 0.5, math.ceil(width)
    edges = low + width * np.arange(max(1, math.ceil((high - low) / width)) + 1)
    return tuple(
        Histogram(role, words, tuple(edges.tolist()), tuple((_counts(values, edges) / values.size).tolist()))
        for (role, words, _), values in zip(named, flat, strict=True)
    )


def curve_plot(curves: Sequence[Curve], at: Sequence[Tick], x_title: str, description: str) -> Markup:
    """Mean with quartile band against time, one line per mask, named at its end."""
    longest = max(len(line.words) for line in curves)
    frame = Frame(right=16 + 7.2 * longest, bottom=58 if any(tick.role for tick in at) else 46)
    x = frame.x(at[0].at, at[-1].at)
    top = max(value for line in curves for value in line.upper + line.mean)
    low = min(0.0, *(value for line in curves for value in line.lower))
    y = frame.y(low, top * 1.04)
    parts = [
        y_axis(frame, [(y(value), label(value)) for value in ticks(low, top)], "intensity, as acquired"),
        x_axis(frame, [(x(tick.at), tick.words) for tick in at], x_title),
        _roles(frame, [(x(tick.at), tick.role) for tick in at if tick.role]),
    ]
    for line in curves:
        places = [x(tick.at) for tick in at]
        upper = list(zip(places, map(y, line.upper), strict=True))
        lower = list(zip(places, map(y, line.lower), strict=True))
        mean = list(zip(places, map(y, line.mean), strict=True))
        parts.append(polygon(upper + lower[::-1], class_=f"band {line.kind}"))
        parts.append(polyline(mean, class_=f"line {line.kind}"))
        parts += [tag("circle", class_=f"point {line.kind}", cx=px, cy=py, r=3.2) for px, py in mean]
    parts.append(_end_labels(frame, [(y(line.mean[-1]), line.words, line.kind) for line in curves]))
    return drawing(frame, description, *parts)


def histogram_plot(phases: Sequence[Histogram], x_title: str, floor: float, description: str) -> Markup:
    """Shares of voxels on a logarithmic axis from `floor` to 1, one line per phase, one pair of axes for all."""
    frame = Frame(height=250, left=66)
    edges = phases[0].edges
    x, y = frame.x(edges[0], edges[-1]), frame.y(math.log10(floor), 0.0)
    decades = range(math.ceil(math.log10(floor)), 1)
    parts = [
        y_axis(frame, [(y(n), _percent(10.0**n)) for n in decades], "share of voxels"),
        x_axis(frame, [(x(value), label(value)) for value in ticks(edges[0], edges[-1])], x_title),
    ]
    for phase in phases:
        heights = [y(math.log10(max(share, floor))) for share in phase.shares]
        steps = [(x(edge), height) for n, height in enumerate(heights) for edge in (phase.edges[n], phase.edges[n + 1])]
        parts.append(polyline(steps, class_=f"line phase {phase.role}"))
    return drawing(frame, description, *parts)


def histogram_floor(sets: Sequence[Sequence[Histogram]]) -> float:
    """The power of ten at or below the smallest share that is not zero, in all histograms; at least 1e-5."""
    smallest = min((s for phases in sets for phase in phases for s in phase.shares if s > 0), default=1e-3)
    return max(10.0 ** math.floor(math.log10(smallest)), 1e-5)


def band_bar(percents: Sequence[float], colours: Sequence[tuple[int, int, int]], description: str) -> Markup:
    """One horizontal bar divided by percentages, in the colours given."""
    parts, left = [], 0.0
    for percent, colour in zip(percents, colours, strict=True):
        if percent > 0:
            fill = "#{:02x}{:02x}{:02x}".format(*colour)
            parts.append(tag("rect", x=left, y=0, width=percent, height=10, fill=fill))
        left += percent
    return tag(
        "svg", *parts, class_="bandbar", viewBox="0 0 100 10", preserveAspectRatio="none", role="img",
        aria_label=description,
    )  # fmt: skip


def colour_scale(low: float, high: float, colours: Sequence[tuple[int, int, int]], description: str) -> Markup:
    """A horizontal colour bar from low to high with ticks; the colours are evenly spaced."""
    frame = Frame(width=320, height=40, left=12, right=12, top=0, bottom=24)
    stops = [
        tag("stop", offset=n / (len(colours) - 1), stop_color="#{:02x}{:02x}{:02x}".format(*colour))
        for n, colour in enumerate(colours)
    ]
    x = frame.x(low, high)
    parts = [
        tag("defs", tag("linearGradient", *stops, id="field-scale")),
        tag("rect", x=frame.left, y=2, width=x(high) - x(low), height=12, fill="url(#field-scale)"),
        *(tag("text", label(v), class_="tick", x=x(v), y=30, text_anchor="middle") for v in ticks(low, high, 4)),
    ]
    return drawing(frame, description, *parts)


def strip_plot(dots: Sequence[Dot], title: str, kind: str) -> Markup:
    """Positive values on a logarithmic axis, one dot per case (a link to it), stacked so that none hides another."""
    frame = Frame(width=400, height=132, left=16, right=16, top=12, bottom=44)
    values = [dot.value for dot in dots]
    low, high = min(values) / 1.25, max(values) * 1.25
    scale = frame.x(math.log10(low), math.log10(high))
    base, median = frame.height - frame.bottom, float(np.median(values))
    parts = [x_axis(frame, [(scale(math.log10(v)), label(v)) for v in log_ticks(low, high)], title)]
    at = scale(math.log10(median))
    parts.append(tag("line", class_="median", x1=at, x2=at, y1=frame.top, y2=base))
    for dot, (px, py) in zip(
        dots, _stacked([scale(math.log10(v)) for v in values], base - 7, frame.top + 5), strict=True
    ):
        name = tag("title", f"{dot.name}: {dot.value:.2f} cc")
        circle = tag("circle", name, class_=f"dot {kind}", cx=px, cy=py, r=4)
        parts.append(tag("a", circle, href=dot.href, aria_label=f"{dot.name}, {dot.value:.2f} cc"))
    return drawing(frame, f"{title}: {len(dots)} cases, median {median:.2f} cc", *parts)


def _counts(values: Array, edges: Array) -> npt.NDArray[np.intp]:
    """Values per bin of equal width, the upper edge of each belonging to the next."""
    bins = len(edges) - 1
    index = np.floor((values.astype(np.float32) - edges[0]) * (1.0 / (edges[1] - edges[0]))).astype(np.intp)
    inside = index[(index >= 0) & (index < bins)]
    return np.bincount(inside, minlength=bins)


def _stacked(places: Sequence[float], base: float, top: float) -> list[tuple[float, float]]:
    """Each dot at the lowest level where it does not touch an earlier one; levels restart when they run out."""
    result: list[tuple[float, float]] = [(0.0, 0.0)] * len(places)
    levels = max(1, int((base - top) // 9) + 1)
    last = [-math.inf] * levels
    for index in sorted(range(len(places)), key=lambda n: (places[n], n)):
        free = [level for level in range(levels) if places[index] - last[level] >= 8.5]
        level = free[0] if free else min(range(levels), key=lambda n: (last[n], n))
        last[level] = places[index]
        result[index] = (places[index], base - 9.0 * level)
    return result


def _roles(frame: Frame, at: Sequence[tuple[float, str]]) -> Markup:
    line = frame.height - frame.bottom + 31
    return Markup("").join(tag("text", role, class_="tick", x=px, y=line, text_anchor="middle") for px, role in at)


def _end_labels(frame: Frame, ends: Sequence[tuple[float, str, str]]) -> Markup:
    """Names at the right end of the lines, moved apart where they would overlap."""
    left, previous, parts = frame.width - frame.right + 9, -math.inf, []
    for height, words, kind in sorted(ends):
        previous = max(height, previous + 15)
        parts.append(tag("text", words, class_=f"name {kind}", x=left, y=previous + 4))
    return Markup("").join(parts)


def _percent(share: float) -> str:
    return f"{number(100 * share)} %" if share >= 1e-4 else f"{100 * share:g} %"

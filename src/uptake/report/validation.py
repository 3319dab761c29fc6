"""The page of the technical validation: what passed and what not, plots over the collection, agreement, figures."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from uptake.cohort.agreement import Limits
from uptake.cohort.collection import CaseFinding
from uptake.report.gallery import Figure
from uptake.report.pages import rendered
from uptake.report.svg import Frame, drawing, label, tag, ticks, x_axis, y_axis

Pairs = Sequence[tuple[str, float, float]]
"""(case, one, other)."""


@dataclass(frozen=True)
class PairSummary:
    """The agreement of one pair of raters over the cohort; medians and quartiles over the cases that have both."""

    one: str
    other: str
    grid: str
    cases: int
    dice: tuple[float, float, float] | None
    hd95_mm: tuple[float, float, float] | None
    volumes: Limits | None


@dataclass(frozen=True)
class Plot:
    """A plot with its data: the file name of both, a caption, the drawing, and the rows it is drawn from."""

    name: str
    caption: str
    drawing: Markup
    rows: tuple[Mapping[str, object], ...]


@dataclass(frozen=True)
class ValidationView:
    """What the page shows. `findings` that passed are counted, the others listed."""

    name: str
    cases: int
    findings: tuple[CaseFinding, ...]
    plots: tuple[Plot, ...] = ()
    pairs: tuple[PairSummary, ...] = ()
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()
    version: str = ""


NARROWEST = 0.01
"""An axis is never narrower: differences below it are no news."""


def validation_page(view: ValidationView) -> str:
    """The page as HTML text; plots' and figures' data are files beside it."""
    return rendered(
        "verify.html.j2",
        view=view,
        counts=Counter(item.status for item in view.findings),
        checks=tuple(by_check(view.findings).items()),
        open=tuple(item for item in view.findings if item.status != "pass"),
    )


def by_check(findings: Sequence[CaseFinding]) -> Mapping[str, Counter[str]]:
    """How often every check passed, warned and failed, in order of first appearance."""
    result: dict[str, Counter[str]] = {}
    for item in findings:
        result.setdefault(item.check, Counter())[item.status] += 1
    return result


def strip(title: str, values: Mapping[str, float], apart: Sequence[str] = ()) -> Markup:
    """One dot per case along an axis, stacked; the median as a line; `apart`: the cases that are outliers."""
    frame = Frame(width=400, height=118, left=16, right=16, top=10, bottom=44)
    low, high = min(values.values()), max(values.values())
    margin = max((high - low) * 0.04, abs(high) * 0.01, NARROWEST / 2)
    x = frame.x(low - margin, high + margin)
    base = frame.height - frame.bottom
    parts = [x_axis(frame, [(x(v), label(v)) for v in ticks(low - margin, high + margin)], title)]
    middle = x(statistics.median(values.values()))
    parts.append(tag("line", class_="median", x1=middle, x2=middle, y1=frame.top, y2=base))
    height: Counter[int] = Counter()
    for name, value in sorted(values.items(), key=lambda item: (item[1], item[0])):
        place = round(x(value) / 7)
        height[place] += 1
        y = max(frame.top + 4, base - 6 - 7 * (height[place] - 1))
        kind = "dot apart" if name in apart else "dot rest"
        parts.append(tag("circle", tag("title", f"{name}: {label(value)}"), class_=kind, cx=x(value), cy=y, r=3.4))
    return drawing(frame, f"{title}: {len(values)} cases from {label(low)} to {label(high)}", *parts)


def difference_plot(pairs: Pairs, limits: Limits, words: tuple[str, str]) -> Markup:
    """Bland and Altman's plot of two volumes in cc: difference against mean, bias and limits with their intervals."""
    frame = Frame(width=440, height=270, left=62)
    means = [(a + b) / 2 for _, a, b in pairs]
    differences = [b - a for _, a, b in pairs]
    span = [*differences, limits.lower_interval[0], limits.upper_interval[1]]
    low, high = min(span), max(span)
    x, y = frame.x(0.0, max(means) * 1.05 or 1.0), frame.y(low, high)
    parts = [
        y_axis(frame, [(y(v), label(v)) for v in ticks(low, high)], f"{words[1]} \N{MINUS SIGN} {words[0]}, cc"),
        x_axis(frame, [(x(v), label(v)) for v in ticks(0.0, max(means))], "mean of both, cc"),
    ]
    right = frame.width - frame.right
    for value, interval, kind in (
        (limits.lower, limits.lower_interval, "limit"),
        (limits.bias, limits.bias_interval, "bias"),
        (limits.upper, limits.upper_interval, "limit"),
    ):
        top, bottom = y(interval[1]), y(interval[0])
        parts.append(tag("rect", class_="interval", x=frame.left, y=top, width=right - frame.left, height=bottom - top))
        parts.append(tag("line", class_=kind, x1=frame.left, x2=right, y1=y(value), y2=y(value)))
    for (name, _, _), mean, difference in zip(pairs, means, differences, strict=True):
        title = tag("title", f"{name}: {difference:+.2f} cc")
        parts.append(tag("circle", title, class_="dot rest", cx=x(mean), cy=y(difference), r=3.4))
    said = f"bias {limits.bias:+.2f} cc, limits of agreement {limits.lower:+.2f} to {limits.upper:+.2f} cc"
    return drawing(frame, f"{words[1]} against {words[0]}, {len(pairs)} cases: {said}", *parts)


def finite(values: Mapping[str, float | None]) -> dict[str, float]:
    """The values that are numbers."""
    return {name: value for name, value in values.items() if value is not None and math.isfinite(value)}


PLOT_STYLE = """
svg{font:12px system-ui,Arial,sans-serif}text{fill:#626b73}.axis{stroke:#626b73}.grid{stroke:#dfe2e4}
.median,.bias{stroke:#1d2226;stroke-width:1.5}
.limit{stroke:#626b73;stroke-dasharray:5 4}.interval{fill:#626b73;opacity:.12}
.dot.rest{fill:#2563c9;opacity:.8}.dot.apart{fill:#d05548}
"""


def plot_file(plot: Markup) -> str:
    """A plot as an SVG file of its own, with its colours."""
    text = str(plot).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    start = text.index(">") + 1
    return f"{text[:start]}<style>{PLOT_STYLE}</style>{text[start:]}\n"

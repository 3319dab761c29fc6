"""Inline SVG written by hand: escaped elements, scales and axes. Colours and fonts come from the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

Scale = Callable[[float], float]


def tag(name: str, *children: str | Markup, **attributes: str | float | None) -> Markup:
    """An element; text children and attribute values are escaped, `Markup` children are kept.

    Attributes that are None are left out; underscores become hyphens, a trailing one is dropped (``class_``).
    """
    written = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), number(value) if _is_number(value) else value)
        for key, value in attributes.items()
        if value is not None
    )
    inside = Markup("").join(escape(child) for child in children)
    return Markup("<{0}{1}>{2}</{0}>").format(name, written, inside)


def number(value: float | str | None) -> str:
    """A coordinate with at most two decimals."""
    return f"{float(value or 0.0):.2f}".rstrip("0").rstrip(".")


def label(value: float) -> str:
    """A tick or table number: up to four significant digits, a real minus sign, thin spaces between thousands."""
    if value and (abs(value) < 1e-3 or abs(value) >= 1e7):
        return f"{value:.2e}".replace("-", "\u2212")
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return text.replace(",", "\u2009").replace("-", "\u2212")


@dataclass(frozen=True)
class Frame:
    """The plotting area of a drawing of width x height units; the margins hold the axis labels."""

    width: float = 560
    height: float = 300
    left: float = 54
    right: float = 16
    top: float = 14
    bottom: float = 46

    def x(self, low: float, high: float) -> Scale:
        """Values low..high to horizontal positions."""
        span = (high - low) or 1.0
        return lambda value: self.left + (value - low) / span * (self.width - self.left - self.right)

    def y(self, low: float, high: float) -> Scale:
        """Values low..high to vertical positions, low at the bottom."""
        span = (high - low) or 1.0
        base = self.height - self.bottom
        return lambda value: base - (value - low) / span * (base - self.top)


def ticks(low: float, high: float, about: int = 5) -> tuple[float, ...]:
    """Round numbers (1, 2 or 5 times a power of ten apart) between low and high, about `about` of them."""
    if not high > low:
        return (low,)
    rough = (high - low) / max(about, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(n * step for n in range(first, last + 1))


def log_ticks(low: float, high: float) -> tuple[float, ...]:
    """Powers of ten between low and high; where those are fewer than three, 2 and 5 times them, or round numbers."""
    powers = [10.0**n for n in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    for factors in ((1,), (1, 2, 5)):
        inside = [power * factor for power in powers for factor in factors if low <= power * factor <= high]
        if len(inside) >= 3:
            return tuple(inside)
    return ticks(low, high, 4)


def x_axis(frame: Frame, at: Sequence[tuple[float, str]], title: str) -> Markup:
    """Base line, tick labels at positions (pixels, text), title below."""
    base = frame.height - frame.bottom
    parts = [tag("line", class_="axis", x1=frame.left, x2=frame.width - frame.right, y1=base, y2=base)]
    for position, text in at:
        parts.append(tag("line", class_="axis", x1=position, x2=position, y1=base, y2=base + 4))
        parts.append(tag("text", text, class_="tick", x=position, y=base + 17, text_anchor="middle"))
    middle = (frame.left + frame.width - frame.right) / 2
    parts.append(tag("text", title, class_="title", x=middle, y=frame.height - 6, text_anchor="middle"))
    return Markup("").join(parts)


def y_axis(frame: Frame, at: Sequence[tuple[float, str]], title: str) -> Markup:
    """Grid lines and tick labels at positions (pixels, text), title upright at the left."""
    parts = []
    for position, text in at:
        parts.append(tag("line", class_="grid", x1=frame.left, x2=frame.width - frame.right, y1=position, y2=position))
        parts.append(tag("text", text, class_="tick", x=frame.left - 7, y=position + 4, text_anchor="end"))
    middle = (frame.top + frame.height - frame.bottom) / 2
    turn = f"rotate(-90 12 {number(middle)})"
    parts.append(tag("text", title, class_="title", x=12, y=middle, text_anchor="middle", transform=turn))
    return Markup("").join(parts)


def polyline(points: Sequence[tuple[float, float]], **attributes: str | float) -> Markup:
    """A line through points (x, y)."""
    return tag("polyline", points=" ".join(f"{number(x)},{number(y)}" for x, y in points), **attributes)


def polygon(points: Sequence[tuple[float, float]], **attributes: str | float) -> Markup:
    """A filled outline through points (x, y)."""
    return tag("polygon", points=" ".join(f"{number(x)},{number(y)}" for x, y in points), **attributes)


def drawing(frame: Frame, description: str, *parts: Markup) -> Markup:
    """The whole picture with its text alternative."""
    box = f"0 0 {number(frame.width)} {number(frame.height)}"
    return tag("svg", *parts, class_="chart", viewBox=box, role="img", aria_label=description)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

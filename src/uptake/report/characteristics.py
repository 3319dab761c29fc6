"""Tables 1 and 2 as they are printed: texts for CSV, HTML and LaTeX, from one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from uptake.cohort.describe import Characteristic, Measured, Scanner

NOTHING = "\N{EN DASH}"
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", NOTHING: "--", "\N{MULTIPLICATION SIGN}": r"$\times$",
    "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


@dataclass(frozen=True)
class Printed:
    """A table of texts: its caption, its headings, its lines; the columns from `numbers` on are set to the right."""

    caption: str
    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    numbers: int = 1

    def rows(self) -> list[dict[str, str]]:
        """For `write_csv` and `write_xlsx`: one mapping per line."""
        return [dict(zip(self.columns, line, strict=True)) for line in self.lines]


def table_one(table: Sequence[Characteristic], sizes: Mapping[str, int]) -> Printed:
    """Table 1: a column per group, as ``67 (56%)`` and ``27.9, 68.8, 48.8`` (least, greatest, median).

    sizes: patients of each group. The test of difference stands on the first line of a variable.
    """
    total = sum(sizes.values())
    shares = [f"{count} ({_percent(100 * count / total)} of total cases)" if total else "0" for count in sizes.values()]
    lines = [("Cases", *shares, "", "", "")]
    for line in table:
        label = f"{line.label} (Min., Max., Median)" if line.kind == "number" else line.label
        label = f"{label}: {line.level}" if line.level else label
        without = " / ".join(str(item.missing) for item in line.groups) if any(i.missing for i in line.groups) else "0"
        p_value = p_words(line.p_value) if line.test and line.p_value is not None else ""
        lines.append((label, *map(_measured, line.groups), without, line.test, p_value))
    columns = ("Selected patient characteristics", *sizes, "Without a value", "Test", "p")
    return Printed("Summary of patient characteristics", columns, tuple(lines))


def table_two(
    first: Sequence[Scanner], last: Sequence[Scanner], columns: Sequence[str], visits: tuple[str, str]
) -> Printed:
    """Table 2: cases per scanner at the first and, where it differs, at the last visit."""
    again = {line.words: line for line in last}
    both = bool(last) and {line.words: line.cases for line in first} != {k: v.cases for k, v in again.items()}
    known = {line.words for line in first}
    lines = []
    for words, line in [(x.words, x) for x in first] + [(w, None) for w in again if w not in known]:
        cells = [*words, *_cases(line)]
        lines.append(tuple(cells + (_cases(again.get(words)) if both else [])))
    head = ["Number of cases", "Percentage"]
    if both:
        head = [f"{name}, {visit} visit" for visit in visits for name in head]
    return Printed("Scanner manufacturer and model name", (*columns, *head), tuple(lines), len(columns))


def latex(table: Printed) -> str:
    """The table as LaTeX (booktabs), every character that LaTeX would take for a command escaped."""
    numbers = len(table.columns) - table.numbers
    lines = [
        r"\begin{table}",
        rf"\caption{{{escaped(table.caption)}.}}",
        rf"\begin{{tabular}}{{{'l' * table.numbers}{'r' * numbers}}}",
        r"\toprule",
        " & ".join(map(escaped, table.columns)) + r" \\",
        r"\midrule",
        *(" & ".join(map(escaped, line)) + r" \\" for line in table.lines),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """A text that LaTeX prints as it is."""
    return "".join(_LATEX.get(letter, letter) for letter in text)


def p_words(value: float) -> str:
    """A p value with two significant digits; below 0.001 only that."""
    return "< 0.001" if value < 0.001 else f"{value:.2g}" if value < 0.995 else "1.0"


def _measured(item: Measured) -> str:
    if item.count is not None:
        return f"{item.count} ({_percent(item.percent)})" if item.percent is not None else str(item.count)
    if item.least is None or item.greatest is None or item.median is None:
        return NOTHING
    return ", ".join(_decimal(value) for value in (item.least, item.greatest, item.median))


def _cases(line: Scanner | None) -> list[str]:
    return [str(line.cases), _percent(line.percent)] if line else ["0", "0%"]


def _percent(value: float | None) -> str:
    return NOTHING if value is None else f"{_half_up(value):.0f}%"


def _decimal(value: float) -> str:
    return f"{value:.1f}" if value != int(value) or abs(value) < 1000 else f"{value:.0f}"


def _half_up(value: float) -> int:
    """28.5 is printed as 29, as people round."""
    return int(value + 0.5)

"""Tables of characteristics: counts, ranges and medians per group, with a test of difference.

Percentages are of all patients of a group, those without a value included, as the paper's are; how many have none is
a column of its own. Tests leave them out: Mann-Whitney's U (Kruskal-Wallis' H for more than two groups) for numbers,
Fisher's exact test for two by two counts, else the chi-squared test of Pearson without a correction.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from uptake.cohort.rules import Groups, Variable
from uptake.cohort.selection import Row, as_number, as_text, is_empty
from uptake.study import SettingsError

EVERYBODY = "All"
MOST_LEVELS = 30
"""A column with more different texts is no characteristic but an identifier or free text."""


@dataclass(frozen=True)
class Measured:
    """One characteristic in one group.

    count, percent: of a category (percent of the group's `patients`). least, median, greatest: of a number; None
    where nobody has one.
    """

    group: str
    patients: int
    missing: int
    count: int | None = None
    percent: float | None = None
    least: float | None = None
    median: float | None = None
    greatest: float | None = None


@dataclass(frozen=True)
class Characteristic:
    """One line of a table of characteristics; `test` and `p_value` stand on the first line of a variable."""

    label: str
    level: str
    kind: str
    groups: tuple[Measured, ...]
    test: str = ""
    p_value: float | None = None


@dataclass(frozen=True)
class Scanner:
    """One line of the table of scanners: the words of its columns, and cases with their share in percent."""

    words: tuple[str, ...]
    cases: int
    percent: float


def grouped(rows: Sequence[Row], groups: Groups) -> Mapping[str, list[Row]]:
    """The rows of each group, in order; without a column all in one group. Rows of no group are left out.

    Raises SettingsError where the column does not exist.
    """
    if not groups.column:
        return {EVERYBODY: list(rows)}
    _known(groups.column, rows)
    values = groups.values or tuple(sorted({as_text(row.get(groups.column)) for row in rows} - {""}))
    labels = groups.labels or tuple(f"{groups.column} = {value}" for value in values)
    return {
        label: [row for row in rows if as_text(row.get(groups.column)) == value]
        for label, value in zip(labels, values, strict=True)
    }


def table_one(rows: Sequence[Row], variables: Sequence[Variable], groups: Groups) -> tuple[Characteristic, ...]:
    """Every variable in every group: one line per number, one per shown value of a category.

    Raises SettingsError for a column that does not exist, a number that is none, a category of too many values.
    """
    parts = grouped(rows, groups)
    lines: list[Characteristic] = []
    for variable in variables:
        _known(variable.column, rows)
        if variable.kind == "number":
            lines.append(_number(variable, parts))
        else:
            lines += _category(variable, parts)
    return tuple(lines)


def found_variables(rows: Sequence[Row], columns: Sequence[str]) -> tuple[Variable, ...]:
    """Columns as variables: a number where every value is one and there are more than five different ones."""
    result = []
    for column in columns:
        _known(column, rows)
        values = [row.get(column) for row in rows if not is_empty(row.get(column))]
        numbers = all(as_number(value) is not None for value in values) and len({*map(as_text, values)}) > 5
        result.append(Variable(column, column, "number" if numbers else "category"))
    return tuple(result)


def scanners(images: Sequence[Sequence[Row]], columns: Sequence[str]) -> tuple[Scanner, ...]:
    """Cases per scanner, the makers with most cases first; a case counts with its most frequent scanner.

    images: the rows of each case's visit. A case without rows counts as unknown.
    """
    if not columns:
        return ()
    found = Counter(_most_frequent(rows, columns) for rows in images)
    makers = Counter[str]()
    for words, count in found.items():
        makers[words[0]] += count
    order = sorted(found, key=lambda words: (-makers[words[0]], words[0], -found[words], words))
    return tuple(Scanner(words, found[words], 100 * found[words] / len(images)) for words in order)


def _number(variable: Variable, parts: Mapping[str, list[Row]]) -> Characteristic:
    samples = {label: _numbers(rows, variable.column) for label, rows in parts.items()}
    measured = []
    for label, values in samples.items():
        patients = len(parts[label])
        numbers = (min(values), statistics.median(values), max(values)) if values else (None, None, None)
        measured.append(
            Measured(label, patients, patients - len(values), None, None, numbers[0], numbers[1], numbers[2])
        )
    test, p_value = _rank_test([values for values in samples.values() if values])
    return Characteristic(variable.label, "", "number", tuple(measured), test, p_value)


def _category(variable: Variable, parts: Mapping[str, list[Row]]) -> list[Characteristic]:
    cells = {label: [as_text(row.get(variable.column)) for row in rows] for label, rows in parts.items()}
    levels = sorted({text for texts in cells.values() for text in texts} - {""}, key=_natural)
    if len(levels) > MOST_LEVELS:
        raise SettingsError(f"{variable.column} has {len(levels)} different values: no characteristic to count")
    shown = [variable.value] if variable.value else levels
    counts = [[texts.count(level) for level in levels] for texts in cells.values()]
    if variable.value:  # the value against all the others, as it is printed
        counts = [[texts.count(variable.value), len(texts) - texts.count("") - texts.count(variable.value)]
                  for texts in cells.values()]  # fmt: skip
    test, p_value = _count_test(counts)
    lines = []
    for level in shown:
        measured = tuple(
            Measured(label, len(texts), texts.count(""), texts.count(level), _share(texts.count(level), len(texts)))
            for label, texts in cells.items()
        )
        first = level == shown[0]
        words = "" if variable.value else level
        line = Characteristic(
            variable.label, words, "category", measured, test if first else "", p_value if first else None
        )
        lines.append(line)
    return lines


def _rank_test(samples: Sequence[Sequence[float]]) -> tuple[str, float | None]:
    from scipy import stats

    if len(samples) < 2:
        return "", None
    if len({value for sample in samples for value in sample}) < 2:
        return "none: all values are equal", None
    if len(samples) == 2:
        return "Mann-Whitney U", float(stats.mannwhitneyu(*samples, alternative="two-sided").pvalue)
    return "Kruskal-Wallis H", float(stats.kruskal(*samples).pvalue)


def _count_test(counts: Sequence[Sequence[int]]) -> tuple[str, float | None]:
    """Counts per group (rows) and level (columns); rows and columns of zeros say nothing."""
    from scipy import stats

    rows = [row for row in counts if sum(row)]
    columns = [column for column in zip(*rows, strict=True) if sum(column)] if rows else []
    if len(rows) < 2 or len(columns) < 2:
        return "", None
    table = list(zip(*columns, strict=True))
    if len(rows) == 2 and len(columns) == 2:
        return "Fisher's exact", float(stats.fisher_exact(table).pvalue)
    return "chi-squared", float(stats.chi2_contingency(table, correction=False).pvalue)


def _numbers(rows: Sequence[Row], column: str) -> list[float]:
    values = []
    for row in rows:
        cell = row.get(column)
        value = as_number(cell)
        if value is None and not is_empty(cell):
            raise SettingsError(f"{column} is no number everywhere: {cell!r}")
        if value is not None:
            values.append(value)
    return values


def _most_frequent(rows: Sequence[Row], columns: Sequence[str]) -> tuple[str, ...]:
    found = Counter(tuple(as_text(row.get(name)) or "unknown" for name in columns) for row in rows)
    unknown = tuple("unknown" for _ in columns)
    return min(found, key=lambda words: (-found[words], words), default=unknown)


def _share(count: int, patients: int) -> float | None:
    return 100 * count / patients if patients else None


def _natural(text: str) -> tuple[int, float, str]:
    try:
        return 0, float(text), text
    except ValueError:
        return 1, 0.0, text


def _known(column: str, rows: Sequence[Row]) -> None:
    names = dict.fromkeys(name for row in rows for name in row)
    if rows and column not in names:
        raise SettingsError(f"there is no column {column!r}; there are {', '.join(names)}")

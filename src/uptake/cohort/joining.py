"""From tables to patients: sheets joined by identifier, visits put in order, inclusion lists matched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from uptake.cohort import ids
from uptake.cohort.rules import RuleSet
from uptake.cohort.selection import Cell, Patient, Row, as_number, as_text, is_empty
from uptake.study import Code, Refusal


@dataclass(frozen=True)
class Sheet:
    """A table as it is joined: its name, the column with identifiers, its rows, and the columns to leave out."""

    name: str
    identifier: str
    rows: tuple[Row, ...]
    leave: tuple[str, ...] = ()

    @property
    def identifiers(self) -> list[str]:
        """Every row's identifier. Raises Refusal CLINICAL for a row without one."""
        names = [as_text(row.get(self.identifier)) for row in self.rows]
        if "" in names:
            raise Refusal(
                Code.CLINICAL,
                found=f"{self.name}: data row {names.index('') + 1} has values and no {self.identifier}",
                allowed="an identifier in every row",
                remedy="name the patient, or remove the row",
            )
        return names


def joined(sheets: Sequence[Sheet], reference: Sequence[str] = ()) -> dict[str, dict[str, Cell]]:
    """One row per patient over all sheets, identifiers spelled as in `reference` where it knows them.

    A column that two sheets have stays one where they agree; else the later one is called ``<sheet>.<column>``.
    Raises Refusal CLINICAL for a patient twice in a sheet.
    """
    result: dict[str, dict[str, Cell]] = {}
    spelling = list(reference)
    for sheet in sheets:
        names = sheet.identifiers
        spelled = ids.spelled_as(names, spelling, sheet.name)
        ids.unique(names, sheet.name, spelled)
        rows = {spelled[name]: row for name, row in zip(names, sheet.rows, strict=True)}
        columns = [c for c in dict.fromkeys(c for row in sheet.rows for c in row) if c not in sheet.leave]
        for column in columns:
            if column == sheet.identifier:
                continue
            name = _free_name(column, sheet.name, rows, result)
            for patient, row in rows.items():
                result.setdefault(patient, {})[name] = row.get(column)
        for patient in rows:
            result.setdefault(patient, {})
        spelling += [name for name in rows if name not in spelling]
    return result


def patients(
    clinical: Mapping[str, Row], images: Mapping[str, Sequence[Row]], rules: RuleSet, listed: Iterable[str] | None
) -> tuple[Patient, ...]:
    """Every patient of either table in order of name; `listed`: those of an inclusion list, None without one.

    images: rows of the index by patient, spelled as the clinical table's identifiers.
    """
    chosen = None if listed is None else set(listed)
    found = []
    for name in sorted({*clinical, *images}):
        rows = tuple(images.get(name, ()))
        found.append(Patient(name, clinical.get(name), rows, baseline(rows, rules), chosen is None or name in chosen))
    return tuple(found)


def by_patient(table: Sheet) -> dict[str, list[Row]]:
    """The rows of an index by patient. Raises Refusal INDEX for two spellings of one patient."""
    rows: dict[str, list[Row]] = {}
    spellings: dict[ids.Key, str] = {}
    for name, row in zip(table.identifiers, table.rows, strict=True):
        first = spellings.setdefault(ids.key(name), name)
        if first != name:
            raise Refusal(
                Code.INDEX,
                found=f"{table.name}: {first!r} and {name!r} are one patient",
                allowed="one spelling per patient",
                remedy="write the identifier in one way",
            )
        rows.setdefault(name, []).append(row)
    return rows


def baseline(rows: Sequence[Row], rules: RuleSet) -> tuple[Row, ...]:
    """The rows of the baseline visit: the named one, or the first by date, number or name; all where no row says.

    A visit column that is empty for every row of a patient means that there is one visit.
    """
    return _visit(rows, rules, lambda names: min(names, key=_order) if rules.baseline == "first" else rules.baseline)


def last_visit(rows: Sequence[Row], rules: RuleSet) -> tuple[Row, ...]:
    """The rows of the last visit; see `baseline`."""
    return _visit(rows, rules, lambda names: max(names, key=_order))


def _visit(rows: Sequence[Row], rules: RuleSet, chosen: Callable[[set[str]], str]) -> tuple[Row, ...]:
    column = next((name for name in rules.visit if any(not is_empty(row.get(name)) for row in rows)), None)
    if column is None:
        return tuple(rows)
    wanted = chosen({as_text(row.get(column)) for row in rows} - {""})
    return tuple(row for row in rows if as_text(row.get(column)) == wanted)


def _order(text: str) -> tuple[float, str]:
    number = as_number(text)
    return (number if number is not None else 0.0, text)


def _free_name(column: str, sheet: str, rows: Mapping[str, Row], so_far: Mapping[str, Row]) -> str:
    """The column's own name, unless an earlier sheet says something else under it."""
    taken = {name: row[column] for name, row in so_far.items() if column in row}
    if all(taken.get(name, row.get(column)) == row.get(column) for name, row in rows.items()):
        return column
    return f"{sheet}.{column}"

"""Tables that hospitals and archives hand out: clinical workbooks (XLSX), CSV, and indices of series (Parquet too).

Cells become numbers, texts, bool or None; dates become ISO text (YYYY-MM-DD). What a spreadsheet can do to a table, and
nobody sees, is refused: merged cells in the data, formulas without stored values, dates that are text in some rows,
error values, a heading twice.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uptake.cohort.selection import Cell, Row, as_text
from uptake.io.tables import read_csv
from uptake.study import Code, Refusal, SettingsError

ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
SOME_DATE = re.compile(
    r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}[./-]\d{1,2}[./-]\d{1,2}|\d{1,2}[- ][A-Za-z]{3}[- ]\d{2,4}"
)
DICOM_DATE = re.compile(r"(19|20)\d{6}")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
LEADING_ZERO = re.compile(r"0\d+")
ERRORS = frozenset({"#REF!", "#N/A", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!"})
NOTHING = frozenset({"na", "nan", "<na>", "nat"})
"""What R and pandas write where there is no value."""
DAMAGED = (KeyError, ValueError, OSError, EOFError, IndexError, TypeError)


@dataclass(frozen=True)
class Table:
    """A table with its name (of the file, or of the workbook's sheet), its columns and its rows that are not empty.

    dates: the columns that hold dates; they order visits and are kept nowhere.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    dates: tuple[str, ...] = ()

    def column(self, wanted: Sequence[str]) -> str | None:
        """The first of the wanted columns that the table has."""
        return next((name for name in wanted if name in self.columns), None)


def read_clinical(path: Path, identifiers: Sequence[str], sheets: Sequence[str] = ()) -> tuple[Table, ...]:
    """The data sheets of a clinical workbook (or the one table of a CSV or Parquet file).

    identifiers: names that the column with the patient may have: a sheet without any of them (a dictionary, a
    title page) is no data sheet. sheets: those that must be there; none: every data sheet.
    Raises Refusal CLINICAL, SettingsError where there is no file.
    """
    tables = tuple(_tables(path, identifiers, Code.CLINICAL))
    for name in sheets:
        if name not in {table.name for table in tables}:
            named = ", ".join(table.name for table in tables) or "none"
            raise _refused(Code.CLINICAL, f"{path.name}: no data sheet {name!r}; there are {named}", "the sheets named")
    wanted = tuple(table for table in tables if not sheets or table.name in sheets)
    if not wanted:
        raise _refused(
            Code.CLINICAL,
            f"{path.name}: no sheet with a column {' or '.join(identifiers)}",
            "a sheet with one row per patient and a heading over every column",
        )
    return wanted


def read_index(path: Path, identifiers: Sequence[str]) -> Table:
    """The imaging index: one row per series or per study. Raises Refusal INDEX, SettingsError."""
    tables = list(_tables(path, identifiers, Code.INDEX))
    if len(tables) != 1 or not tables[0].rows:
        found = f"{path.name}: {len(tables)} tables with a column {' or '.join(identifiers)}"
        found = f"{path.name}: a sheet without rows" if len(tables) == 1 else found
        raise _refused(Code.INDEX, found, "one table with a row per series or study")
    return tables[0]


def _tables(path: Path, identifiers: Sequence[str], code: Code) -> Iterator[Table]:
    if not path.is_file():
        raise SettingsError(f"there is no table {path}")
    suffix = path.suffix.lower()
    if suffix in {".xlsx", ".xlsm"}:
        yield from _workbook(path, identifiers, code)
    elif suffix in {".parquet", ".pq"}:
        yield _identified(_parquet(path, code), path, identifiers, code)
    elif suffix in {".csv", ".gz"}:
        yield _identified(_csv(path, code), path, identifiers, code)
    else:
        raise SettingsError(f"{path.name}: a table is .csv, .csv.gz, .xlsx or .parquet")


def _identified(table: Table, path: Path, identifiers: Sequence[str], code: Code) -> Table:
    """The one table of a file, if it has rows and a column with the patient."""
    if table.column(identifiers):
        return table
    found = f"the columns {', '.join(map(repr, table.columns[:12]))}" if table.rows else "a table without rows"
    raise _refused(
        code, f"{path.name}: {found}", f"a heading over every column, one of them {' or '.join(identifiers)}, and rows"
    )


def _csv(path: Path, code: Code) -> Table:
    rows = [{name: _text_cell(text) for name, text in row.items()} for row in read_csv(path)]
    return _checked(path.stem, rows, code)


def _parquet(path: Path, code: Code) -> Table:
    try:
        import duckdb
    except ModuleNotFoundError as missing:
        raise SettingsError("Parquet tables need the extra 'parquet': pip install 'uptake[parquet]'") from missing
    try:
        with duckdb.connect() as engine:
            found = engine.execute("SELECT * FROM read_parquet(?)", [str(path)])
            columns = [str(item[0]) for item in found.description or ()]
            lines = found.fetchall()
    except duckdb.Error as error:
        raise _refused(code, f"{path.name}: no Parquet table ({type(error).__name__})", "a Parquet file") from error
    rows = [dict(zip(columns, map(_cell, line), strict=True)) for line in lines]
    return _checked(path.stem, rows, code)


def _workbook(path: Path, identifiers: Sequence[str], code: Code) -> Iterator[Table]:
    import openpyxl

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", UserWarning
        )  # parts of a workbook that openpyxl does not keep, and we don't need
        try:
            values = openpyxl.load_workbook(path, data_only=True)
            formulas = openpyxl.load_workbook(path)
        except (*DAMAGED, zipfile.BadZipFile) as error:
            raise _refused(code, f"{path.name}: no workbook ({type(error).__name__})", "an XLSX file") from error
    for sheet in values.worksheets:
        table = _sheet(sheet, formulas[sheet.title], identifiers, code)
        if table is not None:
            yield table


def _sheet(sheet: Any, formulas: Any, identifiers: Sequence[str], code: Code) -> Table | None:  # noqa: ANN401 (openpyxl)
    lines = list(sheet.iter_rows(values_only=True))
    header = next((n for n, line in enumerate(lines) if sum(cell is not None for cell in line) > 1), None)
    names = [] if header is None else ["" if cell is None else " ".join(str(cell).split()) for cell in lines[header]]
    if header is None or not set(names) & set(identifiers):
        return None
    merged = [str(area) for area in sheet.merged_cells.ranges if area.max_row > header]
    if merged:
        raise _refused(
            code,
            f"{sheet.title}: merged cells {', '.join(sorted(merged)[:3])}",
            "every row with its own value in every column",
            "unmerge the cells and fill each one",
        )
    _once(names, sheet.title, code)
    rows = []
    for number, line in enumerate(lines[header + 1 :], start=header + 2):
        cells = {name: _cell(value) for name, value in zip(names, line, strict=True) if name}
        _stored(cells, names, formulas, number, sheet.title, code)
        if any(value is not None for value in cells.values()):
            rows.append(cells)
    return _checked(sheet.title, rows, code)


def _stored(cells: Row, names: Sequence[str], formulas: Any, number: int, title: str, code: Code) -> None:  # noqa: ANN401
    """An empty cell that holds a formula was never computed: the workbook was written by a program."""
    for place, name in enumerate(names, start=1):
        if name and cells[name] is None and any(value is not None for value in cells.values()):
            formula = formulas.cell(number, place).value
            if isinstance(formula, str) and formula.startswith("=") and '""' not in formula:
                raise _refused(
                    code,
                    f"{title}: {name} in row {number} is a formula without a stored value",
                    "values",
                    "open the workbook in a spreadsheet and save it, or paste values over the formulas",
                )


def _checked(name: str, rows: Sequence[Row], code: Code) -> Table:
    """Columns of one kind: a column with dates has no other text, and no cell is an error of the spreadsheet."""
    columns = tuple(dict.fromkeys(column for row in rows for column in row))
    dates = []
    for column in columns:
        texts = [(n, row[column]) for n, row in enumerate(rows, start=1) if isinstance(row.get(column), str)]
        wrong = next((item for item in texts if item[1] in ERRORS), None)
        if wrong:
            raise _refused(code, f"{name}: {column} in data row {wrong[0]} is {wrong[1]}", "values", "mend the formula")
        iso = [n for n, text in texts if ISO_DATE.fullmatch(str(text))]
        other = [n for n, text in texts if SOME_DATE.fullmatch(str(text)) and not ISO_DATE.fullmatch(str(text))]
        if other or (iso and len(iso) < len(texts)):
            row = (other or [n for n, _ in texts if n not in set(iso)])[0]
            raise _refused(
                code,
                f"{name}: {column} in data row {row} is a date as text, or text among dates",
                "dates of the spreadsheet's own kind, or YYYY-MM-DD in every row",
                "give the column one form; day and month cannot be told apart in 03/09/2009",
            )
        if iso or ("date" in column.lower() and all(DICOM_DATE.fullmatch(as_text(row.get(column))) for row in rows)):
            dates.append(column)
    return Table(name, columns, tuple(rows), tuple(dates))


def _once(names: Sequence[str], title: str, code: Code) -> None:
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise _refused(code, f"{title}: the heading {twice[0]!r} more than once", "different headings", "rename one")


def _cell(value: object) -> Cell:
    if isinstance(value, dt.datetime):
        return value.date().isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool | int | float):
        return value
    text = str(value).strip()
    return text if text and text.lower() not in NOTHING else None


def _text_cell(text: str) -> Cell:
    plain = text.strip()
    if not plain or plain.lower() in NOTHING:
        return None
    if NUMBER.fullmatch(plain) and not LEADING_ZERO.match(plain):
        number = float(plain)
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    return plain


def _refused(code: Code, found: str, allowed: str, remedy: str = "") -> Refusal:
    return Refusal(code, found=found, allowed=allowed, remedy=remedy or "mend the table, then run again")

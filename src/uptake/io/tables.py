"""Tables as CSV and Excel files: the same bytes for the same rows, and no cell that a spreadsheet would run.

A text that begins with ``= + - @``, tab or a line break is a formula to a spreadsheet. In CSV it gets an apostrophe in
front, which `read_csv` takes off again; in Excel the cell is stored as text. Numbers are never touched.
"""

from __future__ import annotations

import csv
import dataclasses
import gzip
import io
import itertools
import math
import re
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from uptake.io.files import whole_file, write_bytes_whole
from uptake.study import Code, Refusal

FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
ESCAPED = re.compile(r"'+[=+\-@\t\r\n]")
TO_QUOTE = re.compile(r'[",\r\n]')
NOT_IN_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
LINE_BREAK = re.compile(r"\r\n?")
SHEET_NAME = re.compile(r"[^\\/*?:\[\]]{1,31}")
LONG_AGO = datetime(1980, 1, 1, tzinfo=UTC)
"""The time in every file of an Excel archive: the earliest that a zip can hold."""

Row = Any
"""A mapping from column name to cell, or a dataclass with such fields; a column it does not have is an empty cell."""


@dataclass(frozen=True)
class Sheet:
    """One sheet of an Excel file. columns: which of the rows' values, and in which order."""

    columns: Sequence[str]
    rows: Sequence[Row]


def write_csv(columns: Sequence[str], rows: Sequence[Row], path: Path) -> None:
    r"""Write rows as CSV, whole or not at all: UTF-8, lines ending in ``\n``, a header line even without rows.

    Floats are written so that they read back exactly, None as an empty cell, bool as true and false; see the module
    for texts. Raises `TypeError` for a cell that is no number, text, bool or None, `Refusal` NO_SPACE.
    """
    write_bytes_whole(path, csv_text(columns, rows).encode())


def csv_text(columns: Sequence[str], rows: Iterable[Row]) -> str:
    """The text that `write_csv` writes."""
    lines = itertools.chain(
        [map(_csv_text, columns)], ([_csv_cell(_cell(row, name)) for name in columns] for row in rows)
    )
    return "".join(_csv_line(list(line)) for line in lines)


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read a CSV file (``.gz``: compressed) with a header line: one dict of texts per row, as `write_csv` got them.

    An empty file gives no rows. Raises `Refusal` UNREADABLE for a file that is not UTF-8, a repeated column name, and
    a row with more or fewer cells than the header.
    """
    try:
        packed = path.read_bytes()
        text = (gzip.decompress(packed) if path.suffix == ".gz" else packed).decode("utf-8-sig")
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:  # an open quotation mark, a cell of more than 131072 characters
        raise _unreadable(path, f"no CSV table ({error})") from error
    except (UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _unreadable(path, f"not a CSV table in UTF-8 ({type(error).__name__})") from error
    if not lines:
        return []
    header, *body = [[text[1:] if ESCAPED.match(text) else text for text in line] for line in lines]
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise _unreadable(path, f"the column {repeated[0]!r} more than once")
    for number, line in enumerate(body, start=1):
        if len(line) != len(header):
            raise _unreadable(path, f"{len(line)} cells in row {number} under {len(header)} columns")
    return [dict(zip(header, line, strict=True)) for line in body]


def write_xlsx(sheets: Mapping[str, Sheet], path: Path) -> None:
    r"""Write sheets as an Excel file, whole or not at all; equal sheets give equal bytes.

    Numbers and bool stay what they are, but NaN and infinities, which Excel does not have, are written as texts.
    Control characters, which XML does not have, become the replacement character, line ends line feeds, and a text ends
    after 32767 characters, which is all that an Excel cell takes. Rows go to a temporary file one by one, as they come.
    Raises as `write_csv`, and `ValueError` for a sheet name that Excel does not take (1 to 31 characters, none of
    ``[]:*?/\``).
    """
    from xlsxwriter import Workbook

    for name in sheets:
        if not SHEET_NAME.fullmatch(name):
            raise ValueError(f"Excel takes no sheet named {name!r}")
    packed = io.BytesIO()
    with Workbook(packed, {"constant_memory": True}) as book:
        book.set_properties({"author": "uptake", "created": LONG_AGO})
        disarmed = book.add_format({"quote_prefix": True})
        for name, sheet in sheets.items():
            page = book.add_worksheet(name)
            lines = itertools.chain([sheet.columns], ([_cell(row, c) for c in sheet.columns] for row in sheet.rows))
            for row, line in enumerate(lines):
                for column, value in enumerate(line):
                    _write_xlsx_cell(page, (row, column), value, disarmed)
    _write_without_times(packed, path)


def _write_without_times(packed: io.BytesIO, path: Path) -> None:
    """Zip the parts of an Excel file again, with one time and one set of rights for all."""
    with zipfile.ZipFile(packed) as book, whole_file(path) as handle, zipfile.ZipFile(handle, "w") as target:
        for name in book.namelist():
            part = zipfile.ZipInfo(name, LONG_AGO.timetuple()[:6])
            part.compress_type, part.create_system = zipfile.ZIP_DEFLATED, 3
            target.writestr(part, book.read(name))


def _cell(row: Row, column: str) -> object:
    """A row's value, NumPy's scalars as Python's own."""
    if isinstance(row, Mapping):
        value = row.get(column)
    elif dataclasses.is_dataclass(row):
        value = getattr(row, column, None)
    else:
        raise TypeError(f"a row is a mapping or a dataclass, not {type(row).__name__}")
    value = value.item() if isinstance(value, np.generic) else value
    if value is not None and not isinstance(value, bool | int | float | str):
        raise TypeError(f"column {column!r} holds a {type(value).__name__}, which is no table cell")
    return value


def _csv_cell(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _csv_text(value)
    return "" if value is None else repr(value)


def _csv_text(text: str) -> str:
    return f"'{text}" if FORMULA.match(text) else str(text)


def _csv_line(cells: list[str]) -> str:
    """RFC 4180 quoting, done here because the csv module's differs between Python versions for carriage returns."""
    quoted = ['"' + cell.replace('"', '""') + '"' if TO_QUOTE.search(cell) else cell for cell in cells]
    return (",".join(quoted) if cells != [""] else '""') + "\n"


class _AllDigits(float):
    """A number that is written so that it reads back exactly, whatever number of digits is asked for."""

    def __format__(self, _: str) -> str:
        return repr(float(self))


def _write_xlsx_cell(page: Any, at: tuple[int, int], value: object, disarmed: Any) -> None:  # noqa: ANN401 (untyped)
    if isinstance(value, bool):
        page.write_boolean(*at, value)
    elif isinstance(value, int):
        page.write_number(*at, value)
    elif isinstance(value, float) and math.isfinite(value):
        page.write_number(*at, _AllDigits(value))
    elif value is not None:  # whatever a text looks like, it is no formula, no link and no error
        text = LINE_BREAK.sub("\n", NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", str(value)))
        page.write_string(*at, text, disarmed if FORMULA.match(text) else None)


def _unreadable(path: Path, found: str) -> Refusal:
    return Refusal(
        Code.UNREADABLE,
        found=f"{path.name}: {found}",
        allowed="a CSV table in UTF-8 with one header line and as many cells in every row",
        remedy="save the table as CSV (UTF-8) again",
    )

"""Tables, read back with the csv module and openpyxl."""

from __future__ import annotations

import csv
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from uptake.io.tables import Sheet, read_csv, write_csv, write_xlsx
from uptake.study import Code, Refusal


@dataclass(frozen=True)
class Item:
    name: str
    value: float | None


def sheet_cells(path: Path, name: str = "sheet") -> list[list[Any]]:
    return [[cell.value for cell in row] for row in openpyxl.load_workbook(path)[name].iter_rows()]


def test_cells_are_written_as_the_rules_say(tmp_path: Path) -> None:
    row = {
        "t": True,
        "f": False,
        "none": None,
        "i": -3,
        "x": -0.1,
        "s": "a,b",
        "n": np.float64(0.5),
        "nan": float("nan"),
    }
    write_csv(list(row), [row], tmp_path / "a.csv")
    expected = b't,f,none,i,x,s,n,nan\ntrue,false,,-3,-0.1,"a,b",0.5,nan\n'
    assert (tmp_path / "a.csv").read_bytes() == expected


def test_the_shortest_digits_that_read_back_exactly_are_written(tmp_path: Path) -> None:
    values = [0.1 + 0.2, 1e-300, 1e22, 123456789.123456789, float(np.float32(0.9))]
    write_csv(["x"], [{"x": value} for value in values], tmp_path / "a.csv")
    assert [float(row["x"]) for row in read_csv(tmp_path / "a.csv")] == values


@pytest.mark.parametrize("rows", [[Item("a", 1.5), Item("b", None)], [{"value": 1.5, "name": "a"}, {"name": "b"}]])
def test_rows_are_dataclasses_or_mappings_and_what_a_row_lacks_is_empty(tmp_path: Path, rows: list[Any]) -> None:
    write_csv(["name", "value"], rows, tmp_path / "a.csv")
    write_xlsx({"sheet": Sheet(["name", "value"], rows)}, tmp_path / "a.xlsx")
    assert (tmp_path / "a.csv").read_text() == "name,value\na,1.5\nb,\n"
    assert sheet_cells(tmp_path / "a.xlsx") == [["name", "value"], ["a", 1.5], ["b", None]]


def test_a_table_without_rows_has_its_header(tmp_path: Path) -> None:
    write_csv(["a", "b"], [], tmp_path / "a.csv")
    write_xlsx({"sheet": Sheet(["a", "b"], [])}, tmp_path / "a.xlsx")
    assert (tmp_path / "a.csv").read_bytes() == b"a,b\n"
    assert read_csv(tmp_path / "a.csv") == []
    assert sheet_cells(tmp_path / "a.xlsx") == [["a", "b"]]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "=cmd|' /C calc'!A0", "-"])
def test_a_text_that_a_spreadsheet_would_run_gets_an_apostrophe_in_csv_and_stays_text_in_excel(
    tmp_path: Path, text: str
) -> None:
    write_csv(["x"], [{"x": text}], tmp_path / "a.csv")
    write_xlsx({"sheet": Sheet(["x"], [{"x": text}])}, tmp_path / "a.xlsx")
    with (tmp_path / "a.csv").open(newline="") as handle:
        assert list(csv.reader(handle))[1] == [f"'{text}"]
    cell = openpyxl.load_workbook(tmp_path / "a.xlsx")["sheet"]["A2"]
    assert cell.data_type == "s"
    assert cell.value == text.replace("\r", "\n")  # XML has no other line break
    assert cell.quotePrefix


@pytest.mark.parametrize("value", [-1.5, -3, np.int16(-2)])
def test_negative_numbers_are_no_formulas(tmp_path: Path, value: float) -> None:
    write_csv(["x"], [{"x": value}], tmp_path / "a.csv")
    write_xlsx({"sheet": Sheet(["x"], [{"x": value}])}, tmp_path / "a.xlsx")
    assert (tmp_path / "a.csv").read_text() == f"x\n{value}\n"
    assert sheet_cells(tmp_path / "a.xlsx")[1] == [value]


def test_a_formula_as_a_column_name_is_disarmed_too(tmp_path: Path) -> None:
    write_csv(["=x"], [{"=x": 1}], tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == "'=x\n1\n"
    assert read_csv(tmp_path / "a.csv") == [{"=x": "1"}]


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(texts, texts), max_size=4), prefix=st.sampled_from(["", "'", "''=", "'=", "=", "\t"]))
def test_any_text_comes_back_from_csv_as_it_went(tmp_path: Path, rows: list[tuple[str, str]], prefix: str) -> None:
    written = [{"a": prefix + a, "b": b} for a, b in rows]
    write_csv(["a", "b"], written, tmp_path / "a.csv")
    assert read_csv(tmp_path / "a.csv") == written


@pytest.mark.parametrize(
    ("text", "found"),
    [(f"a\n{'x' * 200_000}\n", r"field larger than field limit"), ('a\n"x\n', "unexpected end of data")],
)
def test_what_the_csv_reader_cannot_take_is_said_in_its_words(tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(Refusal, match=found):
        read_csv(tmp_path / "a.csv")


def test_excel_keeps_numbers_bool_and_texts_that_look_like_something_else(tmp_path: Path) -> None:
    row = {"i": 3, "x": 0.25, "t": True, "e": "#N/A", "d": "2020-01-01", "c": "a\x07b", "nan": float("nan")}
    write_xlsx({"sheet": Sheet(list(row), [row])}, tmp_path / "a.xlsx")
    assert sheet_cells(tmp_path / "a.xlsx")[1] == [
        3,
        0.25,
        True,
        "#N/A",
        "2020-01-01",
        "a\N{REPLACEMENT CHARACTER}b",
        "nan",
    ]


@pytest.mark.parametrize("value", [0.1 + 0.2, 1 / 3, -2.5e-300, 123456789.12345678, 2.0**53 - 1])
def test_excel_gets_every_digit_of_a_number(tmp_path: Path, value: float) -> None:
    write_xlsx({"sheet": Sheet(["x"], [{"x": value}])}, tmp_path / "a.xlsx")
    assert sheet_cells(tmp_path / "a.xlsx")[1] == [value]


@pytest.mark.parametrize("text", ["https://example.org", "mailto:a@example.org", "internal:Sheet!A1", "{=1}"])
def test_a_text_becomes_no_link_and_no_formula(tmp_path: Path, text: str) -> None:
    write_xlsx({"sheet": Sheet(["x"], [{"x": text}])}, tmp_path / "a.xlsx")
    cell = openpyxl.load_workbook(tmp_path / "a.xlsx")["sheet"]["A2"]
    assert (cell.value, cell.data_type, cell.hyperlink) == (text, "s", None)


def test_equal_tables_give_equal_bytes_without_the_time_of_writing(tmp_path: Path) -> None:
    sheets = {"a": Sheet(["x"], [{"x": 1}]), "b": Sheet(["y"], [{"y": "é"}])}
    write_xlsx(sheets, tmp_path / "a.xlsx")
    write_xlsx(sheets, tmp_path / "b.xlsx")
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.xlsx") as book:
        assert {info.date_time for info in book.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        core = book.read("docProps/core.xml").decode()
    assert re.findall(r"\d{4}-\d\d-\d\dT[^<]*", core) == ["1980-01-01T00:00:00Z"] * 2
    properties = openpyxl.load_workbook(tmp_path / "a.xlsx").properties
    assert properties.creator == "uptake"
    assert properties.modified is not None
    assert properties.modified.year == 1980


@pytest.mark.parametrize("name", ["", "a" * 32, "a/b", "a:b", "a[b]", "a?"])
def test_a_sheet_name_that_excel_does_not_take_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no sheet named"):
        write_xlsx({name: Sheet(["x"], [])}, tmp_path / "a.xlsx")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("value", [(1, 2), [1], {"a": 1}, 1j, b"x"])
def test_a_cell_that_is_no_number_text_or_bool_is_an_error(tmp_path: Path, value: object) -> None:
    with pytest.raises(TypeError, match="column 'x'"):
        write_csv(["x"], [{"x": value}], tmp_path / "a.csv")
    with pytest.raises(TypeError, match="column 'x'"):
        write_xlsx({"s": Sheet(["x"], [{"x": value}])}, tmp_path / "a.xlsx")
    assert not any(tmp_path.iterdir())


def test_a_row_that_is_neither_mapping_nor_dataclass_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="tuple"):
        write_csv(["x"], [(1,)], tmp_path / "a.csv")


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tables").write_text("")
    with pytest.raises(Refusal, match="output-not-writable"):
        write_csv(["x"], [], tmp_path / "tables" / "a.csv")
    with pytest.raises(Refusal, match="output-not-writable"):
        write_xlsx({"s": Sheet(["x"], [])}, tmp_path / "tables" / "a.xlsx")


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfa,b\r\n1,2\r\n")
    assert read_csv(tmp_path / "a.csv") == [{"a": "1", "b": "2"}]


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"")
    assert read_csv(tmp_path / "a.csv") == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b\n1\n", "1 cells in row 1"),
        (b"a\n1,2\n", "2 cells"),
        (b"a,a\n1,2\n", "more than once"),
        (b"a\n\xff\n", "UTF-8"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(Refusal, match=words) as refused:
        read_csv(tmp_path / "a.csv")
    assert refused.value.code is Code.UNREADABLE
    assert str(tmp_path) not in str(refused.value)

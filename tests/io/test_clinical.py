"""Clinical workbooks and indices as hospitals hand them out, and what is refused in them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from uptake.io.clinical import read_clinical, read_index
from uptake.study import Code, Refusal, SettingsError

ID = ("SUBJECTID", "PatientID")
Rows = list[list[Any]]
DAY = dt.datetime(2009, 9, 3)  # noqa: DTZ001 (a spreadsheet's dates have no zone)
GOOD: Rows = [["SUBJECTID", "Extracted", "age"], [1001, DAY, 38.7], [1002, DAY, None]]


@pytest.fixture
def book(tmp_path: Path) -> Callable[..., Path]:
    """Writes a workbook of sheets; `change` is given the book before it is saved."""

    def write(sheets: dict[str, Rows], change: Callable[[Any], None] = lambda _: None) -> Path:
        made = openpyxl.Workbook()
        made.remove(made.active)
        for name, rows in sheets.items():
            sheet = made.create_sheet(name)
            for row in rows:
                sheet.append(row)
        change(made)
        made.save(tmp_path / "clinical.xlsx")
        return tmp_path / "clinical.xlsx"

    return write


def test_data_sheets_are_read_and_dictionaries_left_alone(book: Callable[..., Path]) -> None:
    dictionary = [["I-SPY 1 TRIAL", "ACRIN 6657"], ["SUBJECTID", "the patient's number"]]
    tables = read_clinical(book({"Dictionary": dictionary, "predictors": GOOD}), ID)
    assert [(t.name, t.columns, t.dates) for t in tables] == [
        ("predictors", ("SUBJECTID", "Extracted", "age"), ("Extracted",))
    ]
    assert tables[0].rows == (
        {"SUBJECTID": 1001, "Extracted": "2009-09-03", "age": 38.7},
        {"SUBJECTID": 1002, "Extracted": "2009-09-03", "age": None},
    )


def test_what_r_and_pandas_write_for_no_value_is_none_in_a_workbook_and_in_a_csv(
    book: Callable[..., Path], tmp_path: Path
) -> None:
    texts = ["NA", "nan", "<NA>", "NaT"]
    (tmp_path / "c.csv").write_text("\n".join(["ID,grade", "0,2", *(f"{n},{text}" for n, text in enumerate(texts, 1))]))
    path = book({"s": [["ID", "grade"], [0, 2], *([n, text] for n, text in enumerate(texts, 1))]})
    for table in (*read_clinical(path, ("ID",)), *read_clinical(tmp_path / "c.csv", ("ID",))):
        assert [row["grade"] for row in table.rows] == [2, None, None, None, None]


def test_a_title_over_the_headings_and_empty_rows_do_no_harm(book: Callable[..., Path]) -> None:
    (table,) = read_clinical(book({"s": [["A title"], [], *GOOD, [None, None, None]]}), ID)
    assert [row["SUBJECTID"] for row in table.rows] == [1001, 1002]


def test_merged_cells_among_the_data_are_refused(book: Callable[..., Path]) -> None:
    path = book({"s": GOOD}, lambda made: made["s"].merge_cells("C2:C3"))
    with pytest.raises(Refusal, match="s: merged cells C2:C3") as refused:
        read_clinical(path, ID)
    assert refused.value.code == Code.CLINICAL


def test_a_merged_title_is_no_data(book: Callable[..., Path]) -> None:
    path = book({"s": [["A title"], *GOOD]}, lambda made: made["s"].merge_cells("A1:C1"))
    assert len(read_clinical(path, ID)[0].rows) == 2


def test_a_sheet_that_must_be_there_is_asked_for_by_name(book: Callable[..., Path]) -> None:
    path = book({"predictors": GOOD})
    assert [t.name for t in read_clinical(path, ID, ["predictors"])] == ["predictors"]
    with pytest.raises(Refusal, match="no data sheet 'outcomes'; there are predictors"):
        read_clinical(path, ID, ["outcomes"])


def test_a_workbook_without_patients_is_refused(book: Callable[..., Path]) -> None:
    with pytest.raises(Refusal, match="no sheet with a column SUBJECTID or PatientID"):
        read_clinical(book({"s": [["name", "age"], ["x", 3]]}), ID)


@pytest.mark.parametrize("text", ["03/09/2009", "3.9.09", "2009/09/03", "3-Sep-2009", "unknown"])
def test_dates_as_text_among_dates_are_refused(book: Callable[..., Path], text: str) -> None:
    with pytest.raises(Refusal, match="Extracted in data row 2 is a date as text, or text among dates"):
        read_clinical(book({"s": [GOOD[0], GOOD[1], [1002, text, 40]]}), ID)


def test_iso_dates_as_text_in_every_row_are_dates(book: Callable[..., Path]) -> None:
    (table,) = read_clinical(book({"s": [GOOD[0], [1001, "2009-09-03", 40], [1002, None, 41]]}), ID)
    assert table.dates == ("Extracted",)


def test_a_formula_that_nobody_computed_is_refused(book: Callable[..., Path]) -> None:
    with pytest.raises(Refusal, match="age in row 2 is a formula without a stored value"):
        read_clinical(book({"s": [["SUBJECTID", "age"], [1001, "=30+8"]]}), ID)


def test_an_error_value_of_the_spreadsheet_is_refused(book: Callable[..., Path]) -> None:
    with pytest.raises(Refusal, match=r"age in data row 1 is #DIV/0!"):
        read_clinical(book({"s": [["SUBJECTID", "age"], [1001, "#DIV/0!"]]}), ID)


def test_a_heading_twice_is_refused(book: Callable[..., Path]) -> None:
    with pytest.raises(Refusal, match="the heading 'age' more than once"):
        read_clinical(book({"s": [["SUBJECTID", "age", "age"], [1001, 3, 4]]}), ID)


def test_a_file_that_is_no_workbook_or_not_there_or_of_another_kind_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"no zip")
    (tmp_path / "a.doc").write_bytes(b"")
    with pytest.raises(Refusal, match=r"a\.xlsx: no workbook"):
        read_clinical(tmp_path / "a.xlsx", ID)
    with pytest.raises(SettingsError, match="there is no table"):
        read_clinical(tmp_path / "b.xlsx", ID)
    with pytest.raises(SettingsError, match=r"a table is \.csv, \.csv\.gz, \.xlsx or \.parquet"):
        read_clinical(tmp_path / "a.doc", ID)


def test_csv_cells_become_numbers_but_leading_zeros_stay_text(tmp_path: Path) -> None:
    (tmp_path / "i.csv").write_text("PatientID,phases,tr,note\n0012,3,8.4,NA\n13,4,,x\n")
    table = read_index(tmp_path / "i.csv", ID)
    assert table.rows == (
        {"PatientID": "0012", "phases": 3, "tr": 8.4, "note": None},
        {"PatientID": 13, "phases": 4, "tr": None, "note": "x"},
    )


def test_dicom_dates_of_a_csv_are_dates(tmp_path: Path) -> None:
    (tmp_path / "i.csv").write_text("PatientID,StudyDate\nA,19841013\n")
    assert read_index(tmp_path / "i.csv", ID).dates == ("StudyDate",)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "a table without rows"),
        ("PatientID,n\n", "a table without rows"),
        ("name,n\nx,1\n", "the columns 'name', 'n'"),
        ("PatientID;n\nx;1\n", "the columns 'PatientID;n'"),
    ],
)
def test_a_table_without_rows_or_patients_is_refused_with_what_it_has(tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / "i.csv").write_text(text)
    for read, code in ((read_index, Code.INDEX), (read_clinical, Code.CLINICAL)):
        with pytest.raises(Refusal, match=f"i.csv: {found}") as refused:
            read(tmp_path / "i.csv", ID)
        assert refused.value.code == code


def test_a_sheet_with_headings_alone_is_no_index(book: Callable[..., Path]) -> None:
    with pytest.raises(Refusal, match="a sheet without rows"):
        read_index(book({"s": [["SUBJECTID", "n"]]}), ID)


def test_parquet_is_read_like_the_rest(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="the extra 'parquet' is not installed")
    with duckdb.connect() as engine:
        engine.execute(
            "COPY (SELECT 'P-1' AS PatientID, 3 AS n, NULL::DOUBLE AS x, DATE '2009-09-03' AS StudyDate) "
            f"TO '{tmp_path / 'i.parquet'}' (FORMAT parquet)"
        )
    table = read_index(tmp_path / "i.parquet", ID)
    assert table.rows == ({"PatientID": "P-1", "n": 3, "x": None, "StudyDate": "2009-09-03"},)
    assert table.dates == ("StudyDate",)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no table PAR1")
    with pytest.raises(Refusal, match="no Parquet table"):
        read_index(tmp_path / "bad.parquet", ID)

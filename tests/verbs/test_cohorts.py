"""`uptake cohort`: the published cohort from the public tables, and what is refused."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest

from uptake import verbs
from uptake.study import Code, Refusal, SettingsError
from uptake.verbs.cohorts import CohortSelected

CLINICAL = "SUBJECTID,age,event,HR\n1001,40,0,1\n1002,50,1,0\n1003,60,0,1\n1005,70,0,1\n"
INDEX = """case_id,visit,phases,manufacturer,model
P-1001,T1,3,GE,Signa
P-1001,T2,3,GE,Signa
P-1002,T1,3,SIEMENS,Sonata
P-1003,T1,2,GE,Signa
P-1004,T1,3,GE,Signa
"""


@pytest.fixture(scope="module")
def paper(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> CohortSelected:
    """The published cohort: real tables, the paper's inclusion list, its feature table."""
    pytest.importorskip("duckdb", reason="the extra 'parquet' is not installed")
    tables = shared_data / "ispy1_tables"
    return verbs.cohort(
        tables / "I-SPY_1_All_Patient_Clinical_and_Outcome_Data.xlsx",
        tables / "idc_v25_ispy1_series.parquet",
        tmp_path_factory.mktemp("paper") / "cohort",
        include=tables / "cohort163.csv",
        features=tables / "radMLBench_ISPY1_370features_zscored.csv.gz",
    )


def test_the_public_tables_give_the_papers_flow(paper: CohortSelected) -> None:
    assert [(s.entered, s.excluded, s.remaining) for s in paper.selection.flow] == [
        (222, 0, 222),
        (222, 15, 207),
        (207, 32, 175),
        (175, 0, 175),
        (175, 0, 175),
        (175, 12, 163),
    ]
    flow = _rows(paper.folder / "flow.csv")
    assert [(r["entered"], r["excluded"], r["remaining"]) for r in flow[:2]] == [
        ("237", "0", "237"),
        ("237", "7", "230"),
    ]
    assert "published: 222" in (paper.folder / "flow.svg").read_text()
    assert len(_rows(paper.folder / "included.csv")) == 163


def test_the_patient_with_images_and_no_clinical_row_is_excluded_and_both_reasons_are_said(
    paper: CohortSelected,
) -> None:
    (row,) = [r for r in _rows(paper.folder / "excluded.csv") if r["patient_id"] == "ISPY1_1079"]
    assert "SER" in row["reason"]
    assert "a row in the clinical workbook" in row["also"]


def test_table_one_is_the_papers(paper: CohortSelected) -> None:
    lines = {line[0]: line[1:3] for line in paper.table1.lines}
    assert lines == {
        "Cases": ("119 (73% of total cases)", "44 (27% of total cases)"),
        "Age, years (Min., Max., Median)": ("27.9, 68.8, 48.8", "28.8, 68.3, 48.8"),
        "Hormone receptor positive": ("67 (56%)", "25 (57%)"),  # printed as 56 %
        "HER2 positive": ("34 (29%)", "18 (41%)"),  # printed as 40 %
        "Triple negative": ("29 (24%)", "10 (23%)"),
    }


def test_table_two_is_the_papers_siemens_at_the_first_visit_ge_and_philips_at_the_last(paper: CohortSelected) -> None:
    first = {line[1]: line[2:4] for line in paper.table2.lines}
    assert first["Sonata"] == ("21", "13%")
    assert first["MAGNETOM VISION"] == ("15", "9%")
    assert first["MAGNETOM VISION plus"] == ("4", "2%")  # printed as 3 %
    last = {line[1]: line[4] for line in paper.table2.lines}
    assert [last[m] for m in ("GENESIS_SIGNA", "SIGNA EXCITE", "Intera", "Gyroscan Intera")] == ["95", "16", "10", "2"]
    makers = dict.fromkeys((line[0] for line in paper.table2.lines), 0)
    for line in paper.table2.lines:
        makers[line[0]] += int(line[2])
    assert makers == {"GE MEDICAL SYSTEMS": 111, "SIEMENS": 40, "Philips Medical Systems": 12}


def test_the_published_features_join_without_losing_a_patient(paper: CohortSelected) -> None:
    assert paper.features.startswith("160 of 160 rows of the feature table joined; no patient lost")
    rows = _rows(paper.folder / "features.csv")
    assert len(rows) == 160
    assert all(row["Target"] == row["HR Pos"] for row in rows)


def test_no_date_of_the_workbook_is_kept(paper: CohortSelected) -> None:
    for path in paper.folder.glob("*.csv"):
        assert not re.search(r"\b(19|20)\d\d-\d\d-\d\d\b", path.read_text())


def test_equal_tables_give_equal_bytes(tables: Callable[..., tuple[Path, Path]], tmp_path: Path) -> None:
    for name in ("a", "b"):
        verbs.cohort(*tables(), tmp_path / name)
    for path in sorted((tmp_path / "a").iterdir()):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


@pytest.fixture
def tables(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """Writes a small clinical table and an index of studies."""

    def write(clinical: str = CLINICAL, index: str = INDEX) -> tuple[Path, Path]:
        (tmp_path / "clinical.csv").write_text(clinical)
        (tmp_path / "studies.csv").write_text(index)
        return tmp_path / "clinical.csv", tmp_path / "studies.csv"

    return write


def test_any_cohorts_studies_and_any_columns_do(tables: Callable[..., tuple[Path, Path]], tmp_path: Path) -> None:
    found = verbs.cohort(*tables(), tmp_path / "out", columns=["age", "HR"], by="event")
    assert found.rules == "cohort"
    assert found.included == ("P-1001", "P-1002")
    reasons = {r["patient_id"]: r["found"] for r in _rows(tmp_path / "out" / "excluded.csv")}
    assert reasons == {
        "1005": "a clinical row without images in the index",
        "P-1003": "phases 2",
        "P-1004": "images without a row in the clinical table",
    }
    assert [line[:3] for line in found.table1.lines] == [
        ("Cases", "1 (50% of total cases)", "1 (50% of total cases)"),
        ("age: 40", "1 (100%)", "0 (0%)"),
        ("age: 50", "0 (0%)", "1 (100%)"),
        ("HR: 0", "0 (0%)", "1 (100%)"),
        ("HR: 1", "1 (100%)", "0 (0%)"),
    ]
    assert [line[:3] for line in found.table2.lines] == [("GE", "Signa", "1"), ("SIEMENS", "Sonata", "1")]


def test_a_users_rules_are_data(tables: Callable[..., tuple[Path, Path]], tmp_path: Path) -> None:
    rules = tmp_path / "mine.toml"
    rules.write_text(
        'name = "mine"\ntitle = "Under 45"\n[[rules]]\nstep = "young"\nneeds = "range"\ncolumn = "age"\nmost = 45\n'
        'reason = "too old"\n'
    )
    found = verbs.cohort(*tables(), tmp_path / "out", rules=rules)
    assert found.included == ("P-1001",)
    no_images = "a clinical row without images in the index"
    assert {e.found for e in found.selection.exclusions} == {"age 50", "age 60", "no age", no_images}


@pytest.mark.parametrize(
    ("rule", "patient", "found"),
    [
        ('needs = "range"\ncolumn = "age"\nmost = 90', "1005", "a clinical row without images in the index"),
        ('needs = "phases"\ncolumn = "phases"\nleast = 3', "P-1004", "images without a row in the clinical table"),
    ],
)
def test_rules_that_ask_for_one_table_alone_still_exclude_who_is_not_in_the_other(
    tables: Callable[..., tuple[Path, Path]], tmp_path: Path, rule: str, patient: str, found: str
) -> None:
    rules = tmp_path / "mine.toml"
    rules.write_text(f'name = "mine"\ntitle = "Mine"\n[[rules]]\nstep = "one"\n{rule}\nreason = "one"\n')
    chosen = verbs.cohort(*tables(), tmp_path / "out", rules=rules)
    assert {r["patient_id"]: r["found"] for r in _rows(tmp_path / "out" / "excluded.csv")}[patient] == found
    assert patient not in chosen.included


def test_a_clinical_row_without_images_and_images_without_a_row_leave_with_that_reason(
    tables: Callable[..., tuple[Path, Path]], tmp_path: Path
) -> None:
    clinical = "SUBJECTID,age\n1001,40\n1002,50\n1009,61\n"
    index = "case_id,phases,manufacturer,model\nP-1001,3,GE,Signa\nP-1002,3,GE,Signa\nP-1010,3,GE,Signa\n"
    found = verbs.cohort(*tables(clinical, index), tmp_path / "out")
    assert found.included == ("P-1001", "P-1002")
    left = [(r["patient_id"], r["step"], r["found"]) for r in _rows(tmp_path / "out" / "excluded.csv")]
    assert left == [
        ("1009", "images in the index", "a clinical row without images in the index"),
        ("P-1010", "a row in the clinical table", "images without a row in the clinical table"),
    ]
    assert [(r["entered"], r["excluded"], r["remaining"]) for r in _rows(tmp_path / "out" / "flow.csv")] == [
        ("4", "1", "3"), ("3", "0", "3"), ("3", "1", "2"),
    ]  # fmt: skip
    page = (tmp_path / "out" / "index.html").read_text()
    assert "1009" in page
    assert "P-1010" in page


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('name = "x"\ntitle = "t"\nrulez = []\n', "no 'rulez'; did you mean 'rules'"),
        ('name = "x"\n', "title, rules missing"),
        ('name = "x"\ntitle = "t"\n[[rules]]\nstep = "s"\nneeds = "image"\nreason = "r"\n', "'image' is not one of"),
        ('name = "x"\ntitle = 3\nrules = []\n', "3 is not str"),
    ],
)
def test_rules_that_nobody_can_follow_are_wrong_usage(
    tables: Callable[..., tuple[Path, Path]], tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(SettingsError, match=words):
        verbs.cohort(*tables(), tmp_path / "out", rules=tmp_path / "mine.toml")


def test_a_missing_sheet_shows_as_a_column_of_the_rules_that_is_nowhere(
    tables: Callable[..., tuple[Path, Path]], tmp_path: Path
) -> None:
    index = "PatientID,StudyDate,Modality,SeriesDescription\nISPY1_1001,1984-10-13,MR,a: SER\n"
    with pytest.raises(Refusal, match=r"no column sstat, RFS, rfs_ind.*is a sheet missing") as refused:
        verbs.cohort(*tables(index=index), tmp_path / "out")
    assert refused.value.code == Code.CLINICAL
    assert not (tmp_path / "out").exists()


def test_a_column_of_the_rules_that_the_index_has_not_is_refused_and_excludes_nobody(
    tables: Callable[..., tuple[Path, Path]], tmp_path: Path
) -> None:
    rules = tmp_path / "mine.toml"
    rules.write_text(
        'name = "mine"\ntitle = "Mine"\n[[rules]]\nstep = "three"\nneeds = "phases"\ncolumn = "phase"\nleast = 3\n'
        'reason = "too few"\n'
    )
    with pytest.raises(Refusal, match="the index has no column phase, which the step 'three' asks for") as refused:
        verbs.cohort(*tables(), tmp_path / "out", rules=rules)
    assert refused.value.code == Code.INDEX


def test_an_index_that_fits_no_rules_is_refused(tables: Callable[..., tuple[Path, Path]], tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="an index for the rules one of ispy1, cohort, series") as refused:
        verbs.cohort(*tables(index="PatientID,x\n1001,3\n"), tmp_path / "out")
    assert refused.value.code == Code.INDEX
    with pytest.raises(Refusal, match="ispy1, which asks for the columns PatientID"):
        verbs.cohort(*tables(), tmp_path / "out", rules="ispy1")


def test_a_patient_twice_is_refused(tables: Callable[..., tuple[Path, Path]], tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="'1001' in row 1 and '1001' in row 5 are one patient"):
        verbs.cohort(*tables(CLINICAL + "1001,41,0,1\n"), tmp_path / "out")


def test_an_inclusion_list_in_any_spelling_cuts_and_strangers_on_it_are_refused(
    tables: Callable[..., tuple[Path, Path]], tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text("P_1002\n\n")
    assert verbs.cohort(*tables(), tmp_path / "out", include=tmp_path / "list.txt").included == ("P-1002",)
    (tmp_path / "list.txt").write_text("P_1002\nQ_9\n")
    with pytest.raises(Refusal, match="1 of 2 patients are in neither table, as 'Q_9'"):
        verbs.cohort(*tables(), tmp_path / "out2", include=tmp_path / "list.txt")


@pytest.mark.parametrize("text", ["who,why\nP-1002,x\n", "P-1002\nP-1001\n", "1002\n1001\n"])
def test_an_inclusion_list_needs_no_heading_that_anybody_knows(
    tables: Callable[..., tuple[Path, Path]], tmp_path: Path, text: str
) -> None:
    (tmp_path / "list.csv").write_text(text)
    assert "P-1002" in verbs.cohort(*tables(), tmp_path / "out", include=tmp_path / "list.csv").included
    assert len(_rows(tmp_path / "out" / "included.csv")) == len(text.splitlines()) - ("who" in text)


def test_a_folder_with_other_files_is_not_touched(tables: Callable[..., tuple[Path, Path]], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "flow.csv").write_text("mine")
    with pytest.raises(Refusal, match="out exists and holds other files"):
        verbs.cohort(*tables(), tmp_path / "out")
    assert (tmp_path / "out" / "flow.csv").read_text() == "mine"


def test_a_second_selection_into_the_same_folder_replaces_the_first(
    tables: Callable[..., tuple[Path, Path]], tmp_path: Path
) -> None:
    (tmp_path / "features.csv").write_text("ID,f\nP_1001,1.5\n")
    verbs.cohort(*tables(), tmp_path / "out", features=tmp_path / "features.csv")
    assert (tmp_path / "out/features.csv").is_file()
    assert verbs.cohort(*tables(), tmp_path / "out").included == ("P-1001", "P-1002")
    assert not (tmp_path / "out/features.csv").exists()


def test_a_dry_run_writes_nothing(tables: Callable[..., tuple[Path, Path]], tmp_path: Path) -> None:
    assert verbs.cohort(*tables(), tmp_path / "out", dry_run=True).included
    assert not (tmp_path / "out").exists()


def test_features_of_who_was_not_chosen_are_named_not_dropped(
    tables: Callable[..., tuple[Path, Path]], tmp_path: Path
) -> None:
    (tmp_path / "features.csv").write_text("ID,f\nP_1001,1.5\nP_1003,2.5\n")
    found = verbs.cohort(*tables(), tmp_path / "out", features=tmp_path / "features.csv")
    assert found.features == (
        "1 of 2 rows of the feature table joined; not chosen: P-1003; chosen patients without features: P-1002"
    )


def test_a_feature_with_the_name_of_a_clinical_column_stands_beside_it(
    tables: Callable[..., tuple[Path, Path]], tmp_path: Path
) -> None:
    (tmp_path / "features.csv").write_text("ID,age\nP_1001,0.25\n")
    verbs.cohort(*tables(), tmp_path / "out", features=tmp_path / "features.csv")
    (row,) = _rows(tmp_path / "out" / "features.csv")
    assert (row["patient_id"], row["age"], row["features.age"]) == ("P-1001", "40", "0.25")


def test_a_cell_that_a_spreadsheet_would_run_is_text(tables: Callable[..., tuple[Path, Path]], tmp_path: Path) -> None:
    clinical = 'SUBJECTID,age,note\n1001,40,=cmd()\n1002,50,"@SUM(A1)"\n'
    verbs.cohort(*tables(clinical), tmp_path / "out", columns=["note"], by="")
    assert "'=cmd()" in (tmp_path / "out" / "included.csv").read_text()
    book = openpyxl.load_workbook(tmp_path / "out" / "tables.xlsx")
    cells = [cell for sheet in book for row in sheet for cell in row if str(cell.value).startswith(("=", "@"))]
    assert cells
    assert all(cell.data_type == "s" for cell in cells)


def test_the_command_line_ends_with_a_count_and_zero(tables: Callable[..., tuple[Path, Path]], tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from uptake.cli import app

    clinical, index = map(str, tables())
    shown = CliRunner().invoke(app, ["cohort", clinical, "--index", index, "--to", str(tmp_path / "out")])
    assert shown.exit_code == 0
    assert shown.output.splitlines()[-1].startswith("2 of 5 patients included")
    as_json = CliRunner().invoke(app, ["cohort", clinical, "--index", index, "--to", str(tmp_path / "out"), "--json"])
    assert json.loads(as_json.output)["included"] == ["P-1001", "P-1002"]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))

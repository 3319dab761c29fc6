"""`uptake features` as a user meets it: panels, parameter files, labels, batches, comparison."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest
from typer.testing import CliRunner

from uptake.cli import app
from uptake.features.captk import columns
from uptake.io.nifti import write_volume
from uptake.study import SettingsError, UptakeError
from uptake.volume import Grid, Volume

GRID = Grid((10, 9, 8), np.diag([1.0, 1.0, 2.0, 1.0]))
LONG = ["name", "value", "unit", "family", "ibsi", "ibsi_tag", "aggregation", "reason"]
STATISTICS = ("--set", 'features.families=["statistics"]')


@dataclass(frozen=True)
class Files:
    """An image, a mask of zeros and ones, and one with the labels 1 (the same voxels) and 2."""

    folder: Path
    image: Path
    mask: Path
    labels: Path
    values: np.ndarray[Any, np.dtype[np.int16]]
    label: np.ndarray[Any, np.dtype[np.uint8]]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    random = np.random.default_rng(11)
    values = random.integers(0, 400, GRID.shape).astype(np.int16)
    label = np.zeros(GRID.shape, np.uint8)
    label[1:6, 1:7, 1:6], label[7:9, 2:6, 2:6] = 1, 2
    for name, array in (("image", values), ("mask", label == 1), ("labels", label)):
        write_volume(Volume(array, GRID), tmp_path / f"{name}.nii.gz")
    image, mask, labels = (tmp_path / f"{name}.nii.gz" for name in ("image", "mask", "labels"))
    return Files(tmp_path, image, mask, labels, values, label)


def uptake(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["features", *map(str, arguments)])


def told(*arguments: object) -> Any:
    done = uptake(*arguments, "--json")
    assert done.exit_code == 0, done.output + str(done.exception)
    return json.loads(done.stdout)


def refused(kind: type[UptakeError], *arguments: object) -> str:
    """What the error says; `main` prints it and ends with 2 for wrong settings, else 1."""
    done = uptake(*arguments)
    assert isinstance(done.exception, kind), done.output
    return str(done.exception)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


@pytest.mark.parametrize("panel", ["captk", "captk-corrected"])
def test_the_captk_panels_have_their_370_columns_in_the_published_order(panel: str, files: Files) -> None:
    rows = told(files.image, files.mask, "--panel", panel)
    assert [row["name"] for row in rows] == [column.name for column in columns()]
    assert len(rows) == 370
    mean = next(row for row in rows if row["name"] == "T1_E_Intensity_Mean")
    assert mean["value"] == pytest.approx(files.values[files.label == 1].mean())
    assert all((row["value"] is None) == bool(row["reason"]) for row in rows)


@pytest.mark.parametrize("panel", ["ibsi", "captk", "captk-corrected"])
def test_the_long_table_has_the_same_columns_for_every_panel(panel: str, files: Files) -> None:
    some = STATISTICS if panel == "ibsi" else ()
    out, book = files.folder / "out.csv", files.folder / "out.xlsx"
    done = uptake(files.image, files.mask, "--panel", panel, "--csv", out, "--xlsx", book, *some)
    assert done.exit_code == 0
    assert list(table(out)[0]) == LONG
    sheet = openpyxl.load_workbook(book)["features"]
    assert [cell.value for cell in next(iter(sheet.rows))] == LONG
    assert sheet.max_row == len(table(out)) + 1


def test_captks_own_parameter_file_says_which_columns_there_are(files: Files) -> None:
    file = files.folder / "captk.csv"
    file.write_text("FeatureName,ParamName,Default\nHistogram,Bins,16\nVolumetric,Dimension,3D\n", "utf-8")
    rows = told(files.image, files.mask, "--panel", "captk", "--parameters", file)
    assert {row["family"] for row in rows} == {"Intensity", "Histogram", "Volumetric"}
    assert sum(row["name"].startswith("T1_E_Histogram_Bins-16_Bins-16_") for row in rows) > 16
    file.write_text("FeatureName,ParamName,Default\nHistogram,Binz,16\n", "utf-8")
    assert "Binz" in refused(SettingsError, files.image, files.mask, "--panel", "captk", "--parameters", file)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--panel", "all"), "there is ibsi, captk, captk-corrected"),
        (("--panel", "captk", "--bins", "8"), "parameter file only"),
        (("--panel", "captk", "--settings", "ibsi-phantom"), "parameter file only"),
        (("--panel", "captk", "--names", "pyradiomics"), "parameter file only"),
        (("--panel", "captk", "--parameters", "none.csv"), "there is no parameter file"),
        (("--parameters", "none.csv"), "for the panels captk"),
        (("--settings", "none.yaml"), "there is no parameter file"),
        (("--names", "mirp"), "there is pyradiomics"),
        (("--table", "none.csv"), "no IMAGE and MASK beside --table"),
        (("--compare", "a", "b"), "no IMAGE and MASK beside --compare"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_options_that_do_not_go_together_are_refused(options: tuple[str, ...], words: str, files: Files) -> None:
    assert words in refused(SettingsError, files.image, files.mask, *options)


def test_what_is_missing_is_said(files: Files) -> None:
    assert "needs an IMAGE and a MASK, or --table FILE, or --compare A B" in refused(SettingsError)
    assert "needs a MASK after the IMAGE" in refused(SettingsError, files.image)
    assert "not both" in refused(SettingsError, "--table", "a.csv", "--compare", "a.csv", "b.csv")


def test_a_table_agrees_with_itself_and_is_told_apart_from_another(files: Files) -> None:
    one, other = files.folder / "one.csv", files.folder / "other.csv"
    uptake(files.image, files.mask, "--bins", 8, "--csv", one)
    uptake(files.image, files.mask, "--bins", 9, "--csv", other)
    same = uptake("--compare", one, one)
    assert same.exit_code == 0
    assert "differ" not in same.stdout
    apart = uptake("--compare", one, other)
    assert apart.exit_code == 1
    assert any(line.split()[:2] == ["differs", "ih_max;"] for line in apart.stdout.splitlines())
    assert not any(line.split()[1].startswith("stat_mean") for line in apart.stdout.splitlines()[1:])
    as_json = uptake("--compare", one, other, "--json")
    assert as_json.exit_code == 1
    found = {row["name"]: row["status"] for row in json.loads(as_json.stdout)["features"]}
    assert (found["ih_max"], found["stat_mean"]) == ("differs", "agrees")


def test_wide_tables_are_compared_case_by_case(files: Files) -> None:
    (files.folder / "a.csv").write_text("id,volume\nx,1.5\ny,2\n", "utf-8")
    (files.folder / "b.csv").write_text("id,volume\nx,1.5\ny,3\n", "utf-8")
    done = uptake("--compare", files.folder / "a.csv", files.folder / "b.csv")
    assert done.exit_code == 1
    assert "volume; largest difference 1 in y" in done.stdout
    assert "there is no table" in refused(SettingsError, "--compare", files.folder / "a.csv", files.folder / "c.csv")


def test_a_parameter_file_of_pyradiomics_gives_its_features_under_its_names(files: Files) -> None:
    file = files.folder / "params.yaml"
    file.write_text(
        "imageType: {Original: {}}\nfeatureClass: {firstorder: [Mean, Kurtosis]}\nsetting: {binWidth: 25, label: 2}\n",
        "utf-8",
    )
    rows = told(files.image, files.labels, "--settings", file, "--names", "pyradiomics")
    assert [row["pyradiomics"] for row in rows] == ["original_firstorder_Mean", "original_firstorder_Kurtosis"]
    assert rows[0]["value"] == pytest.approx(files.values[files.label == 2].mean())
    assert (rows[1]["value"], bool(rows[1]["reason"])) == (None, True)
    one = told(files.image, files.labels, "--settings", file, "--label", 1)
    assert one[0]["value"] == pytest.approx(files.values[files.label == 1].mean())
    assert "no other beside it" in refused(SettingsError, files.image, files.labels, "--settings", file, "--bins", "9")


def test_names_of_pyradiomics_are_a_column_of_the_long_table(files: Files) -> None:
    out = files.folder / "out.csv"
    uptake(files.image, files.mask, "--names", "pyradiomics", "--csv", out)
    names = {row["ibsi_tag"]: row["pyradiomics"] for row in table(out)}
    assert names["stat_mean"] == "original_firstorder_Mean"
    assert names["cm_contrast_3D_avg"] == "original_glcm_Contrast"
    assert names["cm_contrast_3D_comb"] == ""


def test_of_several_labels_one_is_named(files: Files) -> None:
    mean = {row["ibsi_tag"]: row["value"] for row in told(files.image, files.labels, "--label", 2, *STATISTICS)}
    assert mean["stat_mean"] == pytest.approx(files.values[files.label == 2].mean())
    assert "0 and 1" in refused(UptakeError, files.image, files.labels)
    assert "labels 0, 1, 2 and not 3" in refused(UptakeError, files.image, files.labels, "--label", "3")


def test_a_label_between_whole_numbers_is_refused(files: Files) -> None:
    soft = files.folder / "soft.nii.gz"
    write_volume(Volume(files.label.astype(np.float32) / 2, GRID), soft)
    assert "between whole numbers" in refused(UptakeError, files.image, soft, "--label", "1")


def test_a_batch_is_one_long_table_with_an_id_and_a_wide_one(files: Files) -> None:
    listed = files.folder / "list.csv"
    listed.write_text("image,mask,label,id\nimage.nii.gz,labels.nii.gz,2,\nimage.nii.gz,mask.nii.gz,,whole\n", "utf-8")
    out, book = files.folder / "out.csv", files.folder / "out.xlsx"
    done = uptake("--table", listed, "--csv", out, "--xlsx", book, *STATISTICS)
    assert done.exit_code == 0, done.output
    rows = table(out)
    assert list(rows[0]) == ["id", *LONG]
    means = {row["id"]: float(row["value"]) for row in rows if row["ibsi_tag"] == "stat_mean"}
    expected = {"image-2": files.values[files.label == 2].mean(), "whole": files.values[files.label == 1].mean()}
    assert means == pytest.approx(expected)
    header, *cases = openpyxl.load_workbook(book)["features"].iter_rows(values_only=True)
    assert header[:2] == ("id", "stat_mean")
    assert {case[0]: case[1] for case in cases} == pytest.approx(means)
    assert told("--table", listed, *STATISTICS)[0]["id"] == "image-2"


def test_a_refused_pair_does_not_stop_the_others_and_ends_with_1(files: Files) -> None:
    listed = files.folder / "list.csv"
    listed.write_text("image,mask,label\nimage.nii.gz,labels.nii.gz,7\nimage.nii.gz,labels.nii.gz,1\n", "utf-8")
    done = uptake("--table", listed, "--panel", "captk")
    assert done.exit_code == 1
    assert "image-7: refused" in done.stderr
    assert len(done.stdout.splitlines()) == 370


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image,mask\n", "has no rows"),
        ("image,roi\na,b\n", "has no column mask"),
        ("image,mask\nimage.nii.gz,\n", "row 1: needs an image and a mask"),
        ("image,mask\nimage.nii.gz,none.nii.gz\n", "row 1: there is no file none.nii.gz"),
        ("image,mask,label\nimage.nii.gz,mask.nii.gz,one\n", "label 'one'"),
        ("image,mask\nimage.nii.gz,mask.nii.gz\nimage.nii.gz,labels.nii.gz\n", "'image' is there twice"),
    ],
)
def test_a_table_of_pairs_that_cannot_be_meant_is_refused(text: str, words: str, files: Files) -> None:
    (files.folder / "list.csv").write_text(text, "utf-8")
    assert words in refused(SettingsError, "--table", files.folder / "list.csv")


def test_the_results_of_a_batch_do_not_depend_on_how_many_processes_made_them(files: Files) -> None:
    listed = files.folder / "list.csv"
    listed.write_text(
        "image,mask,label\nimage.nii.gz,labels.nii.gz,2\nimage.nii.gz,labels.nii.gz,7\nimage.nii.gz,labels.nii.gz,1\n",
        "utf-8",
    )
    written = []
    for jobs in (1, 2):
        out = files.folder / f"{jobs}.csv"
        done = uptake("--table", listed, "--csv", out, "--jobs", jobs, *STATISTICS)
        assert done.exit_code == 1
        assert "image-7: refused" in done.stderr
        assert "[3/3]" in done.stderr  # progress
        written.append(out.read_bytes())
    assert written[0] == written[1]


def test_values_within_the_tolerance_agree(files: Files) -> None:
    first, second = files.folder / "a.csv", files.folder / "b.csv"
    first.write_text("case_id,x\nA,100\nB,200\n", "utf-8")
    second.write_text("case_id,x\nA,101\nB,200\n", "utf-8")
    assert uptake("--compare", first, second).exit_code == 1
    assert uptake("--compare", first, second, "--tolerance", 0.005).exit_code == 1
    assert uptake("--compare", first, second, "--tolerance", 0.02).exit_code == 0
    assert "relative -1" in refused(SettingsError, "--compare", first, second, "--tolerance", "-1")


@pytest.mark.parametrize(("option", "owner"), [("--tolerance", "--compare"), ("--jobs", "--table")])
def test_an_option_that_would_be_without_effect_is_refused(option: str, owner: str, files: Files) -> None:
    assert f"{option} is of {owner} only" in refused(SettingsError, files.image, files.mask, option, "1")

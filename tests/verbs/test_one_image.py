from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from typer.testing import CliRunner

from uptake.cli import app
from uptake.features.settings import AGGREGATIONS, FAMILY_NAMES
from uptake.io.nifti import write_volume
from uptake.study import SettingsError
from uptake.verbs.one_image import COLUMNS, features, settings_names
from uptake.volume import Grid, Volume

GRID = Grid((8, 7, 6), np.diag([0.8, 0.8, 2, 1.0]))


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    random = np.random.default_rng(4)
    write_volume(Volume(random.integers(0, 500, GRID.shape).astype(np.int16), GRID), tmp_path / "image.nii.gz")
    write_volume(Volume(random.random(GRID.shape) < 0.7, GRID), tmp_path / "mask.nii.gz")
    return tmp_path / "image.nii.gz", tmp_path / "mask.nii.gz"


def test_the_panel_of_the_ibsi_has_every_family_in_every_aggregation(files: tuple[Path, Path]) -> None:
    table = features(*files)
    assert {row.family for row in table} == set(FAMILY_NAMES)
    assert {row.aggregation for row in table} == {"", *AGGREGATIONS, "2D", "2.5D", "3D"}
    assert len(table) == 79 + 150 + 96 + 48 + 48 + 15 + 51


def test_the_long_table_has_one_row_per_feature_with_its_columns(files: tuple[Path, Path], tmp_path: Path) -> None:
    table = features(*files, csv=tmp_path / "long.csv", xlsx=tmp_path / "long.xlsx")
    with (tmp_path / "long.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(COLUMNS)
    assert [row["ibsi_tag"] for row in rows] == [row.ibsi_tag for row in table]
    assert [float(row["value"]) for row in rows if not row["reason"]] == [row.value for row in table if not row.reason]
    sheet = openpyxl.load_workbook(tmp_path / "long.xlsx").active
    assert [cell.value for cell in next(iter(sheet.rows))] == list(COLUMNS)
    assert sheet.max_row == len(table) + 1


def test_every_configuration_of_the_ibsi_comes_with_the_package() -> None:
    assert settings_names() == (*(f"ibsi-config-{letter}" for letter in "abcde"), "ibsi-phantom")


@pytest.mark.parametrize("name", settings_names())
def test_settings_that_come_with_the_package_can_be_named(name: str, files: tuple[Path, Path]) -> None:
    found = {row.aggregation for row in features(*files, settings_file=name)}
    by_slice, in_space = "2D slice-merged" in found, "3D merged" in found
    assert (by_slice, in_space) == {"a": (True, False), "b": (True, False), "m": (True, True)}.get(
        name[-1], (False, True)
    )


def test_a_settings_file_changes_what_it_names_and_nothing_else(files: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[features]\nfamilies = ["statistics", "glcm"]\n', "utf-8")
    found = features(*files, settings_file=tmp_path / "mine.toml")
    assert len(found) == 18 + 150


def test_grey_levels_of_the_command_line_win_over_the_settings(files: tuple[Path, Path]) -> None:
    assert features(*files, settings_file="ibsi-config-c", bins=7)["ih_max"].value == 7
    found = features(*files, bin_width=50)
    assert found["ih_max"].value == (found["stat_max"].value - found["stat_min"].value) // 50 + 1


def test_a_number_and_a_width_at_once_are_refused(files: tuple[Path, Path]) -> None:
    with pytest.raises(SettingsError, match="not both"):
        features(*files, bins=8, bin_width=2)


def test_an_unknown_panel_or_settings_name_is_refused_with_those_there_are(files: tuple[Path, Path]) -> None:
    with pytest.raises(SettingsError, match="there is ibsi"):
        features(*files, panel="everything")
    with pytest.raises(SettingsError, match="ibsi-config-a"):
        features(*files, settings_file="ibsi-config-f")


def test_the_command_line_prints_json_and_a_null_with_its_reason(files: tuple[Path, Path]) -> None:
    done = CliRunner().invoke(app, ["features", *map(str, files), "--json", "--bins", "9", "--panel", "ibsi"])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert {row["ibsi_tag"]: row["value"] for row in rows}["ih_max"] == 9
    assert all((row["value"] is None) == bool(row["reason"]) for row in rows)


def test_without_a_file_the_command_line_prints_a_line_per_feature(files: tuple[Path, Path]) -> None:
    done = CliRunner().invoke(app, ["features", *map(str, files), "--bin-width", "25"])
    assert done.exit_code == 0, done.output
    assert any(line.startswith("ACUI  Contrast, 3D merged") for line in done.stdout.splitlines())


def test_a_filter_is_an_option_and_a_line_of_a_settings_file(files: tuple[Path, Path], tmp_path: Path) -> None:
    words = "laplacian-of-gaussian sigma_mm=1.5"
    (tmp_path / "log.toml").write_text(f'[features]\nfilter = "{words}"\n', "utf-8")
    response = features(*files, settings_file=tmp_path / "log.toml")
    assert response["stat_mean"].value != features(*files)["stat_mean"].value
    run = CliRunner().invoke(app, ["features", *map(str, files), "--filter", words, "--json"])
    found = {row["ibsi_tag"]: row["value"] for row in json.loads(run.stdout)}
    assert found["stat_mean"] == response["stat_mean"].value


def test_a_filter_is_not_for_the_panels_of_captk(files: tuple[Path, Path]) -> None:
    with pytest.raises(SettingsError, match="panel captk"):
        features(*files, panel="captk", filter="mean")

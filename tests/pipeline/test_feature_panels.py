"""The panels of a cohort: which image they are of, what their tables hold."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from uptake.features import Features, captk
from uptake.io import forms
from uptake.pipeline.collect import Glance, index, tables
from uptake.pipeline.steps import ChosenStv, features
from uptake.preprocess.harmonise import Harmonised
from uptake.preprocess.normalise import Statistics
from uptake.study import Acquisition, Phase, SettingsError, Study
from uptake.volume import Grid, Volume

ACQUIRED = Grid((7, 7, 5), np.diag([1.0, 1.0, 2.0, 1.0]))
HARMONISED = Grid((7, 7, 10), np.eye(4))
FEW = Features(families=("statistics",), panels=("ibsi", "captk"))


def study(grid: Grid, seed: int) -> Study:
    random = np.random.default_rng(seed)
    images = [random.normal(seed, 1, grid.shape).astype(np.float32) for _ in range(3)]
    return Study("A", tuple(Phase(Volume(image, grid), 60.0 * n) for n, image in enumerate(images)), Acquisition())


def region(grid: Grid, *, empty: bool = False) -> Volume:
    inside = np.zeros(grid.shape, bool)
    inside[1:5, 1:6, 1:4] = not empty
    return Volume(inside, grid)


RAW, MADE = study(ACQUIRED, 500), Harmonised(study(HARMONISED, 3), Statistics(0, 1, 1, "plain", 0, 1))
STV = ChosenStv(region(HARMONISED), region(ACQUIRED), "proposal")


def mean_inside(image: Volume, mask: Volume) -> float:
    return float(image.array[mask.array].astype(np.float64).mean())


def test_panels_are_of_the_harmonised_image_unless_the_acquired_one_is_asked_for() -> None:
    found = features(RAW, MADE, STV, FEW, captk.PAPER).wide
    harmonised = mean_inside(MADE.study.volumes[1], STV.isotropic)
    assert found["stat_mean"] == pytest.approx(harmonised)
    assert found["T1_E_Intensity_Mean"] == pytest.approx(harmonised)
    acquired = features(RAW, MADE, STV, replace(FEW, captk_image="acquired"), captk.PAPER).wide
    assert acquired["stat_mean"] == found["stat_mean"]
    assert acquired["T1_E_Intensity_Mean"] == pytest.approx(mean_inside(RAW.volumes[1], STV.acquired))


@pytest.mark.parametrize("panels", [("ibsi",), ("captk",), ("captk-corrected", "ibsi")])
def test_a_case_has_the_panels_of_the_settings_the_ibsi_first(panels: tuple[str, ...]) -> None:
    found = features(RAW, MADE, STV, replace(FEW, panels=panels), captk.PAPER)  # type: ignore[arg-type]
    assert list(found.panels) == sorted(panels, key=["ibsi", "captk", "captk-corrected"].index)
    assert [len(table) for name, table in found.panels.items() if name != "ibsi"] == [370] * (
        len(panels) - ("ibsi" in panels)
    )


def test_of_an_empty_stv_every_column_of_every_panel_is_without_a_value_for_that_reason() -> None:
    empty = ChosenStv(region(HARMONISED, empty=True), region(ACQUIRED, empty=True), "reader")
    found = features(RAW, MADE, empty, FEW, captk.PAPER)
    assert list(found.wide) == list(features(RAW, MADE, STV, FEW, captk.PAPER).wide)
    assert all(math.isnan(value) for value in found.wide.values())
    assert {row.reason for table in found.panels.values() for row in table} == {"the STV (reader) is empty"}


def test_the_file_of_a_case_says_the_panel_of_every_row_and_is_read_back(tmp_path: Path) -> None:
    found = features(RAW, MADE, STV, FEW, captk.PAPER)
    forms.FEATURES.write(tmp_path, found)
    with (tmp_path / "features.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["panel"] for row in rows] == ["ibsi"] * 18 + ["captk"] * 370
    again = forms.FEATURES.read(tmp_path)
    assert list(again.panels) == ["ibsi", "captk"]
    assert again.stv_source == "proposal"
    assert repr([t.rows for t in again.panels.values()]) == repr([t.rows for t in found.panels.values()])


def glance_of(found: forms.CaseFeatures) -> Glance:
    return Glance(
        case_id="A",
        refusal=None,
        study=None,
        ftv=None,
        stv=None,
        breast=None,
        parenchyma=None,
        features=found,
        findings=(),
        thumbnail=b"png",
    )


def test_the_wide_table_has_the_columns_of_every_panel_by_their_published_names() -> None:
    found = features(RAW, MADE, STV, FEW, captk.PAPER)
    glance = glance_of(found)
    (row,) = tables([glance], []).features
    names = [column.name for column in captk.columns()]
    assert [name for name in row if name in set(names)] == names
    assert row["stat_mean"] == found.wide["stat_mean"]
    assert {row[name] is None for name in names} == {True, False}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("panels", ()),
        ("panels", ("paper",)),
        ("panels", ("captk", "captk-corrected")),
        ("captk_image", "native"),
    ],
)
def test_panels_that_are_none_are_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(SettingsError, match=field.removesuffix("s")):
        Features(**{field: value})  # type: ignore[arg-type]


def test_a_region_that_is_empty_on_one_grid_only_is_empty_for_the_panels_of_that_grid() -> None:
    thin = ChosenStv(region(HARMONISED), region(ACQUIRED, empty=True), "proposal")
    found = features(RAW, MADE, thin, replace(FEW, captk_image="acquired"), captk.PAPER)
    assert not math.isnan(found.wide["stat_mean"])
    assert {row.reason for row in found.panels["captk"]} == {"the STV (proposal) is empty"}


def test_the_columns_of_captk_follow_its_parameters_and_are_explained_in_the_dictionary() -> None:
    found = features(RAW, MADE, STV, FEW, replace(captk.PAPER, histogram_bins=16, families=("Histogram", "GLSZM")))
    assert "T1_E_Histogram_Bins-16_Bins-16_Bin-15_Frequency" in found.wide
    explained = {row["column"]: row for row in tables([glance_of(found)], []).dictionary}
    assert explained["T1_E_Histogram_Bins-16_Bins-16_Bin-15_Frequency"]["name"] == "Bin-15_Frequency"
    assert explained["T1_E_GLSZM_Bins-128_Radius-3_ZonePercentage"]["name"] == "ZonePercentage"
    assert explained["stat_mean"]["ibsi"] == "Q4LE"
    paper = features(RAW, MADE, STV, FEW, captk.PAPER)
    names = {row["column"]: row["name"] for row in tables([glance_of(paper)], []).dictionary}
    assert [names[column.name] for column in captk.columns()] == [column.feature for column in captk.columns()]


@pytest.mark.parametrize("panels", [("ibsi",), ("captk",)])
def test_the_page_of_the_cohort_has_the_volume_of_a_readers_stv_whatever_the_panels(panels: tuple[str, ...]) -> None:
    read = ChosenStv(region(HARMONISED), region(ACQUIRED), "reader")
    settings = Features(panels=panels)  # type: ignore[arg-type]
    found = features(RAW, MADE, read, settings, captk.PAPER)
    voxels = int(read.isotropic.array.sum())
    assert f">{voxels / 1000:.2g}" in index([glance_of(found)], [], None, None)

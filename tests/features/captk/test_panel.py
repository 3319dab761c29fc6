from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from uptake.features.captk import PAPER, CaptkParameters, captk_panel, columns
from uptake.study import Code, Refusal, SettingsError
from uptake.volume import Grid, Volume

GRID = Grid((12, 11, 10), np.diag([0.8, 0.8, 2.0, 1.0]))


@pytest.fixture(scope="module")
def image() -> Volume:
    return Volume(np.random.default_rng(11).integers(10, 3000, size=GRID.shape).astype(np.int16), GRID)


@pytest.fixture(scope="module")
def mask() -> Volume:
    i, j, k = np.indices(GRID.shape)
    return Volume(((i - 6) / 4.9) ** 2 + ((j - 5) / 4) ** 2 + ((k - 5) / 3.9) ** 2 <= 1, GRID)


def test_the_paper_has_370_columns_and_nothing_is_missing_but_lbp(image: Volume, mask: Volume) -> None:
    panel = captk_panel(image, mask)
    assert list(panel.wide()) == [column.name for column in columns()]
    assert len(panel) == 370
    missing = [row.name for row in panel if math.isnan(row.value)]
    assert missing == ["T1_E_LBP_Radius-3_Bins-128_LBP"]
    assert "undefined" in panel[missing[0]].reason
    assert all(row.unit for row in panel)


def test_the_corrected_panel_has_the_same_columns_and_all_have_values(image: Volume, mask: Volume) -> None:
    corrected = captk_panel(image, mask, PAPER, "captk-corrected")
    assert list(corrected.wide()) == [column.name for column in columns()]
    assert [row.name for row in corrected if math.isnan(row.value)] == []


def test_a_value_is_asked_for_by_its_column_name(image: Volume, mask: Volume) -> None:
    panel = captk_panel(image, mask, CaptkParameters(families=("Volumetric",)))
    assert panel["T1_E_Volumetric_Pixels"].value == mask.array.sum()
    assert panel["T1_E_Volumetric_Volume"].unit == "mm3"
    assert len(panel) == 22
    with pytest.raises(KeyError):
        panel["Volumetric_Pixels"]


def test_modality_and_label_are_the_beginning_of_every_name() -> None:
    names = [column.name for column in columns(replace(PAPER, modality="T1GD", label="NC"))]
    assert all(name.startswith("T1GD_NC_") for name in names)


def test_combined_runs_leave_two_columns_out() -> None:
    assert len(columns(replace(PAPER, glrlm_offset="Combined"))) == 368


def test_translation_in_a_larger_image_changes_lbp_only(image: Volume, mask: Volume) -> None:
    """Runs leave the mask, so what lies around it moves along."""
    parameters = replace(PAPER, lbp_radius=1)
    moved = Grid((18, 14, 15), GRID.affine)
    padding = ((4, 2), (1, 2), (3, 2))
    there = captk_panel(
        Volume(np.pad(image.array, padding), moved), Volume(np.pad(mask.array, padding), moved), parameters
    )
    here = captk_panel(image, mask, parameters)
    for row in here:
        if row.family not in ("LBP", "GLRLM"):
            assert there[row.name].value == pytest.approx(row.value, rel=1e-9, abs=1e-9), row.name
    assert there["T1_E_LBP_Radius-1_Bins-128_LBP"].value < here["T1_E_LBP_Radius-1_Bins-128_LBP"].value


def test_the_corrected_panel_does_not_depend_on_the_order_of_axes(image: Volume, mask: Volume) -> None:
    turned = Grid((10, 12, 11), np.diag([2.0, 0.8, 0.8, 1.0]))
    there = captk_panel(
        Volume(image.array.transpose(2, 0, 1), turned),
        Volume(mask.array.transpose(2, 0, 1), turned),
        PAPER,
        "captk-corrected",
    )
    for row in captk_panel(image, mask, PAPER, "captk-corrected"):
        assert there[row.name].value == pytest.approx(row.value, rel=1e-6, abs=1e-9), row.name


@pytest.mark.parametrize("panel", ["captk", "captk-corrected"])
@pytest.mark.parametrize("case", ["one voxel", "one grey level", "one slice", "negative"])
def test_every_missing_value_of_a_poor_region_has_a_reason(case: str, panel: str, image: Volume, mask: Volume) -> None:
    array, inside = image.array.astype(np.float64), mask.array.copy()
    if case == "one voxel":
        inside[:] = False
        inside[5, 5, 5] = True
    elif case == "one grey level":
        array[:] = 7
    elif case == "one slice":
        inside[:, :, :5] = inside[:, :, 6:] = False
    else:
        array -= 5000
    found = captk_panel(Volume(array, GRID), Volume(inside, GRID), PAPER, panel)  # type: ignore[arg-type]
    assert len(found) == 370
    assert all(row.reason for row in found if math.isnan(row.value))


def test_an_image_that_is_not_on_the_grid_asked_for_is_refused(image: Volume, mask: Volume) -> None:
    with pytest.raises(SettingsError, match=r"0.8 x 0.8 x 2 mm"):
        captk_panel(image, mask, replace(PAPER, resampling_mm=1.0))


def test_an_empty_mask_is_refused(image: Volume) -> None:
    with pytest.raises(Refusal) as refused:
        captk_panel(image, Volume(np.zeros(GRID.shape, dtype=bool), GRID))
    assert refused.value.code == Code.EMPTY_MASK


def test_a_mask_on_another_grid_is_refused(image: Volume) -> None:
    other = Grid(GRID.shape, np.diag([1, 1, 1, 1.0]))
    with pytest.raises(Refusal) as refused:
        captk_panel(image, Volume(np.ones(GRID.shape, dtype=bool), other))
    assert refused.value.code == Code.MASK_GRID

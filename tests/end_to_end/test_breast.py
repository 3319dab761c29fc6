"""The breast mask and what is made with it, from DICOM to tables and page."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import uptake

CASE = "PHANTOM-0001"


@pytest.fixture(scope="module")
def cohort(phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("breast") / "cohort"
    assert uptake.run(phantoms, folder, jobs=1, bias={"region": "breast"}, zscore={"region": "breast"}).ok
    return folder


def array(path: Path) -> np.ndarray:
    return np.asanyarray(nib.load(path).dataobj)


def test_the_mask_and_its_numbers_are_kept_and_agree(cohort: Path) -> None:
    case = cohort / "cases" / CASE
    labels, numbers = array(case / "maps/breast_labels.nii.gz"), json.loads((case / "breast.json").read_text())
    assert labels.dtype == np.uint8
    assert set(np.unique(labels)) <= {0, 1, 2, 3}
    assert np.array_equal(array(case / "masks/breast.nii.gz"), labels >= 2)
    voxel = np.prod(nib.load(case / "masks/breast.nii.gz").header.get_zooms(), dtype=float) / 1000
    counted = {"L": np.count_nonzero(labels == 2) * voxel, "R": np.count_nonzero(labels == 3) * voxel}
    assert {s["side"]: pytest.approx(s["cc"], rel=1e-5) for s in numbers["sides"]} == {
        k: v for k, v in counted.items() if v
    }


def test_the_gland_lies_in_the_breast_and_its_numbers_are_in_the_table(cohort: Path) -> None:
    case = cohort / "cases" / CASE
    gland, labels = array(case / "masks/fibroglandular.nii.gz") > 0, array(case / "maps/breast_labels.nii.gz")
    assert gland.any()
    assert (labels[gland] >= 2).all()
    assert not (gland & (array(case / "masks/ftv_pe.nii.gz") > 0)).any()
    whole = json.loads((case / "parenchyma.json").read_text())["whole"]
    with (cohort / "tables/ftv.csv").open(newline="") as handle:
        row = next(r for r in csv.DictReader(handle) if r["case_id"] == CASE)
    assert float(row["bpe_mean_pe_percent"]) == pytest.approx(whole["mean_pe_percent"])
    assert float(row["bpe_above_threshold_percent"]) == pytest.approx(whole["above_percent"])
    assert float(row["fgt_cc"]) == pytest.approx(whole["fgt_cc"])


def test_the_regions_of_the_settings_reach_the_z_score(cohort: Path) -> None:
    statistics = json.loads((cohort / f"cases/{CASE}/harmonised/statistics.json").read_text())["statistics"]
    images = sorted((cohort / f"cases/{CASE}/harmonised").glob("*.nii.gz"))
    assert statistics["region"] == "breast"
    assert statistics["n_voxels"] < 0.7 * sum(array(path).size for path in images)


def test_the_page_and_the_checks_speak_of_the_breast(cohort: Path) -> None:
    case = cohort / "cases" / CASE
    page = (case / "report.html").read_text()
    assert 'id="breast"' in page
    assert 'class="fgt" d="M' in page
    names = [finding["check"] for finding in json.loads((case / "checks.json").read_text())]
    assert "breast mask" in names
    assert "background enhancement" in names

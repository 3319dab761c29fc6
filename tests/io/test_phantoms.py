from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from uptake.io.dicom.read import read_study
from uptake.io.dicom.scan import scan
from uptake.io.dicom.write import Habit
from uptake.io.phantoms import (
    phantom_cases,
    write_phantom_case,
    write_truth_table,
)
from uptake.phantom import Phantom, PhantomSettings, make
from uptake.study import Code, Refusal, SettingsError, Study

SMALL = PhantomSettings(size="small")
VOLUMES = {"stv", "stv_occupancy", "lesion", "tissue", "bias", "ftv_pe", "ftv_ser"}


def tree(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def write_cohort(folder: Path, seed: int) -> None:
    write_truth_table(
        folder, [write_phantom_case(folder, case_id, own, SMALL) for case_id, own in phantom_cases(2, seed)]
    )


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    write_cohort(folder, 3)
    return folder


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "truth.csv").open(newline="") as handle:
        return list(csv.DictReader(handle))


def ftv_by_hand(study: Study) -> tuple[np.ndarray, np.ndarray]:
    """The rule of real-data pages with SciPy: T from P95, PE >= 70 %, S2 > S0, 4 of 26 neighbours, VOI last."""
    pre, early, late = (volume.array.astype(np.float32) for volume in study.volumes)
    voi = study.acquisition.recorded.voi
    assert voi is not None
    rows_ = pre.shape[1]
    (c0, r0, s0), (c1, r1, s1) = voi.start, voi.end
    sample = pre[c0:c1, rows_ - r1 : rows_ - r0, s0 : s1 + 1]
    threshold = np.floor(0.6 * np.percentile(sample, 95) + 0.5)
    pe = 100 * (early - pre) / np.maximum(pre, np.float32(1e-3))
    passing = (pre >= threshold) & (pe >= 70) & (late > pre)
    kernel = np.ones((3, 3, 3))
    kernel[1, 1, 1] = 0
    neighbours = ndimage.convolve(passing.astype(np.float64), kernel, mode="nearest")
    inside = np.zeros(pre.shape, dtype=bool)
    inside[c0 : c1 + 1, rows_ - 1 - r1 : rows_ - r0, s0 : s1 + 1] = True
    ftv = passing & (neighbours >= 4) & inside
    return ftv, ftv & (10 * (early - pre).astype(np.float64) > 9 * (late - pre).astype(np.float64))


def test_the_folder_has_dicom_truth_volumes_and_a_table(cohort: Path) -> None:
    assert {path.name for path in cohort.iterdir()} == {"PHANTOM-0001", "PHANTOM-0002", "truth", "truth.csv"}
    for case in ("PHANTOM-0001", "PHANTOM-0002"):
        assert {path.name for path in (cohort / "truth" / case).iterdir()} == {f"{name}.nii.gz" for name in VOLUMES}
        assert all(path.suffix == ".dcm" for path in (cohort / case).rglob("*") if path.is_file())


def test_the_table_has_the_columns_that_others_rely_on(cohort: Path) -> None:
    table = rows(cohort)
    assert list(table[0]) == ["case_id", "seed", "ftv_pe_voxels", "ftv_ser_voxels", "stv_cc"]
    assert [row["case_id"] for row in table] == ["PHANTOM-0001", "PHANTOM-0002"]


def test_the_counts_are_those_of_the_ftv_rule_without_noise(cohort: Path) -> None:
    for row in rows(cohort):
        phantom = make(seed=int(row["seed"]), case_id=row["case_id"], size="small")
        ftv_pe, ftv_ser = ftv_by_hand(phantom.clean)
        assert int(row["ftv_pe_voxels"]) == ftv_pe.sum() > 0
        assert int(row["ftv_ser_voxels"]) == ftv_ser.sum() > 0
        truth = cohort / "truth" / row["case_id"]
        np.testing.assert_array_equal(np.asanyarray(nib.load(truth / "ftv_pe.nii.gz").dataobj), ftv_pe)
        np.testing.assert_array_equal(np.asanyarray(nib.load(truth / "ftv_ser.nii.gz").dataobj), ftv_ser)


def test_the_stv_volume_is_that_of_its_mask(cohort: Path) -> None:
    for row in rows(cohort):
        image = nib.load(cohort / "truth" / row["case_id"] / "stv.nii.gz")
        mask = np.asanyarray(image.dataobj)
        assert set(np.unique(mask)) == {0, 1}
        cc = mask.sum() * abs(np.linalg.det(image.affine[:3, :3])) / 1000
        assert float(row["stv_cc"]) == pytest.approx(cc, rel=1e-4)


@pytest.mark.parametrize("vendor", ["ge", "siemens", "philips"])
@pytest.mark.parametrize("view", ["sagittal", "axial"])
def test_the_truth_lies_where_the_study_is_read(vendor: str, view: str, tmp_path: Path) -> None:
    habit = Habit(vendor=vendor)  # type: ignore[arg-type]
    case = write_phantom_case(tmp_path, "PHANTOM-0001", 77, PhantomSettings(size="small", view=view), habit)  # type: ignore[arg-type]
    study = read_study(scan([tmp_path / "PHANTOM-0001"]).studies[0], "PHANTOM-0001")
    for name in VOLUMES:
        image = nib.load(tmp_path / "truth" / "PHANTOM-0001" / f"{name}.nii.gz")
        assert image.shape == study.grid.shape
        np.testing.assert_allclose(image.affine, study.grid.affine, atol=1e-3)
    pre, early, _ = (volume.array.astype(np.float64) for volume in study.volumes)
    mask = np.asanyarray(nib.load(tmp_path / "truth" / "PHANTOM-0001" / "ftv_pe.nii.gz").dataobj) > 0
    assert case.ftv_pe_voxels == mask.sum()
    assert np.mean(early[mask] >= 1.6 * pre[mask]) > 0.95


def test_the_published_map_is_what_the_noisy_study_gives(cohort: Path) -> None:
    """UCSF's results are counted on what was measured, and agree with the truth within the noise."""
    for row in rows(cohort):
        phantom = make(seed=int(row["seed"]), case_id=row["case_id"], size="small")
        noisy = ftv_by_hand(phantom.study)[0]
        stored = stored_map(cohort / row["case_id"])
        inside = ftv_box(phantom)
        np.testing.assert_array_equal((stored > 0) & inside, noisy)
        assert noisy.sum() == pytest.approx(int(row["ftv_pe_voxels"]), rel=0.05)


def stored_map(case: Path) -> np.ndarray:
    import pydicom

    images = [pydicom.dcmread(path) for path in (case / "ser_ucsf").glob("*.dcm")]
    images.sort(key=lambda image: int(image.InstanceNumber))
    return np.stack([image.pixel_array[::-1].T for image in images], axis=2)


def ftv_box(phantom: Phantom) -> np.ndarray:
    inside = np.zeros(phantom.study.grid.shape, dtype=bool)
    (c0, r0, s0), (c1, r1, s1) = phantom.voi.start, phantom.voi.end
    inside[c0 : c1 + 1, inside.shape[1] - 1 - r1 : inside.shape[1] - r0, s0 : s1 + 1] = True
    return inside


def test_equal_seeds_give_equal_trees_and_others_do_not(cohort: Path, tmp_path: Path) -> None:
    for name, seed in (("again", 3), ("other", 4)):
        write_cohort(tmp_path / name, seed)
    assert tree(tmp_path / "again") == tree(cohort)
    assert not set(tree(tmp_path / "other").values()) & set(tree(cohort).values())


def test_a_case_made_alone_is_the_same_as_in_its_cohort(cohort: Path, tmp_path: Path) -> None:
    case_id, seed = phantom_cases(5, 3)[1]
    row = write_phantom_case(tmp_path, case_id, seed, SMALL)
    assert tree(tmp_path / case_id) == tree(cohort / case_id)
    assert tree(tmp_path / "truth") == {
        name: digest for name, digest in tree(cohort / "truth").items() if name.startswith(case_id)
    }
    assert str(row.ftv_pe_voxels) == rows(cohort)[1]["ftv_pe_voxels"]
    write_truth_table(tmp_path, [row])
    assert rows(tmp_path) == rows(cohort)[1:]


def test_a_longer_cohort_begins_with_the_same_cases() -> None:
    assert phantom_cases(2, 9) == phantom_cases(50, 9)[:2]
    seeds = [seed for start in range(5) for _, seed in phantom_cases(50, start)]
    assert len(set(seeds)) == 250


def test_an_older_case_and_what_a_killed_run_left_are_replaced(cohort: Path, tmp_path: Path) -> None:
    for name in ("PHANTOM-0001", ".PHANTOM-0001.partial"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "old.dcm").write_bytes(b"old")
    write_phantom_case(tmp_path, *phantom_cases(1, 3)[0], SMALL)
    assert tree(tmp_path / "PHANTOM-0001") == tree(cohort / "PHANTOM-0001")
    assert not (tmp_path / ".PHANTOM-0001.partial").exists()


def test_a_file_in_the_place_of_the_folder_is_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(Refusal) as refused:
        write_phantom_case(tmp_path / "taken", *phantom_cases(1, 1)[0], SMALL)
    assert refused.value.code is Code.NO_SPACE


@pytest.mark.parametrize(("cases", "seed"), [(0, 1), (10000, 1), (1, -1)])
def test_a_cohort_that_makes_no_sense_is_refused(cases: int, seed: int) -> None:
    with pytest.raises(SettingsError, match="must be"):
        phantom_cases(cases, seed)

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from uptake.io.dicom.read import read_study
from uptake.io.dicom.scan import scan
from uptake.io.dicom.write import Habit
from uptake.io.phantoms import (
    Kind,
    begin,
    check_folder,
    made_case,
    phantom_cases,
    write_phantom_case,
    write_truth_table,
)
from uptake.phantom import Phantom, PhantomSettings, Tissue, make
from uptake.study import Code, Refusal, SettingsError, Study

SMALL = PhantomSettings(size="small")
VOLUMES = {
    "stv", "stv_occupancy", "lesion", "lesion_occupancy", "tissue", "bias", "ktrans", "ve", "vp", "ftv_pe", "ftv_ser",
}  # fmt: skip
PLAN = {"seed": 3, "vendor": "ge", "defects": []}


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
        volumes = {f"{name}.nii.gz" for name in VOLUMES}
        assert {path.name for path in (cohort / "truth" / case).iterdir()} == {*volumes, "1mm", "truth.json"}
        assert {path.name for path in (cohort / "truth" / case / "1mm").iterdir()} == volumes
        assert all(path.suffix == ".dcm" for path in (cohort / case).rglob("*") if path.is_file())


def test_the_table_has_the_columns_that_others_rely_on(cohort: Path) -> None:
    table = rows(cohort)
    assert list(table[0])[:5] == ["case_id", "seed", "ftv_pe_voxels", "ftv_ser_voxels", "stv_cc"]
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
    settings = PhantomSettings(size="small", view=view, vendor=vendor)  # type: ignore[arg-type]
    case = write_phantom_case(tmp_path, "PHANTOM-0001", 77, settings, Kind(habit))
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


def test_a_case_is_there_when_its_truth_is(cohort: Path, tmp_path: Path) -> None:
    row = made_case(cohort, "PHANTOM-0001")
    assert row is not None
    assert str(row.ftv_pe_voxels) == rows(cohort)[0]["ftv_pe_voxels"]
    assert made_case(cohort, "PHANTOM-0003") is None
    copy = Path(shutil.copytree(cohort, tmp_path / "copy"))
    (copy / "truth/PHANTOM-0001/truth.json").unlink()
    shutil.rmtree(copy / "PHANTOM-0002")
    assert made_case(copy, "PHANTOM-0001") is None
    assert made_case(copy, "PHANTOM-0002") is None


def test_a_case_that_another_version_made_is_not_taken_for_this_one_s(cohort: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(cohort, tmp_path / "copy"))
    path = copy / "truth/PHANTOM-0001/truth.json"
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({**kept, "made_by": "uptake 0.0.1"}))
    assert made_case(copy, "PHANTOM-0001") is None
    assert made_case(copy, "PHANTOM-0002") is not None


def test_a_folder_of_phantoms_goes_on_only_as_it_was_asked_for(tmp_path: Path) -> None:
    begin(tmp_path / "new", PLAN)
    check_folder(tmp_path / "new", PLAN)
    for changed in ({"seed": 4}, {"vendor": "siemens"}, {"defects": ["ghosting"]}):
        with pytest.raises(Refusal, match="nothing was changed") as refused:
            begin(tmp_path / "new", {**PLAN, **changed})
        assert refused.value.code is Code.NO_SPACE
        assert str(next(iter(changed.values()))) in refused.value.found
    assert json.loads((tmp_path / "new/phantom.json").read_text()) == PLAN


def test_a_folder_with_anything_else_is_left_alone(tmp_path: Path) -> None:
    check_folder(tmp_path, PLAN)
    (tmp_path / "thesis.docx").write_text("mine")
    with pytest.raises(Refusal, match="holds other files"):
        begin(tmp_path, PLAN)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.docx"]
    with pytest.raises(Refusal, match=r"thesis.docx is no folder"):
        begin(tmp_path / "thesis.docx", PLAN)


@pytest.mark.parametrize("text", ["not JSON", "[1, 2]"])
def test_another_program_s_file_of_the_same_name_makes_no_folder_ours(text: str, tmp_path: Path) -> None:
    (tmp_path / "phantom.json").write_text(text)
    with pytest.raises(Refusal, match="holds other files"):
        begin(tmp_path, PLAN)
    assert (tmp_path / "phantom.json").read_text() == text


def test_the_legend_names_every_volume_and_every_tissue(cohort: Path, tmp_path: Path) -> None:
    begin(tmp_path, PLAN)
    with (tmp_path / "truth/legend.csv").open(newline="") as handle:
        named = {row["file"] for row in csv.DictReader(handle)}
    assert named - {"displacement_<phase>_<x, y or z>"} == VOLUMES
    lines = (tmp_path / "truth/tissue-labels.txt").read_text().splitlines()
    labels = {int(line.split()[0]): line.split('"')[1] for line in lines}
    assert labels == {int(tissue): tissue.name.lower() for tissue in Tissue}
    assert all(len(line.split('"')[0].split()) == 7 for line in lines)  # index, red, green, blue, three switches


def test_motion_is_told_in_mm_along_the_axes_of_the_world(tmp_path: Path) -> None:
    settings = PhantomSettings(size="small", motion_mm=2.0)
    row = write_phantom_case(tmp_path, "PHANTOM-0001", 5, settings)
    assert row.motion_mm == 2
    for phase, axis in itertools.product((1, 2), "xyz"):
        fine, coarse = (
            np.asanyarray(nib.load(tmp_path / f"truth/PHANTOM-0001/{folder}displacement_{phase}_{axis}.nii.gz").dataobj)
            for folder in ("1mm/", "")
        )
        assert fine.dtype == coarse.dtype == np.float32
        assert 0 < np.abs(coarse).max() < 20
        assert fine.std() == pytest.approx(coarse.std(), rel=0.2)


def test_the_truth_at_one_millimetre_has_the_volume_of_the_acquired_one(cohort: Path) -> None:
    for row in rows(cohort):
        truth = cohort / "truth" / row["case_id"]
        fine, coarse = (nib.load(truth / folder / "stv_occupancy.nii.gz") for folder in ("1mm", ""))
        np.testing.assert_allclose(fine.header.get_zooms(), 1, atol=1e-6)
        cc = [image.get_fdata().sum() * abs(np.linalg.det(image.affine[:3, :3])) / 1000 for image in (fine, coarse)]
        assert cc[0] == pytest.approx(cc[1], rel=0.03)
        stv = np.asanyarray(nib.load(truth / "1mm/stv.nii.gz").dataobj)
        assert stv.sum() / 1000 == pytest.approx(float(row["stv_cc"]), rel=0.15)


def test_a_phantom_that_lacks_a_phase_has_no_map_and_says_what_it_lacks(tmp_path: Path) -> None:
    settings = PhantomSettings(size="small", defects=("missing-phase",))
    row = write_phantom_case(tmp_path, "PHANTOM-0001", 5, settings, Kind(defects=("missing-phase",)))
    assert (row.phases, row.defects) == (3, "missing-phase")
    assert row.ftv_pe_voxels > 0
    assert not (tmp_path / "PHANTOM-0001/ser_ucsf").exists()


def test_the_map_of_a_phantom_with_swapped_phases_is_that_of_the_right_order(cohort: Path, tmp_path: Path) -> None:
    settings = PhantomSettings(size="small", defects=("swapped-phases",))
    case_id, seed = phantom_cases(1, 3)[0]
    write_phantom_case(tmp_path, case_id, seed, settings)
    np.testing.assert_array_equal(stored_map(tmp_path / case_id), stored_map(cohort / case_id))


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

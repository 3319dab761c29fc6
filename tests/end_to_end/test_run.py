"""A cohort from DICOM to report: made once, brought up to date after every change, and no more than that."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import uptake
from uptake import verbs
from uptake.study import CohortError, SettingsError
from uptake.verbs import RunResult

CASE = "PHANTOM-0001"


@pytest.fixture
def made(phantom_cohort: Path) -> Path:
    """The cohort of all tests, to be looked at only."""
    return phantom_cohort


@pytest.fixture
def cohort(phantom_cohort: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(phantom_cohort, tmp_path / "cohort"))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


def done(result: RunResult) -> dict[str, tuple[str, ...]]:
    return {case.case_id: case.done for case in result.cases}


def contents(cohort: Path) -> dict[str, str]:
    """SHA-256 of every file that must be the same for the same input: all but provenance."""
    files = (p for p in cohort.rglob("*") if p.is_file() and p.name not in ("provenance.json", ".lock"))
    return {str(p.relative_to(cohort)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_a_cohort_folder_holds_what_the_contract_lists(made: Path) -> None:
    case = made / "cases" / CASE
    expected = [
        "study.json", f"native/{CASE}_0000.nii.gz", f"native/{CASE}_0002.nii.gz", f"harmonised/{CASE}_0001.nii.gz",
        "maps/pe.nii.gz", "maps/ser.nii.gz", "maps/bias.nii.gz", "voi.json", "masks/ftv_pe.nii.gz",
        "masks/ftv.nii.gz", "masks/stv_proposal.nii.gz", "masks/stv_proposal_acquired.nii.gz", "ftv.json",
        "features.csv", "checks.json", "provenance.json", "report.html", "breast.json", "masks/breast.nii.gz",
        "maps/breast_labels.nii.gz", "parenchyma.json", "masks/fibroglandular.nii.gz",
    ]  # fmt: skip
    assert [name for name in expected if not (case / name).is_file()] == []
    assert not (case / "masks/stv.nii.gz").exists()
    for name in ("features.csv", "features.xlsx", "ftv.csv", "studies.csv", "checks.csv", "refusals.csv"):
        assert (made / "tables" / name).is_file()
    assert (made / "report/index.html").is_file()


def test_ftv_of_a_phantom_is_near_its_noise_free_truth(made: Path, phantoms: Path) -> None:
    truth = {row["case_id"]: row for row in rows(phantoms / "truth.csv")}
    for row in rows(made / "tables/ftv.csv"):
        expected = int(truth[row["case_id"]]["ftv_pe_voxels"])
        assert int(row["ftv_pe_voxels"]) == pytest.approx(expected, rel=0.15)


def test_masks_are_zero_and_one_with_both_forms_and_no_text(made: Path) -> None:
    for path in (made / "cases").glob("*/masks/*.nii.gz"):
        image = nib.load(path)
        assert set(np.unique(np.asanyarray(image.dataobj))) <= {0, 1}
        assert image.get_data_dtype() == np.uint8
        assert (int(image.header["qform_code"]), int(image.header["sform_code"])) == (1, 1)
        assert np.allclose(image.get_qform(), image.get_sform(), atol=1e-4)
        assert all(not image.header[name].item() for name in ("descrip", "aux_file", "intent_name", "db_name"))


def test_harmonised_phases_have_one_mean_and_standard_deviation(made: Path) -> None:
    phases = [np.asanyarray(nib.load(p).dataobj) for p in sorted((made / f"cases/{CASE}/harmonised").glob("*.nii.gz"))]
    assert len(phases) == 3
    pooled = np.stack(phases).astype(np.float64)
    assert abs(pooled.mean()) < 1e-3
    assert pooled.std() == pytest.approx(1, abs=1e-3)


def test_pe_and_ser_maps_are_made_of_raw_intensities(made: Path) -> None:
    case = made / "cases" / CASE
    s0, s1, s2 = (
        np.asanyarray(nib.load(case / f"native/{CASE}_{n:04d}.nii.gz").dataobj).astype(np.float64) for n in range(3)
    )
    pe = np.asanyarray(nib.load(case / "maps/pe.nii.gz").dataobj)
    ser = np.asanyarray(nib.load(case / "maps/ser.nii.gz").dataobj)
    known = (s0 > 0) & (s2 != s0)
    assert np.allclose(pe[known], (100 * (s1 - s0) / np.where(s0 > 0, s0, 1))[known], rtol=1e-5)
    assert np.allclose(ser[known], ((s1 - s0) / np.where(s2 != s0, s2 - s0, 1))[known], rtol=1e-4, atol=1e-6)


def test_a_second_run_does_nothing(cohort: Path, phantoms: Path) -> None:
    before = contents(cohort)
    stamps = {p: p.stat().st_mtime_ns for p in cohort.rglob("*.nii.gz")}
    result = uptake.run(phantoms, cohort, jobs=1)
    assert all(steps == () for steps in done(result).values())
    assert contents(cohort) == before
    assert {p: p.stat().st_mtime_ns for p in cohort.rglob("*.nii.gz")} == stamps


def test_equal_inputs_give_equal_bytes_wherever_they_lie(made: Path, phantoms: Path, tmp_path: Path) -> None:
    """Another folder for input and output, a zip of it, two processes: the same files."""
    archive = shutil.make_archive(str(tmp_path / "elsewhere"), "zip", phantoms)
    assert uptake.run(archive, tmp_path / "other", jobs=2).ok
    assert contents(tmp_path / "other") == contents(made)


def test_no_table_or_json_holds_a_path_a_host_or_a_clock_time(made: Path) -> None:
    import platform

    texts = [
        p for p in made.rglob("*") if p.suffix in (".json", ".csv", ".toml", ".html") and p.name != "provenance.json"
    ]
    assert len(texts) > 10
    for path in texts:
        text = path.read_text()
        assert str(made) not in text
        assert not re.search(rf"\b{re.escape(platform.node())}\b", text), path
        assert not re.search(r"\b\d{2}:\d{2}:\d{2}\b", text), path
        assert not re.search(r"20\d\d-\d\d-\d\d", text), path


def test_a_changed_threshold_redoes_exactly_what_depends_on_it(cohort: Path, phantoms: Path) -> None:
    result = uptake.run(phantoms, cohort, jobs=1, ftv={"pe_threshold_percent": 90, "prefer_recorded": False})
    assert set(done(result)[CASE]) == {"ftv", "stv_proposal", "background", "features", "checks", "report"}
    ftv = json.loads((cohort / f"cases/{CASE}/ftv.json").read_text())
    assert ftv["pe_threshold_percent"] == {"value": 90.0, "source": "setting ftv"}


def test_settings_given_once_stay_with_the_cohort(cohort: Path, phantoms: Path) -> None:
    uptake.run(phantoms, cohort, jobs=1, stv={"keep": "largest"})
    assert all(steps == () for steps in done(uptake.run(phantoms, cohort, jobs=1)).values())
    assert 'keep = "largest"' in (cohort / "uptake.toml").read_text()


def test_a_lost_file_is_made_again_and_nothing_else(cohort: Path, phantoms: Path) -> None:
    before = contents(cohort)
    (cohort / f"cases/{CASE}/masks/ftv.nii.gz").unlink()
    assert done(uptake.run(phantoms, cohort, jobs=1))[CASE] == ("ftv",)
    assert contents(cohort) == before


def test_a_readers_mask_changes_the_source_of_the_features_and_nothing_before_them(
    cohort: Path, phantoms: Path
) -> None:
    case = cohort / "cases" / CASE
    assert {row["stv_source"] for row in rows(case / "features.csv")} == {"proposal"}
    proposal = nib.load(case / "masks/stv_proposal.nii.gz")
    drawn = np.asanyarray(proposal.dataobj).copy()
    drawn[: drawn.shape[0] // 2] = 0
    drawn[drawn.shape[0] // 2, drawn.shape[1] // 2, drawn.shape[2] // 2] = 1
    nib.save(nib.Nifti1Image(drawn, proposal.affine), cohort.parent / f"{CASE}.nii.gz")
    taken = uptake.import_masks(cohort, cohort.parent / f"{CASE}.nii.gz", as_="reader", reader="Dr A", cases=[CASE])
    assert taken.imported == (CASE,)
    result = done(uptake.run(phantoms, cohort, jobs=1))
    assert set(result[CASE]) == {"features", "report"}
    assert result["PHANTOM-0002"] == ()
    assert {row["stv_source"] for row in rows(case / "features.csv")} == {"reader"}
    assert np.array_equal(np.asanyarray(nib.load(case / "masks/stv.nii.gz").dataobj), drawn)
    table = {row["case_id"]: row["stv_source"] for row in rows(cohort / "tables/features.csv")}
    assert table == {CASE: "reader", "PHANTOM-0002": "proposal"}


def test_a_phantoms_truth_is_imported_from_its_folder(cohort: Path, phantoms: Path) -> None:
    taken = uptake.import_masks(cohort, phantoms / "truth", as_="truth")
    assert set(taken.imported) == {CASE, "PHANTOM-0002"}
    uptake.run(phantoms, cohort, jobs=1)
    assert {row["stv_source"] for row in rows(cohort / f"cases/{CASE}/features.csv")} == {"truth"}


def test_a_mask_in_another_order_of_axes_is_brought_into_the_cases_own(cohort: Path) -> None:
    native = nib.load(cohort / f"cases/{CASE}/masks/stv_proposal_acquired.nii.gz")
    nib.save(nib.as_closest_canonical(native), cohort.parent / f"{CASE}.nii.gz")
    uptake.import_masks(cohort, cohort.parent, as_="reader")
    taken = nib.load(cohort / f"cases/{CASE}/masks/stv_acquired.nii.gz")
    assert np.array_equal(np.asanyarray(taken.dataobj), np.asanyarray(native.dataobj))


def test_masks_that_cannot_be_taken_are_refused(cohort: Path) -> None:
    good = nib.load(cohort / f"cases/{CASE}/masks/stv_proposal.nii.gz")
    moved = good.affine.copy()
    moved[0, 3] += 5
    for array, affine, code in (
        (np.asanyarray(good.dataobj), moved, "mask-on-another-grid"),
        (np.zeros(good.shape, np.uint8), good.affine, "empty-mask"),
    ):
        nib.save(nib.Nifti1Image(array, affine), cohort.parent / f"{CASE}.nii.gz")
        taken = uptake.import_masks(cohort, cohort.parent, as_="reader")
        assert [refused.code for refused in taken.refused] == [code]
        assert not (cohort / f"cases/{CASE}/masks/stv.nii.gz").exists()


@pytest.mark.parametrize("wrong", [{"as_": "guess"}, {"as_": "reader", "cases": ["NOBODY"]}])
def test_an_import_that_makes_no_sense_is_wrong_usage(cohort: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        uptake.import_masks(cohort, cohort.parent, **wrong)  # type: ignore[arg-type]


def test_status_says_why_a_step_would_run_and_who_is_awaited(cohort: Path) -> None:
    (cohort / f"cases/{CASE}/maps/pe.nii.gz").unlink()
    todos = {todo.step.makes: todo for todo in uptake.status(cohort)[CASE]}
    assert todos["enhancement"].reason == "missing or changed: maps/pe.nii.gz"
    assert todos["study"].reason is None
    assert "reader" in todos["reader"].step.awaits
    with pytest.raises(CohortError, match="no cohort folder"):
        uptake.status(cohort.parent)


def test_a_dry_run_tells_the_same_and_writes_nothing(phantoms: Path, tmp_path: Path) -> None:
    plans = verbs.planned(phantoms, tmp_path / "none").cases
    assert {todo.reason for todo in plans[CASE] if todo.step.form} == {"new"}
    assert not (tmp_path / "none").exists()


def test_only_the_wanted_cases_are_made(phantoms: Path, tmp_path: Path) -> None:
    result = uptake.run(phantoms, tmp_path / "cohort", cases=["PHANTOM-0002"], jobs=1)
    assert [case.case_id for case in result.cases] == ["PHANTOM-0002"]
    assert [p.name for p in (tmp_path / "cohort/cases").iterdir()] == ["PHANTOM-0002"]
    with pytest.raises(SettingsError, match="there is no case NOBODY"):
        uptake.run(phantoms, tmp_path / "cohort", cases=["NOBODY"])


def test_a_users_box_is_the_voi_and_stays(cohort: Path, phantoms: Path) -> None:
    recorded = json.loads((cohort / f"cases/{CASE}/voi.json").read_text())
    start = ",".join(map(str, recorded["start"]))
    end = ",".join(str(n - 2) for n in recorded["end"])
    uptake.run(phantoms, cohort, jobs=1, regions={CASE: f"{start}:{end}"})
    given = json.loads((cohort / f"cases/{CASE}/voi.json").read_text())
    assert given["source"] == "user"
    assert given["end"] == [n - 2 for n in recorded["end"]]
    assert done(uptake.run(phantoms, cohort, jobs=1))[CASE] == ()
    with pytest.raises(SettingsError, match="CASE=VOI"):
        uptake.run(phantoms, cohort, regions={"*": "0,0,0:1,1,1"})


@pytest.mark.parametrize("text", ["{", '{"results": 3}'])
def test_a_record_that_something_else_damaged_is_named(cohort: Path, phantoms: Path, text: str) -> None:
    (cohort / f"cases/{CASE}/provenance.json").write_text(text)
    with pytest.raises(CohortError, match=r"provenance\.json is damaged"):
        uptake.run(phantoms, cohort)
    (cohort / f"cases/{CASE}/provenance.json").unlink()
    assert uptake.run(phantoms, cohort, jobs=1).ok


def test_two_runs_at_once_are_refused(cohort: Path, phantoms: Path) -> None:
    from uptake.io.store import locked

    with locked(cohort), pytest.raises(CohortError, match="another run"):
        uptake.run(phantoms, cohort)
    assert uptake.run(phantoms, cohort, jobs=1).ok


def test_a_source_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no source"):
        uptake.run(tmp_path / "nothing", tmp_path / "cohort")

"""`uptake verify` on a cohort: what passes, and what is caught."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from typer.testing import CliRunner

from uptake import verbs
from uptake.cli import app
from uptake.cohort.reading import CONSENSUS, Entry, decided
from uptake.io import revisions
from uptake.study import CohortError, SettingsError
from uptake.verbs.verifying import Verified

CASE = "PHANTOM-0001"


@pytest.fixture(scope="module")
def made(phantoms: Path, phantom_cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort of two small phantoms with their truth, verified once."""
    folder = Path(shutil.copytree(phantom_cohort, tmp_path_factory.mktemp("verified") / "cohort"))
    verbs.import_masks(folder, phantoms / "truth", as_="truth")
    verbs.run((), folder, jobs=1)
    assert verbs.verify(folder, jobs=1).ok
    return folder


@pytest.fixture
def cohort(made: Path, tmp_path: Path) -> Path:
    """A copy to do harm to."""
    return Path(shutil.copytree(made, tmp_path / "cohort"))


def test_a_sound_cohort_passes_and_leaves_page_tables_plots_and_figures_with_their_data(made: Path) -> None:
    findings = _rows(made / "tables/verify.csv")
    assert {row["status"] for row in findings} <= {"pass", "warn"}
    assert {"one state", "files whole", "protocol equal across phases", "early phase in its window", "one resolution",
            "one intensity distribution", "geometry of stv_truth"} <= {row["check"] for row in findings}  # fmt: skip
    page = (made / "report/verify.html").read_text()
    drawings = [*(made / "report/plots").glob("*.svg"), *(made / "report/figures").glob("*.svg")]
    assert len(drawings) > 10
    for drawing in drawings:
        assert drawing.with_suffix(".csv").is_file()
        assert f"{drawing.parent.name}/{drawing.stem}.csv" in page
    assert {path.stem for path in (made / "report/figures").glob("*.svg")} == {"agreement", "heterogeneity"}


def test_the_cohorts_page_links_to_the_validation_once_it_is_there(made: Path, cohort: Path) -> None:
    assert 'href="verify.html"' in (made / "report/index.html").read_text()
    (cohort / "report/verify.html").unlink()
    verbs.run((), cohort, jobs=1)
    assert 'href="verify.html"' not in (cohort / "report/index.html").read_text()


def test_the_agreement_of_two_masks_is_that_of_their_files(made: Path) -> None:
    (row,) = [
        r for r in _rows(made / "tables/agreement.csv")
        if (r["case_id"], r["one"], r["other"]) == (CASE, "FTV (PE and SER)", "truth")
    ]  # fmt: skip
    ftv, truth = (
        np.asarray(nib.load(made / f"cases/{CASE}/masks/{name}.nii.gz").dataobj) > 0
        for name in ("ftv", "stv_truth_acquired")
    )
    assert float(row["dice"]) == pytest.approx(2 * (ftv & truth).sum() / (ftv.sum() + truth.sum()))
    assert row["grid"] == "acquired"


def test_a_second_verification_gives_the_same_bytes(made: Path) -> None:
    files = [p for folder in ("tables", "report") for p in sorted((made / folder).rglob("*")) if p.is_file()]
    before = {path: path.read_bytes() for path in files}
    verbs.verify(made, jobs=1)
    assert all(path.read_bytes() == data for path, data in before.items())


def test_no_table_or_page_holds_a_path_of_this_machine(made: Path) -> None:
    for name in ("tables/verify.json", "tables/agreement.csv", "report/verify.html"):
        assert str(made.parent) not in (made / name).read_text()


def test_verification_redoes_nothing_of_a_run(made: Path) -> None:
    assert all(todo.reason is None for todos in verbs.status(made).values() for todo in todos)


def test_a_mask_on_another_grid_fails(cohort: Path) -> None:
    def shifted(image: Any) -> Any:
        affine = image.affine.copy()
        affine[0, 3] += 3.0
        return nib.Nifti1Image(np.asarray(image.dataobj), affine)

    _change(cohort / f"cases/{CASE}/masks/stv_truth.nii.gz", shifted)
    found = _failed(verbs.verify(cohort, jobs=1))
    assert found["geometry of stv_truth"] == (CASE, "on another grid than the images")


def test_a_mask_that_is_none_fails(cohort: Path) -> None:
    _change(
        cohort / f"cases/{CASE}/masks/ftv.nii.gz",
        lambda image: nib.Nifti1Image(np.full(image.shape, 7, np.uint8), image.affine),
    )
    case, words = _failed(verbs.verify(cohort, jobs=1))["geometry of ftv"]
    assert (case, "values 7" in words) == (CASE, True)


@pytest.mark.parametrize("name", ["masks/ftv.nii.gz", "harmonised/PHANTOM-0001_0001.nii.gz"])
def test_a_file_cut_short_or_gone_fails_and_the_case_is_unfinished(cohort: Path, name: str) -> None:
    path = cohort / "cases" / CASE / name
    path.write_bytes(path.read_bytes()[:-20])
    found = _failed(verbs.verify(cohort, jobs=1))
    assert found["files whole"][0] == CASE
    assert name in found["files whole"][1]
    assert "one state" in found
    path.unlink()
    assert name in _failed(verbs.verify(cohort, jobs=1))["files whole"][1]


@pytest.mark.parametrize("name", ["native/PHANTOM-0001_0002.nii.gz", "maps/ser.nii.gz"])
def test_a_changed_byte_in_an_image_of_the_same_size_fails(cohort: Path, name: str) -> None:
    path = cohort / "cases" / CASE / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    case, words = _failed(verbs.verify(cohort, jobs=1))["files whole"]
    assert (case, path.name in words) == (CASE, True)


def test_a_case_in_two_states_fails(cohort: Path) -> None:
    path = cohort / f"cases/{CASE}/provenance.json"
    record = json.loads(path.read_text())
    record["results"]["ftv"] |= {
        "refusal": {"code": "voi-unusable", "found": "x", "allowed": "y", "remedy": "z"}, "files": {}
    }  # fmt: skip
    path.write_text(json.dumps(record))
    case, words = _failed(verbs.verify(cohort, jobs=1))["one state"]
    assert (case, words) == (CASE, "the case was refused and has results of the steps after it")


def test_images_of_another_resolution_and_intensity_are_seen_against_the_rest(cohort: Path) -> None:
    for path in sorted((cohort / f"cases/{CASE}/harmonised").glob("*.nii.gz")):
        _change(path, lambda image: nib.Nifti1Image(np.asarray(image.dataobj) * 2 + 1, image.affine * [1.1, 1, 1, 1]))
    found = verbs.verify(cohort, jobs=1).findings
    assert {"one resolution", "one intensity distribution"} <= {item.check for item in found if item.status != "pass"}


def test_an_artefact_that_the_checks_found_is_a_figure_of_its_own(cohort: Path) -> None:
    folder = cohort / "cases" / CASE

    air = np.asarray(nib.load(folder / "maps/breast_labels.nii.gz").dataobj) == 0
    spacing = nib.load(folder / f"native/{CASE}_0001.nii.gz").header.get_zooms()[:3]
    farthest = np.unravel_index(ndimage.distance_transform_edt(air, sampling=spacing).argmax(), air.shape)
    place = np.clip(farthest, 2, np.array(air.shape) - 3)

    def blob(image: Any) -> Any:
        array = np.asarray(image.dataobj).copy()
        array[tuple(slice(n - 2, n + 3) for n in place)] = 30000
        return nib.Nifti1Image(array, image.affine)

    _change(folder / f"native/{CASE}_0001.nii.gz", blob)
    findings = json.loads((folder / "checks.json").read_text())
    for item in findings:
        if item["check"] == "bright artefact outside the body":
            item["status"] = "warn"
    (folder / "checks.json").write_text(json.dumps(findings))
    _record_sizes(folder)
    verbs.verify(cohort, jobs=1)
    (row,) = _rows(cohort / "report/figures/artefacts.csv")
    assert row["case_id"] == CASE
    assert max(abs(int(row[axis]) - n) for axis, n in zip("ijk", place, strict=True)) <= 3
    assert "figures/artefacts.csv" in (cohort / "report/verify.html").read_text()


def test_other_limits_are_settings_of_the_cohort_or_of_the_call(cohort: Path) -> None:
    found = verbs.verify(cohort, jobs=1, verify={"early_to_s": 61.0})
    warned = [item for item in found.findings if item.check == "early phase in its window" and item.status == "warn"]
    assert len(warned) == 2
    rows = _rows(cohort / "tables/queries.csv")
    assert {(row["case_id"], row["subject"]) for row in rows} >= {(CASE, "early phase in its window")}
    assert all(row["site"].startswith("GE MEDICAL SYSTEMS") and row["question"] for row in rows)
    with pytest.raises(SettingsError, match="did you mean 'early_to_s'"):
        verbs.verify(cohort, verify={"early_to": 61.0})


def test_readers_are_compared_with_each_other_and_their_masks_are_judged(cohort: Path, tmp_path: Path) -> None:
    masks = cohort / f"cases/{CASE}/masks"
    for reader, name in (("AB", "stv_truth"), ("CD", "stv_proposal"), ("EF", "stv_proposal_acquired")):
        (tmp_path / "drawn" / reader).mkdir(parents=True)
        shutil.copy(masks / f"{name}.nii.gz", tmp_path / "drawn" / reader / f"{CASE}.nii.gz")
    assert verbs.verify(cohort, readers=tmp_path / "drawn", jobs=1).ok
    rows = {(r["one"], r["other"]): r for r in _rows(cohort / "tables/agreement.csv") if r["case_id"] == CASE}
    assert rows["reader AB", "reader CD"]["dice"] == rows["STV proposal", "truth"]["dice"]
    assert ("reader AB", "reader EF") not in rows  # drawn on another grid of the case
    (shown,) = _rows(cohort / "report/figures/agreement_readers.csv")
    assert (shown["case_id"], shown["shown_as"], shown["dice"]) == (
        CASE, "best and median and worst", rows["reader AB", "reader CD"]["dice"],
    )  # fmt: skip
    assert "(c) reader AB" in (cohort / "report/figures/agreement_readers.svg").read_text()
    _change(
        tmp_path / "drawn/AB" / f"{CASE}.nii.gz",
        lambda image: nib.Nifti1Image(np.asarray(image.dataobj)[1:], image.affine),
    )
    found = _failed(verbs.verify(cohort, readers=tmp_path / "drawn", jobs=1))
    assert found["geometry of reader AB"] == (CASE, "on another grid than the images")


def test_masks_that_readers_approved_are_compared_where_none_are_given(cohort: Path, tmp_path: Path) -> None:
    masks = {"AB": "stv_truth", "CD": "stv_proposal", "EF": "stv_truth"}
    for reader, name in masks.items():
        file = shutil.copy(cohort / f"cases/{CASE}/masks/{name}.nii.gz", tmp_path / "mask.nii.gz")
        assert verbs.import_masks(cohort, file, as_="reader", reader=reader, cases=[CASE]).imported == (CASE,)
    with revisions.writing(cohort) as record:
        revisions.append(record, Entry("waiting", CASE, "EF", chain="EF", revision=1))
        joint = replace(revisions.entries_of(record, CASE)[0], chain=CONSENSUS, reader="AB")
        revisions.append(record, joint)
        revisions.append(record, decided("approved", "AB", joint))
    found = verbs.verify(cohort, jobs=1)
    rows = {(r["one"], r["other"]): r for r in _rows(cohort / "tables/agreement.csv") if "reader " in r["other"]}
    assert list(rows) == [("reader AB", "reader CD")], "EF took the approval back, the consensus is no reader"
    one, other = (
        np.asarray(nib.load(cohort / f"cases/{CASE}/masks/{masks[reader]}.nii.gz").dataobj) > 0
        for reader in ("AB", "CD")
    )
    row = rows["reader AB", "reader CD"]
    assert (row["case_id"], row["grid"]) == (CASE, "isotropic")
    assert float(row["dice"]) == pytest.approx(2 * (one & other).sum() / (one.sum() + other.sum()))
    status = {item.check: item.status for item in found.findings if item.case_id == CASE}
    assert status["geometry of reader AB"] == status["geometry of reader CD"] == "pass"
    assert "geometry of reader EF" not in status


def test_an_approved_mask_whose_file_was_changed_fails_with_its_reader(cohort: Path) -> None:
    mask = cohort / f"cases/{CASE}/masks/stv_truth.nii.gz"
    verbs.import_masks(cohort, mask, as_="reader", reader="AB", cases=[CASE])
    (kept,) = (cohort / "review/masks").glob("*.nii.gz")
    kept.write_bytes(kept.read_bytes() + b"x")
    case, words = _failed(verbs.verify(cohort, jobs=1))["geometry of reader AB"]
    assert (case, "the mask of revision 1 of AB is changed" in words) == (CASE, True)


def test_a_folder_of_readers_stands_in_place_of_the_record(cohort: Path, tmp_path: Path) -> None:
    mask = cohort / f"cases/{CASE}/masks/stv_truth.nii.gz"
    verbs.import_masks(cohort, mask, as_="reader", reader="AB", cases=[CASE])
    for reader in ("CD", "EF"):
        (tmp_path / "drawn" / reader).mkdir(parents=True)
    shutil.copy(mask, tmp_path / f"drawn/CD/{CASE}.nii.gz")
    checks = {item.check for item in verbs.verify(cohort, readers=tmp_path / "drawn", jobs=1).findings}
    assert {check for check in checks if "geometry of reader" in check} == {"geometry of reader CD"}


def test_a_record_that_cannot_be_used_is_said_so(cohort: Path) -> None:
    (cohort / "review").mkdir()
    (cohort / "review/review.sqlite").write_bytes(b"no database, and longer than its header of one hundred bytes" * 3)
    with pytest.raises(CohortError, match="cannot be used as the readers' record"):
        verbs.verify(cohort, jobs=1)


def test_one_reader_or_a_mask_of_nobody_is_wrong_usage(cohort: Path, tmp_path: Path) -> None:
    (tmp_path / "drawn/AB").mkdir(parents=True)
    with pytest.raises(SettingsError, match="two at least; drawn has 1"):
        verbs.verify(cohort, readers=tmp_path / "drawn")
    (tmp_path / "drawn/CD").mkdir()
    (tmp_path / "drawn/CD/NOBODY.nii.gz").touch()
    with pytest.raises(SettingsError, match=r"CD/NOBODY\.nii\.gz: there is no case NOBODY"):
        verbs.verify(cohort, readers=tmp_path / "drawn")


def test_only_the_named_cases_are_looked_at_and_unknown_ones_are_wrong_usage(cohort: Path) -> None:
    found = verbs.verify(cohort, cases=[CASE], jobs=1)
    assert {item.case_id for item in found.findings} <= {"", CASE}
    with pytest.raises(SettingsError, match="there is no case NOBODY"):
        verbs.verify(cohort, cases=["NOBODY"])


@pytest.mark.parametrize("asked", [{"cases": [CASE]}, {"readers": "drawn"}, {"verify": {"outlier": 5.0}}])
def test_a_release_is_checked_as_a_whole(tmp_path: Path, asked: dict[str, Any]) -> None:
    (tmp_path / "manifest.csv").touch()
    with pytest.raises(SettingsError, match="a release is checked as a whole"):
        verbs.verify(tmp_path, **asked)


def test_a_folder_that_is_neither_cohort_nor_release_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match=r"neither uptake\.toml nor manifest\.csv"):
        verbs.verify(tmp_path)


def test_the_command_line_ends_with_counts_and_one_where_something_failed(cohort: Path) -> None:
    run: Callable[..., Any] = CliRunner().invoke
    before = (cohort / "tables/verify.csv").read_bytes()
    (cohort / f"cases/{CASE}/maps/pe.nii.gz").unlink()
    dry = run(app, ["verify", str(cohort), "--dry-run"])
    assert (dry.exit_code, dry.output.splitlines()[-1]) == (0, "2 would be checked, nothing was written")
    assert (cohort / "tables/verify.csv").read_bytes() == before
    failed = run(app, ["verify", str(cohort), "--jobs", "1"])
    assert failed.exit_code == 1
    assert "checks failed" in failed.output
    assert "maps/pe.nii.gz is gone" in failed.output
    as_json = run(app, ["verify", str(cohort), "--jobs", "1", "--json", "--case", "PHANTOM-0002"])
    assert as_json.exit_code == 0
    assert json.loads(as_json.output)["ok"] is True


def _change(path: Path, how: Callable[[Any], Any]) -> None:
    """Write a NIfTI file anew; its record keeps the old size, as a user's editor would leave it."""
    image = nib.load(path)
    changed = how(nib.Nifti1Image(np.asarray(image.dataobj), image.affine))
    nib.save(changed, path)


def _failed(found: Verified) -> dict[str, tuple[str, str]]:
    assert not found.ok
    return {item.check: (item.case_id, item.found) for item in found.findings if item.status == "fail"}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


def _record_sizes(folder: Path) -> None:
    """As if the run itself had made the files that are there."""
    record = json.loads((folder / "provenance.json").read_text())
    for result in record["results"].values():
        result["files"] = {name: (folder / name).stat().st_size for name in result["files"]}
    (folder / "provenance.json").write_text(json.dumps(record))

"""The whole chain: a reader approves in the browser, the next run redoes what depends on it, and nothing else."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import nibabel as nib
import numpy as np
import pytest
from tests.review.conftest import answering, opened_by, packed

import uptake
from uptake.cohort.reading import Entry
from uptake.io import revisions
from uptake.io.store import locked
from uptake.preprocess.resample import resample_mask
from uptake.verbs import RunResult
from uptake.volume import Grid, Volume

CASE = "PHANTOM-0001"


@pytest.fixture
def cohort(phantom_cohort: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(phantom_cohort, tmp_path / "cohort"))


@pytest.fixture
def browser(cohort: Path) -> Iterator[httpx.Client]:
    """The page's side of the review of the cohort, with AB reading."""
    with answering(cohort) as bench, opened_by(bench, "AB") as client:
        yield client


def test_the_command_prints_one_line_when_it_is_ready_and_ends_quietly(cohort: Path) -> None:
    command = [sys.executable, "-c", "from uptake.cli import main; main()", "review", str(cohort), "--no-browser"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([*command, "--reader", "AB"], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    link = process.stdout.readline().strip().removeprefix("URL: ")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{20,}", link)
    with httpx.Client(base_url=link.partition("/?")[0]) as client:
        client.get(link)
        assert client.get("/api/session").json()["reader"] == "AB"
    process.terminate()
    assert process.communicate(timeout=30)[0] == "", "one line, and nothing after it"


def draw(browser: httpx.Client, keep: int | None = None) -> np.ndarray:
    """A smaller mask than the proposal, saved as a revision: its first `keep` slices along the first axis."""
    seen = browser.get(f"/api/cases/{CASE}").json()
    start = nib.Nifti1Image.from_bytes(browser.get(seen["starts"][-1]["url"] + "?raw=1").content)
    labels = np.asanyarray(start.dataobj).astype(np.uint8)
    middle = int(np.median(np.argwhere(labels)[:, 0]))
    labels[middle + (keep or 0) :] = 0
    labels[-1, -1, -1] = 2
    etag = seen["reader"]["etag"]
    answer = browser.put(f"/api/cases/{CASE}/mask", content=packed(labels), headers={"if-match": etag})
    assert answer.status_code == 200, answer.text
    return labels


def decide(browser: httpx.Client, state: str, **values: object) -> None:
    etag = browser.get(f"/api/cases/{CASE}").json()["reader"]["etag"]
    answer = browser.put(f"/api/cases/{CASE}/decision", json={"state": state, **values}, headers={"if-match": etag})
    assert answer.status_code == 200, answer.text


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


def sources(cohort: Path) -> set[str]:
    return {row["stv_source"] for row in rows(cohort / f"cases/{CASE}/features.csv")}


def done(result: RunResult) -> dict[str, set[str]]:
    assert result.ok
    return {case.case_id: set(case.done) for case in result.cases}


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "provenance.json")
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_an_approved_mask_changes_the_source_of_the_features_and_nothing_before_them(
    cohort: Path, browser: httpx.Client
) -> None:
    before = digests(cohort / "cases")
    labels = draw(browser)
    assert done(uptake.run((), cohort)) == {CASE: set(), "PHANTOM-0002": set()}, "a draft changes nothing"
    decide(browser, "approved", quality=4)
    assert {t.step.makes for t in uptake.status(cohort)[CASE] if t.reason} == {"features", "report"}
    assert done(uptake.run((), cohort)) == {CASE: {"features", "report"}, "PHANTOM-0002": set()}
    assert sources(cohort) == {"reader"}
    after = digests(cohort / "cases")
    names = {name for name in after if before.get(name) != after[name]}
    masks = {f"{CASE}/masks/stv.nii.gz", f"{CASE}/masks/stv_acquired.nii.gz", f"{CASE}/masks/stv.json"}
    assert names - masks <= {f"{CASE}/{name}" for name in ("features.csv", "plots.csv", "report.html", "thumbnail.png")}
    assert masks <= names
    assert done(uptake.run((), cohort)) == {CASE: set(), "PHANTOM-0002": set()}, "a second run does nothing"
    stv = nib.load(cohort / f"cases/{CASE}/masks/stv.nii.gz")
    assert np.array_equal(stv.dataobj, labels == 1), "the primary alone, satellites stay in the revision"
    acquired = nib.load(cohort / f"cases/{CASE}/masks/stv_acquired.nii.gz")
    grids = [Grid(image.shape, image.affine) for image in (stv, acquired)]
    expected = resample_mask(Volume(labels == 1, grids[0]), grids[1])
    assert np.array_equal(np.asanyarray(acquired.dataobj).astype(bool), expected.array)


def test_the_tables_say_how_the_reading_stands_without_a_clock_time(cohort: Path, browser: httpx.Client) -> None:
    draw(browser)
    decide(browser, "approved", quality=4, corrupted=False, comment="clear")
    browser.put("/api/cases/PHANTOM-0002/images", json={"state": "rejected", "reason": "moved"})
    assert uptake.run((), cohort).ok
    first, second = rows(cohort / "tables/review.csv")
    assert (first["case_id"], first["state"], first["in_force"], first["revision"]) == (CASE, "approved", "AB", "1")
    assert (first["quality"], first["comment"], first["satellites_cc"]) == ("4", "clear", "0.001")
    assert (second["images"], second["images_reason"], second["state"]) == ("rejected", "moved", "waiting")
    assert "T" not in (cohort / "tables/review.csv").read_text().replace("PHANTOM", "")
    origin = json.loads((cohort / f"cases/{CASE}/masks/stv.json").read_text())
    assert (origin["reader"], origin["chain"], origin["revision"]) == ("AB", "AB", 1)


def test_an_approval_that_is_taken_back_brings_the_proposal_back(cohort: Path, browser: httpx.Client) -> None:
    before = digests(cohort / f"cases/{CASE}")
    draw(browser)
    decide(browser, "approved")
    uptake.run((), cohort)
    decide(browser, "rejected", reason="not a tumour")
    assert done(uptake.run((), cohort))[CASE] == {"features", "report"}
    assert sources(cohort) == {"proposal"}
    assert digests(cohort / f"cases/{CASE}") == before
    assert rows(cohort / "tables/review.csv")[0]["reason"] == "not a tumour"


def test_a_new_revision_counts_when_it_is_approved_and_not_before(cohort: Path, browser: httpx.Client) -> None:
    draw(browser)
    decide(browser, "approved")
    uptake.run((), cohort)
    draw(browser, keep=2)
    assert done(uptake.run((), cohort))[CASE] == set()
    decide(browser, "approved")
    assert done(uptake.run((), cohort))[CASE] == {"features", "report"}


def test_masks_that_were_removed_come_back_with_the_next_run(cohort: Path, browser: httpx.Client) -> None:
    draw(browser)
    decide(browser, "approved")
    uptake.run((), cohort)
    mask = cohort / f"cases/{CASE}/masks/stv.nii.gz"
    kept = mask.read_bytes()
    mask.unlink()
    uptake.run((), cohort)
    assert mask.read_bytes() == kept


def test_an_approved_mask_that_was_lost_is_a_refusal_of_its_case_alone(cohort: Path, browser: httpx.Client) -> None:
    draw(browser)
    decide(browser, "approved")
    (mask,) = (cohort / "review/masks").glob("*.nii.gz")
    mask.unlink()
    result = uptake.run((), cohort)
    refused = {case.case_id: case.refusal for case in result.cases if case.refusal}
    assert refused[CASE].code == "unreadable-file"
    assert "is missing" in refused[CASE].found
    assert list(refused) == [CASE]
    assert rows(cohort / "tables/refusals.csv")[0]["case_id"] == CASE


def test_an_imported_mask_is_a_revision_like_one_that_was_drawn(cohort: Path, tmp_path: Path) -> None:
    shutil.copy(cohort / f"cases/{CASE}/masks/stv_proposal.nii.gz", tmp_path / f"{CASE}.nii.gz")
    taken = uptake.import_masks(cohort, tmp_path / f"{CASE}.nii.gz", as_="reader", reader="Dr A", cases=[CASE])
    assert taken.imported == (CASE,)
    made, approved = revisions.entries(cohort, CASE)
    digest = hashlib.sha256((tmp_path / f"{CASE}.nii.gz").read_bytes()).hexdigest()
    assert (made.action, made.chain, made.revision, made.parent) == ("imported", "Dr A", 1, f"file {CASE}.nii.gz")
    assert digest in made.comment
    assert (approved.action, approved.reader, approved.revision) == ("approved", "Dr A", 1)
    uptake.run((), cohort)
    assert sources(cohort) == {"reader"}


def test_a_mask_that_lies_there_without_a_record_is_taken_as_it_is(cohort: Path) -> None:
    masks = cohort / f"cases/{CASE}/masks"
    for end in ("", "_acquired"):
        shutil.copy(masks / f"stv_proposal{end}.nii.gz", masks / f"stv{end}.nii.gz")
    with revisions.writing(cohort) as connection:
        revisions.append(connection, Entry("images accepted", CASE, "AB"))
    uptake.run((), cohort)
    assert sources(cohort) == {"reader"}
    assert (masks / "stv.nii.gz").is_file()


def test_another_voi_gives_the_ftv_at_once_and_the_next_run_the_same(cohort: Path, browser: httpx.Client) -> None:
    url = f"/api/cases/{CASE}"
    seen = browser.get(url).json()
    unchanged = browser.put(f"{url}/voi", json=seen["voi"]["box"]).json()
    assert unchanged["ftv"] == seen["ftv"], "the same box, the same numbers as the run's"
    first, last = seen["voi"]["box"]["first"], seen["voi"]["box"]["last"]
    middle = [(a + b) // 2 for a, b in zip(first, last, strict=True)]
    half = {"first": first, "last": [middle[0], last[1], last[2]]}
    shown = browser.put(f"{url}/voi", json=half).json()
    assert 0 < shown["ftv"]["ftv_pe_voxels"] < seen["ftv"]["ftv_pe_voxels"]
    assert shown["kept"] is False
    mask = nib.Nifti1Image.from_bytes(browser.get(shown["mask"] + "&raw=1").content)
    assert mask.shape == tuple(seen["grid"]["shape"])
    assert done(uptake.run((), cohort))[CASE] == set(), "looking changes nothing"
    assert browser.put(f"{url}/voi?keep=1", json=half).json()["kept"] is True
    assert {"ftv", "stv_proposal", "features", "report"} <= done(uptake.run((), cohort))[CASE]
    numbers = json.loads((cohort / f"cases/{CASE}/ftv.json").read_text())
    voi = json.loads((cohort / f"cases/{CASE}/voi.json").read_text())
    assert numbers["ftv_pe_voxels"] == shown["ftv"]["ftv_pe_voxels"]
    assert numbers["ftv_ser_cc"] == shown["ftv"]["ftv_ser_cc"]
    assert voi["source"] == "reader"
    browser.put(f"{url}/voi", json={"drop": True})
    uptake.run((), cohort)
    assert json.loads((cohort / f"cases/{CASE}/voi.json").read_text())["source"] == "study"


def test_a_box_that_is_none_is_refused(browser: httpx.Client) -> None:
    for box in (
        {},
        {"first": [0, 0, 0]},
        {"first": [5, 5, 5], "last": [4, 5, 5]},
        {"first": [0, 0, 0], "last": [9999, 1, 1]},
        {"first": [True, 0, 0], "last": [1, 1, 1]},
        {"first": "000", "last": [1, 1, 1]},
    ):
        assert browser.put(f"/api/cases/{CASE}/voi", json=box).status_code == 422, box


def test_a_voi_that_is_given_to_a_run_stands_in_place_of_the_readers(cohort: Path) -> None:
    with revisions.writing(cohort) as connection:
        revisions.append(connection, Entry("voi kept", CASE, "AB", details="1,1,1:40,40,12"))
    uptake.run((), cohort, cases=[CASE], regions={"*": "2,2,2:50,50,14"})
    voi = json.loads((cohort / f"cases/{CASE}/voi.json").read_text())
    assert (voi["source"], voi["start"], voi["end"]) == ("user", [2, 2, 2], [50, 50, 14])


def test_the_curve_is_that_of_the_acquired_voxel_under_the_cursor(cohort: Path, browser: httpx.Client) -> None:
    phases = [nib.load(path) for path in sorted((cohort / f"cases/{CASE}/native").glob("*.nii.gz"))]
    voxel = (30, 31, 12)
    x, y, z = nib.affines.apply_affine(phases[0].affine, voxel)
    found = browser.get(f"/api/cases/{CASE}/curve", params={"x": x + 0.4, "y": y, "z": z}).json()
    assert found["voxel"] == list(voxel)
    assert found["values"] == [float(image.dataobj[voxel]) for image in phases]
    s0, s1, _ = (found["values"][n] for n in found["used"])
    assert found["pe"] == pytest.approx(100 * (s1 - s0) / s0, rel=1e-5)
    for point in ({"x": 1e4, "y": 0, "z": 0}, {"x": "nan", "y": 0, "z": 0}, {"x": 1}):
        assert browser.get(f"/api/cases/{CASE}/curve", params=point).status_code in (404, 422)


def test_one_run_at_a_time_and_the_review_beside_it(cohort: Path, browser: httpx.Client) -> None:
    with locked(cohort):
        draw(browser)
        decide(browser, "approved")
    assert browser.get("/api/cases").json()["cases"][0]["state"] == "approved"

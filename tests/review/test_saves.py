"""Saves: what is stored is what was sent, where it was meant; racing and dying writers lose nothing of others."""

from __future__ import annotations

import gzip
import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import nibabel as nib
import numpy as np
import pytest
from tests.review.conftest import GRIDS, Reader, ball, middle_mm, packed, write_cohort

from uptake.cohort.reading import REVISIONS, Entry
from uptake.io import revisions
from uptake.volume import Grid


def stored(cohort: Path, sha256: object) -> nib.Nifti1Image:
    image = nib.load(cohort / "review/masks" / f"{sha256}.nii.gz")
    assert isinstance(image, nib.Nifti1Image)
    return image


@pytest.mark.parametrize("case_id", GRIDS)
def test_a_saved_mask_lies_in_the_world_where_it_was_drawn(reader: Reader, cohort: Path, case_id: str) -> None:
    grid = reader.grid(case_id)
    centre = middle_mm(grid) + np.array((3.0, -2.0, 4.0))
    drawn = ball(grid, centre, 5.0)
    answer = reader.put_mask(case_id, drawn.astype(np.uint8), 0).json()
    image = stored(cohort, answer["sha256"])
    found = np.argwhere(np.asanyarray(image.dataobj) == 1)
    world = nib.affines.apply_affine(image.affine, found)
    assert np.abs(world.mean(axis=0) - centre).max() < 0.1
    assert np.linalg.norm(world - centre, axis=1).max() <= 5.0
    assert len(found) == np.count_nonzero(drawn)
    assert answer["volume_cc"] == pytest.approx(4 / 3 * np.pi * 5.0**3 / 1000, rel=0.1)


@pytest.mark.parametrize("case_id", GRIDS)
def test_the_header_is_the_cases_own(reader: Reader, cohort: Path, case_id: str) -> None:
    sha256 = reader.save_ball(case_id, 5.0)["sha256"]
    image, phase = stored(cohort, sha256), nib.load(cohort / f"cases/{case_id}/harmonised/{case_id}_0001.nii.gz")
    assert np.array_equal(image.affine, phase.affine)
    assert image.shape == phase.shape
    assert image.header["descrip"].tobytes().strip(b"\0") == b""
    assert int(image.header["sform_code"]) == int(image.header["qform_code"]) == 1
    assert image.get_data_dtype() == np.uint8


def test_satellites_are_a_label_of_their_own(reader: Reader, cohort: Path) -> None:
    grid = reader.grid("AXIAL")
    labels = ball(grid, middle_mm(grid), 5.0).astype(np.uint8)
    labels[:3, :3, :3] = 2
    answer = reader.put_mask("AXIAL", labels, 0).json()
    assert answer["volume_cc"] == pytest.approx(np.count_nonzero(labels == 1) / 1000)
    assert answer["satellites_cc"] == pytest.approx(0.027)
    assert np.array_equal(np.asanyarray(stored(cohort, answer["sha256"]).dataobj), labels)


def test_a_revision_knows_who_made_it_when_from_what_and_how_long_it_took(reader: Reader, cohort: Path) -> None:
    made = reader.save_ball("AXIAL", 5.0, active=12.5, start="stv_proposal")
    assert (made["reader"], made["parent"], made["seconds_active"]) == ("AB", "stv_proposal", 12.5)
    proposal = nib.load(cohort / "cases/AXIAL/masks/stv_proposal.nii.gz")
    assert made["volume_before_cc"] == pytest.approx(np.count_nonzero(proposal.dataobj) / 1000)
    assert made["tool_version"]
    assert str(made["when"]).endswith("+00:00")
    data = (cohort / "review/masks" / f"{made['sha256']}.nii.gz").read_bytes()
    assert hashlib.sha256(data).hexdigest() == made["sha256"]
    second = reader.save_ball("AXIAL", 6.0, seen=1, start="AB:1")
    assert (second["revision"], second["parent"]) == (2, "AB:1")
    assert second["volume_before_cc"] == made["volume_cc"]


def test_an_unknown_start_is_not_taken_for_a_parent(reader: Reader) -> None:
    assert reader.save_ball("AXIAL", 5.0, start="../etc")["parent"] == "stv_proposal"


def test_of_racing_writers_one_wins_and_the_others_are_told_who(enter: Callable[[str], Reader]) -> None:
    tabs = [enter("AB") for _ in range(6)]
    grid = tabs[0].grid("AXIAL")
    bodies = [packed(ball(grid, middle_mm(grid), 3.0 + n).astype(np.uint8)) for n in range(len(tabs))]
    together = threading.Barrier(len(tabs))

    def save(number: int) -> httpx.Response:
        together.wait()
        return tabs[number].put("/api/cases/AXIAL/mask", bodies[number], 0)

    with ThreadPoolExecutor(len(tabs)) as pool:
        answers = list(pool.map(save, range(len(tabs))))
    won = [answer.json() for answer in answers if answer.status_code == 200]
    lost = [answer.json() for answer in answers if answer.status_code == 409]
    assert (len(won), len(lost)) == (1, 5)
    assert {item["winner"]["sha256"] for item in lost} == {won[0]["sha256"]}
    history = tabs[0].client.get("/api/cases/AXIAL").json()["reader"]["history"]
    assert [item["revision"] for item in history] == [1]


def test_two_readers_never_stand_in_each_others_way(enter: Callable[[str], Reader]) -> None:
    first, second = enter("AB"), enter("CD")
    assert first.save_ball("AXIAL", 5.0)["revision"] == second.save_ball("AXIAL", 6.0)["revision"] == 1
    assert first.client.get("/api/cases/AXIAL").json()["reader"]["revision"] == 1


def test_a_draft_comes_back_as_it_was_and_is_no_revision(reader: Reader) -> None:
    grid = reader.grid("OBLIQUE")
    labels = ball(grid, middle_mm(grid), 4.0).astype(np.uint8)
    answer = reader.put("/api/cases/OBLIQUE/draft", packed(labels), 0, active=3, start="stv_proposal").json()
    described = reader.client.get("/api/cases/OBLIQUE").json()
    assert described["draft"]["etag"] == answer["etag"]
    assert (described["draft"]["base"], described["reader"]["revision"], described["state"]) == (0, 0, "draft")
    data = reader.client.get(described["draft"]["url"] + "&raw=1").content
    image = nib.Nifti1Image.from_bytes(data)
    assert np.array_equal(np.asanyarray(image.dataobj), labels)
    assert np.array_equal(image.affine, grid.affine)


def test_a_draft_of_another_tab_is_not_written_over_unseen(reader: Reader) -> None:
    grid = reader.grid("AXIAL")
    body = packed(np.zeros(grid.shape, np.uint8))
    first = reader.put("/api/cases/AXIAL/draft", body, 0).json()["etag"].strip('"')
    stale = reader.put("/api/cases/AXIAL/draft", body, 0)
    assert (stale.status_code, stale.json()["etag"]) == (409, f'"{first}"')
    assert reader.put("/api/cases/AXIAL/draft", body, first).status_code == 200
    assert reader.put("/api/cases/AXIAL/draft", body).status_code == 428


def test_a_draft_is_told_of_the_revision_that_its_page_had_seen(reader: Reader) -> None:
    body = packed(np.zeros(reader.grid("AXIAL").shape, np.uint8))
    reader.save_ball("AXIAL", 5.0)
    for base, kept in ((0, 0), (1, 1), (7, 1), ("", 1), ("x", 1), ("9" * 5000, 1)):
        seen = reader.client.get("/api/cases/AXIAL").json()["draft"]
        etag = seen["etag"].strip('"') if seen else 0
        assert reader.put("/api/cases/AXIAL/draft", body, etag, base=base).status_code == 200
        assert reader.client.get("/api/cases/AXIAL").json()["draft"]["base"] == kept


def test_a_page_whose_reader_was_changed_in_another_tab_writes_nothing_in_the_others_name(
    reader: Reader, cohort: Path
) -> None:
    reader.client.headers["x-uptake-reader"] = "AB"
    reader.save_ball("AXIAL", 5.0)
    assert reader.client.put("/api/session", json={"reader": "Dr Ä"}).status_code == 200
    body = packed(np.zeros(reader.grid("AXIAL").shape, np.uint8))
    for name in ("mask", "draft"):
        assert reader.put(f"/api/cases/AXIAL/{name}", body, 0).status_code == 403
    assert reader.decide("AXIAL", "approved", 1).status_code == 403
    assert [e.reader for e in revisions.entries(cohort)] == ["AB"]
    reader.client.headers["x-uptake-reader"] = "Dr%20%C3%84"
    assert reader.save_ball("AXIAL", 5.0)["reader"] == "Dr Ä"


def test_a_save_ends_its_draft(reader: Reader) -> None:
    grid = reader.grid("AXIAL")
    reader.put("/api/cases/AXIAL/draft", packed(np.zeros(grid.shape, np.uint8)), 0)
    reader.save_ball("AXIAL", 5.0)
    assert reader.client.get("/api/cases/AXIAL").json()["draft"] is None
    assert reader.client.get("/api/cases/AXIAL/draft").status_code == 404


def test_who_has_not_said_her_name_may_look_and_not_write(enter: Callable[[str], Reader]) -> None:
    nobody = enter("")
    grid = nobody.grid("AXIAL")
    assert nobody.put_mask("AXIAL", np.zeros(grid.shape, np.uint8)).status_code == 403


@pytest.mark.parametrize("name", ["", " ", "x" * 65, "a\nb", "Consensus", 7, None])
def test_a_name_that_is_none_is_refused(enter: Callable[[str], Reader], name: object) -> None:
    assert enter("").client.put("/api/session", json={"reader": name}).status_code == 422


def test_the_review_writes_below_review_and_nowhere_else(reader: Reader, cohort: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (cohort / "cases").rglob("*")}
    reader.approve_ball("AXIAL", 5.0)
    reader.client.put("/api/cases/AXIAL/images", json={"state": "rejected", "reason": "blurred"})
    assert {path: path.stat().st_mtime_ns for path in (cohort / "cases").rglob("*")} == before


@pytest.mark.slow
def test_a_server_that_is_killed_in_the_middle_of_saves_leaves_nothing_torn(tmp_path: Path) -> None:
    grid = Grid((120, 110, 60), np.diag((1.0, 1.0, 1.0, 1.0)))
    cohort = write_cohort(tmp_path / "cohort", {"LARGE": grid})
    listed: list[Entry] = []
    for delay_s in (0.01, 0.05, 0.12):
        process, base, token = _started(cohort)
        try:
            with httpx.Client(base_url=base, headers={"origin": base, "x-uptake": "1"}, timeout=60) as client:
                client.get("/", params={"token": token})
                client.put("/api/session", json={"reader": "AB"})
                answered = _save_and_kill(client, process, len(listed), delay_s)
        finally:
            process.kill()
            process.communicate()
        entries = [e for e in revisions.entries(cohort) if e.action in REVISIONS]
        assert [e.revision for e in entries] == list(range(1, len(entries) + 1))
        assert entries[: len(listed)] == listed, "earlier revisions are intact"
        assert len(entries) >= answered, "what was answered 200 is kept"
        listed = entries
    for entry in listed:
        data = revisions.mask_path(cohort, entry).read_bytes()
        assert hashlib.sha256(data).hexdigest() == entry.sha256
        assert revisions.read_labels(cohort, entry).grid.same_as(grid)
    with closing(sqlite3.connect(cohort / revisions.FILE)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def _save_and_kill(client: httpx.Client, process: subprocess.Popen[str], seen: int, delay_s: float) -> int:
    """One save, then others until the server, killed so long after the second began, is gone; how many came through."""
    rng = np.random.default_rng(seen)
    labels = rng.integers(0, 3, (120, 110, 60), dtype=np.uint8)
    body = gzip.compress(labels.tobytes("F"), compresslevel=1)
    for number in range(1000):
        if number == 1:
            threading.Timer(delay_s, process.send_signal, [signal.SIGKILL]).start()
        try:
            answer = client.put("/api/cases/LARGE/mask", content=body, headers={"if-match": f'"{seen}"'})
        except httpx.TransportError:
            return seen
        assert answer.status_code == 200, answer.text
        seen += 1
    raise AssertionError("the server was not killed")


def _started(cohort: Path) -> tuple[subprocess.Popen[str], str, str]:
    """The server as a user starts it, once it has said where it is."""
    command = [sys.executable, "-c", "from uptake.cli import main; main()", "review", str(cohort), "--no-browser"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    base, _, token = line.removeprefix("URL: ").partition("/?token=")
    return process, base, token

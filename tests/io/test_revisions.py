"""The readers' record keeps everything: what is written can be neither changed nor taken out."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from uptake.cohort.reading import Entry
from uptake.io import revisions
from uptake.io.revisions import Draft, Stale
from uptake.study import CohortError, Refusal
from uptake.volume import Grid, Volume

GRID = Grid((4, 5, 6), np.diag((1.0, 1.0, 1.0, 1.0)))
FIRST = Entry("saved", "ONE", "AB", chain="AB", parent="stv_proposal", seconds_active=3.0)


def labels(*counts: int) -> Volume:
    array = np.zeros(GRID.shape, dtype=np.uint8)
    for label, count in enumerate(counts, start=1):
        array[label, :count, 0] = label
    return Volume(array, GRID)


def test_nobody_has_read_anything_in_a_new_cohort_and_asking_leaves_no_trace(tmp_path: Path) -> None:
    assert revisions.entries(tmp_path) == ()
    assert revisions.drafts(tmp_path) == {}
    assert revisions.read_draft(tmp_path, "ONE", "AB") is None
    assert list(tmp_path.iterdir()) == []


def test_a_revision_comes_back_with_its_labels_and_volumes(tmp_path: Path) -> None:
    made = revisions.save_revision(tmp_path, FIRST, labels(3, 2), 0, None)
    assert (made.revision, made.volume_cc, made.satellites_cc) == (1, pytest.approx(0.003), pytest.approx(0.002))
    assert revisions.entries(tmp_path, "ONE") == (made,)
    assert np.array_equal(revisions.read_labels(tmp_path, made).array, labels(3, 2).array)
    isotropic, acquired = revisions.read_primary(tmp_path, made)
    assert np.count_nonzero(isotropic.array) == 3
    assert acquired is None


def test_a_mask_that_was_drawn_on_the_acquired_grid_is_kept_there_too(tmp_path: Path) -> None:
    coarse = Volume(np.ones((2, 2, 2), np.uint8), Grid((2, 2, 2), np.diag((2.0, 2.0, 3.0, 1.0))))
    made = revisions.save_revision(tmp_path, FIRST, labels(3), 0, coarse)
    drawn = revisions.read_primary(tmp_path, made)[1]
    assert drawn is not None
    assert drawn.grid.same_as(coarse.grid)


@pytest.mark.parametrize("change", ["UPDATE log SET reader = 'CD'", "DELETE FROM log", "UPDATE log SET sha256 = ''"])
def test_the_log_cannot_be_changed_or_shortened(tmp_path: Path, change: str) -> None:
    made = revisions.save_revision(tmp_path, FIRST, labels(3), 0, None)
    connection = sqlite3.connect(tmp_path / revisions.FILE)
    with closing(connection), pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(change)
    assert revisions.entries(tmp_path) == (made,)


def test_a_save_on_an_older_revision_is_stale_and_leaves_the_chain_as_it_was(tmp_path: Path) -> None:
    made = revisions.save_revision(tmp_path, FIRST, labels(3), 0, None)
    with pytest.raises(Stale) as caught:
        revisions.save_revision(tmp_path, FIRST, labels(2), 0, None)
    assert (caught.value.winner, caught.value.etag) == (made, 1)
    assert revisions.entries(tmp_path) == (made,)
    assert revisions.save_revision(tmp_path, FIRST, labels(2), 1, None).revision == 2


def test_a_failing_transaction_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with revisions.writing(tmp_path) as connection:
            revisions.append(connection, FIRST)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert revisions.entries(tmp_path) == ()


def test_drafts_change_in_place_and_their_etags_never_come_back(tmp_path: Path) -> None:
    draft = Draft(0, "", 1.0, "stv_proposal", 0, 0.5, b"voxels")
    first = revisions.save_draft(tmp_path, "ONE", "AB", draft)
    assert revisions.drafts(tmp_path) == {"ONE": ("AB",)}
    revisions.save_revision(tmp_path, FIRST, labels(3), 0, None)
    assert revisions.read_draft(tmp_path, "ONE", "AB") is None, "a save ends its draft"
    second = revisions.save_draft(tmp_path, "ONE", "AB", draft)
    assert second.etag != first.etag
    with pytest.raises(Stale):
        revisions.save_draft(tmp_path, "ONE", "AB", first)
    assert revisions.read_draft(tmp_path, "ONE", "AB") == second


def test_a_revision_that_was_made_elsewhere_comes_with_its_approval_and_leaves_the_draft(tmp_path: Path) -> None:
    draft = revisions.save_draft(tmp_path, "ONE", "AB", Draft(0, "", 1.0, "stv_proposal", 0, 0.5, b"voxels"))
    for _ in range(2):
        revisions.import_revision(tmp_path, replace(FIRST, action="imported", blind=True), labels(3), None)
    assert revisions.read_draft(tmp_path, "ONE", "AB") == draft
    found = [(entry.action, entry.revision, entry.blind) for entry in revisions.entries(tmp_path)]
    assert found == [("imported", 1, True), ("approved", 1, True), ("imported", 2, True), ("approved", 2, True)]


def test_a_revision_whose_approval_cannot_be_written_is_not_there_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revisions, "decided", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        revisions.import_revision(tmp_path, replace(FIRST, action="imported"), labels(3), None)
    assert revisions.entries(tmp_path) == ()


def test_masks_that_a_killed_process_left_half_are_swept_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    made = revisions.save_revision(tmp_path, FIRST, labels(3), 0, None)
    folder = tmp_path / revisions.MASKS
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left, at_work = folder / f".{ended.pid}-ab.nii.gz", folder / f".{os.getpid()}-ab.nii.gz"
    left.touch()
    at_work.touch()
    revisions.sweep(tmp_path)
    assert set(folder.iterdir()) == {at_work, revisions.mask_path(tmp_path, made)}


def test_a_mask_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(revisions, "_flush", full)
    with pytest.raises(OSError, match="No space"):
        revisions.keep_mask(tmp_path, labels(1))
    assert list((tmp_path / revisions.MASKS).iterdir()) == []


def test_it_is_kept_in_write_ahead_mode_and_synchronous(tmp_path: Path) -> None:
    with revisions.opened(tmp_path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_file_that_is_no_record_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "review").mkdir()
    (tmp_path / revisions.FILE).write_bytes(b"no database at all" * 100)
    with pytest.raises(CohortError, match="readers' record"):
        revisions.entries(tmp_path)


@pytest.mark.parametrize("how", ["missing", "changed"])
def test_a_mask_file_that_is_not_what_was_saved_is_refused(tmp_path: Path, how: str) -> None:
    made = revisions.save_revision(tmp_path, FIRST, labels(3), 0, None)
    path = revisions.mask_path(tmp_path, made)
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(Refusal, match=f"revision 1 of AB is {how}"):
        revisions.read_labels(tmp_path, made)


def test_a_folder_that_cannot_be_written_to_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = revisions.save_revision(tmp_path, FIRST, labels(3), 0, None)
    monkeypatch.setattr("uptake.io.revisions.os.access", lambda path, mode: False)
    assert revisions.entries(tmp_path) == (made,)
    with pytest.raises(CohortError, match="readonly"):
        revisions.save_revision(tmp_path, FIRST, labels(2), 1, None)

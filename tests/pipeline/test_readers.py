"""The mask files of a case follow the readers' record, and nothing that others laid there is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from uptake.cohort.reading import Entry
from uptake.io.given import READER_MASKS
from uptake.io.values import write_value
from uptake.pipeline.readers import ORIGIN_FILE, MaskOrigin, Readings, masks_current, review_rows, write_masks
from uptake.preprocess.resample import Resample

DRAFT = Entry("saved", "ONE", "AB", number=1, chain="AB", revision=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A made case with mask files in it."""
    case = tmp_path / "cases/ONE"
    (case / "masks").mkdir(parents=True)
    (case / "study.json").write_text("{}")
    for name in READER_MASKS:
        (case / name).write_bytes(b"a mask")
    return case


def test_a_mask_that_was_laid_there_by_hand_outlives_a_draft_of_the_review(tmp_path: Path, folder: Path) -> None:
    done = Readings(tmp_path, folder, (DRAFT,))
    write_masks(done, Resample())
    assert [(folder / name).read_bytes() for name in READER_MASKS] == [b"a mask"] * 2
    assert masks_current(done), "there is nothing to do"


@pytest.mark.parametrize("there", [(), READER_MASKS[:1], READER_MASKS])
def test_masks_of_the_record_go_when_it_approves_none_wherever_a_run_died(
    tmp_path: Path, folder: Path, there: tuple[str, ...]
) -> None:
    for name in set(READER_MASKS) - set(there):
        (folder / name).unlink()
    write_value(MaskOrigin("reader", "AB", "review/masks/f00.nii.gz", "", "AB", 1), folder / ORIGIN_FILE)
    done = Readings(tmp_path, folder, (DRAFT,))
    assert not masks_current(done)
    write_masks(done, Resample())
    assert list((folder / "masks").iterdir()) == []
    assert masks_current(done)


def test_a_box_that_a_run_dropped_names_no_reader() -> None:
    kept = Entry("voi kept", "ONE", "AB", number=1, details="0,0,0:1,1,1")
    (row,) = review_rows((kept, Entry("voi dropped", "ONE", "", number=2)), ["ONE", "TWO"])
    assert (row.case_id, row.readers, row.state) == ("ONE", "AB", "waiting")

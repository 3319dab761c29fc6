"""What readers decided, as a case's run sees it: the approved mask, the kept volume of interest, a row for the tables.

The readers' record below ``review/`` is the source; ``masks/stv.nii.gz`` is what it says at the time of the run. The
review itself writes nothing here, so that it may go on while a run does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from uptake.cohort import reading
from uptake.cohort.reading import Entry
from uptake.io import revisions
from uptake.io.forms import StudyFile
from uptake.io.given import READER_MASKS, VOI_FILE, VOI_MASK, GivenVoi, StvMask, load_given, load_stv
from uptake.io.nifti import write_volume
from uptake.io.roi import parse_box
from uptake.io.store import Cohort
from uptake.io.values import read_value, write_value
from uptake.pipeline.runner import Input, file_key
from uptake.preprocess.resample import Resample, resample_mask
from uptake.volume import Grid

ORIGIN_FILE = READER_MASKS[0].replace(".nii.gz", ".json")


@dataclass(frozen=True)
class MaskOrigin:
    """Kept beside a mask from outside: what it is, who made it, which file it came from, the SHA-256 of that.

    Of a reader's mask also the chain and number of the revision in the readers' record.
    """

    kind: str
    reader: str
    file: str
    sha256: str
    chain: str = ""
    revision: int = 0


@dataclass(frozen=True)
class Readings:
    """A case's part of the readers' record, and where it is kept."""

    cohort: Path
    folder: Path
    entries: tuple[Entry, ...]

    @property
    def decides(self) -> bool:
        """Whether the record says which mask is approved; else one that lies in the case's folder is taken as it is."""
        return bool(reading.chains(self.entries))


def readings(cohort: Cohort, case_id: str) -> Readings:
    """What readers did with a case."""
    return Readings(cohort.path, cohort.case(case_id), revisions.entries(cohort.path, case_id))


def reader_input(done: Readings, resample: Resample) -> Input:
    """The approved mask as a run's input: its key changes with the mask, and with nothing else."""
    if not done.decides:
        return Input(file_key(done.folder / READER_MASKS[0]), lambda: load_stv(done.folder, READER_MASKS))
    found = reading.in_force(done.entries)
    if found is None:
        return Input()
    return Input(_hash(found.sha256, found.details), lambda: approved_mask(done, found, resample))


def voi_input(done: Readings) -> Input:
    """The volume of interest that a reader kept, else the one that was given to a run."""
    kept = reading.voi_kept(done.entries)
    if kept is not None:
        return Input(_hash("voi", kept.details), lambda: reader_voi(kept))
    return Input(file_key(done.folder / VOI_FILE, done.folder / VOI_MASK), lambda: load_given(done.folder))


def reader_voi(kept: Entry) -> GivenVoi:
    """A kept volume of interest as a value; the log keeps it as ``c0,r0,s0:c1,r1,s1``."""
    return GivenVoi(f"box {kept.details}, kept by a reader", box=parse_box(kept.details), by="reader")


def drop_voi(cohort: Cohort, case_id: str) -> None:
    """A volume of interest that is given to a run stands in place of the one that a reader kept before."""
    if reading.voi_kept(revisions.entries(cohort.path, case_id)):
        with revisions.writing(cohort.path) as connection:
            revisions.append(connection, Entry("voi dropped", case_id, "", comment="another one was given to a run"))


def approved_mask(done: Readings, found: Entry, resample: Resample) -> StvMask:
    """The primary lesion of a revision on both grids."""
    isotropic, drawn = revisions.read_primary(done.cohort, found)
    if drawn is None:
        geometry = read_value(StudyFile, done.folder / "study.json").geometry
        drawn = resample_mask(isotropic, Grid(geometry.shape, np.array(geometry.affine)), resample.mask)
    return StvMask(isotropic, drawn)


def masks_current(done: Readings) -> bool:
    """Whether the mask files of a case are what the record says now."""
    if not done.decides:
        return True
    found = reading.in_force(done.entries)
    there = [(done.folder / name).is_file() for name in (*READER_MASKS, ORIGIN_FILE)]
    if found is None:
        return not there[-1]  # a mask without its origin is nobody's here: it was laid there by hand, and stays
    return all(there) and read_value(MaskOrigin, done.folder / ORIGIN_FILE) == _origin(found)


def write_masks(done: Readings, resample: Resample) -> None:
    """Make the mask files of a case what the record says: the approved mask on both grids, or none.

    Whatever dies in between, the origin beside the masks says that they are the record's, and the next run goes on.
    """
    if masks_current(done) or not (done.folder / "study.json").is_file():
        return
    found = reading.in_force(done.entries)
    if found is None:
        for name in (*READER_MASKS, ORIGIN_FILE):
            (done.folder / name).unlink(missing_ok=True)
        return
    both = approved_mask(done, found, resample)
    write_value(replace(_origin(found), sha256=""), done.folder / ORIGIN_FILE)
    write_volume(both.acquired, done.folder / READER_MASKS[1])
    write_volume(both.isotropic, done.folder / READER_MASKS[0])
    write_value(_origin(found), done.folder / ORIGIN_FILE)


@dataclass(frozen=True)
class ReviewRow:
    """One row of ``tables/review.csv``: how the reading of a case stands, without times of day."""

    case_id: str
    images: str
    images_reason: str
    state: str
    readers: str
    in_force: str
    revision: int | None
    stv_cc: float | None
    satellites_cc: float | None
    quality: int | None
    corrupted: bool | None
    reason: str
    comment: str


def review_rows(log: Sequence[Entry], cases: Sequence[str]) -> tuple[ReviewRow, ...]:
    """A row for each of `cases` that a reader did something with."""
    found = revisions.by_case(log)
    return tuple(_row(case_id, found[case_id]) for case_id in cases if case_id in found)


def _row(case_id: str, entries: Sequence[Entry]) -> ReviewRow:
    images, images_reason = reading.images_state(entries)
    mask = reading.in_force(entries)
    decided = next((e for e in reversed(entries) if e.action in reading.DECISIONS), None)
    quality, corrupted = reading.rating(entries)
    return ReviewRow(
        case_id, images, images_reason, reading.case_state(entries),
        "; ".join(dict.fromkeys(e.reader for e in entries if e.reader)), mask.chain if mask else "",
        mask.revision if mask else None, mask.volume_cc if mask else None, mask.satellites_cc if mask else None,
        quality, corrupted, decided.reason if decided else "", decided.comment if decided else "",
    )  # fmt: skip


def _origin(found: Entry) -> MaskOrigin:
    return MaskOrigin("reader", found.reader, f"review/masks/{found.sha256}.nii.gz", found.sha256, found.chain,
                      found.revision)  # fmt: skip


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

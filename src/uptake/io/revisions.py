"""The readers' record of a cohort, below ``review/``: an append-only log in SQLite, masks as files beside it.

The log is the truth: triggers refuse every change and removal of a row, revisions included. A mask's file is named by
the SHA-256 of its bytes, written whole and flushed to the disk before the row that names it: whatever dies, and when,
a revision that is listed can be read, and nothing that was saved before is touched. Drafts
(autosaves) alone change in place. WAL lets a run read while readers save; it needs a local disk.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np

from uptake.cohort.reading import Entry, decided, latest_revision
from uptake.io.files import writable
from uptake.io.nifti import read_volume, write_volume
from uptake.study import Code, CohortError, Refusal, UptakeError
from uptake.volume import Grid, Volume

FILE = "review/review.sqlite"
MASKS = "review/masks"
PRIMARY, SATELLITE = 1, 2
"""The labels of a reader's mask: the primary lesion, and satellites beside it."""
TIMEOUT_S = 30.0
_first = threading.Lock()

COLUMNS = tuple(item.name for item in dataclasses.fields(Entry) if item.name != "number")
_KINDS = {"revision": "INTEGER", "quality": "INTEGER", "corrupted": "INTEGER", "blind": "INTEGER"} | dict.fromkeys(
    ("seconds_active", "volume_before_cc", "volume_cc", "satellites_cc"), "REAL"
)
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS log (number INTEGER PRIMARY KEY AUTOINCREMENT,
  {", ".join(f'"{name}" {_KINDS.get(name, "TEXT")}' for name in COLUMNS)});
CREATE INDEX IF NOT EXISTS log_case ON log (case_id);
CREATE UNIQUE INDEX IF NOT EXISTS one_revision ON log (case_id, chain, revision)
  WHERE action IN ('saved', 'imported');
CREATE TRIGGER IF NOT EXISTS log_is_not_changed BEFORE UPDATE ON log
  BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER IF NOT EXISTS log_is_not_shortened BEFORE DELETE ON log
  BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TABLE IF NOT EXISTS drafts (case_id TEXT, chain TEXT, etag INTEGER, saved TEXT, seconds_active REAL,
  start TEXT, base INTEGER, volume_cc REAL, voxels BLOB, PRIMARY KEY (case_id, chain));
"""


class Stale(UptakeError):
    """A save that another one came before: what the saver had seen is no longer the newest. `winner` is what is."""

    def __init__(self, winner: Entry | None, etag: int) -> None:
        super().__init__(winner, etag)
        self.winner, self.etag = winner, etag


@dataclass(frozen=True)
class Draft:
    """An autosave: gzipped uint8 labels of the 1 mm grid (i fastest), from which revision and start it was drawn."""

    etag: int
    saved: str
    seconds_active: float
    start: str
    base: int
    volume_cc: float
    voxels: bytes


def exists(cohort: Path) -> bool:
    """Whether anybody has reviewed anything in this cohort."""
    return (cohort / FILE).is_file()


@contextmanager
def opened(cohort: Path) -> Iterator[sqlite3.Connection]:
    """A connection to the record, made where there is none; committed at the end, rolled back on an error.

    Raises CohortError for a file that is no record, Refusal NO_SPACE where it cannot be written.
    """
    path = cohort / FILE
    with writable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        connection = _connected(path)
    except sqlite3.DatabaseError as error:
        raise _unusable(error) from error
    try:
        yield connection
    except sqlite3.DatabaseError as error:
        raise _unusable(error) from error
    finally:
        connection.close()


@contextmanager
def writing(cohort: Path) -> Iterator[sqlite3.Connection]:
    """One transaction of the only writer at that time."""
    with opened(cohort) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            if connection.in_transaction:  # a full disk has ended it already
                connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def entries(cohort: Path, case_id: str = "") -> tuple[Entry, ...]:
    """The log, oldest first, of one case or of all; empty where nobody has reviewed anything."""
    if not exists(cohort):
        return ()
    with opened(cohort) as connection:
        return entries_of(connection, case_id)


def entries_of(connection: sqlite3.Connection, case_id: str = "") -> tuple[Entry, ...]:
    """The log within a transaction; see `entries`."""
    names = ", ".join(f'"{name}"' for name in ("number", *COLUMNS))
    where, values = (" WHERE case_id = ?", (case_id,)) if case_id else ("", ())
    rows = connection.execute(f"SELECT {names} FROM log{where} ORDER BY number", values)  # noqa: S608 (fixed names)
    return tuple(_entry(row) for row in rows)


def by_case(log: Sequence[Entry]) -> dict[str, tuple[Entry, ...]]:
    """The entries of each case."""
    found: dict[str, list[Entry]] = {}
    for entry in log:
        found.setdefault(entry.case_id, []).append(entry)
    return {case_id: tuple(items) for case_id, items in found.items()}


def append(connection: sqlite3.Connection, entry: Entry) -> Entry:
    """Write one entry with the time and this version of uptake; the entry as it stands in the log."""
    stamped = replace(entry, when=datetime.now(UTC).isoformat(timespec="seconds"), tool_version=_version())
    values = [getattr(stamped, name) for name in COLUMNS]
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    marks = ", ".join("?" * len(COLUMNS))
    cursor = connection.execute(f"INSERT INTO log ({names}) VALUES ({marks})", values)  # noqa: S608 (fixed names)
    return replace(stamped, number=cursor.lastrowid or 0)


def save_revision(cohort: Path, entry: Entry, mask: Volume, expected: int, acquired: Volume | None) -> Entry:
    """Add a revision to its chain, whole or not at all: first the file, then the row. The chain's draft ends with it.

    mask: uint8 labels on the 1 mm grid. acquired: the same on the acquired grid where it was drawn there; else None.
    expected: the number of the revision that this one was made on (0: none).
    Raises `Stale` when the chain has moved on.
    """
    files = _kept(cohort, mask, acquired)
    with writing(cohort) as connection:
        newest = latest_revision(entries_of(connection, entry.case_id), entry.chain)
        number = newest.revision if newest else 0
        if expected != number:
            raise Stale(newest, number)
        connection.execute("DELETE FROM drafts WHERE case_id = ? AND chain = ?", (entry.case_id, entry.chain))
        return append(connection, _revision(entry, number + 1, mask, files))


def import_revision(cohort: Path, entry: Entry, mask: Volume, acquired: Volume | None) -> Entry:
    """Add a revision that was made elsewhere after whichever is newest, approved by its reader; both rows or none.

    As `save_revision`, but a draft in a browser stays.
    """
    files = _kept(cohort, mask, acquired)
    with writing(cohort) as connection:
        newest = latest_revision(entries_of(connection, entry.case_id), entry.chain)
        made = append(connection, _revision(entry, newest.revision + 1 if newest else 1, mask, files))
        approved = decided("approved", entry.reader, made)
        append(connection, replace(approved, comment=entry.comment, blind=entry.blind))
        return made


def keep_mask(cohort: Path, mask: Volume) -> str:
    """Write a mask under the SHA-256 of its bytes and flush it to the disk; that name."""
    folder = cohort / MASKS
    temporary = folder / f".{os.getpid()}-{os.urandom(8).hex()}.nii.gz"
    try:
        write_volume(mask, temporary)
        name = hashlib.sha256(temporary.read_bytes()).hexdigest()
        _flush(temporary)
        temporary.replace(folder / f"{name}.nii.gz")
    finally:
        temporary.unlink(missing_ok=True)
    _flush(folder)
    return name


def sweep(cohort: Path) -> None:
    """Remove the masks that processes which were killed did not finish; those of living ones stay."""
    import psutil

    for path in (cohort / MASKS).glob(".*-*"):
        process = path.name.lstrip(".").partition("-")[0]
        if process.isdigit() and not psutil.pid_exists(int(process)):
            path.unlink(missing_ok=True)


def mask_path(cohort: Path, entry: Entry) -> Path:
    """The file of a revision's mask."""
    return cohort / MASKS / f"{entry.sha256}.nii.gz"


def mask_bytes(cohort: Path, entry: Entry) -> bytes:
    """The bytes of a revision's mask file. Raises `Refusal` UNREADABLE where they are not those that were saved."""
    path = mask_path(cohort, entry)
    data = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise Refusal(
            Code.UNREADABLE,
            found=f"the mask of revision {entry.revision} of {entry.chain} is {'changed' if data else 'missing'}",
            allowed="the file that was saved, with the SHA-256 that stands in the readers' log",
            remedy=f"put {MASKS}/{entry.sha256}.nii.gz back from a copy, or approve another revision",
        )
    return data


def read_labels(cohort: Path, entry: Entry) -> Volume:
    """A revision's labels (uint8) on the 1 mm grid. Raises `Refusal` UNREADABLE, see `mask_bytes`."""
    mask_bytes(cohort, entry)
    return read_volume(mask_path(cohort, entry))


def read_primary(cohort: Path, entry: Entry) -> tuple[Volume, Volume | None]:
    """The primary lesion of a revision on the 1 mm grid, and on the acquired one where it was drawn there."""
    labels = read_labels(cohort, entry)
    drawn = read_labels(cohort, replace(entry, sha256=entry.details)) if entry.details else None
    return primary(labels), primary(drawn) if drawn else None


def primary(labels: Volume) -> Volume:
    """The primary lesion alone, as a mask."""
    return labels.with_array(labels.array == PRIMARY)


def label_cc(labels: Volume, label: int) -> float:
    """The volume of one label in cc."""
    return int(np.count_nonzero(labels.array == label)) * labels.grid.voxel_volume_mm3 / 1000.0


def blank(grid: Grid) -> Volume:
    """Labels without a voxel."""
    return Volume(np.zeros(grid.shape, dtype=np.uint8, order="F"), grid)


def read_draft(cohort: Path, case_id: str, chain: str) -> Draft | None:
    """A chain's draft, or None."""
    if not exists(cohort):
        return None
    with opened(cohort) as connection:
        return _draft(connection, case_id, chain)


def save_draft(cohort: Path, case_id: str, chain: str, draft: Draft) -> Draft:
    """Replace a chain's draft; `draft.etag` is the one that the saver has seen (0: none). Raises `Stale`."""
    with writing(cohort) as connection:
        standing = _draft(connection, case_id, chain)
        etag = standing.etag if standing else 0
        if draft.etag != etag:
            raise Stale(None, etag)
        saved = replace(
            draft, etag=max(etag + 1, time.time_ns() // 1000), saved=datetime.now(UTC).isoformat(timespec="seconds")
        )
        connection.execute(
            "INSERT OR REPLACE INTO drafts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (case_id, chain, *_fields(saved))
        )
        return saved


def drafts(cohort: Path) -> Mapping[str, tuple[str, ...]]:
    """Which chains have a draft, per case."""
    if not exists(cohort):
        return {}
    found: dict[str, tuple[str, ...]] = {}
    with opened(cohort) as connection:
        for case_id, chain in connection.execute("SELECT case_id, chain FROM drafts ORDER BY case_id, chain"):
            found[case_id] = (*found.get(case_id, ()), chain)
    return found


def _connected(path: Path) -> sqlite3.Connection:
    """A connection ready for use. A folder that cannot be written to is read as it is, with what was not yet merged."""
    if not os.access(path.parent, os.W_OK):
        merged = not path.with_name(f"{path.name}-wal").is_file()
        address = f"{path.resolve().as_uri()}?{'immutable=1' if merged else 'mode=ro'}"
        return sqlite3.connect(address, timeout=TIMEOUT_S, isolation_level=None, uri=True)
    connection = sqlite3.connect(path, timeout=TIMEOUT_S, isolation_level=None)
    try:
        with _first:  # the change of mode does not wait for others
            connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version=1; COMMIT;")
    except BaseException:
        connection.close()
        raise
    return connection


def _kept(cohort: Path, mask: Volume, acquired: Volume | None) -> list[str]:
    """The names of a revision's files: on the 1 mm grid, and on the acquired one where it was drawn there."""
    return [keep_mask(cohort, drawn) for drawn in (mask, acquired) if drawn]


def _revision(entry: Entry, number: int, mask: Volume, files: Sequence[str]) -> Entry:
    return replace(
        entry,
        revision=number,
        sha256=files[0],
        volume_cc=label_cc(mask, PRIMARY),
        satellites_cc=label_cc(mask, SATELLITE),
        details=files[1] if len(files) > 1 else "",
    )


def _unusable(error: sqlite3.DatabaseError) -> CohortError:
    return CohortError(f"{FILE} cannot be used as the readers' record: {error}")


def _draft(connection: sqlite3.Connection, case_id: str, chain: str) -> Draft | None:
    names = ", ".join(item.name for item in dataclasses.fields(Draft))
    row = connection.execute(
        f"SELECT {names} FROM drafts WHERE case_id = ? AND chain = ?",  # noqa: S608 (fixed names)
        (case_id, chain),
    ).fetchone()
    return Draft(*row) if row else None


def _fields(draft: Draft) -> list[object]:
    return [getattr(draft, item.name) for item in dataclasses.fields(Draft)]


def _entry(row: Sequence[object]) -> Entry:
    values = dict(zip(("number", *COLUMNS), row, strict=True))
    values["blind"] = bool(values["blind"])
    values["corrupted"] = None if values["corrupted"] is None else bool(values["corrupted"])
    return Entry(**values)  # type: ignore[arg-type]


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _version() -> str:
    return metadata.version("uptake")

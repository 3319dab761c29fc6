"""The cohort folder: which value lives in which file, what is known of each result, and one run at a time.

A `Form` says how a value is kept. A `Record` says under which key a result was made; the records of a case are its
``provenance.json``. A result counts as made only when its record is written, which happens after its files.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from uptake.io.files import writable
from uptake.io.values import read_value, write_value
from uptake.study import CohortError

Kept = TypeVar("Kept")
PROVENANCE = "provenance.json"
LOCK = ".lock"


@dataclass(frozen=True)
class Form:
    """How a kind of value is kept in a case folder.

    write(folder, value) writes its files whole and returns their names relative to the folder; read(folder) gives
    the value back; glance(folder) gives what tables need of it without reading voxels.
    """

    write: Callable[[Path, Any], tuple[str, ...]]
    read: Callable[[Path], Any]
    glance: Callable[[Path], Any]


@dataclass(frozen=True)
class RefusalRecord:
    """A refusal as it stands in ``refusals.csv``."""

    code: str
    found: str
    allowed: str
    remedy: str


@dataclass(frozen=True)
class Record:
    """How one result was made. `refusal` stands in place of files where it could not be."""

    key: str
    settings: Mapping[str, Any]
    inputs: Mapping[str, str]
    code: str
    files: Mapping[str, int] = field(default_factory=dict)
    refusal: RefusalRecord | None = None
    traceback: str = ""
    started: str = ""
    seconds: float = 0.0
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CaseRecord:
    """What ``provenance.json`` of a case holds."""

    case_id: str
    study_uid: str | None = None
    source: str | None = None
    source_key: str | None = None
    results: Mapping[str, Record] = field(default_factory=dict)


@dataclass(frozen=True)
class Cohort:
    """A cohort folder."""

    path: Path

    def case(self, case_id: str) -> Path:
        """The folder of a case."""
        return self.path / "cases" / case_id

    @property
    def case_ids(self) -> tuple[str, ...]:
        """Every case with a folder, made or refused, in order of name."""
        return tuple(sorted(p.parent.name for p in self.path.glob(f"cases/*/{PROVENANCE}")))

    def record(self, case_id: str) -> CaseRecord:
        """What is known of a case; an empty record for a new one. Raises CohortError where it was damaged."""
        path = self.case(case_id) / PROVENANCE
        return _read(CaseRecord, path) if path.exists() else CaseRecord(case_id)

    def write_record(self, record: CaseRecord) -> None:
        """Write a case's ``provenance.json``."""
        write_value(record, self.case(record.case_id) / PROVENANCE)


@dataclass(frozen=True)
class CohortRecord:
    """What the cohort's own ``provenance.json`` holds: names once given, refused sources, cohort results.

    source_paths: where the runs found their studies, so that a release can refer to their images again.
    """

    case_ids: Mapping[str, str] = field(default_factory=dict)
    refused_sources: Mapping[str, tuple[RefusedSource, ...]] = field(default_factory=dict)
    results: Mapping[str, Record] = field(default_factory=dict)
    source_paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class RefusedSource:
    """A file or source that gave no case."""

    source: str
    case_id: str | None
    refusal: RefusalRecord


def open_cohort(path: Path) -> Cohort:
    """An existing cohort folder. Raises CohortError for anything else."""
    if not (path / "uptake.toml").is_file():
        raise CohortError(
            f"{path} is no cohort folder: it has no uptake.toml. `uptake run SOURCE --out {path}` makes one"
        )
    return Cohort(path)


def read_cohort_record(cohort: Cohort) -> CohortRecord:
    """What is known of the cohort; empty for a new one. Raises CohortError where it was damaged from outside."""
    path = cohort.path / PROVENANCE
    return _read(CohortRecord, path) if path.exists() else CohortRecord()


def write_cohort_record(cohort: Cohort, record: CohortRecord) -> None:
    """Write the cohort's ``provenance.json``."""
    write_value(record, cohort.path / PROVENANCE)


def is_whole(folder: Path, record: Record) -> bool:
    """Whether every file of a result is there with the size it was written with."""
    return not missing_files(folder, record)


def missing_files(folder: Path, record: Record) -> tuple[str, ...]:
    """The files of a result that are gone or have another size."""
    gone = []
    for name, size in record.files.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != size:
            gone.append(name)
    return tuple(gone)


def remove_files(folder: Path, record: Record) -> None:
    """Remove the files of a result that no longer holds."""
    for name in record.files:
        (folder / name).unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a cohort, of images or of phantoms: one run at a time. The system lets go however it ends.

    Raises CohortError when another run holds it, Refusal NO_SPACE when the folder cannot be written.
    """
    with writable(path):
        path.mkdir(parents=True, exist_ok=True)
        handle = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CohortError(f"another run is at work in {path}; wait for it to end") from error
        yield
    finally:
        os.close(handle)


def _read(kind: type[Kept], path: Path) -> Kept:
    try:
        return read_value(kind, path)
    except (ValueError, TypeError) as error:  # we write it whole, so something else wrote to it
        raise CohortError(f"{path} is damaged ({error}); remove it, and the next run makes its results anew") from error

"""``manifest.csv``: every file of a release with its checksum, and for those of a case where it comes from.

``checksums.sha256`` holds the manifest's own, so that a changed byte anywhere is found without the cohort.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from uptake.io.files import write_bytes_whole
from uptake.io.tables import read_csv, write_csv
from uptake.study import Code, Refusal

MANIFEST, CHECKSUMS = "manifest.csv", "checksums.sha256"


@dataclass(frozen=True)
class Entry:
    """One line of the manifest. Several UIDs stand with a space between them; shape and spacing as i j k."""

    file: str
    sha256: str
    bytes: int
    case_id: str = ""
    patient_id: str = ""
    visit: str = ""
    what: str = ""
    unit: str = ""
    shape: str = ""
    spacing_mm: str = ""
    mask: str = ""
    note: str = ""
    source_collection: str = ""
    source_doi: str = ""
    source_licence: str = ""
    source_study_uid: str = ""
    source_series_uids: str = ""
    deidentification: str = ""


COLUMNS = tuple(field.name for field in fields(Entry))


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def files_of(root: Path) -> list[str]:
    """Every file below a release's root but the manifest and its checksum, by path with slashes, in order.

    A link and an empty folder, which a release does not have, count as files.
    """
    paths = (path for path in root.rglob("*") if path.is_symlink() or not path.is_dir() or not any(path.iterdir()))
    names = (path.relative_to(root).as_posix() for path in paths)
    return sorted(name for name in names if name not in (MANIFEST, CHECKSUMS))


def write_manifest(root: Path, entries: Sequence[Entry]) -> None:
    """Write ``manifest.csv`` and ``checksums.sha256``."""
    write_csv(COLUMNS, sorted(entries, key=lambda entry: entry.file), root / MANIFEST)
    write_bytes_whole(root / CHECKSUMS, checksums(root))


def read_manifest(root: Path) -> tuple[Entry, ...]:
    """The entries of a release. Raises `Refusal` RELEASE where there is no manifest or one of another form."""
    if not (root / MANIFEST).is_file():
        raise _unusable(f"a folder without {MANIFEST}")
    rows = read_csv(root / MANIFEST)
    if rows and set(rows[0]) != set(COLUMNS):
        raise _unusable(f"{MANIFEST} with the columns {', '.join(rows[0])}")
    try:
        return tuple(Entry(**{**row, "bytes": int(row["bytes"])}) for row in rows)  # type: ignore[arg-type]
    except ValueError as error:
        raise _unusable(f"{MANIFEST} with a size that is no number") from error


def checksums(root: Path) -> bytes:
    """What ``checksums.sha256`` has to hold, in the form of sha256sum."""
    return f"{sha256_of(root / MANIFEST)}  {MANIFEST}\n".encode()


def _unusable(found: str) -> Refusal:
    return Refusal(
        Code.RELEASE,
        found=found,
        allowed="a folder that uptake release has made",
        remedy="copy or download the release again",
    )

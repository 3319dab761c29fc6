"""From what a user points at to studies: folders, zips and files, several patients and visits mixed.

`scan` reads every file once and opens no pixels. What cannot be read is refused by name, what is not DICOM is passed
over, and everything else is grouped by StudyInstanceUID.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from uptake.io.dicom.headers import Header
from uptake.io.dicom.parse import looks_like_dicom, parse
from uptake.io.dicom.sources import HEAD_BYTES, FileRef, archive_members, files_below, is_archive
from uptake.study import Code, Refusal

NIFTI_PHASE = re.compile(r"(?P<case>.+)_(?P<phase>\d{4})\.nii(\.gz)?")


@dataclass(frozen=True)
class StudySource:
    """One study before it is read: all its files, once each.

    digest: sha256 over the contents alone, the same from a folder, a zip or under other names.
    study_date: serves to order visits and goes no further. conflicts: SOPInstanceUIDs that came with two contents.
    headers: of the files in the same order, none for NIfTI.
    """

    kind: Literal["dicom", "nifti"]
    patient_id: str
    study_uid: str | None
    visit: str | None
    study_date: str | None
    digest: str
    files: tuple[FileRef, ...]
    headers: tuple[Header, ...] = ()
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refused:
    """What could not be used: a source or file, or a case once it has a name."""

    source: str
    case_id: str | None
    refusal: Refusal


@dataclass(frozen=True)
class Scan:
    """The studies found, by patient, date and UID, and what was refused on the way."""

    studies: tuple[StudySource, ...]
    refused: tuple[Refused, ...]


def scan(paths: Sequence[Path], *, on_file: Callable[[int], None] = lambda _: None) -> Scan:
    """The studies in folders, zips and single files, at any depth.

    on_file is called with the number of files seen so far. Refusals (codes): NOT_DICOM and UNREADABLE for a file that
    claims to be DICOM and can't be read, UNSAFE_ARCHIVE and UNREADABLE for an archive, of which then nothing is used,
    NO_STUDY for a path that yields no case. A path without any DICOM may hold phases as NIfTI, ``<case>_0000.nii.gz``
    and so on; beside DICOM such files are left out.
    """
    found = _Found(on_file)
    nifti: list[StudySource] = []
    for path in paths:
        before = len(found.headers), len(found.refused)
        found.add(path)
        if len(found.headers) > before[0]:
            continue
        studies = _nifti_studies(path) if path.is_dir() else []
        nifti += studies
        if not studies and len(found.refused) == before[1]:
            found.refused.append(Refused(path.name, None, _no_study(path)))
    studies = sorted([*_studies(found.headers), *nifti], key=_order)
    return Scan(tuple(studies), tuple(found.refused))


@dataclass
class _Found:
    """What has been read so far."""

    on_file: Callable[[int], None]
    files: int = 0
    headers: list[Header] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    def add(self, root: Path) -> None:
        if not root.exists():
            return
        top = root.resolve()
        for path in files_below(root):
            inner = path.relative_to(root).as_posix()
            name = top.name if inner == "." else f"{top.name}/{inner}"
            try:
                self._add_file(path, name)
            except Refusal as refusal:
                self.refused.append(Refused(name, None, refusal))

    def _add_file(self, path: Path, name: str) -> None:
        if is_archive(name):
            self._add_archive(path, name)
        else:
            self._seen()
            data = _wanted_bytes(path, name)
            header = parse(_ref(path, (), name, data), data) if data is not None else None
            self.headers += [header] if header else []

    def _add_archive(self, path: Path, name: str) -> None:
        headers, refused = [], []
        for members, data in archive_members(path, self._wanted):
            inner = "/".join((name, *members))
            try:
                headers.append(parse(_ref(path, members, inner, data), data))
            except Refusal as refusal:
                refused.append(Refused(inner, None, refusal))
        self.headers += [header for header in headers if header]
        self.refused += refused

    def _wanted(self, name: str, head: bytes) -> bool:
        self._seen()
        return "__MACOSX" not in name and looks_like_dicom(name, head)

    def _seen(self) -> None:
        self.files += 1
        self.on_file(self.files)


def _wanted_bytes(path: Path, name: str) -> bytes | None:
    try:
        with path.open("rb") as handle:
            head = handle.read(HEAD_BYTES)
            return head + handle.read() if looks_like_dicom(name, head) else None
    except OSError as error:
        raise Refusal(
            Code.UNREADABLE,
            found=f"{name} cannot be opened ({type(error).__name__})",
            allowed="files that may be read",
            remedy="check the permissions and the disk",
        ) from error


def _ref(path: Path, members: tuple[str, ...], name: str, data: bytes) -> FileRef:
    return FileRef(path, members, name, hashlib.sha256(data).hexdigest())


def _studies(headers: Iterable[Header]) -> list[StudySource]:
    studies: dict[str, list[Header]] = defaultdict(list)
    for header in headers:
        studies[header.study_uid].append(header)
    return [source for group in studies.values() for source in _by_patient(group)]


def _by_patient(headers: list[Header]) -> list[StudySource]:
    """One source, or one for each patient where a UID is shared but no series is (two patients in one series stay)."""
    owners: dict[str, set[str]] = defaultdict(set)
    for header in headers:
        owners[header.series_uid].add(header.patient_id)
    patients = sorted({header.patient_id for header in headers})
    if len(patients) == 1 or any(len(owner) > 1 for owner in owners.values()):
        return [_source(headers)]
    return [_source([header for header in headers if header.patient_id == patient]) for patient in patients]


def _source(headers: list[Header]) -> StudySource:
    contents: dict[str, Header] = {}
    for header in headers:
        contents.setdefault(header.file.sha256, header)
    kept = [contents[sha256] for sha256 in sorted(contents)]
    copies: dict[str, int] = defaultdict(int)
    for header in kept:
        copies[header.sop_uid] += 1
    return StudySource(
        kind="dicom",
        patient_id=min(header.patient_id for header in kept),
        study_uid=kept[0].study_uid,
        visit=min((header.visit for header in kept if header.visit), default=None),
        study_date=min((header.study_date for header in kept if header.study_date), default=None),
        digest=_digest(header.file.sha256 for header in kept),
        files=tuple(header.file for header in kept),
        headers=tuple(kept),
        conflicts=tuple(sorted(uid for uid, count in copies.items() if count > 1)),
    )


def _digest(hashes: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def _order(source: StudySource) -> tuple[str, str, str, str]:
    return source.patient_id, source.study_date or "", source.study_uid or "", source.digest


def _nifti_studies(root: Path) -> list[StudySource]:
    cases: dict[tuple[Path, str], dict[int, Path]] = defaultdict(dict)
    for path in files_below(root):
        if match := NIFTI_PHASE.fullmatch(path.name):
            cases[path.parent, match["case"]].setdefault(int(match["phase"]), path)
    return [_nifti_source(root, case, phases) for (_, case), phases in cases.items()]


def _nifti_source(root: Path, case: str, phases: dict[int, Path]) -> StudySource:
    files = []
    for index in sorted(phases):
        path = phases[index]
        name = f"{root.resolve().name}/{path.relative_to(root).as_posix()}"
        files.append(_ref(path, (), name, path.read_bytes()))
    return StudySource(
        kind="nifti",
        patient_id=case,
        study_uid=None,
        visit=None,
        study_date=None,
        digest=_digest(f"{index} {file.sha256}" for index, file in zip(sorted(phases), files, strict=True)),
        files=tuple(files),
    )


def _no_study(path: Path) -> Refusal:
    return Refusal(
        Code.NO_STUDY,
        found=f"{path.name} holds no DICOM study" if path.exists() else f"{path.name} does not exist",
        allowed="folders, zips or files of DICOM, or phases as NIfTI: <case>_0000.nii.gz, <case>_0001.nii.gz, ...",
        remedy="check the path; unpack archives that are not zips",
    )

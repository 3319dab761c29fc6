"""A release checked by itself: checksums, names, grids, masks, counts, tables, dictionary. The cohort is not needed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from uptake.cohort.collection import CaseFinding
from uptake.io.archives import bids, dicom_objects, ispy1
from uptake.io.archives.assembly import DICTIONARY
from uptake.io.archives.jsonld import CRATE_FILE, CROISSANT_FILE
from uptake.io.archives.manifest import CHECKSUMS, MANIFEST, Entry, checksums, files_of, read_manifest, sha256_of
from uptake.io.archives.streams import NIFTI_FIELDS, Stream, file_streams
from uptake.io.dicom.lenient import MALFORMED
from uptake.io.nifti import read_grid, read_volume
from uptake.io.tables import read_csv
from uptake.study import Refusal
from uptake.volume import Grid, Volume

NAMES = (
    re.compile(rf"{ispy1.ROOT}/{ispy1.CORRECTED}/(?P<case>[^/]+)/(?P=case)_DCE_\d{{4}}_N3\.nii\.gz"),
    re.compile(rf"{ispy1.ROOT}/{ispy1.ZSCORED}/(?P<case>[^/]+)/(?P=case)_DCE_\d{{4}}_N3_zscored\.nii\.gz"),
    re.compile(rf"{ispy1.ROOT}/masks_(?P<mask>\w+)/(?P<case>[^/]+)\.nii\.gz"),
    re.compile(rf"{bids.ROOT}/sub-[A-Za-z0-9]+/(ses-[A-Za-z0-9]+/)?anat/sub-[A-Za-z0-9_.-]+\.(nii\.gz|json)"),
    re.compile(rf"{dicom_objects.ROOT}/(?P<case>[^/]+)/(?P=case)_\w+_(SEG|SR)\.dcm"),
    re.compile(r"provenance/(?P<case>[^/]+)\.json"),
)
PHASES = ("0000", "0001", "0002")
DOCUMENTS = ("README.md", "LICENSE.md", "DEIDENTIFICATION.md", "ERRATA.md", "CITATION.cff", "datacite.json", CRATE_FILE,
             CROISSANT_FILE, DICTIONARY, "errata.csv", "read_release.py")  # fmt: skip
SEG_VOLUME_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class _Case:
    """A case's lines of the manifest, and its row of ``tables/ftv.csv``: empty where there is none."""

    root: Path
    case_id: str
    entries: tuple[Entry, ...]
    ftv: Mapping[str, str]
    kept: dict[str, Volume] = field(default_factory=dict)

    def files(self, start: str, end: str = "") -> list[Entry]:
        return [entry for entry in self.entries if entry.file.startswith(start) and entry.file.endswith(end)]

    def mask(self, entry: Entry) -> Volume:
        """The voxels of a mask's file, read once for all files of one checksum."""
        if entry.sha256 not in self.kept:
            self.kept[entry.sha256] = read_volume(self.root / entry.file)
        return self.kept[entry.sha256]

    def named(self, mask: str) -> Volume | None:
        """The first file of a mask; None where there is none."""
        entry = next((entry for entry in self.files("", ".nii.gz") if entry.mask == mask), None)
        return self.mask(entry) if entry else None

    @cached_property
    def grids(self) -> dict[str, Grid]:
        """The acquired and the isotropic grid: of the first image on it, from whichever layout is there."""
        wanted = {
            "acquired": (f"{ispy1.ROOT}/{ispy1.CORRECTED}/", f"desc-{bids.CORRECTED}_"),
            "isotropic": (f"{ispy1.ROOT}/{ispy1.ZSCORED}/", f"desc-{bids.ZSCORED}_"),
        }
        found = {}
        for name, parts in wanted.items():
            images = [e.file for e in self.files("", ".nii.gz") if any(part in e.file for part in parts)]
            if images:
                found[name] = read_grid(self.root / min(images))
        return found


def check_release(root: Path) -> tuple[CaseFinding, ...]:
    """Every finding on a release folder; those about all of it have no case. Raises nothing for what is wrong in it."""
    try:
        entries = read_manifest(root)
    except Refusal as refusal:
        return (CaseFinding("", "manifest", "fail", refusal.found, refusal.allowed, refusal.remedy),)
    found = [*_bytes(root, entries), *_documents(root), *_tables(root, entries)]
    cases: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.case_id:
            cases.setdefault(entry.case_id, []).append(entry)
    volumes = _ftv(root)
    for case_id, lines in sorted(cases.items()):
        case = _Case(root, case_id, tuple(lines), volumes.get(case_id, {}))
        for name, check in CASE_CHECKS.items():
            found.append(_judged(case_id, name, check, case))
    return tuple(found)


def _ftv(root: Path) -> dict[str, dict[str, str]]:
    """The rows of ``tables/ftv.csv`` by case; none where it cannot be read, which `_tables` says."""
    try:
        return {row["case_id"]: row for row in read_csv(root / "tables/ftv.csv")}
    except (OSError, Refusal, KeyError):
        return {}


def _judged(case_id: str, name: str, check: Callable[[_Case], str], case: _Case) -> CaseFinding:
    """The finding of one check, which says what is wrong or nothing."""
    try:
        wrong = check(case)
    except (Refusal, *MALFORMED) as error:
        wrong = error.found if isinstance(error, Refusal) else f"a file that cannot be read ({type(error).__name__})"
    return _finding(name, wrong, ALLOWED[name], case_id)


def _finding(check: str, wrong: str, allowed: str, case_id: str = "") -> CaseFinding:
    remedy = "copy or download the release again; if it is as published, tell its authors" if wrong else ""
    return CaseFinding(case_id, check, "fail" if wrong else "pass", wrong or "as it should be", allowed, remedy)


def _bytes(root: Path, entries: Sequence[Entry]) -> Iterator[CaseFinding]:
    """The manifest's own checksum, every listed file with its bytes, and no file that is not listed."""
    path = root / CHECKSUMS
    wrong = "" if path.is_file() and path.read_bytes() == checksums(root) else f"{CHECKSUMS} does not fit {MANIFEST}"
    yield _finding("checksum of the manifest", wrong, "the SHA-256 of manifest.csv in checksums.sha256")
    there, listed = set(files_of(root)), {entry.file for entry in entries}
    lost = [f"{name} is missing" for name in sorted(listed - there)]
    lost += [f"{name} is not in the manifest" for name in sorted(there - listed)]
    yield _finding("files", _few(lost), "the files of the manifest and no other")
    changed = [
        f"{entry.file} has changed"
        for entry in entries
        if entry.file in there and (_size(root, entry) != entry.bytes or sha256_of(root / entry.file) != entry.sha256)
    ]
    yield _finding("bytes of every file", _few(changed), f"the SHA-256 that {MANIFEST} says, {len(entries)} files")


def _documents(root: Path) -> Iterator[CaseFinding]:
    missing = [f"{name} is missing" for name in DOCUMENTS if not (root / name).is_file()]
    yield _finding("documents", _few(missing), ", ".join(DOCUMENTS))
    broken = []
    for name in (CRATE_FILE, CROISSANT_FILE, "datacite.json"):
        try:
            json.loads((root / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            broken.append(f"{name} is no JSON")
    yield _finding("metadata", _few(broken), "JSON that can be read")


def _tables(root: Path, entries: Sequence[Entry]) -> Iterator[CaseFinding]:
    """Every table about known cases, every column in the dictionary with a meaning."""
    cases = {entry.case_id for entry in entries if entry.case_id}
    try:
        known = {(row["table"], row["column"]): row["description"] for row in read_csv(root / DICTIONARY)}
        tables = {path.stem: read_csv(path) for path in sorted((root / "tables").glob("*.csv"))}
    except (OSError, Refusal, KeyError):
        yield _finding("tables", "tables or dictionary cannot be read", "tables as CSV in UTF-8")
        return
    strange = [
        f"tables/{name}.csv names {case_id}"
        for name, rows in tables.items()
        for case_id in sorted({row.get("case_id", "") for row in rows} - cases)
    ]
    for name in ("studies", "ftv", "features"):
        rows = [row.get("case_id", "") for row in tables.get(name, [])]
        if len(rows) != len(set(rows)) or set(rows) != cases:
            strange.append(f"tables/{name}.csv has {len(rows)} rows for {len(cases)} cases")
    yield _finding("tables", _few(strange), "one row per case in studies, ftv and features, and no unknown case")
    columns = [(name, column) for name, rows in tables.items() for column in (rows[0] if rows else ())]
    unexplained = [f"tables/{name}.csv, column {column}" for name, column in columns if not known.get((name, column))]
    yield _finding("data dictionary", _few(unexplained), "a meaning for every column")


def _names(case: _Case) -> str:
    wrong = []
    for entry in case.entries:
        match = next((m for pattern in NAMES if (m := pattern.fullmatch(entry.file))), None)
        if match is None or match.groupdict().get("case", case.case_id) != case.case_id:
            wrong.append(f"{entry.file} is no name of the layout")
    return _few(wrong)


def _phases(case: _Case) -> str:
    """Three phases in both image folders, of one grid in each."""
    wrong = []
    for folder in (ispy1.CORRECTED, ispy1.ZSCORED):
        images = case.files(f"{ispy1.ROOT}/{folder}/")
        numbers = tuple(sorted(name[name.index("_DCE_") + 5 :][:4] for name in (entry.file for entry in images)))
        if images and numbers != PHASES:
            wrong.append(f"{folder}: phases {', '.join(numbers)}")
        if len({(entry.shape, entry.spacing_mm) for entry in images}) > 1:
            wrong.append(f"{folder}: phases of different shape")
    return _few(wrong)


def _headers(case: _Case) -> str:
    """NIfTI headers whose geometry is the manifest's, with empty text and nothing between header and voxels."""
    wrong = []
    seen: dict[str, tuple[str, str]] = {}
    for entry in case.files("", ".nii.gz"):
        if entry.sha256 not in seen:
            grid = read_volume(case.root / entry.file).grid
            seen[entry.sha256] = (" ".join(map(str, grid.shape)), " ".join(f"{s:.6g}" for s in grid.spacing_mm))
            texts = [s.place for s in file_streams(case.root / entry.file, entry.file) if _is_text(s)]
            wrong += [f"{entry.file}: {place} is not empty" for place in texts]
        shape, spacing = seen[entry.sha256]
        if (shape, spacing) != (entry.shape, entry.spacing_mm):
            wrong.append(f"{entry.file}: {shape} voxels of {spacing} mm")
    return _few(wrong)


def _is_text(stream: Stream) -> bool:
    """Whether a stream of a NIfTI file holds a text where none may be."""
    free = (*(f"NIfTI {name}" for name in NIFTI_FIELDS), "NIfTI extension", "after the voxels", "after the gzip stream")
    return stream.place.removeprefix("gzip: ") in free and bool(stream.data.strip(b"\0"))


def _masks(case: _Case) -> str:
    """Masks of the values that the layout gives them, on the grid of one of the case's images."""
    wrong = []
    for entry in (entry for entry in case.files("", ".nii.gz") if entry.mask):
        volume = case.mask(entry)
        values = {int(value) for value in np.unique(volume.array)}
        if not values <= {0, int(entry.unit.split()[-1])}:
            wrong.append(f"{entry.file}: values {sorted(values)}")
        if not any(volume.grid.same_as(grid) for grid in case.grids.values()):
            wrong.append(f"{entry.file}: on no grid of the case's images")
    return _few(wrong)


def _segmentations(case: _Case) -> str:
    """Every SEG equal to the mask of its name on the acquired grid; the report's volumes those of the masks."""
    acquired = case.grids.get("acquired")
    if acquired is None or not case.files(f"{dicom_objects.ROOT}/"):
        return ""
    wrong = []
    segs = dicom_objects.read(case.root, case.case_id, acquired)
    for name, seg in segs.items():
        mask = case.named(name)
        if mask is not None and mask.grid.same_as(seg.grid):
            different = int(np.count_nonzero((mask.array != 0) != seg.array))
            wrong += [f"{name}: {different} voxels differ between SEG and mask"] if different else []
    for entry in case.files(f"{dicom_objects.ROOT}/", "_SR.dcm"):
        for identifier, values in dicom_objects.read_measurements(case.root / entry.file).items():
            seg_cc = segs[identifier.rpartition(" ")[2]].cc
            if abs(values["Volume"] - seg_cc) > SEG_VOLUME_TOLERANCE * max(seg_cc, 1.0):
                wrong.append(f"{identifier}: {values['Volume']:g} cm3 in the report, {seg_cc:g} in the SEG")
    return _few(wrong)


def _counts(case: _Case) -> str:
    """The voxels of the FTV mask are those of tables/ftv.csv; a row that is not there is the finding on the tables."""
    wrong = []
    for name, column in {"ftv": "ftv_ser_voxels", "ftv_pe": "ftv_pe_voxels"}.items():
        mask = case.named(name)
        if mask is not None and case.ftv:
            count, listed = int(np.count_nonzero(mask.array)), case.ftv.get(column)
            wrong += [f"{name}: {count} voxels, {listed} in the table"] if str(count) != listed else []
    return _few(wrong)


def _provenance(case: _Case) -> str:
    plain = json.loads((case.root / f"provenance/{case.case_id}.json").read_text(encoding="utf-8"))
    missing = [key for key in ("source", "versions", "steps") if not plain.get(key)]
    return _few([f"provenance without {key}" for key in missing])


CASE_CHECKS: Mapping[str, Callable[[_Case], str]] = {
    "names": _names,
    "phases": _phases,
    "headers": _headers,
    "masks": _masks,
    "DICOM SEG and report": _segmentations,
    "counts": _counts,
    "provenance": _provenance,
}
ALLOWED: Mapping[str, str] = {
    "names": "the published names, BIDS names",
    "phases": "_0000, _0001 and _0002 of one shape",
    "headers": "the geometry of the manifest, no text, no extension",
    "masks": "0 and 255 for the FTV, 0 and 1 for the others, on a grid of the case's images",
    "DICOM SEG and report": "the voxels of the masks, their volumes",
    "counts": "as many voxels in the masks as in tables/ftv.csv",
    "provenance": "sources, versions and settings of every step",
}


def _size(root: Path, entry: Entry) -> int:
    return (root / entry.file).stat().st_size


def _few(wrong: Sequence[str]) -> str:
    """The first five, and how many more there are."""
    more = f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""
    return "; ".join(wrong[:5]) + more

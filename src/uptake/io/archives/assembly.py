"""The parts of a release that are about all its cases: tables, dictionary, pages, catalogues' metadata."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from uptake.features.captk.parameters import CaptkParameters, write_parameters
from uptake.io.archives import bids, documents, ispy1
from uptake.io.archives.dictionary import COLUMNS as DICTIONARY_COLUMNS
from uptake.io.archives.dictionary import dictionary
from uptake.io.archives.documents import Searched
from uptake.io.archives.facts import Row
from uptake.io.archives.jsonld import CRATE_FILE, CROISSANT_FILE, croissant, ro_crate
from uptake.io.archives.manifest import COLUMNS, Entry, sha256_of
from uptake.io.archives.metadata import Metadata, citation_cff, datacite
from uptake.io.files import write_bytes_whole, write_json_whole
from uptake.io.tables import Sheet, write_csv, write_xlsx

ERRATA_COLUMNS = ("version", "change", "file", "erratum")
DICTIONARY = "data_dictionary.csv"


@dataclass(frozen=True)
class Contents:
    """What a release holds beside its cases' own files.

    tables: by name, the rows of all cases. captk: the parameters that the cohort's CaPTk features were computed with.
    """

    metadata: Metadata
    tables: Mapping[str, Sequence[Row]]
    entries: Sequence[Entry]
    participants: Sequence[tuple[str, str, str]]
    searched: Searched
    methods: Sequence[str]
    notes: Sequence[str]
    formats: Sequence[str]
    version: str
    captk: CaptkParameters
    errata: Sequence[Row] = ()
    previous_doi: str = ""


def write_contents(root: Path, contents: Contents) -> tuple[Entry, ...]:
    """Write everything that is not a case's own; the manifest's entries of all files. Raises `Refusal` NO_SPACE."""
    columns = _write_tables(root, contents)
    _write_pages(root, contents)
    own = [_entry(root, name) for name in _written(root, contents.entries)]
    files = [*contents.entries, *own]
    write_json_whole(root / CRATE_FILE, ro_crate(contents.metadata, files, contents.version))
    write_json_whole(root / CROISSANT_FILE, croissant(contents.metadata, files, columns))
    return *files, _entry(root, CRATE_FILE), _entry(root, CROISSANT_FILE)


def _write_tables(root: Path, contents: Contents) -> dict[str, Sequence[str]]:
    """Write the tables, their dictionary and the workbook; the columns of each table by its name."""
    columns: dict[str, Sequence[str]] = {}
    for name, rows in contents.tables.items():
        columns[name] = tuple(dict.fromkeys(["case_id", *(key for row in rows for key in row)]))
        write_csv(columns[name], rows, root / f"tables/{name}.csv")
    write_csv(ERRATA_COLUMNS, contents.errata, root / "errata.csv")
    meanings = dictionary(columns | {"manifest": COLUMNS, "errata": ERRATA_COLUMNS})
    write_csv(DICTIONARY_COLUMNS, meanings, root / DICTIONARY)
    if "ispy1" in contents.formats:
        wanted = columns.get("features", ("case_id",))
        explained = [row for row in meanings if row["table"] in ("features", "clinical")]
        sheets = {"features": Sheet(wanted, contents.tables.get("features", ()))}
        if contents.tables.get("clinical"):
            sheets["clinical"] = Sheet(columns["clinical"], contents.tables["clinical"])
        sheets["dictionary"] = Sheet(DICTIONARY_COLUMNS, explained)
        write_xlsx(sheets, root / ispy1.ROOT / ispy1.FEATURES)
        write_bytes_whole(root / ispy1.ROOT / ispy1.PARAMETERS, write_parameters(contents.captk).encode())
    return columns


def _write_pages(root: Path, contents: Contents) -> None:
    metadata = contents.metadata
    masks = Counter(mask for mask, _ in dict.fromkeys((e.mask, e.case_id) for e in contents.entries if e.mask))
    cases = len({entry.case_id for entry in contents.entries})
    pages = {
        "README.md": documents.readme(metadata, cases, contents.formats, masks, contents.notes),
        "LICENSE.md": documents.licence(metadata),
        "DEIDENTIFICATION.md": documents.deidentification(contents.searched, contents.methods),
        "ERRATA.md": documents.errata(metadata, contents.errata),
        "CITATION.cff": citation_cff(metadata),
        "read_release.py": documents.READER_SCRIPT,
    }
    if "ispy1" in contents.formats:
        pages |= {
            f"{ispy1.ROOT}/{folder}/README.txt": "No case of this release has such a mask.\n"
            for folder in ispy1.MASK_FOLDERS
            if folder.removeprefix("masks_") not in masks
        }
    for name, text in pages.items():
        write_bytes_whole(root / name, text.encode())
    write_json_whole(root / "datacite.json", datacite(metadata, contents.previous_doi))
    if "bids" in contents.formats:
        bids.write_collection(root, metadata, contents.version, list(contents.participants))


def _written(root: Path, entries: Sequence[Entry]) -> list[str]:
    """Every file that is not a case's own."""
    known = {entry.file for entry in entries}
    names = (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    return sorted(name for name in names if name not in known)


def _entry(root: Path, name: str) -> Entry:
    path = root / name
    return Entry(name, sha256_of(path), path.stat().st_size)

"""All cases of a release together: their clinical columns, what is said of them, errata, manifest, and the gate."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata as installed
from pathlib import Path

from uptake.features.captk.parameters import CaptkParameters
from uptake.io.archive import FORMATS
from uptake.io.archives.assembly import Contents, write_contents
from uptake.io.archives.bids import label
from uptake.io.archives.clinical_columns import IDENTIFIERS, Clinical, clinical_rows
from uptake.io.archives.documents import Searched
from uptake.io.archives.facts import Row
from uptake.io.archives.gate import Gate, Leak
from uptake.io.archives.manifest import Entry, read_manifest, write_manifest
from uptake.io.archives.metadata import Metadata, missing, with_known
from uptake.io.clinical import read_clinical
from uptake.io.store import RefusalRecord
from uptake.io.tables import read_csv
from uptake.pipeline.releasing import ReleasedFacts
from uptake.pipeline.searching import Sought, gate_of, search
from uptake.study import Code, Refusal

TABLES = ("studies", "ftv", "features", "features_long", "checks", "clinical")
SHOWN_LEAKS = 20


@dataclass(frozen=True)
class ReleaseOptions:
    """What a user may ask of a release.

    sources: where the images are; empty: where the cohort's runs found them. public_source: whether the collection is
    public; None: what every file says in PatientIdentityRemoved. key: file of the key of pseudonyms; None:
    ``release-key`` in the cohort folder. metadata: a ``release.toml``. clinical: a table with one row per patient.
    layouts: of `FORMATS`. previous, erratum: an earlier version of the release, and what this one corrects. allow:
    texts of the source that may occur.
    """

    sources: tuple[Path, ...] = ()
    public_source: bool | None = None
    key: Path | None = None
    metadata: Path | None = None
    version: str = ""
    clinical: Path | None = None
    layouts: tuple[str, ...] = tuple(FORMATS)
    previous: Path | None = None
    erratum: str = ""
    allow: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Together:
    """What a release is made of when the files of its cases are written.

    made: its cases, by name. left_out: the others, with the reason. captk: the cohort's parameters of that panel.
    """

    made: Sequence[ReleasedFacts]
    left_out: Mapping[str, RefusalRecord]
    options: ReleaseOptions
    metadata: Metadata
    captk: CaptkParameters


@dataclass(frozen=True)
class Publication:
    """What was written: every file, what the gate searched for, what a reader should know."""

    entries: tuple[Entry, ...]
    searched: Searched
    notes: tuple[str, ...]


def publish(folder: Path, parts: Together, jobs: int, on_searched: Callable[[int, int], None]) -> Publication:
    """Write everything beside the cases' own files and search every byte, in `jobs` processes.

    on_searched: files searched, of how many. Raises `Refusal`: CASE_ID for two cases of one name, CLINICAL, NO_SPACE,
    PATIENT_DATA naming files and places, WORKER_DIED.
    """
    _check_names(parts.made)
    clinical = _clinical(parts)
    sought = _sought(parts, clinical)
    searched = _searched(parts.made, gate_of(sought))
    notes = _notes(parts, clinical)
    entries = write_contents(folder, _contents(parts, clinical, searched, notes))
    write_manifest(folder, entries)
    _check_leaks(search(folder, sought, jobs, on_searched))
    return Publication(entries, searched, notes)


def earlier(release: Path) -> tuple[str, str]:
    """Version and DOI of an earlier release. Raises `Refusal` RELEASE for a folder that is none."""
    read_manifest(release)
    try:
        plain = json.loads((release / "datacite.json").read_text(encoding="utf-8"))
        return str(plain["version"]), str(plain.get("doi", ""))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refusal(
            Code.RELEASE,
            found=f"{release.name}: a datacite.json that cannot be read ({type(error).__name__})",
            allowed="an earlier release that is whole",
            remedy="check it with uptake verify",
        ) from error


def _contents(parts: Together, clinical: Clinical | None, searched: Searched, notes: tuple[str, ...]) -> Contents:
    case_entries = tuple(entry for item in parts.made for entry in item.entries)
    tables: dict[str, list[Row]] = {
        name: [row for item in parts.made for row in (item.tables or {}).get(name, ())] for name in TABLES
    }
    tables["clinical"] = list(clinical.rows) if clinical else []
    previous = parts.options.previous
    return Contents(
        metadata=with_known(parts.metadata, sorted({entry.source_collection for entry in case_entries})),
        tables={name: rows for name, rows in tables.items() if rows},
        entries=case_entries,
        participants=_participants(parts.made),
        searched=searched,
        methods=sorted({entry.deidentification for entry in case_entries}),
        notes=notes,
        formats=parts.options.layouts,
        version=installed.version("uptake"),
        captk=parts.captk,
        errata=_errata(parts.options, case_entries, parts.metadata),
        previous_doi=earlier(previous)[1] if previous else "",
    )


def _check_names(made: Sequence[ReleasedFacts]) -> None:
    """No two cases of one name, which two sources with one PatientID could give."""
    twice = [name for name, count in Counter(item.case_id for item in made).items() if count > 1]
    if twice:
        raise Refusal(
            Code.CASE_ID,
            found=f"two cases would be called {twice[0]}",
            allowed="one name per case",
            remedy="release the cases apart, with --case",
        )


def _clinical(parts: Together) -> Clinical | None:
    if not parts.options.clinical:
        return None
    tables = read_clinical(parts.options.clinical, IDENTIFIERS)
    return clinical_rows(tables, {item.case_id: item.source_patient for item in parts.made})


def _sought(parts: Together, clinical: Clinical | None) -> Sought:
    return Sought(
        needles=frozenset(clinical.needles if clinical else ()).union(*(item.needles for item in parts.made)),
        uids=frozenset[str]().union(*(item.uids for item in parts.made)),
        allowed=frozenset(parts.options.allow).union(*(item.allowed for item in parts.made)),
    )


def _searched(made: Sequence[ReleasedFacts], gate: Gate) -> Searched:
    return Searched(
        cases=len(made),
        kept=sum(item.public for item in made),
        said=tuple(sorted({item.said for item in made if item.public})),
        values=gate.values,
        spellings=len(gate.patterns),
        uids=len(gate.uids),
        not_searched=dict(Counter(needle.kind for needle in gate.unsearched)),
    )


def _check_leaks(leaks: Sequence[Leak]) -> None:
    """Raises `Refusal` PATIENT_DATA naming files and places, never the values."""
    if leaks:
        shown = "; ".join(f"{leak.file} ({leak.place}): {leak.what}" for leak in leaks[:SHOWN_LEAKS])
        more = f"; and {len(leaks) - SHOWN_LEAKS} more" if len(leaks) > SHOWN_LEAKS else ""
        raise Refusal(
            Code.PATIENT_DATA,
            found=f"{len(leaks)} places hold something of a source: {shown}{more}",
            allowed="nothing that a source says of a person, its dates and times, or its institution",
            remedy="find how it got there (a setting, release.toml, the clinical table); what may be told is named "
            "with --allow TEXT",
        )


def _notes(parts: Together, clinical: Clinical | None) -> tuple[str, ...]:
    """What a reader of the release should know."""
    notes = [f"{item.case_id}: {item.note}" for item in parts.made if item.note]
    without = sorted({e.case_id for item in parts.made for e in item.entries if not e.source_collection})
    if without:
        notes.append(f"cases without source collection, DOI and licence, which release.toml may name: {len(without)}")
    if absent := missing(parts.metadata):
        notes.append(
            f"datacite.json and ro-crate-metadata.json are not complete: {', '.join(absent)} not in release.toml"
        )
    if parts.left_out:
        codes = Counter(refusal.code for refusal in parts.left_out.values())
        listed = ", ".join(f"{count} {code}" for code, count in sorted(codes.items()))
        notes.append(f"cases of the cohort that are not here: {listed}")
    if clinical:
        notes += [f"clinical column left behind: {reason}" for reason in sorted({r for _, r in clinical.left_behind})]
        if clinical.without_row:
            notes.append(f"cases without a row in the clinical table: {len(clinical.without_row)}")
        if clinical.without_case:
            notes.append(f"patients of the clinical table without a case here: {clinical.without_case}")
    if parts.options.allow:
        notes.append(f"{len(parts.options.allow)} texts of the source were allowed by the person who made the release")
    return tuple(notes)


def _participants(made: Sequence[ReleasedFacts]) -> list[tuple[str, str, str]]:
    labels = {(f"sub-{label(item.patient_id)}", item.patient_id, item.sex or "n/a") for item in made}
    return sorted(labels)


def _errata(options: ReleaseOptions, entries: Sequence[Entry], metadata: Metadata) -> list[Row]:
    """The errata of the earlier release, and every file of a case that is another in this one."""
    if not options.previous:
        return []
    rows: list[Row] = [dict(row) for row in _previous_errata(options.previous)]
    old = {entry.file: entry.sha256 for entry in read_manifest(options.previous) if entry.case_id}
    new = {entry.file: entry.sha256 for entry in entries}
    changes = [("added", name) for name in sorted(set(new) - set(old))]
    changes += [("removed", name) for name in sorted(set(old) - set(new))]
    changes += [("changed", name) for name in sorted(set(old) & set(new)) if old[name] != new[name]]
    about = {"version": metadata.version, "erratum": options.erratum}
    return rows + [{**about, "change": change, "file": name} for change, name in changes or [("metadata", "")]]


def _previous_errata(previous: Path) -> list[dict[str, str]]:
    return read_csv(previous / "errata.csv") if (previous / "errata.csv").is_file() else []

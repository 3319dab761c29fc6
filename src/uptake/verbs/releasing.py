"""From a cohort to a folder that others can reuse, with its proof that no patient data is left; and its check."""

from __future__ import annotations

import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import metadata as installed
from pathlib import Path
from typing import Any

from uptake.cohort.collection import CaseFinding
from uptake.io.archive import FORMATS
from uptake.io.archives.assembly import Contents, write_contents
from uptake.io.archives.bids import label
from uptake.io.archives.check import check_release
from uptake.io.archives.clinical_columns import IDENTIFIERS, Clinical, clinical_rows
from uptake.io.archives.documents import Searched
from uptake.io.archives.facts import Row
from uptake.io.archives.gate import Gate, Leak
from uptake.io.archives.identifiers import Needle
from uptake.io.archives.manifest import Entry, read_manifest, write_manifest
from uptake.io.archives.metadata import Metadata, origins, read_metadata, with_known
from uptake.io.archives.names import KEY_FILE, read_or_make_key
from uptake.io.clinical import read_clinical
from uptake.io.dicom.scan import StudySource, scan
from uptake.io.files import writable
from uptake.io.store import Cohort, RefusalRecord, open_cohort, read_cohort_record
from uptake.io.tables import read_csv
from uptake.pipeline import executors
from uptake.pipeline.naming import named_studies
from uptake.pipeline.releasing import Collection, ReleasedFacts, ReleaseTask, release_case
from uptake.pipeline.settings import Settings, from_layers, read_toml
from uptake.study import Code, Refusal, SettingsError
from uptake.verbs.running import Event, OnEvent, at_once, existing, silent

RELEASE_BYTES = 1_200_000_000
"""Memory that writing one case takes, libraries included."""
TABLES = ("studies", "ftv", "features", "features_long", "checks", "clinical")
SHOWN_LEAKS = 20


@dataclass(frozen=True)
class Released:
    """What a release holds: cases by their names in it, cases left out with the reason, what was searched for."""

    folder: Path
    cases: tuple[str, ...]
    left_out: Mapping[str, RefusalRecord]
    files: int
    bytes: int
    searched: Searched
    notes: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """For machines: plain dicts and lists."""
        return {
            "cases": list(self.cases),
            "left_out": {name: vars(refusal) for name, refusal in self.left_out.items()},
            "files": self.files,
            "bytes": self.bytes,
            "searched": {**vars(self.searched), "said": list(self.searched.said)},
            "notes": list(self.notes),
        }


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


def release(
    cohort: str | Path,
    to: str | Path,
    *,
    cases: Sequence[str] = (),
    jobs: int | None = None,
    dry_run: bool = False,
    on_event: OnEvent = silent,
    **options: Any,  # noqa: ANN401 (fields of ReleaseOptions)
) -> Released:
    """A folder of a cohort's cases that others can reuse; it appears whole, after the gate, or not at all.

    options: the fields of `ReleaseOptions`. dry_run: say what would be released, write nothing. Raises SettingsError,
    CohortError; Refusal RELEASE where `to` is not empty or a source is not there, PATIENT_DATA where anything of a
    source was found in what was written (named by file and place), NO_SPACE.
    """
    opened, target = open_cohort(Path(cohort)), Path(to)
    wanted = _options(options)
    metadata = read_metadata(wanted.metadata, wanted.version)
    _check_target(target, opened)
    _check_previous(wanted, metadata)
    tasks, left_out = _tasks(opened, wanted, cases, metadata, on_event)
    if dry_run:
        names = tuple(task.case_id for task in tasks)
        return Released(target, names, left_out, 0, 0, Searched(0, 0, (), 0, 0, 0, {}))
    key = read_or_make_key(wanted.key or opened.path / KEY_FILE)
    with _whole_folder(target) as folder:
        made = _made([replace(task, root=folder, key=key) for task in tasks], jobs, on_event)
        left_out = {**left_out, **{item.source_id: item.refusal for item in made if item.refusal}}
        good = sorted((item for item in made if not item.refusal), key=lambda item: item.case_id)
        if not good:
            raise _no_case(left_out)
        entries, searched, notes = _filled(folder, good, wanted, metadata, left_out, on_event)
    sizes = sum(entry.bytes for entry in entries)
    return Released(target, tuple(g.case_id for g in good), left_out, len(entries), sizes, searched, notes)


def verify_release(folder: Path) -> tuple[CaseFinding, ...]:
    """Every finding on a release, without the cohort: a changed byte, names, grids, counts, the dictionary."""
    return check_release(folder)


def _options(given: Mapping[str, Any]) -> ReleaseOptions:
    unknown = sorted(set(given) - set(ReleaseOptions.__dataclass_fields__))
    if unknown:
        known = ", ".join(ReleaseOptions.__dataclass_fields__)
        raise SettingsError(f"release takes no {unknown[0]!r}; it takes {known}")
    made = ReleaseOptions(**{name: value for name, value in given.items() if value is not None})
    bad = sorted(set(made.layouts) - set(FORMATS))
    if bad or not made.layouts:
        raise SettingsError(f"layouts are {', '.join(FORMATS)}, not {', '.join(bad) or 'none'}")
    return made


def _check_target(target: Path, cohort: Cohort) -> None:
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Refusal(
            Code.RELEASE,
            found=f"{target.name} exists and is not an empty folder",
            allowed="a new or empty folder: nothing is overwritten",
            remedy="name another folder; a correction is a new version, with --previous",
        )
    if cohort.path.resolve() in (target.resolve(), *target.resolve().parents):
        raise SettingsError("a release does not lie inside its cohort: name a folder outside it")


def _check_previous(options: ReleaseOptions, metadata: Metadata) -> None:
    if bool(options.previous) != bool(options.erratum):
        raise SettingsError("--previous FOLDER and --erratum TEXT go together: an earlier version, what is corrected")
    if options.previous and _said(options.previous)[0] == metadata.version:
        raise SettingsError(f"the earlier release is version {metadata.version} as well: raise this one's --version")


def _tasks(
    cohort: Cohort,
    options: ReleaseOptions,
    cases: Sequence[str],
    metadata: Metadata,
    on_event: OnEvent,
) -> tuple[list[ReleaseTask], dict[str, RefusalRecord]]:
    """A task for every case that was made, and the others with the reason."""
    unknown = sorted(set(cases) - set(cohort.case_ids))
    if unknown:
        raise SettingsError(f"there is no case {', '.join(unknown)}; there are {', '.join(cohort.case_ids) or 'none'}")
    wanted = [case_id for case_id in cohort.case_ids if not cases or case_id in cases]
    left_out = {case_id: reason for case_id in wanted if (reason := _not_made(cohort, case_id))}
    found = _sources(cohort, options, on_event)
    ready = [case_id for case_id in wanted if case_id not in left_out]
    _check_sources(cohort, ready, found)
    settings = _settings(cohort)
    collections = {name: Collection(o.name, o.doi, o.licence) for name, o in origins(metadata).items()}
    visits = _visits(found)
    tasks = [
        ReleaseTask(cohort.path.resolve(), Path(), case_id, found[case_id], settings, b"", options.layouts,
                    visits[case_id], options.public_source, collections)
        for case_id in ready
    ]  # fmt: skip
    return tasks, left_out


def _not_made(cohort: Cohort, case_id: str) -> RefusalRecord | None:
    """Why a case cannot be released: it was refused, or is not finished."""
    record = cohort.record(case_id)
    refusals = [result.refusal for result in record.results.values() if result.refusal]
    if refusals:
        return refusals[0]
    if not {"study", "ftv", "motion", "bias", "harmonised", "features", "checks"} <= set(record.results):
        return RefusalRecord(
            Code.RELEASE.value, "a case whose steps are not all made", "finished cases", "bring it up to date (run)"
        )
    return None


def _sources(cohort: Cohort, options: ReleaseOptions, on_event: OnEvent) -> dict[str, StudySource]:
    """The studies that the cases were made of, found again where the runs or the user say."""
    record = read_cohort_record(cohort)
    paths = existing(options.sources) if options.sources else tuple(Path(p) for p in record.source_paths)
    there = [path for path in paths if path.exists()]
    scanned = scan(there, on_file=lambda count: on_event(Event("scan", done=count)))
    named, _, _ = named_studies(record.case_ids, scanned.studies)
    return named


def _check_sources(cohort: Cohort, cases: Sequence[str], found: Mapping[str, StudySource]) -> None:
    missing = [case_id for case_id in cases if case_id not in found]
    changed = [c for c in cases if c in found and cohort.record(c).source_key not in (None, found[c].digest)]
    if missing or changed:
        what = [f"the source of {', '.join(missing)} is not where the cohort found it"] if missing else []
        what += [f"the files of {', '.join(changed)} are not those that the cases were made of"] if changed else []
        raise Refusal(
            Code.RELEASE,
            found="; ".join(what),
            allowed="the DICOM files (or phases) that the cases were made of: SEG objects lie on their grid, and the "
            "gate searches for what their headers say",
            remedy="say where they are: --sources FOLDER; after a change run uptake run with them first",
        )


def _settings(cohort: Cohort) -> Settings:
    return from_layers([read_toml(cohort.path / "uptake.toml")])


def _visits(found: Mapping[str, StudySource]) -> dict[str, int]:
    """The place of each study among those of its patient by date, from 1; 0 for the only one."""
    by_patient: dict[str, list[str]] = defaultdict(list)
    for case_id, study in sorted(found.items(), key=lambda item: (item[1].study_date or "", item[0])):
        by_patient[study.patient_id].append(case_id)
    return {
        case_id: place if len(cases) > 1 else 0
        for cases in by_patient.values()
        for place, case_id in enumerate(cases, start=1)
    }


@contextmanager
def _whole_folder(target: Path) -> Iterator[Path]:
    """A folder to fill; it gets its name when the block ends without an error, and is removed otherwise."""
    partial = target.with_name(f".{target.name}.partial")
    with writable(target):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            yield partial
            if target.is_dir():
                target.rmdir()
            partial.rename(target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise


def _made(tasks: Sequence[ReleaseTask], jobs: int | None, on_event: OnEvent) -> list[ReleasedFacts]:
    on_event(Event("start", total=len(tasks)))
    count = at_once(len(tasks), RELEASE_BYTES, jobs)
    ended: Iterable[tuple[ReleaseTask, ReleasedFacts | Exception]] = (
        executors.in_pool(release_case, tasks, count) if count > 1 else executors.in_process(release_case, tasks)
    )
    made = []
    for done, (task, result) in enumerate(ended, start=1):
        on_event(Event("case", done, len(tasks), task.case_id))
        made.append(ReleasedFacts(task.case_id, refusal=_died()) if isinstance(result, Exception) else result)
    return made


def _filled(
    folder: Path,
    made: Sequence[ReleasedFacts],
    options: ReleaseOptions,
    metadata: Metadata,
    left_out: Mapping[str, RefusalRecord],
    on_event: OnEvent,
) -> tuple[tuple[Entry, ...], Searched, tuple[str, ...]]:
    """Everything beside the cases' own files, the gate, the manifest."""
    _check_names(made)
    case_entries = tuple(entry for item in made for entry in item.entries)
    clinical = _clinical(options, made)
    gate = _gate(made, clinical, options)
    searched = _searched(made, gate)
    notes = _notes(made, clinical, left_out, options)
    tables: dict[str, list[Row]] = {
        name: [row for item in made for row in (item.tables or {}).get(name, ())] for name in TABLES
    }
    tables["clinical"] = list(clinical.rows) if clinical else []
    contents = Contents(
        metadata=with_known(metadata, sorted({entry.source_collection for entry in case_entries})),
        tables={name: rows for name, rows in tables.items() if rows},
        entries=case_entries,
        participants=_participants(made),
        searched=searched,
        methods=sorted({entry.deidentification for entry in case_entries}),
        notes=notes,
        formats=options.layouts,
        version=installed.version("uptake"),
        errata=_errata(options, case_entries, metadata),
        previous_doi=_said(options.previous)[1] if options.previous else "",
    )
    entries = write_contents(folder, contents)
    write_manifest(folder, entries)
    _check_gate(gate, folder, on_event)
    return entries, searched, notes


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


def _clinical(options: ReleaseOptions, made: Sequence[ReleasedFacts]) -> Clinical | None:
    if not options.clinical:
        return None
    return clinical_rows(
        read_clinical(options.clinical, IDENTIFIERS), {item.case_id: item.source_patient for item in made}
    )


def _gate(made: Sequence[ReleasedFacts], clinical: Clinical | None, options: ReleaseOptions) -> Gate:
    needles: set[Needle] = set().union(*(item.needles for item in made))
    needles |= clinical.needles if clinical else set()
    uids: set[str] = set().union(*(item.uids for item in made))
    allowed: set[str] = set(options.allow).union(*(item.allowed for item in made))
    return Gate(needles, uids, allowed)


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


def _check_gate(gate: Gate, folder: Path, on_event: OnEvent) -> None:
    """Every byte of every file. Raises `Refusal` PATIENT_DATA naming files and places, never the values."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    leaks: list[Leak] = []
    on_event(Event("start", total=len(files)))
    for done, path in enumerate(files, start=1):
        leaks += gate.search(path, path.relative_to(folder).as_posix())
        on_event(Event("searched", done, len(files)))
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


def _notes(
    made: Sequence[ReleasedFacts],
    clinical: Clinical | None,
    left_out: Mapping[str, RefusalRecord],
    options: ReleaseOptions,
) -> tuple[str, ...]:
    """What a reader of the release should know."""
    notes = [f"{item.case_id}: {item.note}" for item in made if item.note]
    without = sorted({e.case_id for item in made for e in item.entries if not e.source_collection})
    if without:
        notes.append(f"source collection, DOI and licence are not stated for {len(without)} cases: see release.toml")
    if left_out:
        codes = Counter(refusal.code for refusal in left_out.values())
        listed = ", ".join(f"{count} {code}" for code, count in sorted(codes.items()))
        notes.append(f"cases of the cohort that are not here: {listed}")
    if clinical:
        notes += [f"clinical column left behind: {reason}" for reason in sorted({r for _, r in clinical.left_behind})]
        if clinical.without_row:
            notes.append(f"{len(clinical.without_row)} cases have no row in the clinical table")
    if options.allow:
        notes.append(f"{len(options.allow)} texts of the source were allowed by the person who made the release")
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


def _said(previous: Path) -> tuple[str, str]:
    """Version and DOI of an earlier release. Raises `Refusal` RELEASE for a folder that is none."""
    read_manifest(previous)
    try:
        plain = json.loads((previous / "datacite.json").read_text(encoding="utf-8"))
        return str(plain["version"]), next((str(i["identifier"]) for i in plain["identifiers"]), "")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refusal(
            Code.RELEASE,
            found=f"{previous.name}: a datacite.json that cannot be read ({type(error).__name__})",
            allowed="an earlier release that is whole",
            remedy="check it with uptake verify",
        ) from error


def _previous_errata(previous: Path) -> list[dict[str, str]]:
    return read_csv(previous / "errata.csv") if (previous / "errata.csv").is_file() else []


def _no_case(left_out: Mapping[str, RefusalRecord]) -> Refusal:
    first = next(iter(sorted(left_out.items())), None)
    why = f"{first[0]}: {first[1].code}: {first[1].found}" if first else "the cohort has no case"
    return Refusal(
        Code.RELEASE,
        found=f"no case to release; {why}",
        allowed="at least one finished case",
        remedy="see uptake status and tables/refusals.csv",
    )


def _died() -> RefusalRecord:
    return RefusalRecord(
        Code.WORKER_DIED.value,
        "the process that wrote this case was killed, most often for lack of memory",
        "a process that ends by itself",
        "release again, with fewer --jobs",
    )

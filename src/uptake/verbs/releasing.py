"""From a cohort to a folder that others can reuse, with its proof that no patient data is left; and its check."""

from __future__ import annotations

import glob
import os
import secrets
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from uptake.cohort.collection import CaseFinding
from uptake.io.archive import FORMATS
from uptake.io.archives.check import check_release
from uptake.io.archives.clinical_columns import IDENTIFIERS
from uptake.io.archives.documents import Searched
from uptake.io.archives.metadata import Metadata, origins, read_metadata
from uptake.io.archives.names import KEY_FILE, read_or_make_key
from uptake.io.clinical import read_clinical
from uptake.io.dicom.scan import StudySource, scan
from uptake.io.files import writable
from uptake.io.store import Cohort, RefusalRecord, locked, open_cohort, read_cohort_record
from uptake.pipeline import executors
from uptake.pipeline.cases import CaseTask, finished_case
from uptake.pipeline.naming import named_studies
from uptake.pipeline.publishing import ReleaseOptions, Together, earlier, publish
from uptake.pipeline.releasing import Collection, ReleasedFacts, ReleaseTask, release_case
from uptake.pipeline.settings import Settings, from_layers, read_toml
from uptake.study import Code, Refusal, SettingsError
from uptake.verbs.running import Event, OnEvent, at_once, existing, silent

RELEASE_BYTES = 1_200_000_000
"""Memory that writing one case takes, libraries included."""


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
    CohortError (another run is at work in the cohort); Refusal RELEASE where `to` is not empty or a source is not
    there, PATIENT_DATA where anything of a source was found in what was written (named by file and place), NO_SPACE.
    """
    opened, target = open_cohort(Path(cohort)), Path(to)
    wanted = _options(options)
    metadata = read_metadata(wanted.metadata, wanted.version)
    _check_target(target, opened)
    key_file = wanted.key or opened.path / KEY_FILE
    if target.resolve() in key_file.resolve().parents:
        raise SettingsError("the key of the pseudonyms is kept outside the release: name another file with --key")
    _check_previous(wanted, metadata)
    if wanted.clinical:
        read_clinical(wanted.clinical, IDENTIFIERS)  # what is wrong with it is said now, not after every case
    tasks, left_out = _tasks(opened, wanted, cases, metadata, on_event)
    if dry_run:
        names = tuple(task.case_id for task in tasks)
        return Released(target, names, left_out, 0, 0, Searched(0, 0, (), 0, 0, 0, {}))
    with locked(opened.path), _whole_folder(target) as folder:
        key = read_or_make_key(key_file)
        made = _made([replace(task, root=folder, key=key) for task in tasks], jobs, on_event)
        left_out = {**left_out, **{item.source_id: item.refusal for item in made if item.refusal}}
        good = sorted((item for item in made if not item.refusal), key=lambda item: item.case_id)
        if not good:
            raise _no_case(left_out)
        parts = Together(good, left_out, wanted, metadata, _settings(opened).captk)
        count = at_once(os.cpu_count() or 1, RELEASE_BYTES, jobs)
        written = publish(folder, parts, count, partial(_searched, on_event))
    names, sizes = tuple(item.case_id for item in good), sum(entry.bytes for entry in written.entries)
    return Released(target, names, left_out, len(written.entries), sizes, written.searched, written.notes)


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
    if options.previous and earlier(options.previous)[0] == metadata.version:
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
    settings = _settings(cohort)
    left_out = {case_id: reason for case_id in wanted if (reason := _not_made(cohort, case_id, settings))}
    found = _sources(cohort, options, on_event)
    ready = [case_id for case_id in wanted if case_id not in left_out]
    _check_sources(cohort, ready, found)
    collections = {name: Collection(o.name, o.doi, o.licence) for name, o in origins(metadata).items()}
    visits = _visits(found)
    tasks = [
        ReleaseTask(cohort.path.resolve(), Path(), case_id, found[case_id], settings, b"", options.layouts,
                    visits[case_id], options.public_source, collections)
        for case_id in ready
    ]  # fmt: skip
    return tasks, left_out


def _not_made(cohort: Cohort, case_id: str, settings: Settings) -> RefusalRecord | None:
    """Why a case cannot be released: it was refused, or is not what its settings and readers say now."""
    done = finished_case(CaseTask(cohort.path, case_id, settings))
    if done is None:
        return RefusalRecord(
            Code.RELEASE.value,
            "a case whose results are not up to date",
            "finished cases",
            "see why: uptake status; bring it up to date: uptake run",
        )
    return done.refusal


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
    """A folder to fill; it gets its name when the block ends without an error, and is removed otherwise.

    Its name until then is no other's: processes of a killed release write for a while into the one they were given.
    What killed releases of this name left is removed.
    """
    with writable(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        for left in target.parent.glob(f".{glob.escape(target.name)}.partial-*"):
            shutil.rmtree(left, ignore_errors=True)
        partial = target.with_name(f".{target.name}.partial-{secrets.token_hex(4)}")
        partial.mkdir()
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


def _searched(on_event: OnEvent, done: int, total: int) -> None:
    on_event(Event("searched" if done else "start", done, total))


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

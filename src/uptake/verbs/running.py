"""From sources to a cohort folder: run, what a run would do, and how a cohort stands."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from uptake.io.dicom.scan import Scan, StudySource, scan
from uptake.io.files import write_bytes_whole
from uptake.io.given import read_given, write_given
from uptake.io.store import (
    Cohort,
    CohortRecord,
    RefusalRecord,
    RefusedSource,
    locked,
    open_cohort,
    read_cohort_record,
    write_cohort_record,
)
from uptake.io.values import to_plain
from uptake.pipeline import executors
from uptake.pipeline.cases import CaseResult, CaseTask, case_todo, finished_case, make_case
from uptake.pipeline.collect import collect
from uptake.pipeline.plan import Todo
from uptake.pipeline.profiles import profile as profile_settings
from uptake.pipeline.settings import Settings, from_layers, read_toml, to_toml
from uptake.study import Code, SettingsError

CASE_BYTES = 450_000_000
BYTES_PER_FILE_BYTE = 14
"""Memory a case needs: that of the libraries, and so much per byte of its files (float32 copies of int16 phases)."""


@dataclass(frozen=True)
class Event:
    """Progress: a file scanned, a case begun, a step of it begun, a case ended."""

    kind: str
    done: int = 0
    total: int = 0
    case_id: str = ""
    step: str = ""
    result: CaseResult | None = None


@dataclass(frozen=True)
class RunResult:
    """What a run did: results per case in order of name, and sources that gave no case."""

    cohort: Path
    cases: tuple[CaseResult, ...]
    refused_sources: tuple[RefusedSource, ...]

    def __fspath__(self) -> str:
        return str(self.cohort)

    @property
    def ok(self) -> bool:
        """Whether nothing was refused and nothing failed."""
        return not self.refused_sources and all(case.refusal is None for case in self.cases)

    def plain(self) -> dict[str, Any]:
        """For machines: plain dicts and lists."""
        return {
            "ok": self.ok,
            "cases": [to_plain(case) for case in self.cases],
            "refused_sources": [to_plain(source) for source in self.refused_sources],
        }


OnEvent = Callable[[Event], None]


def silent(_: Event) -> None:
    """No progress."""


def run(  # noqa: PLR0913 (what a user may ask for)
    sources: str | Path | Sequence[str | Path] = (),
    out: str | Path = "cohort",
    *,
    cases: Sequence[str] = (),
    jobs: int | None = None,
    scheduler: str | None = None,
    regions: Mapping[str, str] | None = None,
    profile: str | None = None,
    settings_file: str | Path | None = None,
    on_event: OnEvent = silent,
    **settings: Mapping[str, Any],
) -> RunResult:
    """Everything from DICOM folders or zips (or phase NIfTIs) to a cohort folder with its report.

    What is done already is not done again; a changed setting redoes exactly what depends on it. Without `sources` the
    cases of `out` are brought up to date. cases: only these. jobs: processes; None: as many as cores and memory allow.
    scheduler: address of a Dask scheduler. profile: settings that come with the package, by name.
    regions: volumes of interest, case id (or ``*`` where there is one case) -> box ``c0,r0,s0:c1,r1,s1``, XML or mask.
    settings: sections as keywords, ``run(..., ftv={"pe_threshold_percent": 90})``.
    Raises SettingsError, CohortError; Refusal NO_SPACE when `out` itself cannot be written. What is wrong with a case
    or a file is in the result and in ``tables/refusals.csv``.
    """
    cohort = Cohort(Path(out))
    with locked(cohort.path):
        resolved = _resolved(cohort, settings_file, settings, profile)
        write_bytes_whole(cohort.path / "uptake.toml", to_toml(resolved).encode())
        found, refused = _found(cohort, _paths(sources), on_event)
        _give(cohort, regions or {}, found, cases)
        tasks = _tasks(cohort, resolved, found, cases)
        results = list(_results(tasks, jobs, scheduler, on_event))
        collect(cohort, resolved)
    results.sort(key=lambda result: result.case_id)
    return RunResult(cohort.path, tuple(results), refused)


def planned(
    sources: str | Path | Sequence[str | Path] = (),
    out: str | Path = "cohort",
    *,
    cases: Sequence[str] = (),
    profile: str | None = None,
    settings_file: str | Path | None = None,
    on_event: OnEvent = silent,
    **settings: Mapping[str, Any],
) -> dict[str, tuple[Todo, ...]]:
    """What `run` would do and why, per case; nothing is written."""
    cohort = Cohort(Path(out))
    resolved = _resolved(cohort, settings_file, settings, profile)
    scanned = _scan(_paths(sources), on_event)
    named, _, _ = _named(read_cohort_record(cohort), scanned.studies)
    tasks = _tasks(cohort, resolved, named, cases)
    return {task.case_id: case_todo(cohort, task.case_id, resolved, task.source) for task in tasks}


def status(cohort: str | Path, *, cases: Sequence[str] = ()) -> dict[str, tuple[Todo, ...]]:
    """Cases x steps: what is made, what is missing and why it would run. Raises CohortError for no cohort."""
    opened = open_cohort(Path(cohort))
    resolved = _resolved(opened, None, {})
    return {case_id: case_todo(opened, case_id, resolved) for case_id in _wanted(opened.case_ids, cases)}


def report(cohort: str | Path, *, jobs: int | None = None, on_event: OnEvent = silent) -> RunResult:
    """Bring the pages of a cohort up to date, with whatever they show. Raises CohortError for no cohort."""
    return run((), open_cohort(Path(cohort)).path, jobs=jobs, on_event=on_event)


def fitting_jobs(tasks: Sequence[CaseTask], jobs: int | None) -> int:
    """How many cases to make at once: at most `jobs`, the cores, and what fits into the free memory."""
    largest = max((_source_bytes(task.source) for task in tasks), default=0)
    need = CASE_BYTES + BYTES_PER_FILE_BYTE * largest
    by_memory = max(1, int(psutil.virtual_memory().available * 0.8 // need))
    return max(1, min(jobs or os.cpu_count() or 1, by_memory, len(tasks)))


def _results(
    tasks: Sequence[CaseTask], jobs: int | None, scheduler: str | None, on_event: OnEvent
) -> Iterator[CaseResult]:
    """The results of all tasks as they end; cases with nothing to do need no process."""
    on_event(Event("start", total=len(tasks)))
    finished = {task.case_id: result for task in tasks if (result := finished_case(task)) is not None}
    ended = _ended([task for task in tasks if task.case_id not in finished], jobs, scheduler, on_event)
    for done, result in enumerate(itertools.chain(finished.values(), _survived(ended)), start=1):
        on_event(Event("case", done, len(tasks), result.case_id, result=result))
        yield result


def _survived(ended: Iterator[tuple[CaseTask, CaseResult | Exception]]) -> Iterator[CaseResult]:
    for task, result in ended:
        yield CaseResult(task.case_id, refusal=_died()) if isinstance(result, Exception) else result


def _ended(
    tasks: Sequence[CaseTask], jobs: int | None, scheduler: str | None, on_event: OnEvent
) -> Iterator[tuple[CaseTask, CaseResult | Exception]]:
    if scheduler:
        return executors.on_dask(make_case, tasks, scheduler)
    count = fitting_jobs(tasks, jobs)
    if count > 1:
        return executors.in_pool(make_case, tasks, count)

    def here(task: CaseTask) -> CaseResult:
        return make_case(task, lambda step: on_event(Event("step", case_id=task.case_id, step=step)))

    return executors.in_process(here, tasks)


def _resolved(
    cohort: Cohort, file: str | Path | None, given: Mapping[str, Any], profile: str | None = None
) -> Settings:
    """Defaults, then a profile, then the settings file, then what was given with the call.

    Where neither a profile nor a file is named, the cohort's own settings stand in their place.
    """
    own = cohort.path / "uptake.toml"
    layers = [profile_settings(profile)] if profile else []
    base = Path(file) if file else (own if own.is_file() and not profile else None)
    return from_layers([*layers, *([read_toml(base)] if base else []), given])


def _found(
    cohort: Cohort, sources: Sequence[Path], on_event: OnEvent
) -> tuple[dict[str, StudySource], tuple[RefusedSource, ...]]:
    """The studies of the sources by case id. Names once given are kept, refusals replace those of the same source."""
    if not sources:
        return {}, ()
    scanned = _scan(sources, on_event)
    record = read_cohort_record(cohort)
    named, given, clashes = _named(record, scanned.studies)
    refused = [
        RefusedSource(
            item.source,
            item.case_id,
            RefusalRecord(item.refusal.code.value, item.refusal.found, item.refusal.allowed, item.refusal.remedy),
        )
        for item in scanned.refused
    ] + clashes
    key = " ".join(sorted(path.name for path in sources))
    write_cohort_record(
        cohort,
        replace(record, case_ids=given, refused_sources={**record.refused_sources, key: tuple(refused)}),
    )
    return named, tuple(refused)


def _scan(sources: Sequence[Path], on_event: OnEvent) -> Scan:
    if not sources:
        return Scan((), ())
    for path in sources:
        if not path.exists():
            raise SettingsError(f"there is no source {path}")
    return scan(sources, on_file=lambda count: on_event(Event("scan", done=count)))


def _named(
    record: CohortRecord, studies: Sequence[StudySource]
) -> tuple[dict[str, StudySource], dict[str, str], list[RefusedSource]]:
    """Case id per study: the PatientID where the patient has one study when first seen, else with the visit.

    Gives the named studies, every name given so far by StudyInstanceUID, and refusals of names that collide.
    """
    given = dict(record.case_ids)
    named: dict[str, StudySource] = {}
    clashes: list[RefusedSource] = []
    for study in sorted(studies, key=_age):
        uid = _identity(study)
        case_id = given.get(uid) or _new_id(study, studies, given)
        owner = next((other for other, name in given.items() if name == case_id), uid)
        if owner != uid or not case_id:
            clashes.append(RefusedSource(study.files[0].name, case_id, _collision(case_id, study)))
            continue
        given[uid] = case_id
        named[case_id] = study
    return named, given, clashes


def _new_id(study: StudySource, studies: Sequence[StudySource], given: Mapping[str, str]) -> str:
    patient = _clean(study.patient_id)
    siblings = sorted((s for s in studies if s.patient_id == study.patient_id), key=_age)
    seen_before = any(name == patient or name.startswith(f"{patient}_") for name in given.values())
    if len(siblings) == 1 and not seen_before:
        return patient
    visit = _clean(study.visit) if study.visit else f"T{siblings.index(study) + 1}"
    return f"{patient}_{visit}"


def _identity(study: StudySource) -> str:
    return study.study_uid or f"phases {study.patient_id}"


def _age(study: StudySource) -> tuple[str, str, str]:
    return study.patient_id, study.study_date or "", _identity(study)


def _clean(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", text.strip()).lstrip(".")


def _collision(case_id: str, study: StudySource) -> RefusalRecord:
    return RefusalRecord(
        Code.CASE_ID.value,
        f"another study is called {case_id!r} already (visit {study.visit or 'not given'})",
        "one study per case id",
        "run the studies of this patient into separate cohorts, or correct the visit (0012,0050)",
    )


def _give(cohort: Cohort, regions: Mapping[str, str], found: Mapping[str, StudySource], cases: Sequence[str]) -> None:
    known = set(_wanted(sorted({*cohort.case_ids, *found}), cases))
    for name, text in regions.items():
        if name != "*" and name not in known:
            raise SettingsError(f"there is no case {name!r} to give a VOI; there are {', '.join(sorted(known))}")
        if name == "*" and len(known) != 1:
            raise SettingsError("a VOI for several cases is given as CASE=VOI, one --voi for each")
        for case_id in known if name == "*" else [name]:
            write_given(cohort.case(case_id), read_given(text))


def _tasks(
    cohort: Cohort, settings: Settings, found: Mapping[str, StudySource], cases: Sequence[str]
) -> list[CaseTask]:
    known = sorted({*cohort.case_ids, *found})
    return [CaseTask(cohort.path.resolve(), name, settings, found.get(name)) for name in _wanted(known, cases)]


def _wanted(known: Sequence[str], cases: Sequence[str]) -> list[str]:
    unknown = sorted(set(cases) - set(known))
    if unknown:
        raise SettingsError(f"there is no case {', '.join(unknown)}; there are {', '.join(known) or 'none'}")
    return [name for name in known if not cases or name in cases]


def _paths(sources: str | Path | Sequence[str | Path]) -> tuple[Path, ...]:
    return (Path(sources),) if isinstance(sources, (str, Path)) else tuple(Path(source) for source in sources)


def _source_bytes(source: StudySource | None) -> int:
    """Bytes of the files of a study; an archive counts three times, for it is compressed."""
    paths = {file.path: bool(file.members) for file in source.files} if source else {}
    return sum(path.stat().st_size * (3 if archive else 1) for path, archive in paths.items() if path.exists())


def _died() -> RefusalRecord:
    return RefusalRecord(
        Code.WORKER_DIED.value,
        "the process that made this case was killed, most often for lack of memory",
        "a process that ends by itself",
        "run again, with fewer --jobs",
    )

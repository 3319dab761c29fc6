"""From sources to a cohort folder: run, what a run would do, and how a cohort stands."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from uptake.io.dicom.scan import StudySource, scan
from uptake.io.files import write_bytes_whole
from uptake.io.given import GivenVoi, read_given, write_given
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
from uptake.pipeline.naming import named_studies
from uptake.pipeline.plan import Todo
from uptake.pipeline.profiles import profile as profile_settings
from uptake.pipeline.readers import drop_voi
from uptake.pipeline.settings import Settings, from_layers, read_toml, to_toml
from uptake.study import Code, SettingsError

CASE_BYTES = 450_000_000
BYTES_PER_FILE_BYTE = 14
"""Memory a case needs: that of the libraries, and so much per byte of its files (float32 copies of int16 phases)."""


@dataclass(frozen=True)
class Event:
    """Progress: a file scanned, a case begun, a step of it begun, a case ended.

    epoch: of a fold's training; fold, predicted: a fold or a prediction ended. Then `step` says it in words.
    """

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


@dataclass(frozen=True)
class Planned:
    """What a run would do and why, per case, and the sources that would give no case."""

    cases: Mapping[str, tuple[Todo, ...]]
    refused_sources: tuple[RefusedSource, ...] = ()


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
    resolved = _resolved(cohort, settings_file, settings, profile)
    vois = {name: read_given(text) for name, text in (regions or {}).items()}
    paths = _wanted_sources(sources, cohort)
    with locked(cohort.path):
        found, refused, record = _found(cohort, paths, on_event)
        wanted = _wanted(sorted({*cohort.case_ids, *found}), cases)
        given = _per_case(vois, wanted)
        write_bytes_whole(cohort.path / "uptake.toml", to_toml(resolved).encode())
        write_cohort_record(cohort, record)
        for case_id, voi in given.items():
            write_given(cohort.case(case_id), voi)
            drop_voi(cohort, case_id)
        tasks = [CaseTask(cohort.path.resolve(), name, resolved, found.get(name)) for name in wanted]
        results = list(_results(tasks, jobs, scheduler, on_event))
        collect(cohort, resolved)
    results.sort(key=lambda result: result.case_id)
    return RunResult(cohort.path, tuple(results), refused)


def planned(  # noqa: PLR0913 (what a user may ask for)
    sources: str | Path | Sequence[str | Path] = (),
    out: str | Path = "cohort",
    *,
    cases: Sequence[str] = (),
    regions: Mapping[str, str] | None = None,
    profile: str | None = None,
    settings_file: str | Path | None = None,
    on_event: OnEvent = silent,
    **settings: Mapping[str, Any],
) -> Planned:
    """What `run` would do and why, per case, and what it would refuse; nothing is written. Raises as `run` does."""
    cohort = Cohort(Path(out))
    resolved = _resolved(cohort, settings_file, settings, profile)
    vois = {name: read_given(text) for name, text in (regions or {}).items()}
    found, refused, _ = _found(cohort, _wanted_sources(sources, cohort), on_event)
    wanted = _wanted(sorted({*cohort.case_ids, *found}), cases)
    given = _per_case(vois, wanted)
    todos = {name: case_todo(cohort, name, resolved, found.get(name), given.get(name)) for name in wanted}
    return Planned(todos, refused)


def status(cohort: str | Path, *, cases: Sequence[str] = ()) -> dict[str, tuple[Todo, ...]]:
    """Cases x steps: what is made, what is missing and why it would run. Raises CohortError for no cohort."""
    opened = open_cohort(Path(cohort))
    resolved = _resolved(opened, None, {})
    return {case_id: case_todo(opened, case_id, resolved) for case_id in _wanted(opened.case_ids, cases)}


def report(
    cohort: str | Path, *, cases: Sequence[str] = (), jobs: int | None = None, on_event: OnEvent = silent
) -> RunResult:
    """Bring the pages of a cohort up to date, with whatever they show. Raises CohortError for no cohort."""
    return run((), open_cohort(Path(cohort)).path, cases=cases, jobs=jobs, on_event=on_event)


def existing(sources: str | Path | Sequence[str | Path]) -> tuple[Path, ...]:
    """The sources as paths. Raises SettingsError for one that is not there."""
    paths = (Path(sources),) if isinstance(sources, (str, Path)) else tuple(Path(source) for source in sources)
    for path in paths:
        if not path.exists():
            raise SettingsError(f"there is no source {path}")
    return paths


def fitting_jobs(tasks: Sequence[CaseTask], jobs: int | None) -> int:
    """How many cases to make at once: at most `jobs`, the cores, and what fits into the free memory."""
    largest = max((_source_bytes(task.source) for task in tasks), default=0)
    return at_once(len(tasks), CASE_BYTES + BYTES_PER_FILE_BYTE * largest, jobs)


def at_once(tasks: int, bytes_each: int, jobs: int | None) -> int:
    """How many of so many tasks run at once: at most `jobs` (None: the cores), and what fits into the free memory."""
    if tasks < 2 or jobs == 1:
        return 1
    import psutil

    by_memory = int(psutil.virtual_memory().available * 0.8 // bytes_each)
    return max(1, min(jobs or os.cpu_count() or 1, by_memory, tasks))


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
    shared = max(1, (jobs or os.cpu_count() or 1) // count)  # cores that a case has for itself
    tasks = [replace(task, threads=shared) for task in tasks]
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


def _wanted_sources(sources: str | Path | Sequence[str | Path], cohort: Cohort) -> tuple[Path, ...]:
    paths = existing(sources)
    if not paths:
        open_cohort(cohort.path)  # without sources there must be cases already
    return paths


def _found(
    cohort: Cohort, sources: Sequence[Path], on_event: OnEvent
) -> tuple[dict[str, StudySource], tuple[RefusedSource, ...], CohortRecord]:
    """The studies of the sources by case id. Names once given are kept, refusals replace those of the same source."""
    record = read_cohort_record(cohort)
    if not sources:
        return {}, (), record
    scanned = scan(sources, on_file=lambda count: on_event(Event("scan", done=count)))
    named, given, clashes = named_studies(record.case_ids, scanned.studies)
    refused = [
        RefusedSource(
            item.source,
            item.case_id,
            RefusalRecord(item.refusal.code.value, item.refusal.found, item.refusal.allowed, item.refusal.remedy),
        )
        for item in scanned.refused
    ] + clashes
    key = " ".join(sorted(path.name for path in sources))
    refusals = {**record.refused_sources, key: tuple(refused)}
    known = tuple(sorted({*record.source_paths, *(str(path.resolve()) for path in sources)}))
    record = replace(record, case_ids=given, refused_sources=refusals, source_paths=known)
    return named, tuple(refused), record


def _per_case(regions: Mapping[str, GivenVoi], cases: Sequence[str]) -> dict[str, GivenVoi]:
    """The VOI of each case that is given one; ``*`` stands for the only case of the run."""
    for name in regions:
        if name != "*" and name not in cases:
            raise SettingsError(f"there is no case {name!r} to give a VOI; there are {', '.join(cases) or 'none'}")
        if name == "*" and len(cases) > 1:
            raise SettingsError("a VOI for several cases is given as CASE=VOI, one --voi for each")
    return {case_id: region for name, region in regions.items() for case_id in (cases if name == "*" else [name])}


def _wanted(known: Sequence[str], cases: Sequence[str]) -> list[str]:
    unknown = sorted(set(cases) - set(known))
    if unknown:
        raise SettingsError(f"there is no case {', '.join(unknown)}; there are {', '.join(known) or 'none'}")
    return [name for name in known if not cases or name in cases]


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

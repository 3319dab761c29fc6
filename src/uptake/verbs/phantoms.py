"""Phantoms as DICOM, and the demonstration that runs everything on a few of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uptake.io.habits import FILE_DEFECTS, habit_of
from uptake.io.phantoms import (
    Kind,
    begin,
    check_folder,
    made_case,
    phantom_cases,
    write_phantom_case,
    write_truth_table,
)
from uptake.io.store import locked
from uptake.io.truth import Truth
from uptake.phantom import DEFECTS, PhantomSettings
from uptake.pipeline import executors
from uptake.study import Code, Refusal, SettingsError
from uptake.verbs.running import Event, OnEvent, RunResult, at_once, run, silent

PHANTOM_BYTES = 1_300_000_000
SMALL_BYTES = 350_000_000
"""Memory that making a phantom takes, libraries included: of full size, and of small."""
DEMO_SEED = 2


@dataclass(frozen=True)
class PhantomTask:
    """One phantom to be made: small, and sent to whichever process makes it."""

    folder: Path
    case_id: str
    seed: int
    settings: PhantomSettings
    kind: Kind


def phantom(  # noqa: PLR0913 (what a user may ask for)
    to: str | Path,
    *,
    cases: int = 1,
    seed: int = 0,
    vendor: str = "ge",
    view: str = "sagittal",
    field: float = 1.5,
    snr: float = 40.0,
    motion: float = 0.0,
    defects: Sequence[str] = (),
    habits: Sequence[str] = (),
    size: str = "full",
    jobs: int | None = None,
    scheduler: str | None = None,
    dry_run: bool = False,
    on_event: OnEvent = silent,
) -> list[str]:
    """Write `cases` phantoms as DICOM below `to` in a vendor's habit, with ``truth.csv`` and truth volumes.

    vendor: ge, siemens, philips, or mixed, which goes through all of them and their habits. field: 1.5 or 3 T.
    snr: in fibroglandular tissue before contrast. motion: SD of the displacement between phases, mm.
    defects: of `uptake.phantom.DEFECTS` and `uptake.io.habits.FILE_DEFECTS`. habits: of `uptake.io.habits.HABITS`.
    jobs: processes; None: as many as cores and memory allow; the bytes are the same for any number, and on a cluster.
    dry_run: write nothing. Gives the case ids. Cases that are complete are kept, so a call that was killed goes on.
    Raises SettingsError for settings that make no sense, Refusal NO_SPACE for a folder that holds anything else,
    CohortError where another call writes phantoms into it.
    """
    folder = Path(to)
    choice = {"vendor": vendor, "view": view, "field": float(field), "snr": float(snr), "motion": float(motion)}
    plan = {"seed": seed, **choice, "defects": sorted(defects), "habits": list(habits), "size": size}
    tasks = _tasks(folder, phantom_cases(cases, seed), plan)
    # Before the lock, which leaves a file: a folder of somebody else stays as it is.
    check_folder(folder, plan)
    if not dry_run:
        with locked(folder):
            begin(folder, plan)
            write_truth_table(folder, _made(tasks, jobs, scheduler, on_event))
    return [task.case_id for task in tasks]


def demo(
    to: str | Path = "demo",
    *,
    cases: int = 3,
    seed: int = DEMO_SEED,
    jobs: int | None = None,
    on_event: OnEvent = silent,
) -> RunResult:
    """`cases` small phantoms written to ``to/dicom`` and run through everything into ``to/cohort``."""
    folder = Path(to)
    phantom(folder / "dicom", cases=cases, seed=seed, size="small", jobs=jobs, on_event=on_event)
    return run(folder / "dicom", folder / "cohort", jobs=jobs, on_event=on_event)


def make_phantom(task: PhantomTask) -> Truth:
    """Write one phantom unless it is there; what is true of it."""
    there = made_case(task.folder, task.case_id)
    return there or write_phantom_case(task.folder, task.case_id, task.seed, task.settings, task.kind)


def _tasks(folder: Path, cases: Sequence[tuple[str, int]], plan: dict[str, Any]) -> list[PhantomTask]:
    """One task per case. Every defect is known and every habit possible, or `SettingsError`."""
    of_files = [name for name in plan["defects"] if name in FILE_DEFECTS]
    of_images = tuple(name for name in plan["defects"] if name not in FILE_DEFECTS)
    unknown = [name for name in of_images if name not in DEFECTS]
    if unknown:
        known = ", ".join((*DEFECTS, *FILE_DEFECTS))
        raise SettingsError(f"there is no defect {', '.join(unknown)}; there are {known}")
    wrong = [name for name in plan["habits"] if name in FILE_DEFECTS]
    if wrong:
        raise SettingsError(f"{', '.join(wrong)} is a defect, not a habit")
    tasks = []
    for number, (case_id, seed) in enumerate(cases):
        habit, names = habit_of(number, plan["vendor"], [*plan["habits"], *of_files])
        settings = PhantomSettings(
            view=plan["view"],
            size=plan["size"],
            snr=plan["snr"],
            vendor=habit.vendor,
            field_t=plan["field"],
            motion_mm=plan["motion"],
            defects=of_images,
        )
        kind = Kind(habit, tuple(name for name in names if name not in FILE_DEFECTS), tuple(plan["defects"]))
        tasks.append(PhantomTask(folder, case_id, seed, settings, kind))
    return tasks


def _made(tasks: list[PhantomTask], jobs: int | None, scheduler: str | None, on_event: OnEvent) -> list[Truth]:
    """The rows of the table of truth, in order of the cases. A process that is killed does not stop the others."""
    on_event(Event("start", total=len(tasks)))
    rows: list[Truth] = []
    killed: list[str] = []
    for done, (task, truth) in enumerate(_ended(tasks, jobs, scheduler), start=1):
        if isinstance(truth, Exception):
            killed.append(task.case_id)
        else:
            rows.append(truth)
        on_event(Event("case", done, len(tasks), task.case_id))
    if killed:
        raise Refusal(
            Code.WORKER_DIED,
            found=f"the process that made {', '.join(sorted(killed))} was killed, most often for lack of memory",
            allowed="a process that ends by itself",
            remedy="run again, with fewer --jobs: what is made is kept",
        )
    return sorted(rows, key=lambda row: row.case_id)


def _ended(
    tasks: list[PhantomTask], jobs: int | None, scheduler: str | None
) -> Iterator[tuple[PhantomTask, Truth | Exception]]:
    if scheduler:
        return executors.on_dask(make_phantom, tasks, scheduler)
    small = tasks[0].settings.size == "small"
    count = at_once(len(tasks), SMALL_BYTES if small else PHANTOM_BYTES, jobs)
    return executors.in_pool(make_phantom, tasks, count) if count > 1 else executors.in_process(make_phantom, tasks)

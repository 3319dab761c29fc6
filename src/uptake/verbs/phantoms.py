"""Phantoms as DICOM, and the demonstration that runs everything on a few of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from uptake.io.dicom.write import Habit
from uptake.io.phantoms import Truth, phantom_cases, write_phantom_case, write_truth_table
from uptake.phantom import PhantomSettings
from uptake.pipeline import executors
from uptake.study import Code, Refusal
from uptake.verbs.running import Event, OnEvent, RunResult, at_once, run, silent

PHANTOM_BYTES = 550_000_000
"""Memory that making a phantom of full size takes, libraries included."""
DEMO_SEED = 1


@dataclass(frozen=True)
class PhantomTask:
    """One phantom to be made: small, and sent to whichever process makes it."""

    folder: Path
    case_id: str
    seed: int
    settings: PhantomSettings
    habit: Habit


def phantom(  # noqa: PLR0913 (what a user may ask for)
    to: str | Path,
    *,
    cases: int = 1,
    seed: int = 0,
    vendor: str = "ge",
    view: str = "sagittal",
    snr: float = 40.0,
    size: str = "full",
    jobs: int | None = None,
    dry_run: bool = False,
    on_event: OnEvent = silent,
) -> list[str]:
    """Write `cases` phantoms as DICOM below `to` in a vendor's habit, with ``truth.csv`` and truth volumes.

    snr: in fibroglandular tissue before contrast. jobs: processes; None: as many as cores and memory allow; the bytes
    are the same for any number. dry_run: write nothing. Gives the case ids. Phantoms that are there are made anew.
    Raises SettingsError for settings that make no sense, Refusal NO_SPACE.
    """
    settings = PhantomSettings(view=view, snr=snr, size=size)  # type: ignore[arg-type]
    habit = Habit(vendor=vendor)  # type: ignore[arg-type]
    tasks = [PhantomTask(Path(to), case_id, own, settings, habit) for case_id, own in phantom_cases(cases, seed)]
    if not dry_run:
        write_truth_table(Path(to), _made(tasks, jobs, on_event))
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
    """Write one phantom; what is true of it."""
    return write_phantom_case(task.folder, task.case_id, task.seed, task.settings, task.habit)


def _made(tasks: list[PhantomTask], jobs: int | None, on_event: OnEvent) -> list[Truth]:
    """The rows of the table of truth, in order of the cases."""
    on_event(Event("start", total=len(tasks)))
    count = at_once(len(tasks), PHANTOM_BYTES, jobs)
    ended = executors.in_pool(make_phantom, tasks, count) if count > 1 else executors.in_process(make_phantom, tasks)
    rows: list[Truth] = []
    for task, truth in ended:
        if isinstance(truth, Exception):
            raise Refusal(
                Code.WORKER_DIED,
                found=f"the process that made {task.case_id} was killed, most often for lack of memory",
                allowed="a process that ends by itself",
                remedy="run again, with fewer --jobs",
            ) from truth
        rows.append(truth)
        on_event(Event("case", len(rows), len(tasks), task.case_id))
    return sorted(rows, key=lambda row: row.case_id)

"""Phantoms as DICOM, and the demonstration that runs everything on a few of them."""

from __future__ import annotations

from pathlib import Path

from uptake.io.dicom.write import Habit
from uptake.io.phantoms import write_phantom_cohort
from uptake.phantom import PhantomSettings
from uptake.verbs.running import Event, OnEvent, RunResult, run, silent


def phantom(  # noqa: PLR0913 (what a user may ask for)
    to: str | Path,
    *,
    cases: int = 1,
    seed: int = 0,
    vendor: str = "ge",
    view: str = "sagittal",
    snr: float = 40.0,
    size: str = "full",
    on_event: OnEvent = silent,
) -> list[str]:
    """Write `cases` phantoms as DICOM below `to` in a vendor's habit, with ``truth.csv`` and truth volumes.

    snr: in fibroglandular tissue before contrast. Gives the case ids. Raises SettingsError for settings that make no
    sense, Refusal NO_SPACE.
    """
    settings = PhantomSettings(view=view, snr=snr, size=size)  # type: ignore[arg-type]
    made: list[str] = []
    on_event(Event("start", total=cases))

    def on_case(case_id: str) -> None:
        made.append(case_id)
        on_event(Event("case", len(made), cases, case_id))

    write_phantom_cohort(
        Path(to),
        cases=cases,
        seed=seed,
        settings=settings,
        habit=Habit(vendor=vendor),  # type: ignore[arg-type]
        on_case=lambda truth: on_case(truth.case_id),
    )
    return made


def demo(
    to: str | Path = "demo", *, cases: int = 3, seed: int = 1, jobs: int | None = None, on_event: OnEvent = silent
) -> RunResult:
    """`cases` small phantoms written to ``to/dicom`` and run through everything into ``to/cohort``."""
    folder = Path(to)
    phantom(folder / "dicom", cases=cases, seed=seed, size="small", on_event=on_event)
    return run(folder / "dicom", folder / "cohort", jobs=jobs, on_event=on_event)

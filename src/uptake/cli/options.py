"""Options that several verbs share, and what shows their progress."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

CohortPath = Annotated[Path, typer.Argument(metavar="COHORT", help="the cohort folder")]
Cases = Annotated[list[str] | None, typer.Option("--case", metavar="ID", help="only this case (repeatable)")]
Jobs = Annotated[int | None, typer.Option("--jobs", min=1, help="processes; default: what cores and memory allow")]
Scheduler = Annotated[str | None, typer.Option("--scheduler", metavar="ADDRESS", help="of a Dask scheduler, tcp://...")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="show what would run and why, and do nothing")]
Json = Annotated[bool, typer.Option("--json", help="the result as JSON, for machines")]
Profile = Annotated[
    str | None, typer.Option("--profile", metavar="NAME", help="default, ispy1-release: settings by name")
]
SettingsFile = Annotated[Path | None, typer.Option("--settings", metavar="FILE", help="a TOML file of settings")]
Assignments = Annotated[list[str] | None, typer.Option("--set", metavar="SECTION.NAME=VALUE", help="one setting")]
VoiOption = Annotated[
    list[str] | None,
    typer.Option("--voi", metavar="[CASE=]VOI", help="volume of interest: c0,r0,s0:c1,r1,s1, a ROI XML or a mask"),
]


def watching(*, quiet: bool) -> Any:  # noqa: ANN401 (a context manager of a callback)
    """What shows progress on standard error: bars at a terminal, else lines; nothing where `quiet`."""
    from uptake.cli.progress import bars, lines, silence

    if quiet:
        return silence()
    return bars() if sys.stderr.isatty() else lines()


def sections(assignments: Sequence[str] | None) -> dict[str, Any]:
    """Settings ``section.name=value`` as sections."""
    from uptake.pipeline.settings import assigned

    return assigned(assignments or ())

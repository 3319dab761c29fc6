"""The verbs `uptake phantom` and `uptake demo`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from uptake.cli.options import DryRun, Jobs, Json, Scheduler, watching
from uptake.cli.show import show_result


def phantom(  # noqa: PLR0917 (options)
    to: Annotated[
        Path, typer.Option("--to", metavar="DIR", help="the folder to write: new, empty, or one to go on with")
    ],
    cases: Annotated[int, typer.Option("--cases", min=1, help="how many")] = 1,
    seed: Annotated[int, typer.Option("--seed", help="same seed, same bytes")] = 0,
    vendor: Annotated[
        Literal["ge", "siemens", "philips", "mixed"],
        typer.Option("--vendor", metavar="ge|siemens|philips|mixed", help="whose DICOM habits; mixed: all in turn"),
    ] = "ge",
    view: Annotated[
        Literal["sagittal", "axial"],
        typer.Option("--view", metavar="sagittal|axial", help="one breast, or both in axial images"),
    ] = "sagittal",
    field: Annotated[float, typer.Option("--field", metavar="1.5|3", help="field strength in T")] = 1.5,
    snr: Annotated[float, typer.Option("--snr", help="in fibroglandular tissue before contrast")] = 40.0,
    motion: Annotated[float, typer.Option("--motion", metavar="MM", help="SD of the motion between phases")] = 0.0,
    defect: Annotated[
        list[str] | None,
        typer.Option(
            "--defect",
            metavar="NAME",
            help="ghosting, bright-artefact, wrap-around, metal-void, swapped-phases, missing-phase, pre-swapped, "
            "missing-slice (repeatable)",
        ),
    ] = None,
    habit: Annotated[
        list[str] | None,
        typer.Option(
            "--habit",
            metavar="NAME",
            help="of the files: temporal-position, trigger-time or no-times (GE), derived-between, varying-tags, "
            "enhanced, rle, jpeg, jpeg-ls, jpeg-2000, no-ucsf (repeatable)",
        ),
    ] = None,
    size: Annotated[
        Literal["full", "half", "small"], typer.Option("--size", metavar="full|half|small", help="matrix size")
    ] = "full",
    jobs: Jobs = None,
    scheduler: Scheduler = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Labelled synthetic breast DCE-MRI as DICOM, with its truth. Killed, it goes on where it stopped."""
    from uptake import verbs

    with watching(quiet=as_json or dry_run) as on_event:
        made = verbs.phantom(
            to,
            cases=cases,
            seed=seed,
            vendor=vendor,
            view=view,
            field=field,
            snr=snr,
            motion=motion,
            defects=defect or [],
            habits=habit or [],
            size=size,
            jobs=jobs,
            scheduler=scheduler,
            dry_run=dry_run,
            on_event=on_event,
        )
    if as_json:
        typer.echo(json.dumps(made))
    elif dry_run:
        for name in made:
            typer.echo(f"{name}: {'is there' if (to / name).exists() else 'would be new'}")
        typer.echo(f"{len(made)} phantoms would be written to {to}")
    else:
        typer.echo(f"{len(made)} phantoms in {to}; what is true of them in {to}/truth.csv")


def demo(
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="the folder to write")] = Path("demo"),
    cases: Annotated[int, typer.Option("--cases", min=1, help="how many phantoms")] = 3,
    jobs: Jobs = None,
    as_json: Json = False,
) -> None:
    """A small phantom cohort through everything; prints where the report is."""
    from uptake import verbs

    with watching(quiet=as_json) as on_event:
        result = verbs.demo(to, cases=cases, jobs=jobs, on_event=on_event)
    show_result(result, as_json)

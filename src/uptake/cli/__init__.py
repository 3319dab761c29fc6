"""Arguments to calls, results to lines: the command line. Nothing is computed here.

Exit code 0: all well; 1: some case failed or was refused; 2: wrong usage. The modules that do the work are imported
by the verb that needs them, so that ``--help`` answers at once.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from uptake import __version__
from uptake.cli import collection, networks, one_image, phantoms, releasing, reviewing
from uptake.cli.options import (
    Assignments,
    Cases,
    CohortPath,
    DryRun,
    Jobs,
    Json,
    Profile,
    Scheduler,
    SettingsFile,
    VoiOption,
    sections,
    watching,
)
from uptake.cli.show import show_plan, show_result, show_status

app = typer.Typer(
    name="uptake",
    help="Breast DCE-MRI from DICOM to harmonised images, tumour volumes, radiomics and a report. Research use only.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

OBJECTS_PER_COLLECTION = 50_000
"""Python's own 700 has the importing of what a verb needs searched for cycles dozens of times: a tenth of a second."""


def main() -> None:
    """The command ``uptake``: errors that uptake explains become one line and an exit code."""
    gc.set_threshold(OBJECTS_PER_COLLECTION)
    try:
        app(prog_name="uptake")
    except Exception as error:  # noqa: BLE001 (raised again unless it is one of ours)
        _explain(error)
    finally:
        gc.freeze()  # what ends with the process is not searched for cycles before


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"uptake {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="the version, and nothing else")
    ] = False,
) -> None:
    """Say what holds for every verb."""


@app.command()
def run(  # noqa: PLR0917 (options)
    sources: Annotated[list[Path] | None, typer.Argument(metavar="SOURCE...", help="DICOM folders or zips")] = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="COHORT", help="the cohort folder to make or bring up to date")
    ] = Path("cohort"),
    case: Cases = None,
    jobs: Jobs = None,
    scheduler: Scheduler = None,
    voi: VoiOption = None,
    profile: Profile = None,
    settings: SettingsFile = None,
    assign: Assignments = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """DICOM folders or zips (or phase NIfTIs) in, a cohort folder out. A second run does nothing."""
    from uptake import verbs

    given = sections(assign)
    if dry_run:
        planned = verbs.planned(
            sources or [],
            out,
            cases=case or [],
            regions=_regions(voi or []),
            profile=profile,
            settings_file=settings,
            **given,
        )
        show_plan(planned, as_json)
    with watching(quiet=as_json) as on_event:
        result = verbs.run(
            sources or [],
            out,
            cases=case or [],
            jobs=jobs,
            scheduler=scheduler,
            regions=_regions(voi or []),
            profile=profile,
            settings_file=settings,
            on_event=on_event,
            **given,
        )
    show_result(result, as_json)


@app.command()
def status(cohort: CohortPath, case: Cases = None, as_json: Json = False) -> None:
    """Cases x steps: what is made, what is missing, and why it would run."""
    from uptake import verbs

    show_status(verbs.status(cohort, cases=case or []), as_json)


@app.command(name="import")
def import_(  # noqa: PLR0917 (options)
    cohort: CohortPath,
    masks: Annotated[Path, typer.Argument(metavar="MASKS", help="a folder of <case>.nii.gz, or one mask with --case")],
    kind: Annotated[
        Literal["reader", "truth", "ftv"], typer.Option("--as", metavar="reader|truth|ftv", help="what the masks are")
    ],
    reader: Annotated[str, typer.Option("--reader", metavar="NAME", help="who made them")] = "",
    case: Cases = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Masks made elsewhere into a cohort, with a check of the grid: NIfTI or DICOM SEG."""
    from uptake import verbs

    result = verbs.import_masks(cohort, masks, as_=kind, reader=reader, cases=case or [], dry_run=dry_run)
    if as_json:
        typer.echo(json.dumps({"imported": result.imported, "refused": [vars(r) for r in result.refused]}, indent=2))
    else:
        done = "would be imported" if dry_run else "imported"
        for name in result.imported:
            typer.echo(f"{name}: {done} as {kind}")
        for refused in result.refused:
            typer.echo(f"{refused.case_id}: refused: {refused.code}: {refused.found}; {refused.remedy}", err=True)
        why = f"; {len(result.refused)} refused, why: above" if result.refused else ""
        typer.echo(f"{len(result.imported)} of {len(result.imported) + len(result.refused)} masks {done}{why}")
    raise typer.Exit(1 if result.refused else 0)


app.command()(reviewing.review)


app.command()(networks.train)


app.command()(networks.predict)


@app.command()
def report(
    cohort: CohortPath, case: Cases = None, jobs: Jobs = None, dry_run: DryRun = False, as_json: Json = False
) -> None:
    """Bring the pages for people up to date, with whatever they show, and say where they are."""
    from uptake import verbs

    if dry_run:
        show_status(verbs.status(cohort, cases=case or []), as_json)
    with watching(quiet=as_json) as on_event:
        result = verbs.report(cohort, cases=case or [], jobs=jobs, on_event=on_event)
    show_result(result, as_json)


app.command()(one_image.features)


app.command()(phantoms.phantom)


app.command()(phantoms.demo)


@app.command()
def doctor(
    sources: Annotated[list[Path] | None, typer.Argument(metavar="SOURCE...", help="studies to estimate")] = None,
    out: Annotated[Path, typer.Option("--out", metavar="COHORT", help="where a cohort would be")] = Path(),
    as_json: Json = False,
) -> None:
    """What this machine can do, and the space a run needs."""
    from uptake import verbs

    findings = verbs.doctor(sources or [], out)
    if as_json:
        typer.echo(json.dumps([vars(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            typer.echo(f"{'ok  ' if finding.ok else 'NO  '} {finding.subject:<18} {finding.words}")
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)


@app.command()
def config(
    cohort: Annotated[Path | None, typer.Argument(metavar="[COHORT]", help="show a cohort's settings")] = None,
    profile: Profile = None,
    settings: SettingsFile = None,
    assign: Assignments = None,
    origins: Annotated[bool, typer.Option("--origins", help="a table of values and where each came from")] = False,
    as_json: Json = False,
) -> None:
    """The settings as a commented TOML file, or each with its origin."""
    from uptake import verbs

    shown = verbs.config(cohort, profile=profile, settings_file=settings, **sections(assign))
    if as_json:
        typer.echo(json.dumps([vars(item) for item in shown.items], indent=2))
    elif origins:
        for item in shown.items:
            typer.echo(f"{item.section + '.' + item.name:<32} {item.value!s:<24} {item.origin}")
    else:
        typer.echo(shown.toml, nl=False)


app.command(name="cohort")(collection.cohort)
app.command(name="verify")(collection.verify)
app.command(name="release")(releasing.release)
app.command(name="fetch")(releasing.fetch)


def _regions(texts: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    return {(name if equals else "*"): (value if equals else name) for name, equals, value in pairs}


def _explain(error: Exception) -> NoReturn:
    """Wrong usage ends with 2, a refusal (an output that cannot be written) with 1; anything else is a bug."""
    from uptake.study import Refusal, UptakeError

    if not isinstance(error, UptakeError):
        raise error
    typer.echo(f"uptake: {error}", err=True)
    sys.exit(1 if isinstance(error, Refusal) else 2)

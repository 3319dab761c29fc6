"""The verbs about a whole collection: `uptake cohort` and `uptake verify`. Arguments to calls, results to lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from uptake.cli.options import watching


def cohort(  # noqa: PLR0917 (options)
    clinical: Annotated[Path, typer.Argument(metavar="CLINICAL", help="clinical table: XLSX, CSV or Parquet")],
    index: Annotated[Path, typer.Option("--index", metavar="TABLE", help="index of the images, by series or study")],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="the folder to write")],
    include: Annotated[
        Path | None, typer.Option("--include", metavar="LIST", help="inclusion list: a text or a table of patients")
    ] = None,
    rules: Annotated[
        str | None,
        typer.Option("--rules", metavar="NAME_OR_FILE", help="ispy1, cohort, series or a TOML file; default: by index"),
    ] = None,
    features: Annotated[
        Path | None, typer.Option("--features", metavar="TABLE", help="a feature table to join to the chosen patients")
    ] = None,
    sheet: Annotated[
        list[str] | None,
        typer.Option("--sheet", metavar="NAME", help="a sheet that the workbook must have (repeatable)"),
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option("--column", metavar="NAME", help="a column for Table 1 (repeatable)")
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="COLUMN", help="groups of Table 1; '' for everybody together")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show the selection and write nothing")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="the result as JSON, for machines")] = False,
) -> None:
    """Choose patients by rules from clinical table and image index: reasons, flow, Tables 1 and 2."""
    from uptake import verbs

    found = verbs.cohort(
        clinical, index, to, include=include, rules=rules, features=features, sheets=sheet or [], columns=column or [],
        by=by, dry_run=dry_run,
    )  # fmt: skip
    if as_json:
        typer.echo(json.dumps(found.plain(), indent=2))
        return
    typer.echo(f"rules: {found.rules}")
    for step in found.selection.flow:
        why = f"   {step.excluded} excluded: {step.reason}" if step.excluded else ""
        typer.echo(f"{step.remaining:6d}  {step.step}{why}")
    if found.features:
        typer.echo(found.features)
    total = len(found.included) + len(found.selection.exclusions)
    where = "nothing was written" if dry_run else f"why, and the tables: {to}/index.html"
    typer.echo(f"{len(found.included)} of {total} patients included; {where}")


def verify(  # noqa: PLR0917 (options)
    folder: Annotated[Path, typer.Argument(metavar="COHORT_OR_RELEASE", help="the cohort folder, or a release")],
    case: Annotated[list[str] | None, typer.Option("--case", metavar="ID", help="only this case (repeatable)")] = None,
    readers: Annotated[
        Path | None,
        typer.Option("--readers", metavar="DIR", help="masks DIR/<reader>/<case>.nii.gz to compare with each other"),
    ] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="processes; default: what fits")] = None,
    assign: Annotated[
        list[str] | None, typer.Option("--set", metavar="verify.NAME=VALUE", help="one limit of the validation")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be checked, and do nothing")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="the result as JSON, for machines")] = False,
) -> None:
    """Technical validation of a cohort or a release: pass, warn or fail, with the number and the limit."""
    from uptake import verbs
    from uptake.pipeline.settings import assigned

    if dry_run:
        names = verbs.to_verify(folder, cases=case or [])
        for name in names:
            typer.echo(f"{name}: would be checked")
        typer.echo(f"{len(names)} would be checked, nothing was written")
        return
    with watching(quiet=as_json) as on_event:
        found = verbs.verify(
            folder, cases=case or [], readers=readers, jobs=jobs, on_event=on_event, **assigned(assign or ())
        )
    if as_json:
        typer.echo(json.dumps(found.plain(), indent=2))
    else:
        for item in found.findings:
            if item.status != "pass":
                typer.echo(f"{item.status}  {item.case_id or 'collection'}: {item.check}: {item.found}; {item.allowed}")
        counts = {status: sum(item.status == status for item in found.findings) for status in ("fail", "warn")}
        where = f"; the page: {found.page}" if found.page else ""
        typer.echo(f"{counts['fail']} of {len(found.findings)} checks failed, {counts['warn']} warn{where}")
    raise typer.Exit(0 if found.ok else 1)

"""The verbs that hand a collection over and fetch one: arguments to calls, results to lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uptake.cli.options import watching

if TYPE_CHECKING:
    from uptake.verbs.releasing import Released

CohortPath = Annotated[Path, typer.Argument(metavar="COHORT", help="the cohort folder")]
Cases = Annotated[list[str] | None, typer.Option("--case", metavar="ID", help="only this case (repeatable)")]
Jobs = Annotated[int | None, typer.Option("--jobs", min=1, help="processes; default: what cores and memory allow")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="show what would be done, and do nothing")]
Json = Annotated[bool, typer.Option("--json", help="the result as JSON, for machines")]
PublicSource = Annotated[
    bool | None,
    typer.Option(
        "--public-source/--no-public-source",
        help="the images are public already: PatientIDs and UIDs stay. Default: what PatientIdentityRemoved says",
    ),
]


def release(  # noqa: PLR0917 (options)
    cohort: CohortPath,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="the folder to make: new or empty")],
    case: Cases = None,
    sources: Annotated[
        list[Path] | None,
        typer.Option("--sources", metavar="SOURCE", help="where the images are, if not where the runs found them"),
    ] = None,
    public_source: PublicSource = None,
    key: Annotated[
        Path | None, typer.Option("--key", metavar="FILE", help="key of the pseudonyms; default: COHORT/release-key")
    ] = None,
    metadata: Annotated[
        Path | None,
        typer.Option("--metadata", metavar="FILE", help="release.toml: title, authors, licence, source collections"),
    ] = None,
    release_version: Annotated[str, typer.Option("--version", metavar="X.Y.Z", help="of the release")] = "",
    clinical: Annotated[
        Path | None, typer.Option("--clinical", metavar="TABLE", help="clinical columns: XLSX or CSV, a patient a row")
    ] = None,
    layout: Annotated[
        list[str] | None, typer.Option("--layout", metavar="ispy1|bids|dicom", help="only this form (repeatable)")
    ] = None,
    previous: Annotated[
        Path | None, typer.Option("--previous", metavar="DIR", help="an earlier version, which this one corrects")
    ] = None,
    erratum: Annotated[str, typer.Option("--erratum", metavar="TEXT", help="what was wrong in it")] = "",
    allow: Annotated[
        list[str] | None, typer.Option("--allow", metavar="TEXT", help="a text of the source that may occur")
    ] = None,
    jobs: Jobs = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """The release folder, with its proof that no patient data is left. It appears whole or not at all."""
    from uptake import verbs

    with watching(quiet=as_json or dry_run) as on_event:
        made = verbs.release(
            cohort,
            to,
            cases=case or [],
            jobs=jobs,
            dry_run=dry_run,
            on_event=on_event,
            sources=tuple(sources or ()),
            public_source=public_source,
            key=key,
            metadata=metadata,
            version=release_version,
            clinical=clinical,
            layouts=tuple(layout) if layout else None,
            previous=previous,
            erratum=erratum,
            allow=tuple(allow or ()),
        )
    _show(made, as_json, dry_run)
    raise typer.Exit(1 if made.left_out else 0)


def fetch(
    cases: Annotated[list[str], typer.Argument(metavar="CASE...", help="PatientIDs, e.g. ISPY1_1001")],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="the folder to download to")],
    collection: Annotated[
        str, typer.Option("--collection", metavar="NAME", help="of the archive, e.g. ISPY1; default: any")
    ] = "",
    client: Annotated[
        str, typer.Option("--client", metavar="idc|tcia", help="idc-index, or tcia-utils for what only TCIA has")
    ] = "idc",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Cases of a public collection, through an existing client. What is there already is not fetched again."""
    from uptake import verbs

    with watching(quiet=as_json or dry_run) as on_event:
        got = verbs.fetch(cases, to, collection=collection, client=client, dry_run=dry_run, on_event=on_event)
    if as_json:
        typer.echo(json.dumps(got.plain(), indent=2))
    else:
        for line in got.lines():
            typer.echo(line)
        word = "would be fetched" if dry_run else "complete"
        why = "; why not: above" if got.failed else ""
        typer.echo(f"{len(got.complete)} of {len(cases)} cases {word} in {to}{why}")
    raise typer.Exit(1 if got.failed else 0)


def _show(made: Released, as_json: bool, dry_run: bool) -> None:
    if as_json:
        typer.echo(json.dumps(made.plain(), indent=2))
        return
    for name, refusal in made.left_out.items():
        typer.echo(f"left out {name}: {refusal.code}: {refusal.found}", err=True)
    if dry_run:
        for name in made.cases:
            typer.echo(f"{name}: would be released")
        total = len(made.cases) + len(made.left_out)
        typer.echo(f"{len(made.cases)} of {total} cases would be released to {made.folder}")
        return
    found = made.searched
    said = f" (said by: {', '.join(found.said)})" if found.said else ""
    kept = f"{found.kept} of {found.cases} cases are public and keep PatientIDs and UIDs{said}"
    typer.echo(f"{kept}; the others have pseudonyms")
    typer.echo(
        f"no patient data found: {found.values} values in {found.spellings} spellings and {found.uids} UIDs searched "
        f"in every byte of {made.files} files ({made.bytes / 1e6:.0f} MB)"
    )
    for note in made.notes:
        typer.echo(f"note: {note}")
    typer.echo(f"release: {made.folder}")
    left = f"; {len(made.left_out)} left out, why: above" if made.left_out else ""
    typer.echo(f"{len(made.cases)} of {len(made.cases) + len(made.left_out)} cases released{left}")

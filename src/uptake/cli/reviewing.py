"""The verb `review`: the server's link as one line and nothing else on standard output; hand-off and log."""

from __future__ import annotations

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from uptake.cli.options import Cases, CohortPath, Json

EXTRA = ("starlette", "uvicorn")


def review(  # noqa: PLR0917 (options)
    cohort: CohortPath,
    port: Annotated[int | None, typer.Option("--port", metavar="P", min=1, max=65535, help="default: 8411")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="print the link and open nothing")] = False,
    reader: Annotated[str, typer.Option("--reader", metavar="NAME", help="who reads; default: the page asks")] = "",
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="loopback addresses only")] = "127.0.0.1",
    export: Annotated[
        str | None,
        typer.Option("--export", metavar="itk-snap|slicer", help="no server: write cases for a desktop program"),
    ] = None,
    to: Annotated[Path | None, typer.Option("--to", metavar="DIR", help="where --export writes")] = None,
    audit: Annotated[Path | None, typer.Option("--audit", metavar="FILE", help="no server: write the log here")] = None,
    case: Cases = None,
    as_json: Json = False,
) -> None:
    """The readers' workbench in the browser: look at images, draw, compare, approve. On this machine only."""
    if export:
        export_cases(cohort, export, case or [], to, reader)
    if audit:
        write_audit(cohort, audit)
    if not (export or audit):
        wish = {"port": port, "browser": not no_browser, "reader": reader, "cases": tuple(case or ())}
        serve(cohort, host, wish, as_json)


def serve(cohort: Path, host: str, wish: dict[str, Any], as_json: bool) -> None:
    """Serve until interrupted. Raises SettingsError where the extra is not installed, or for a foreign address."""
    _need_extra()
    from uptake.review import server

    server.check_address(host)
    kind = server.network_disk(cohort)
    if kind:
        typer.echo(f"uptake: the cohort lies on a network disk ({kind}): let one machine at a time review it", err=True)

    if not server.viewer_installed():
        typer.echo("uptake: the viewer is missing, so the page shows no images: run `make viewer`", err=True)

    def say(link: server.Link) -> None:
        typer.echo(json.dumps({"url": link.url, "port": link.port}) if as_json else f"URL: {link.url}")
        sys.stdout.flush()
        typer.echo("uptake: the review runs until Ctrl-C; whoever has the link can read and write", err=True)
        # a browser that is opened may write to standard output, which holds the link alone
        if wish["browser"]:
            os.dup2(2, 1)

    server.serve(cohort, server.Wish(**wish), say)


def export_cases(cohort: Path, tool: str, cases: list[str], to: Path | None, reader: str) -> None:
    """Write cases for a desktop program and say where. Raises SettingsError for a tool or case that is none."""
    _need_extra()
    from uptake.review.handoff import export

    if to is None:
        from uptake.study import SettingsError

        raise SettingsError("--export writes into a folder: name it with --to")
    for folder in export(cohort, tool, cases, to, reader):
        typer.echo(f"{folder}: how to start is in README.txt")


def write_audit(cohort: Path, path: Path) -> None:
    """Write the readers' log as CSV and say where."""
    from uptake.io.files import write_bytes_whole
    from uptake.io.store import open_cohort
    from uptake.review.audit import audit_csv

    write_bytes_whole(path, audit_csv(open_cohort(cohort).path).encode())
    typer.echo(f"{path}")


def _need_extra() -> None:
    missing = [name for name in EXTRA if find_spec(name) is None]
    if missing:
        from uptake.study import SettingsError

        raise SettingsError(f"the review needs the extra 'review' ({', '.join(missing)}): pip install 'uptake[review]'")

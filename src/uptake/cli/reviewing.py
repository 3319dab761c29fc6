"""The verb `review`: the server's link as one line, and nothing else on standard output."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from uptake.study import SettingsError


def serve(cohort: Path, *, port: int | None, browser: bool, reader: str, as_json: bool) -> None:
    """Serve until interrupted. Raises SettingsError where the extra is not installed."""
    try:
        from uptake.review.server import Link
        from uptake.review.server import serve as serve_cohort
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn", "anyio"):
            raise
        raise SettingsError("the review needs the extra 'review': pip install 'uptake[review]'") from error

    def say(link: Link) -> None:
        typer.echo(json.dumps({"url": link.url, "port": link.port}) if as_json else f"URL: {link.url}")

    serve_cohort(cohort, port=port, reader=reader, browser=browser, ready=say)

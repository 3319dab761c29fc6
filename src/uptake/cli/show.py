"""Plans and results as lines for people or as JSON, and the exit code that goes with them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import typer

if TYPE_CHECKING:
    from uptake.io.store import RefusedSource
    from uptake.pipeline.plan import Todo
    from uptake.verbs import Planned, RunResult

REFUSALS = "tables/refusals.csv"


def show_status(cases: Mapping[str, tuple[Todo, ...]], as_json: bool) -> NoReturn:
    """Every step of every case, its state and why it would run. Ends with 0."""
    if as_json:
        typer.echo(json.dumps(_plain(cases), indent=2))
    else:
        _list(cases)
        typer.echo(_waiting(cases))
    raise typer.Exit(0)


def show_plan(planned: Planned, as_json: bool) -> NoReturn:
    """The same for what a run would do, and the sources that it would refuse: these end with 1."""
    refused = planned.refused_sources
    if as_json:
        plain = {"cases": _plain(planned.cases), "refused_sources": [_plain_refusal(item) for item in refused]}
        typer.echo(json.dumps(plain, indent=2))
    else:
        _list(planned.cases)
        for item in refused:
            typer.echo(_refusal_words(item), err=True)
        would = f"; {len(refused)} sources would be refused, why: above" if refused else ""
        typer.echo(_waiting(planned.cases) + would)
    raise typer.Exit(1 if refused else 0)


def show_result(result: RunResult, as_json: bool) -> NoReturn:
    """What a run did, how many of how many, and where to read why not. Ends with 0 if nothing was refused, else 1."""
    if as_json:
        typer.echo(json.dumps(result.plain(), indent=2))
    else:
        made = [case for case in result.cases if case.refusal is None]
        for refused in result.refused_sources:
            typer.echo(_refusal_words(refused), err=True)
        typer.echo(f"report: {result.cohort / 'report' / 'index.html'}")
        refusals = len(result.cases) - len(made) + len(result.refused_sources)
        where = f"; {refusals} refused, why: {result.cohort / REFUSALS}" if refusals else ""
        typer.echo(f"{len(made)} of {len(result.cases)} cases made{where}")
    raise typer.Exit(0 if result.ok else 1)


def _plain(cases: Mapping[str, tuple[Todo, ...]]) -> dict[str, list[dict[str, Any]]]:
    return {
        name: [{"step": t.step.makes, "state": _state(t), "reason": t.reason} for t in todos if _shown(t)]
        for name, todos in cases.items()
    }


def _plain_refusal(item: RefusedSource) -> dict[str, Any]:
    return {"source": item.source, "case_id": item.case_id, "refusal": vars(item.refusal)}


def _list(cases: Mapping[str, tuple[Todo, ...]]) -> None:
    for name, todos in cases.items():
        typer.echo(name)
        for item in todos:
            if _shown(item):
                typer.echo(f"  {item.step.makes:<14} {_state(item):<9} {_words(item)}".rstrip())


def _waiting(cases: Mapping[str, tuple[Todo, ...]]) -> str:
    waiting = sum(any(item.reason for item in todos) for todos in cases.values())
    return f"{waiting} of {len(cases)} cases have something to do"


def _refusal_words(item: RefusedSource) -> str:
    return f"refused {item.source}: {item.refusal.code}: {item.refusal.found}"


def _shown(item: Todo) -> bool:
    return item.step.form is not None or item.awaited


def _state(item: Todo) -> str:
    if item.awaited:
        return "awaited" if item.key == "absent" else "given"
    if item.reason:
        return "to do"
    return "refused" if item.record and item.record.refusal else "made"


def _words(item: Todo) -> str:
    if item.awaited:
        return item.step.awaits if item.key == "absent" else ""
    if item.reason:
        return item.reason
    return str(item.record.refusal.found) if item.record and item.record.refusal else ""

"""What trainings and predictions came to, as lines for people or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import typer

if TYPE_CHECKING:
    from uptake.verbs import PredictResult, TrainResult

MANY = 5
"""Groups of names that are listed in full."""


def show_training(result: TrainResult, as_json: bool) -> NoReturn:
    """Folds, their networks and the figures on cases never seen. Ends with 0 if every fold has its network, else 1."""
    from uptake.io.values import to_plain

    if as_json:
        plain: dict[str, Any] = {
            "ok": result.ok,
            "folder": result.folder.name if result.folder else None,
            "left_out": dict(result.left_out),
            "alike": to_plain(result.alike),
            "folds": to_plain(result.folds),
            "results": to_plain(result.results),
            "figures": to_plain(result.figures),
            "differences": to_plain(result.differences),
        }
        typer.echo(json.dumps(plain, indent=2))
        raise typer.Exit(0 if result.ok else 1)
    for case_id, why in sorted(result.left_out.items()):
        typer.echo(f"{case_id}: left out: {why}", err=True)
    _show_alike(result.alike)
    folds = result.folds.outer
    inner = sum(len(outer.inner) for outer in folds)
    typer.echo(f"{len(result.folds.case_ids)} cases in {len(folds)} outer folds, {inner} networks")
    for row in result.figures:
        if row.stratum == "all":
            typer.echo(f"{row.method}: Dice {row.dice.value:.3f} ({row.dice.low:.3f} to {row.dice.high:.3f})")
    for item in result.results:
        if item.refusal:
            typer.echo(
                f"{item.name}: refused: {item.refusal.code}: {item.refusal.found}; {item.refusal.remedy}", err=True
            )
    if result.folder:
        trained = sum(item.refusal is None for item in result.results)
        where = f": {result.folder / 'card.md'}" if result.ok and result.results else ", why: above"
        typer.echo(f"{trained} of {inner} networks trained{where if trained or result.results else ''}")
    raise typer.Exit(0 if result.ok else 1)


def _show_alike(alike: Sequence[Sequence[str]]) -> None:
    for names in alike[:MANY]:
        typer.echo(f"taken for different patients: {', '.join(names)}", err=True)
    if len(alike) > MANY:
        typer.echo(f"... and {len(alike) - MANY} more such groups", err=True)
    if alike:
        typer.echo("If these are visits of one patient, say so: --patients FILE (columns case_id, patient)", err=True)


def show_predictions(result: PredictResult, as_json: bool) -> NoReturn:
    """What became of every case. Ends with 0 if every case has its prediction, else 1."""
    from uptake.io.values import to_plain

    if as_json:
        typer.echo(json.dumps({"ok": result.ok, **to_plain(result)}, indent=2))
        raise typer.Exit(0 if result.ok else 1)
    for case in result.cases:
        if case.refusal:
            words = f"refused: {case.refusal.code}: {case.refusal.found}; {case.refusal.remedy}"
            typer.echo(f"{case.case_id}: {words}", err=True)
        elif case.file is None:
            typer.echo(f"{case.case_id}: would be predicted")
        else:
            numbers = f"{case.file.stv_predicted_cc:.2f} cc, uncertainty {case.file.uncertainty:.2f}"
            typer.echo(f"{case.case_id}: {numbers}" if case.made else f"{case.case_id}: nothing to do ({numbers})")
    done = sum(case.file is not None for case in result.cases)
    refused = sum(case.refusal is not None for case in result.cases)
    why = f"; {refused} refused, why: above" if refused else ""
    if result.labels == "truth":
        typer.echo(f"{result.model} was trained on phantoms alone: for research; every mask is a proposal", err=True)
    typer.echo(f"{done} of {len(result.cases)} cases have a prediction by {result.model}{why}")
    raise typer.Exit(0 if result.ok else 1)

"""Features and their comparison as lines for people or as JSON, and the exit code that goes with them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

if TYPE_CHECKING:
    from uptake.features.compare import Differences
    from uptake.verbs.one_image import RefusedPair


def show_features(
    rows: Sequence[dict[str, Any]], files: Sequence[Path], as_json: bool, refused: Sequence[RefusedPair] = ()
) -> NoReturn:
    """The rows, or where they were written; what was refused and why. Ends with 1 if anything was, else 0."""
    if as_json:
        typer.echo(json.dumps([{**row, "value": None if row["reason"] else row["value"]} for row in rows], indent=2))
    elif files:
        typer.echo(f"{len(rows)} features in {' and '.join(map(str, files))}")
    else:
        for row in rows:
            typer.echo(_line(row))
    for pair in refused:
        typer.echo(f"{pair.id}: refused: {pair.refusal}", err=True)
    raise typer.Exit(1 if refused else 0)


def show_differences(found: Differences, as_json: bool) -> NoReturn:
    """What agrees and what does not. Ends with 0 if the tables agree, else 1."""
    if as_json:
        features = [
            {**vars(feature), "largest": None if math.isnan(feature.largest) else feature.largest}
            for feature in found.features
        ]
        cases = {"cases": found.cases, "only_first": found.only_first, "only_second": found.only_second}
        typer.echo(json.dumps({"agree": found.agree, **cases, "features": features}, indent=2))
    else:
        typer.echo(found.text())
    raise typer.Exit(0 if found.agree else 1)


def _line(row: dict[str, Any]) -> str:
    name = f"{row['name']}, {row['aggregation']}" if row["aggregation"] else row["name"]
    before = f"{row['id']}  " if "id" in row else ""
    reason = f"  {row['reason']}" if row["reason"] else ""
    alias = f"  {row['pyradiomics']}" if row.get("pyradiomics") else ""
    return f"{before}{row['ibsi']:<4}  {name:<72} {row['value']:>14.6g} {row['unit']}{reason}{alias}"

"""The verbs of the segmentation network: `uptake train` and `uptake predict`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from uptake.cli.options import Cases, CohortPath, DryRun, Json, Scheduler, watching
from uptake.cli.show_network import show_predictions, show_training


def train(  # noqa: PLR0917 (options)
    cohort: CohortPath,
    labels: Annotated[
        Literal["reader", "truth", "proposal"],
        typer.Option("--labels", metavar="reader|truth|proposal", help="whose masks to learn from"),
    ] = "reader",
    name: Annotated[str, typer.Option("--name", help="of the model; default: the recipe's")] = "",
    recipe: Annotated[
        Literal["ours", "paper"], typer.Option("--recipe", metavar="ours|paper", help="network and training")
    ] = "ours",
    assign: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="one setting of the recipe (repeatable)")
    ] = None,
    outer: Annotated[
        int | None, typer.Option("--outer", metavar="N", help="outer folds; default: 5, or what the patients allow")
    ] = None,
    inner: Annotated[int | None, typer.Option("--inner", metavar="N", help="inner folds; the same default")] = None,
    seed: Annotated[int, typer.Option("--seed", help="same seed, same folds and on the CPU the same networks")] = 0,
    folds: Annotated[
        Path | None, typer.Option("--folds", metavar="FILE", help="folds to use; default: the cohort's folds.json")
    ] = None,
    no_test: Annotated[
        bool, typer.Option("--no-test", help="one network from all cases, to be used: no figures on cases never seen")
    ] = False,
    plan_only: Annotated[
        bool, typer.Option("--plan-only", help="plan the folds, write folds.json, and stop: needs no masks, no torch")
    ] = False,
    device: Annotated[
        str, typer.Option("--device", metavar="auto|cpu|cuda|cuda:N", help="what to train on; auto: a GPU if any")
    ] = "auto",
    case: Cases = None,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="folds at once; default: one")] = None,
    scheduler: Scheduler = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Train the segmentation network by nested cross-validation; a killed training goes on where it stood."""
    from uptake import verbs

    with watching(quiet=as_json) as on_event:
        result = verbs.train(
            cohort,
            labels=labels,
            name=name,
            recipe=recipe,
            outer=outer,
            inner=inner,
            seed=seed,
            folds=folds,
            test=not no_test,
            plan_only=plan_only,
            cases=case or [],
            jobs=jobs,
            scheduler=scheduler,
            device=device,
            dry_run=dry_run,
            on_event=on_event,
            **_settings_of_one(assign),
        )
    show_training(result, as_json)


def predict(  # noqa: PLR0917 (options)
    cohort: CohortPath,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME_OR_FOLDER", help="a trained model; default: the package's network"),
    ] = None,
    assign: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="threshold, keep (near, largest, all), max_gap_mm, mirror, overlap (repeatable)",
        ),
    ] = None,
    backend: Annotated[
        Literal["auto", "onnx", "torch"],
        typer.Option("--backend", metavar="auto|onnx|torch", help="auto: torch where it sees a GPU, else ONNX Runtime"),
    ] = "auto",
    case: Cases = None,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="cases at once; default: one, on all cores")] = None,
    scheduler: Scheduler = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """The network's structural tumour volume of every case; the next run computes what depends on it."""
    from uptake import verbs

    with watching(quiet=as_json or dry_run) as on_event:
        result = verbs.predict(
            cohort,
            model=model,
            cases=case or [],
            jobs=jobs,
            scheduler=scheduler,
            backend=backend,
            dry_run=dry_run,
            on_event=on_event,
            **_settings_of_one(assign),
        )
    show_predictions(result, as_json)


def _settings_of_one(assignments: Sequence[str] | None) -> dict[str, Any]:
    """Settings ``name=value`` of the one thing that a verb sets."""
    from uptake.pipeline.settings import assigned

    return assigned([f"it.{text}" for text in assignments or ()]).get("it", {})

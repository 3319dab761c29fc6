"""The verbs of the segmentation network: `uptake train` and `uptake predict`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

from uptake.cli.options import Cases, CohortPath, DryRun, Json, Scheduler, watching
from uptake.cli.show_network import show_predictions, show_training

Result = TypeVar("Result")


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
    patients: Annotated[
        Path | None,
        typer.Option("--patients", metavar="FILE", help="CSV (case_id, patient): whose each case is; default: names"),
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

    folding = {"outer": outer, "inner": inner, "seed": seed, "folds": folds, "patients": patients}
    folding |= {"test": not no_test, "plan_only": plan_only}
    asked = {"labels": labels, "name": name, "recipe": recipe, "device": device, **folding}
    where = {"cases": case or [], "jobs": jobs, "scheduler": scheduler, "dry_run": dry_run}
    show_training(_watched(verbs.train, as_json, cohort, assign, **asked, **where), as_json)


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

    where = {"cases": case or [], "jobs": jobs, "scheduler": scheduler, "dry_run": dry_run}
    found = _watched(verbs.predict, as_json or dry_run, cohort, assign, model=model, backend=backend, **where)
    show_predictions(found, as_json)


def _watched(
    verb: Callable[..., Result],
    quiet: bool,
    cohort: Path,
    assignments: Sequence[str] | None,
    **asked: Any,  # noqa: ANN401 (what a verb may be asked)
) -> Result:
    """What a verb came to, its progress shown; `assignments` are ``name=value`` of the one thing that it sets."""
    from uptake.pipeline.settings import assigned
    from uptake.study import SettingsError

    settings = assigned([f"it.{text}" for text in assignments or ()]).get("it", {})
    for name in sorted(settings.keys() & asked.keys()):
        raise SettingsError(f"{name} is no setting here but an option: --{name.replace('_', '-')}")
    with watching(quiet=quiet) as on_event:
        return verb(cohort, on_event=on_event, **asked, **settings)

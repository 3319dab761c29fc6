"""`uptake train`: nested folds of a cohort, a network for each, their figures on cases that they never saw."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, fields
from importlib import metadata, util
from pathlib import Path
from typing import Any

from uptake.cohort import folds as planning
from uptake.cohort.folds import Folds, Subject
from uptake.cohort.judging import Difference, Figures, Judged, difference, figures, judge, size_strata
from uptake.cohort.patients import look_alikes
from uptake.io.files import write_bytes_whole
from uptake.io.nifti import read_mask
from uptake.io.store import Cohort, RefusalRecord, locked, open_cohort
from uptake.io.tables import read_csv, write_csv
from uptake.io.values import write_value
from uptake.pipeline import executors
from uptake.pipeline.collect import collect
from uptake.pipeline.settings import fitted, from_layers, read_toml
from uptake.preprocess.resample import resample_mask
from uptake.report import FoldCurve, ModelView, model_page
from uptake.segment.card import card
from uptake.segment.cases import LABELS, Labels, harmonised_study, label_of, training_case, voi_of
from uptake.segment.checkpoint import CHECKPOINT
from uptake.segment.data import TrainingCase
from uptake.segment.inference import Predict, opened, predicted
from uptake.segment.model import FORMAT, Member, Model, digest, unseen_members, write_model
from uptake.segment.recipes import Recipe, named_recipe
from uptake.segment.training import LOG, NETWORK, FoldResult, FoldTask, train_fold
from uptake.study import Code, SettingsError
from uptake.verbs.epochs import epoch_event, followed
from uptake.verbs.running import Event, OnEvent, silent
from uptake.verbs.subjects import no_subjects, subjects_of, without_use

FOLDS = "folds.json"
BASELINES = {"FTV (PE rule)": "masks/ftv_pe.nii.gz", "STV proposal (FTV cleaned)": "masks/stv_proposal.nii.gz"}
MODEL_METHOD, AGAINST = "model", "STV proposal (FTV cleaned)"


@dataclass(frozen=True)
class TrainResult:
    """What a training came to. folder: None where only folds were planned. left_out: case -> why.

    alike: names of different patients who may be one (`look_alikes`).
    """

    folds: Folds
    folder: Path | None = None
    results: tuple[FoldResult, ...] = ()
    figures: tuple[Figures, ...] = ()
    differences: tuple[Difference, ...] = ()
    left_out: Mapping[str, str] = dataclasses.field(default_factory=dict)
    alike: tuple[tuple[str, ...], ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every fold has its network."""
        return all(result.refusal is None for result in self.results)


def train(  # noqa: PLR0913 (what a user may ask for)
    cohort: str | Path,
    *,
    labels: Labels = "reader",
    name: str = "",
    recipe: str = "ours",
    outer: int | None = None,
    inner: int | None = None,
    seed: int = 0,
    folds: str | Path | None = None,
    patients: str | Path | None = None,
    test: bool = True,
    plan_only: bool = False,
    cases: Sequence[str] = (),
    jobs: int | None = None,
    scheduler: str | None = None,
    device: str = "auto",
    dry_run: bool = False,
    on_event: OnEvent = silent,
    **changes: Any,  # noqa: ANN401 (any setting of a recipe)
) -> TrainResult:
    """Train the segmentation network of a cohort by nested cross-validation into ``models/<name>/``.

    plan_only: plan the folds of every case that was not refused, write ``folds.json``, and stop; needs no masks and no
    torch. labels: reader (imported ones included), truth (of phantoms) or proposal. name: of the model; default: the
    recipe's. recipe: ours or paper; `changes` are settings of it. outer, inner: numbers of folds; None: 5, or what the
    patients allow. folds: a file of folds to use in place of new ones. patients: a CSV file (case_id, patient) that
    says whose each case is; None: the names do. test: False trains one network on all cases but a validation part,
    for use and not for figures. cases: only these, of planned folds too. device: auto, cpu, cuda, cuda:N.
    jobs: folds at once. dry_run: plan and write nothing.
    The same seed gives the same network on the CPU; a killed training goes on where it stood.
    Raises SettingsError, CohortError; Refusal FOLDS, LABELS, NO_SPACE. What is wrong with a fold is in the result.
    """
    opened_cohort = open_cohort(Path(cohort))
    if labels not in LABELS:
        raise SettingsError(f"labels are one of {', '.join(LABELS)}, not {labels!r}")
    chosen = fitted("recipe", Recipe, {"seed": seed, **changes}, named_recipe(recipe))
    model_name = _clean(name or recipe)
    subjects = subjects_of(opened_cohort, cases, Path(patients) if patients else None)
    owners = {subject.case_id: subject.patient for subject in subjects}
    alike = look_alikes(owners.values())
    with locked(opened_cohort.path):
        if plan_only:
            plan = planning.plan_folds(subjects, outer, inner, seed)
            if not dry_run:
                write_value(plan, opened_cohort.path / FOLDS)
            return TrainResult(plan, alike=alike)
        left_out = without_use(opened_cohort, list(owners), labels)
        labelled = [subject for subject in subjects if subject.case_id not in left_out]
        if not labelled:
            raise no_subjects(labels, left_out)
        given = Path(folds) if folds else None
        plan = (
            _plan(opened_cohort, owners, labelled, (outer, inner, seed), given, bool(cases))
            if test
            else planning.plan_whole(labelled, inner, seed)
        )
        if dry_run:
            return TrainResult(plan, left_out=left_out, alike=alike)
        _check_torch()
        folder = opened_cohort.path / "models" / model_name
        job = _Job(opened_cohort, folder, labels, recipe, chosen, plan, owners, left_out, alike)
        return _trained(job, jobs, scheduler, device, on_event)


@dataclass(frozen=True)
class _Job:
    """What is to be trained, resolved."""

    cohort: Cohort
    folder: Path
    labels: Labels
    recipe_name: str
    recipe: Recipe
    plan: Folds
    patients: Mapping[str, str]
    left_out: Mapping[str, str]
    alike: tuple[tuple[str, ...], ...] = ()


def _trained(job: _Job, jobs: int | None, scheduler: str | None, device: str, on_event: OnEvent) -> TrainResult:
    cache = job.folder / "cache"
    read = {case_id: training_case(job.cohort, case_id, job.labels, job.recipe, cache) for case_id in job.plan.case_ids}
    tasks = _tasks(job, read, device, 1 if jobs and jobs > 1 else os.cpu_count() or 1)
    results = tuple(sorted(_results(tasks, jobs, scheduler, on_event), key=lambda result: result.name))
    if not all(result.refusal is None for result in results):
        return TrainResult(job.plan, job.folder, results, left_out=job.left_out, alike=job.alike)
    model = _model(job, tasks, results)
    write_model(job.folder, model)
    rows = tuple(_judged(job, model, on_event))
    found, differences = _summed(job, rows)
    _write_figures(job, model, rows, found, differences)
    shutil.rmtree(cache)
    collect(job.cohort, from_layers([read_toml(job.cohort.path / "uptake.toml")]))  # the cohort's page links to it
    return TrainResult(job.plan, job.folder, results, found, differences, job.left_out, job.alike)


def _plan(
    cohort: Cohort,
    owners: Mapping[str, str],
    labelled: Sequence[Subject],
    numbers: tuple[int | None, int | None, int],
    given: Path | None,
    partly: bool,
) -> Folds:
    """The folds: from a file, from an earlier ``--plan-only``, or new ones of the labelled cases.

    partly: whether `owners` are some cases of the cohort, so that a plan may hold others; theirs are left out of it.
    """
    outer, inner, seed = numbers
    standing = cohort.path / FOLDS
    path = given or (standing if standing.is_file() and outer is None and inner is None else None)
    if path is None:
        return planning.plan_folds(labelled, outer, inner, seed)
    read = _read_folds(path)
    plan = planning.checked(planning.only(read, owners) if partly else read, owners)
    return planning.trainable(planning.only(plan, [subject.case_id for subject in labelled]))


def _read_folds(path: Path) -> Folds:
    try:
        return planning.from_plain(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise SettingsError(f"there is no file of folds {path}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path.name} is no JSON file") from error


def _tasks(job: _Job, read: Mapping[str, TrainingCase], device: str, threads: int) -> list[FoldTask]:
    def part(names: tuple[str, ...]) -> tuple[TrainingCase, ...]:
        return tuple(read[name] for name in names)

    return [
        FoldTask(
            (job.folder / f"{number}-{place}").resolve(),
            number,
            place,
            job.recipe,
            part(inner.train),
            part(inner.validation),
            device,
            threads,
        )
        for number, outer in enumerate(job.plan.outer)
        for place, inner in enumerate(outer.inner)
    ]


def _results(
    tasks: Sequence[FoldTask], jobs: int | None, scheduler: str | None, on_event: OnEvent
) -> Iterator[FoldResult]:
    """The folds as they end, each a task of an executor."""
    on_event(Event("start", total=len(tasks)))

    def here(task: FoldTask) -> FoldResult:
        return train_fold(task, lambda row: on_event(epoch_event(task, row)))

    elsewhere = bool(scheduler or (jobs and jobs > 1))
    if scheduler:
        ended = executors.on_dask(train_fold, tasks, scheduler)
    elif jobs and jobs > 1:
        ended = executors.in_pool(train_fold, tasks, jobs)
    else:
        ended = executors.in_process(here, tasks)
    with followed(tasks, on_event) if elsewhere else nullcontext():
        for done, (task, result) in enumerate(ended, start=1):
            found = FoldResult(task.name, refusal=_died()) if isinstance(result, Exception) else result
            on_event(Event("fold", done, len(tasks), task.name, _fold_words(found)))
            yield found


def _fold_words(result: FoldResult) -> str:
    if result.refusal:
        return f"refused: {result.refusal.code}: {result.refusal.found}"
    return f"{result.epochs} epochs, best {result.best_epoch + 1}, validation Dice {result.best_dice:.3f}"


def _model(job: _Job, tasks: Sequence[FoldTask], results: Sequence[FoldResult]) -> Model:
    by_name = {result.name: result for result in results}
    members = tuple(
        Member(
            task.name,
            task.outer,
            task.inner,
            digest(task.folder / NETWORK),
            by_name[task.name].epochs,
            by_name[task.name].best_epoch,
            by_name[task.name].best_loss or 0.0,
            by_name[task.name].best_dice or 0.0,
            digest(task.folder / CHECKPOINT),
        )
        for task in tasks
    )
    owners = {case: job.patients[case] for case in job.plan.case_ids}
    version = metadata.version("uptake")
    name = job.folder.name
    return Model(FORMAT, name, job.recipe_name, job.recipe, job.labels, owners, job.plan, members, version)


def _judged(job: _Job, model: Model, on_event: OnEvent) -> Iterator[Judged]:
    """Every tested case by the networks that never saw it, and by the rules that need none."""
    tested = sorted(case for outer in job.plan.outer for case in outer.test)
    for done, case_id in enumerate(tested, start=1):
        on_event(Event("step", done, len(tested), case_id, "predicted by networks that never saw it"))
        truth = label_of(job.cohort, case_id, job.labels)
        if truth is None:
            continue
        study = harmonised_study(job.cohort, case_id)
        members = unseen_members(model, model.patients[case_id])
        networks = [opened(job.folder / member.name, job.recipe, "auto") for member in members]
        voi = voi_of(job.cohort, case_id, study.grid)
        yield judge(case_id, MODEL_METHOD, predicted(study, voi, networks, job.recipe, Predict()).mask, truth)
        for method, file in BASELINES.items():
            mask = read_mask(job.cohort.case(case_id) / file)
            on_grid = mask if mask.grid.same_as(truth.grid) else resample_mask(mask, truth.grid)
            yield judge(case_id, method, on_grid, truth)


def _summed(job: _Job, rows: Sequence[Judged]) -> tuple[tuple[Figures, ...], tuple[Difference, ...]]:
    if not rows:
        return (), ()
    scanners: dict[str, list[str]] = {}
    for subject in subjects_of(job.cohort, sorted({row.case_id for row in rows})):
        scanners.setdefault(subject.scanner or "scanner not known", []).append(subject.case_id)
    strata = {**size_strata({row.case_id: row.truth_cc for row in rows}), **scanners}
    differences = [difference(rows, MODEL_METHOD, method, job.patients) for method in BASELINES]
    return figures(rows, strata, job.patients), tuple(item for item in differences if item is not None)


def _write_figures(
    job: _Job, model: Model, rows: Sequence[Judged], found: Sequence[Figures], differences: Sequence[Difference]
) -> None:
    write_csv([item.name for item in fields(Judged)], rows, job.folder / "judged.csv")
    write_value({"figures": list(found), "differences": list(differences)}, job.folder / "figures.json")
    write_bytes_whole(job.folder / "card.md", card(model, found, differences, job.left_out, _about(job)).encode())
    write_bytes_whole(job.folder / "report.html", model_page(_view(job, model, found, differences)).encode())


def _about(job: _Job) -> tuple[str, ...]:
    names = "; ".join(", ".join(names) for names in job.alike)
    return (f"Taken for different patients, though their names are alike: {names}.",) if names else ()


def _view(job: _Job, model: Model, found: Sequence[Figures], differences: Sequence[Difference]) -> ModelView:
    return ModelView(
        name=model.name,
        recipe=model.recipe_name,
        labels=model.labels,
        cases=len(model.patients),
        folds=tuple(_curve(job.folder, member) for member in model.members),
        figures=tuple(found),
        differences=tuple(differences),
        left_out=tuple(sorted(job.left_out.items())),
        settings=tuple((item.name, str(getattr(model.recipe, item.name))) for item in fields(Recipe)),
        version=model.version,
    )


def _curve(folder: Path, member: Member) -> FoldCurve:
    rows = read_csv(folder / member.name / LOG)
    train_loss, validation_loss, dice = (
        tuple(float(row[name]) for row in rows) for name in ("train_loss", "validation_loss", "validation_dice")
    )
    return FoldCurve(member.name, train_loss, validation_loss, dice, member.best_epoch)


def _check_torch() -> None:
    for needed in ("torch", "monai", "torchio", "onnx", "tensorboard", "onnxruntime"):
        if util.find_spec(needed) is None:
            raise SettingsError(f"training needs {needed}: pip install 'uptake[torch]', or `make torch` in the project")


def _clean(name: str) -> str:
    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum() or name.startswith("."):
        raise SettingsError(f"a model's name is of letters, digits, . _ and -, not {name!r}")
    return name


def _died() -> RefusalRecord:
    return RefusalRecord(
        Code.WORKER_DIED.value,
        "the process that trained this fold was killed, most often for lack of memory",
        "a process that ends by itself",
        "train again, with fewer --jobs: it goes on after the last whole epoch",
    )

"""`uptake predict`: the network's structural tumour volume for the cases of a cohort, without torch."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from uptake.io.given import MODEL_MASKS
from uptake.io.store import Cohort, RefusalRecord, locked, open_cohort
from uptake.io.values import read_value
from uptake.pipeline import executors
from uptake.pipeline.settings import fitted, from_layers, read_toml
from uptake.preprocess.resample import MaskRule
from uptake.segment.cases import (
    PREDICTED,
    PROBABILITY,
    PredictedFile,
    harmonised_key,
    harmonised_study,
    voi_of,
    write_prediction,
)
from uptake.segment.inference import Backend, Predict, opened, predicted
from uptake.segment.model import Member, Model, read_model, unseen_members
from uptake.segment.windows import Run
from uptake.study import Code, Refusal, SettingsError
from uptake.verbs.running import Event, OnEvent, silent
from uptake.verbs.subjects import patient_named

SHIPPED = Path(__file__).parents[1] / "segment" / "shipped"
"""Where the network lies that comes with the package."""


@dataclass(frozen=True)
class PredictTask:
    """One case to be predicted: small, and sent to whichever process does it. threads: of ONNX Runtime; 0: all."""

    cohort: Path
    case_id: str
    model: Path
    settings: Predict
    rule: MaskRule
    backend: Backend = "auto"
    threads: int = 0


@dataclass(frozen=True)
class PredictedCase:
    """What became of one case: its numbers, or why there are none; `made`: whether anything had to be done."""

    case_id: str
    file: PredictedFile | None = None
    made: bool = False
    refusal: RefusalRecord | None = None


@dataclass(frozen=True)
class PredictResult:
    """What became of every case, in order of name. labels: what the network was trained on; truth: phantoms alone."""

    model: str
    cases: tuple[PredictedCase, ...]
    labels: str = ""

    @property
    def ok(self) -> bool:
        """Whether every case has its prediction."""
        return all(case.refusal is None for case in self.cases)


def predict(  # noqa: PLR0913 (what a user may ask for)
    cohort: str | Path,
    *,
    model: str | Path | None = None,
    cases: Sequence[str] = (),
    jobs: int | None = None,
    scheduler: str | None = None,
    backend: Backend = "auto",
    dry_run: bool = False,
    on_event: OnEvent = silent,
    **settings: Any,  # noqa: ANN401 (any setting of Predict)
) -> PredictResult:
    """Predict the structural tumour volume of a cohort's cases; the next `run` computes what depends on it.

    Writes ``masks/stv_predicted.nii.gz`` (harmonised grid), ``masks/stv_predicted_acquired.nii.gz``,
    ``maps/stv_probability.nii.gz`` and ``masks/stv_predicted.json`` with the uncertainty. model: a folder, or the name
    of one below ``models/``; None: the network that comes with the package. Networks are averaged; a patient of the
    training cohort is predicted only by those that never saw them. backend: auto, onnx, torch. What is done already is
    not done again. dry_run: write nothing. settings: of `Predict`.
    Raises SettingsError, CohortError, Refusal MODEL. What is wrong with a case is in the result.
    """
    opened_cohort = open_cohort(Path(cohort))
    folder = _model_folder(opened_cohort, model)
    known = opened_cohort.case_ids
    unknown = sorted(set(cases) - set(known))
    if unknown:
        raise SettingsError(f"there is no case {', '.join(unknown)}; there are {', '.join(known) or 'none'}")
    chosen_model = read_model(folder)
    name, labels = chosen_model.name, chosen_model.labels
    rule = from_layers([read_toml(opened_cohort.path / "uptake.toml")]).resample.mask
    chosen = fitted("predict", Predict, settings)
    tasks = [
        PredictTask(opened_cohort.path.resolve(), case_id, folder.resolve(), chosen, rule, backend)
        for case_id in known
        if not cases or case_id in cases
    ]
    if dry_run:
        return PredictResult(name, tuple(_would(task) for task in tasks), labels)
    with locked(opened_cohort.path):
        found = sorted(_results(tasks, jobs, scheduler, on_event), key=lambda case: case.case_id)
    return PredictResult(name, tuple(found), labels)


def predict_case(task: PredictTask) -> PredictedCase:
    """Predict one case unless that was done; what is wrong is in the result."""
    try:
        return _predicted(task)
    except Refusal as error:
        record = RefusalRecord(error.code.value, error.found, error.allowed, error.remedy)
        return PredictedCase(task.case_id, refusal=record)


def _predicted(task: PredictTask) -> PredictedCase:
    cohort, model = Cohort(task.cohort), read_model(task.model)
    members = _members(cohort, task.case_id, model)
    key = _key(cohort, task, members)
    standing = _standing(cohort, task.case_id, key)
    if standing is not None:
        return PredictedCase(task.case_id, standing)
    study = harmonised_study(cohort, task.case_id)
    voi = voi_of(cohort, task.case_id, study.grid) if model.recipe.prompt else None
    networks = [_opened(task.model, member, task.backend, task.threads) for member in members]
    made = predicted(study, voi, networks, model.recipe, task.settings)
    file = PredictedFile(
        model.name,
        tuple(member.name for member in members),
        task.settings.threshold,
        int(made.mask.array.sum()),
        made.mask.cc,
        made.uncertainty,
        made.members_cc,
        key,
    )
    write_prediction(cohort, task.case_id, made, file, task.rule)
    return PredictedCase(task.case_id, file, made=True)


@cache
def _opened(model: Path, member: Member, backend: Backend, threads: int) -> Run:
    """A network, opened once per process; trained anew, it is another member."""
    return opened(model / member.name, read_model(model).recipe, backend, threads, member.checkpoint)


def _members(cohort: Cohort, case_id: str, model: Model) -> tuple[Member, ...]:
    return unseen_members(model, patient_named(cohort, cohort.record(case_id)), case_id)


def _key(cohort: Cohort, task: PredictTask, members: Sequence[Member]) -> str:
    """What a prediction is made of: networks, settings, images, VOI."""
    voi = cohort.case(task.case_id) / "voi.json"
    parts = [
        [member.sha256 for member in members],
        asdict(task.settings),
        task.rule,
        harmonised_key(cohort, task.case_id),
        hashlib.sha256(voi.read_bytes()).hexdigest() if voi.is_file() else "",
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _standing(cohort: Cohort, case_id: str, key: str) -> PredictedFile | None:
    folder = cohort.case(case_id)
    if not all((folder / name).is_file() for name in (PREDICTED, PROBABILITY, *MODEL_MASKS)):
        return None
    file = read_value(PredictedFile, folder / PREDICTED)
    return file if file.key == key else None


def _would(task: PredictTask) -> PredictedCase:
    """Whether a case would be predicted, or refused."""
    cohort, model = Cohort(task.cohort), read_model(task.model)
    try:
        key = _key(cohort, task, _members(cohort, task.case_id, model))
        if not harmonised_key(cohort, task.case_id):
            harmonised_study(cohort, task.case_id)
    except Refusal as error:
        record = RefusalRecord(error.code.value, error.found, error.allowed, error.remedy)
        return PredictedCase(task.case_id, refusal=record)
    standing = _standing(cohort, task.case_id, key)
    return PredictedCase(task.case_id, standing, made=standing is None)


def _results(
    tasks: Sequence[PredictTask], jobs: int | None, scheduler: str | None, on_event: OnEvent
) -> Iterator[PredictedCase]:
    on_event(Event("start", total=len(tasks)))
    if scheduler:
        ended = executors.on_dask(predict_case, tasks, scheduler)
    elif jobs and jobs > 1 and len(tasks) > 1:
        shared = max(1, (os.cpu_count() or 1) // jobs)
        ended = executors.in_pool(predict_case, [replace(task, threads=shared) for task in tasks], jobs)
    else:
        ended = executors.in_process(predict_case, tasks)
    for done, (task, result) in enumerate(ended, start=1):
        died = RefusalRecord(
            Code.WORKER_DIED.value,
            "the process that predicted this case was killed, most often for lack of memory",
            "a process that ends by itself",
            "predict again, with fewer --jobs",
        )
        case = PredictedCase(task.case_id, refusal=died) if isinstance(result, Exception) else result
        on_event(Event("predicted", done, len(tasks), task.case_id, case_words(case)))
        yield case


def case_words(case: PredictedCase) -> str:
    """What became of a case, in a line."""
    if case.refusal:
        return f"refused: {case.refusal.code}: {case.refusal.found}"
    if case.file is None:
        return "would be predicted"
    numbers = f"{case.file.stv_predicted_cc:.2f} cc, uncertainty {case.file.uncertainty:.2f}"
    return numbers if case.made else f"nothing to do ({numbers})"


def _model_folder(cohort: Cohort, model: str | Path | None) -> Path:
    """A folder as given, a model's name below ``models/``, or the network of the package."""
    if model is None:
        if not (SHIPPED / "model.json").is_file():
            raise SettingsError("this version comes without a trained network: name one with --model, or train it")
        return SHIPPED
    path, named = Path(model), cohort.path / "models" / str(model)
    if not path.is_dir() and not named.is_dir():
        there = sorted(p.parent.name for p in cohort.path.glob("models/*/model.json"))
        raise SettingsError(f"there is no model {model}; the cohort has {', '.join(there) or 'none'}")
    return path if path.is_dir() else named

"""Torch where it is installed (the extra `torch`), on one thread, and training cases small enough for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from uptake.io import forms
from uptake.io.forms import StvFiles
from uptake.io.given import TRUTH_MASKS
from uptake.io.nifti import write_volume
from uptake.io.store import CaseRecord, Cohort, Record
from uptake.preprocess.harmonise import Harmonised
from uptake.preprocess.normalise import Statistics
from uptake.segment.data import TrainingCase, keep_case
from uptake.segment.recipes import Recipe
from uptake.segment.training import FoldTask
from uptake.study import Acquisition, Phase, Study
from uptake.tumour.stv import StvNumbers
from uptake.volume import Grid, Volume

SMALL = Recipe(network="resunet", filters=2, patch=32, batch=2, patches_per_case=2, epochs=3, patience=3, rate=0.01)


@pytest.fixture(scope="session")
def torch() -> Any:
    found = pytest.importorskip("torch", reason="the extra 'torch' is not installed: make torch")
    found.set_num_threads(1)
    return found


@pytest.fixture(scope="session")
def small() -> Recipe:
    """Our recipe at the size of a test."""
    return SMALL


@pytest.fixture(scope="session")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingCase, ...]:
    """Four cases of 36 x 34 x 32 voxels with a bright ball in noise, four channels as in our recipe."""
    folder = tmp_path_factory.mktemp("cache")
    return tuple(_blob(folder, number) for number in range(4))


@pytest.fixture
def fold(tmp_path: Path, blobs: tuple[TrainingCase, ...]) -> Callable[..., FoldTask]:
    """A fold of two training cases and one validation case, in a folder of its own."""

    def make(name: str = "0-0", recipe: Recipe = SMALL, **changes: Any) -> FoldTask:
        parts = {"train": blobs[:2], "validation": blobs[2:3], **changes}
        return FoldTask(tmp_path / name, 0, 0, recipe, parts["train"], parts["validation"], "cpu")

    return make


def _blob(folder: Path, number: int) -> TrainingCase:
    rng = np.random.default_rng(number)
    shape = (36, 34, 32)
    at = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"))
    centre = np.array([18 + number, 16, 15 - number]).reshape(3, 1, 1, 1)
    label = ((at - centre) ** 2).sum(0) <= 36
    phases = rng.normal(0, 0.3, (3, *shape)) + label * np.array([0, 3, 2.5]).reshape(3, 1, 1, 1)
    image = np.stack([phases[0], phases[1], phases[1] - phases[0], phases[2] - phases[1]]).astype(np.float32)
    case = TrainingCase(f"BLOB-{number}", folder, f"key {number}", (1.0, 1.0, 1.0))
    keep_case(case, image, label, SMALL.patch)
    return case


@pytest.fixture(scope="session")
def cohort_of_balls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort of five cases of four patients, harmonised images with a bright ball, its truth and FTV; no reader."""
    folder = tmp_path_factory.mktemp("balls") / "cohort"
    folder.mkdir()
    (folder / "uptake.toml").write_text("")
    for number, case_id in enumerate(("B1", "B2_T1", "B2_T2", "B3", "B4")):
        _ball(Cohort(folder), case_id, number)
    return folder


def _ball(cohort: Cohort, case_id: str, number: int) -> None:
    rng = np.random.default_rng(number)
    grid = Grid((36, 34, 32), np.eye(4))
    at = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"))
    centre = np.array([18 + number, 16, 15 - number]).reshape(3, 1, 1, 1)
    ball = Volume(((at - centre) ** 2).sum(0) <= 36, grid)
    smaller = ball.with_array(((at - centre) ** 2).sum(0) <= 16)
    phases = tuple(
        Phase(Volume((rng.normal(0, 0.3, grid.shape) + high * ball.array).astype(np.float32), grid), 60.0 * n)
        for n, high in enumerate((0.0, 3.0, 2.5))
    )
    study = Study(case_id, phases, Acquisition(manufacturer="GE", model="Signa" if number % 2 else "Discovery"))
    case = cohort.case(case_id)
    forms.STUDY.write(case, study)
    forms.HARMONISED.write(case, Harmonised(study, Statistics(0.0, 1.0, 0, "plain", 0.0, 1.0)))
    numbers = StvNumbers(0, smaller.cc, 0.0, None, 1, ())
    forms.STV.write(case, StvFiles(smaller, smaller, numbers))
    write_volume(smaller, case / "masks/ftv_pe.nii.gz")
    for name in TRUTH_MASKS:
        write_volume(ball, case / name)
    record = Record(key=f"harmonised {number}", settings={}, inputs={}, code="")
    cohort.write_record(CaseRecord(case_id, results={"harmonised": record}))

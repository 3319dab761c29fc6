"""Torch where it is installed (the extra `torch`), on one thread, and training cases small enough for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from uptake.segment.data import TrainingCase, keep_case
from uptake.segment.recipes import Recipe
from uptake.segment.training import FoldTask

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

"""The published table of the paper, and what was recovered from it."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from uptake.features.captk.roi import Roi, roi_of
from uptake.volume import Grid, Volume


@pytest.fixture(scope="session")
def tables(shared_data: Path) -> Path:
    return shared_data / "ispy1_tables"


@pytest.fixture(scope="session")
def published(tables: Path) -> dict[str, dict[str, str]]:
    """The published table by patient: every column standardised over patients."""
    with gzip.open(tables / "radMLBench_ISPY1_370features_zscored.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return {row["ID"].replace("-", "_"): row for row in csv.DictReader(file)}


def _roi(image: np.ndarray, inside: np.ndarray, spacing_mm: tuple[float, float, float] = (1, 1, 1)) -> Roi:
    grid = Grid(image.shape, np.diag([*spacing_mm, 1.0]))
    return roi_of(Volume(image, grid), Volume(inside, grid))


@pytest.fixture(scope="session")
def roi() -> Callable[..., Roi]:
    """A function that makes a region of an image and a mask, and a spacing in mm."""
    return _roi


@pytest.fixture(scope="session")
def filled() -> Callable[..., Roi]:
    """A function that makes a region of equal intensities that fills an image of a shape, with a spacing in mm."""
    return lambda shape, spacing_mm=(1, 1, 1): _roi(np.ones(shape, np.float32), np.ones(shape, bool), spacing_mm)


@pytest.fixture(scope="session")
def lesion() -> Roi:
    """A random blob of integers, with neighbours outside that share its grey levels."""
    random = np.random.default_rng(7)
    image = random.integers(0, 6, size=(9, 8, 7)).astype(np.float32)
    inside = np.zeros(image.shape, dtype=bool)
    inside[2:7, 2:6, 1:6] = random.random((5, 4, 5)) < 0.8
    return _roi(image, inside, (0.8, 0.8, 2.0))

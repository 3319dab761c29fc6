"""IBSI's phantoms for image filters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from uptake.volume import Grid, Volume


@pytest.fixture(scope="session")
def phantom(shared_data: Path) -> Callable[[str], Volume]:
    """A phantom of 64 x 64 x 64 voxels of 2 mm by name."""

    def read(name: str) -> Volume:
        image = nib.load(shared_data / "ibsi" / "ibsi_2_digital_phantom" / "nifti" / name / "image" / f"{name}.nii.gz")
        return Volume(np.asarray(image.dataobj, dtype=np.float64), Grid(image.shape, image.affine))

    return read


@pytest.fixture(scope="session")
def volume() -> Callable[..., Volume]:
    """A function that puts an array on a grid of a spacing in mm."""

    def make(array: np.ndarray, spacing_mm: tuple[float, float, float] = (1, 1, 1)) -> Volume:
        return Volume(array, Grid(array.shape, np.diag([*spacing_mm, 1.0])))

    return make


@pytest.fixture(scope="session")
def impulse(volume: Callable[..., Volume]) -> Volume:
    """One voxel of 1 in the middle of 21 x 21 x 21 of 0."""
    array = np.zeros((21, 21, 21))
    array[10, 10, 10] = 1
    return volume(array)

"""Studies that the preprocessing is tried on: a phantom with a known field, and the two real ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from uptake.io.dicom.read import read_study
from uptake.io.dicom.scan import scan
from uptake.phantom import Phantom, make
from uptake.study import Phase, Study
from uptake.volume import Grid, Volume


class Ball(NamedTuple):
    """A ball of two tissues in air, seen through a known field."""

    image: npt.NDArray[np.float32]
    mask: npt.NDArray[np.bool_]
    log_field: npt.NDArray[np.float32]


@pytest.fixture(scope="session")
def ball() -> Callable[..., Ball]:
    """Make a ball of a shape, with a log field of about +-0.3 and noise, from a seed."""

    def make(shape: tuple[int, int, int] = (64, 64, 32), seed: int = 0) -> Ball:
        rng = np.random.default_rng(seed)
        x, y, z = np.meshgrid(
            *[np.linspace(-1, 1, n) if n > 5 else np.linspace(-0.3, 0.3, n) for n in shape], indexing="ij"
        )
        inside = x**2 + y**2 + z**2 < 0.8
        tissue = np.where(inside, 300.0, 20.0)
        tissue[(x + 0.1) ** 2 + (y - 0.2) ** 2 + z**2 < 0.2] = 520
        a, b, c = rng.uniform(-0.3, 0.3, 3)
        log_field = a * x * y + b * y + c * x**2
        image = (tissue + rng.normal(0, 8, shape)).clip(1) * np.exp(log_field)
        return Ball(image.astype(np.float32), inside, log_field.astype(np.float32))

    return make


@pytest.fixture(scope="session")
def three_phases(ball: Callable[..., Ball]) -> Study:
    """The ball in three phases, with an uptake that differs between its halves; 0.8 x 0.8 x 2 mm."""
    made = ball((48, 48, 20))
    rise = np.where(np.arange(48) < 24, 1.2, 1.9)[:, None, None]
    arrays = (made.image, made.image * rise, made.image * np.sqrt(rise))
    grid = Grid(made.image.shape, np.diag([0.8, 0.8, 2.0, 1.0]))
    return Study("ball", tuple(Phase(Volume(a.astype(np.float32), grid), 90.0 * n) for n, a in enumerate(arrays)))


@pytest.fixture(scope="session")
def full_sized_sagittal() -> Phantom:
    """A phantom of 256 x 256 x 60 voxels, which takes 20 s: made once for all. Nobody may write into it."""
    return _without_band("sagittal")


@pytest.fixture(scope="session")
def full_sized_axial() -> Phantom:
    """The same person's two breasts."""
    return _without_band("axial")


def _without_band(view: str) -> Phantom:
    # Not 11, whose breast hangs far over its fold: docs/breast-mask.md.
    made = make(seed=13, view=view, chest_band="none")
    for volume in (*made.study.volumes, made.tissue, made.lesion):
        volume.array.setflags(write=False)
    return made


@pytest.fixture(scope="session")
def ispy1_study(ispy1_dicom: Path) -> Study:
    """ISPY1_1001: three phases of 256 x 256 x 60 at 0.78125 x 0.78125 x 2 mm."""
    return _study(ispy1_dicom)


@pytest.fixture(scope="session")
def br06_study(br06_dicom: Path) -> Study:
    """UCSF-BR-06: three phases of 256 x 256 x 60 at 0.703125 x 0.703125 x 2 mm."""
    return _study(br06_dicom)


def _study(folder: Path) -> Study:
    (source,) = scan([folder]).studies
    return read_study(source, folder.name)

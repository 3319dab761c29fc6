"""The technical validation's quantities: each on images that pass and on images that do not."""

from __future__ import annotations

import numpy as np
import pytest

from uptake.cohort.stages import fields, stage
from uptake.study import Phase, Study
from uptake.volume import Grid, Volume

SHAPE = (12, 10, 8)
NOISE = np.random.default_rng(2).normal(100, 5, SHAPE)
SKEWED = np.array([[1, 0.2, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])


def study(array: np.ndarray = NOISE, affine: np.ndarray | None = None) -> Study:
    grid = Grid(SHAPE, np.diag([0.8, 0.8, 2.0, 1.0]) if affine is None else affine)
    return Study("case", (Phase(Volume(NOISE, grid), 0.0), Phase(Volume(array, grid), 9.0)))


def states(made: Study) -> dict[str, str]:
    return {finding.check: finding.status for finding in stage("acquired", made)}


def test_sound_images_pass_all_four() -> None:
    assert states(study()) == {
        "acquired: coordinate system": "pass",
        "acquired: non-zero": "pass",
        "acquired: spacing": "pass",
        "acquired: intensities": "pass",
    }


@pytest.mark.parametrize(
    ("wrong", "check", "status"),
    [
        (study(affine=SKEWED), "acquired: coordinate system", "warn"),
        (study(np.where(np.arange(8) == 99, NOISE, 0.0)), "acquired: non-zero", "fail"),
        (study(affine=np.diag([0.8, 0.8, 12.0, 1.0])), "acquired: spacing", "warn"),
        (study(affine=np.diag([0.05, 0.8, 2.0, 1.0])), "acquired: spacing", "warn"),
        (study(np.full(SHAPE, 7.0)), "acquired: intensities", "fail"),
        (study(np.full(SHAPE, np.nan)), "acquired: intensities", "fail"),
    ],
    ids=["skewed", "empty phase", "thick slices", "tiny voxels", "constant", "not a number"],
)
def test_what_is_wrong_is_named(wrong: Study, check: str, status: str) -> None:
    assert states(wrong)[check] == status


def test_spacing_and_origin_stand_in_the_words() -> None:
    found = {finding.check: finding.found for finding in stage("harmonised", study())}
    assert found["harmonised: spacing"] == "0.8 x 0.8 x 2 mm, 12 x 10 x 8 voxels"


def test_a_bias_field_around_one_passes_and_one_that_is_no_coils_is_a_warning() -> None:
    grid = Grid(SHAPE, np.eye(4))
    good, bad = Volume(np.full(SHAPE, 1.3), grid), Volume(np.full(SHAPE, 40.0), grid)
    assert [(f.check, f.status) for f in fields((good,))] == [("bias field", "pass")]
    assert [(f.check, f.status) for f in fields((good, bad))] == [("bias field 0", "pass"), ("bias field 1", "warn")]

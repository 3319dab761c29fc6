"""What is said of motion, and that nothing is corrected unless asked for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from uptake.phantom import make
from uptake.preprocess.motion import Motion, align, applied
from uptake.study import Phase, Refusal, SettingsError, Study
from uptake.volume import Grid, Volume


@pytest.fixture(scope="module")
def still() -> Study:
    return make(seed=3, size="small").study


@pytest.fixture(scope="module")
def jerked(still: Study) -> Study:
    """The late phase 4 mm towards the back (columns run to the back here)."""
    first, early, late = still.volumes
    voxels = (4.0 / still.grid.spacing_mm[0], 0, 0)
    shifted = ndimage.shift(late.array.astype(np.float32), voxels, order=1, mode="nearest")
    return still.with_volumes((first, early, late.with_array(shifted)))


def test_motion_is_measured_and_nothing_corrected_by_default(jerked: Study) -> None:
    made = align(jerked)
    early, late = made.numbers.phases
    assert (early.phase, late.phase) == (1, 2)
    assert early.acquired.median_mm is not None
    assert late.acquired.median_mm is not None
    assert early.acquired.median_mm < 0.2
    assert 2.0 < late.acquired.median_mm < 4.0
    assert made.numbers.correction == "no"
    assert (made.phases, made.jacobians, late.corrected) == ((), (), None)
    assert applied(jerked, made) is jerked


def test_a_correction_leaves_the_first_phase_raw_and_brings_the_others_onto_it(jerked: Study) -> None:
    made = align(jerked, Motion(correct="rigid"))
    late = made.numbers.phases[1]
    assert late.corrected is not None
    assert late.corrected.median_mm is not None
    assert late.corrected.median_mm < 0.45
    assert late.jacobian_min == pytest.approx(1, abs=1e-3)
    after = applied(jerked, made)
    assert after.volumes[0] is jerked.volumes[0]
    assert [phase.time_s for phase in after.phases] == [phase.time_s for phase in jerked.phases]
    assert len(made.jacobians) == 2


def test_a_study_of_one_phase_has_no_motion(still: Study) -> None:
    assert align(Study("one", still.phases[:1])).numbers.phases == ()


def test_where_no_skin_can_be_followed_the_motion_is_unknown_not_zero() -> None:
    grid = Grid((12, 12, 6), np.eye(4))
    arrays = (np.full(grid.shape, 7.0), np.full(grid.shape, 9.0))
    study = Study("flat", tuple(Phase(Volume(a, grid), float(n)) for n, a in enumerate(arrays)))
    (only,) = align(study).numbers.phases
    assert (only.acquired.median_mm, only.acquired.p95_mm, only.acquired.profiles) == (None, None, 0)
    with pytest.raises(Refusal, match="no body"):
        align(study, Motion(correct="rigid"))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"correct": "affine"}, "correct"),
        ({"grid_mm": 5.0}, "grid_mm"),
        ({"levels": 0}, "levels"),
        ({"bins": 4}, "bins"),
    ],
)
def test_a_senseless_setting_is_refused_by_name(wrong: dict, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        Motion(**wrong)

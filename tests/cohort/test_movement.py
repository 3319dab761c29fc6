"""What is said of motion: each finding once as it passes and once as it does not."""

from __future__ import annotations

import numpy as np
import pytest

from uptake.cohort.movement import Moved, movement
from uptake.volume import Grid, Volume

GRID = Grid((6, 6, 4), np.eye(4))


def jacobian(inside: float = 1.0, elsewhere: float = 1.0) -> Volume:
    array = np.full(GRID.shape, elsewhere, np.float32)
    array[2:4, 2:4, 1:3] = inside
    return Volume(array, GRID)


def lesion() -> Volume:
    return Volume(jacobian(2.0).array == 2, GRID)


def states(moved: Moved, where: Volume | None = None) -> dict[str, str]:
    return {finding.check: finding.status for finding in movement([moved], where)}


def test_a_still_phase_passes() -> None:
    assert states(Moved(1, 0.2, 1.4)) == {"motion of phase 1": "pass"}


@pytest.mark.parametrize("moved", [Moved(2, 1.3, 1.9), Moved(2, 0.4, 2.5)], ids=["median", "95th percentile"])
def test_motion_at_the_skin_is_a_warning_that_recommends_the_correction(moved: Moved) -> None:
    (finding,) = movement([moved])
    assert finding.status == "warn"
    assert "motion.correct" in finding.remedy


def test_what_cannot_be_measured_is_not_called_still() -> None:
    assert states(Moved(1, None, None)) == {"motion of phase 1": "warn"}


def test_motion_that_a_correction_left_is_said_and_the_correction_not_recommended_again() -> None:
    (finding, _) = movement([Moved(1, 1.5, 4.0, jacobian())])
    assert finding.status == "warn"
    assert "motion.correct" not in finding.remedy


def test_a_sound_correction_passes() -> None:
    assert set(states(Moved(1, 0.1, 0.5, jacobian(1.02, 0.7)), lesion()).values()) == {"pass"}


def test_a_folded_deformation_fails() -> None:
    assert states(Moved(1, 0.1, 0.5, jacobian(1.0, -0.1)))["no folding in phase 1"] == "fail"


@pytest.mark.parametrize("change", [0.9, 1.08])
def test_a_lesion_that_the_correction_shrinks_or_swells_is_a_warning(change: float) -> None:
    assert states(Moved(1, 0.1, 0.5, jacobian(change)), lesion())["lesion kept in phase 1"] == "warn"


def test_without_a_lesion_nothing_is_said_of_it() -> None:
    empty = Volume(np.zeros(GRID.shape, bool), GRID)
    assert "lesion kept in phase 1" not in states(Moved(1, 0.1, 0.5, jacobian(0.5)), empty)

"""Which phases are early and late."""

from __future__ import annotations

import numpy as np
import pytest

from uptake.study import Acquisition, Code, Phase, Recorded, Refusal, SettingsError, Study
from uptake.tumour.phases import Timing, choose_phases, phase_centres_s
from uptake.volume import Grid, Volume

VOXEL = Volume(np.ones((1, 1, 1)), Grid((1, 1, 1), np.eye(4)))


def study(*times: float | None, recorded: Recorded | None = None, resolution: float | None = None) -> Study:
    acquisition = Acquisition(recorded=recorded or Recorded(), temporal_resolution_s=resolution)
    return Study("case", tuple(Phase(VOXEL, time) for time in times), acquisition)


def test_two_post_contrast_phases_need_no_times() -> None:
    choice = choose_phases(study(None, None, None), Timing())
    assert choice.indices == (0, 1, 2)
    assert choice.source == "the only two post-contrast phases"


def test_recorded_phases_win_over_times() -> None:
    """The Philips cases of the cohort: six phases, of which UCSF used the second post-contrast one as early."""
    recorded = Recorded(phase_indices=(0, 2, 5), sources={"phase_indices": "SER map"})
    choice = choose_phases(study(0, 90, 180, 270, 360, 450, recorded=recorded), Timing())
    assert choice.indices == (0, 2, 5)
    assert "SER map" in choice.source


def test_the_users_phases_win_over_recorded_ones() -> None:
    recorded = Recorded(phase_indices=(0, 2, 3))
    assert choose_phases(study(0, 1, 2, 3, recorded=recorded), Timing(phases=(0, 1, 3))).indices == (0, 1, 3)


def test_phases_are_chosen_by_the_middle_of_their_acquisition() -> None:
    """Phases of 90 s from 0 s on: centres 45, 135, 225, 315, 405 and 495 s after the first post-contrast start."""
    six = study(-100, 0, 90, 180, 270, 360, 450, resolution=90)
    assert phase_centres_s(six) == (-55, 45, 135, 225, 315, 405, 495)
    assert choose_phases(six, Timing()).indices == (0, 2, 5)


def test_a_map_that_names_the_early_phase_alone_leaves_the_late_one_to_the_times() -> None:
    """UCSF's PE2 maps of the six-phase Philips studies."""
    six = study(0, 100, 200, 300, 400, 500, recorded=Recorded(early_phase_index=2), resolution=100)
    assert choose_phases(six, Timing(early_s=50)).indices == (0, 2, 5)


def test_early_and_late_are_never_the_same_phase() -> None:
    assert choose_phases(study(0, 600, 1200, 1800), Timing()).indices == (0, 1, 2)


@pytest.mark.parametrize(
    ("candidate", "settings", "code"),
    [
        (study(0, 300), Timing(), Code.FEW_PHASES),
        (study(None, None, None, None), Timing(), Code.NO_TIMES),
        (study(0, 1, 2), Timing(phases=(0, 1, 3)), Code.PHASES),
        (study(0, 1, 2, recorded=Recorded(phase_indices=(0, 1, 7))), Timing(), Code.PHASES),
        (study(0, 1, 2, 3, recorded=Recorded(early_phase_index=3)), Timing(), Code.PHASES),
    ],
)
def test_phases_that_cannot_be_chosen_are_refused(candidate: Study, settings: Timing, code: Code) -> None:
    with pytest.raises(Refusal) as refused:
        choose_phases(candidate, settings)
    assert refused.value.code is code


@pytest.mark.parametrize("wrong", [{"early_s": 500.0}, {"phases": (0, 1)}, {"phases": (0, 2, 1)}])
def test_timing_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        Timing(**wrong)  # type: ignore[arg-type]

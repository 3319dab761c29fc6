from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uptake.features.captk import PAPER, glrlm
from uptake.features.captk.roi import FORWARD, Offset, Roi, captk_offsets

SIX = replace(PAPER, glrlm_bins=6, glrlm_radius=1)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([*captk_offsets(1), *captk_offsets(3), *captk_offsets(2)]))
def test_runs_are_those_of_itks_walk_through_the_image(seed: int, offset: Offset) -> None:
    random = np.random.default_rng(seed)
    levels = random.integers(-1, 3, size=(7, 5, 6)).astype(np.int32)
    inside = (levels >= 0) & (random.random(levels.shape) < 0.6)
    level, steps = glrlm.runs(glrlm.lattice_of(levels, inside, 3), glrlm.upwards(offset))
    assert Counter(zip(level.tolist(), steps.tolist(), strict=True)) == _walked(levels, inside, offset)


def test_a_run_begins_inside_the_mask_and_goes_on_outside_of_it() -> None:
    levels = np.array([1, 1, 1, 1, 2], dtype=np.int32).reshape(5, 1, 1)
    inside = np.array([False, True, False, False, False]).reshape(5, 1, 1)
    assert [found.tolist() for found in glrlm.runs(glrlm.lattice_of(levels, inside), (1, 0, 0))] == [[1], [2]]


def test_offsets_are_turned_so_that_their_last_step_goes_forwards() -> None:
    assert glrlm.upwards((1, 0, 0)) == glrlm.upwards((-1, 0, 0)) == (1, 0, 0)
    assert glrlm.upwards((1, 1, -1)) == (-1, -1, 1)
    assert glrlm.upwards((2, -1, 0)) == (-2, 1, 0)


def test_run_lengths_are_bins_of_millimetres_up_to_the_diagonal(roi: Callable[..., Roi]) -> None:
    """Two levels of three voxels, 2 mm apart: a run of 4 mm of a diagonal of 10 mm is in bin 3 of 6 (from 1)."""
    line = np.array([0, 0, 0, 5, 5, 5], dtype=np.float32).reshape(6, 1, 1)
    one = roi(line, np.ones(line.shape, dtype=bool), (2, 1, 1))
    found = glrlm.captk(one, replace(SIX, glrlm_offset="Combined"))
    runs = 2 * 2 + 24 * 6  # along the line both ways, and single voxels in 24 directions
    assert found["LongRunEmphasis"] == pytest.approx((4 * 9 + 24 * 6) / runs)
    assert found["HighGreyLevelRunEmphasis"] == pytest.approx((1 + 36) / 2)
    assert "TotalRuns" not in found


def test_runs_longer_than_the_diagonal_are_dropped(roi: Callable[..., Roi]) -> None:
    line = np.zeros((6, 1, 1), dtype=np.float32)
    inside = np.zeros(line.shape, dtype=bool)
    inside[0:2] = True  # a diagonal of 1 mm, and a run of 5 mm along it
    found = glrlm.captk(roi(line, inside), SIX)
    assert found["TotalRuns"] is glrlm.NO_RUN


def test_single_voxels_of_a_mask_of_one_are_in_the_last_bin(filled: Callable[..., Roi]) -> None:
    found = glrlm.captk(filled((1, 1, 1)), SIX)
    assert found["LongRunEmphasis"] == 36
    assert found["RunPercentage"] == 1


def test_every_formula_on_a_matrix_of_two_levels_and_two_lengths() -> None:
    found = glrlm.features(np.array([[3.0, 1.0], [0.0, 1.0]]), 7)
    assert found == {
        "ShortRunEmphasis": pytest.approx((3 + 2 / 4) / 5),
        "LongRunEmphasis": pytest.approx((3 + 2 * 4) / 5),
        "GreyLevelNonuniformity": pytest.approx((16 + 1) / 5),
        "RunLengthNonuniformity": pytest.approx((9 + 4) / 5),
        "LowGreyLevelRunEmphasis": pytest.approx((4 + 1 / 4) / 5),
        "HighGreyLevelRunEmphasis": pytest.approx((4 + 4) / 5),
        "ShortRunLowGreyLevelEmphasis": pytest.approx((3 + 1 / 4 + 1 / 16) / 5),
        "ShortRunHighGreyLevelEmphasis": pytest.approx((3 + 1 / 4 + 1) / 5),
        "LongRunLowGreyLevelEmphasis": pytest.approx((3 + 4 + 1) / 5),
        "LongRunHighGreyLevelEmphasis": pytest.approx((3 + 4 + 16) / 5),
        "TotalRuns": 5,
        "RunPercentage": pytest.approx(5 / 7),
    }


def test_every_voxel_is_in_one_run_per_direction(lesion: Roi) -> None:
    levels = np.where(lesion.inside, 0, glrlm.OUTSIDE).astype(np.int32)
    for offset in FORWARD:
        assert (glrlm.runs(glrlm.lattice_of(levels, lesion.inside), offset)[1] + 1).sum() == lesion.inside.sum()


def test_every_column_is_computed_by_both_panels(lesion: Roi) -> None:
    for parameters in (SIX, replace(SIX, glrlm_offset="Combined")):
        names = set(glrlm.units(parameters))
        assert set(glrlm.captk(lesion, parameters)) == set(glrlm.corrected(lesion, parameters)) == names
    assert len(names) == 10


def _walked(levels: np.ndarray, inside: np.ndarray, offset: Offset) -> Counter[tuple[int, int]]:
    """Runs by walking through all voxels with i fastest, marking every voxel that an earlier run went over."""
    offset = glrlm.upwards(offset)
    visited, found = np.zeros(levels.shape, dtype=bool), Counter[tuple[int, int]]()
    for k, j, i in product(*map(range, reversed(levels.shape))):
        here = (i, j, k)
        if not inside[here] or visited[here]:
            continue
        steps = 0
        while True:
            there = tuple(h + (steps + 1) * d for h, d in zip(here, offset, strict=True))
            if not all(0 <= t < n for t, n in zip(there, levels.shape, strict=True)) or levels[there] != levels[here]:
                break
            visited[there] = True
            steps += 1
        found[int(levels[here]), steps] += 1
    return found

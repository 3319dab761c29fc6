from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from uptake.features.captk import PAPER, ngtdm
from uptake.features.captk.roi import Roi

FOUR = replace(PAPER, ngtdm_bins=4)


@pytest.mark.parametrize("radius", [1, 2])
def test_the_neighbourhood_is_what_a_loop_over_its_voxels_gives(lesion: Roi, radius: int) -> None:
    level = np.random.default_rng(3).integers(1, 5, size=int(lesion.inside.sum()))
    levels = np.zeros(lesion.inside.shape, dtype=int)
    levels[lesion.inside] = level
    around, number = ngtdm.neighbourhood(lesion.inside, level, radius)
    for n, voxel in enumerate(np.argwhere(lesion.inside)):
        others = []
        for step in product(range(-radius, radius + 1), repeat=3):
            there = tuple(voxel + np.array(step))
            ok = all(0 <= t < s for t, s in zip(there, levels.shape, strict=True))
            if any(step) and ok and lesion.inside[there]:
                others.append(levels[there])
        assert (around[n], number[n]) == (sum(others), len(others))


def test_every_formula_on_three_voxels_of_two_levels() -> None:
    found = ngtdm.features(np.array([1, 1, 3]), np.array([0.5, 1.0, 2.0]), 4)
    # p = 2/3 and 1/3, s = 1.5 and 2, levels 1 and 3
    weighted = 2 / 3 * 1.5 + 1 / 3 * 2
    assert found == {
        "Coarsness": pytest.approx(1 / weighted),
        "Contrast": pytest.approx((2 * 2 / 9 * 4) / 2 * (3.5 / 3)),
        "Busyness": pytest.approx(weighted / (2 * abs(2 / 3 - 1))),
        "Complexity": pytest.approx(2 * 2 * weighted / 1 / 3),
        "Strength": pytest.approx(2 * 4 / 3.5),
    }
    assert set(found) == set(ngtdm.units(FOUR))


def test_without_a_neighbourhood_all_follows_from_the_counts(roi: Callable[..., Roi]) -> None:
    """At radius 0 the sum of differences of a level is its number times its voxels, wherever they lie."""
    values = np.array([0, 0, 1, 2, 3, 3, 3, 3], dtype=np.float32)
    alone = replace(FOUR, ngtdm_radius=0)
    one, other = (
        ngtdm.captk(roi(values.reshape(shape), np.ones(shape, dtype=bool)), alone) for shape in ((8, 1, 1), (2, 2, 2))
    )
    assert one == other
    assert one["Coarsness"] == pytest.approx(1 / ((2 * 2 + 2 + 3 + 4 * 16) / 8))


def test_a_voxel_without_a_neighbour_counts_whole_in_captk_and_not_at_all_in_ibsi(roi: Callable[..., Roi]) -> None:
    line = np.array([0, 0, 9, 9, 3, 3], dtype=np.float32).reshape(6, 1, 1)
    inside = np.array([True, True, False, False, False, True]).reshape(6, 1, 1)
    region = roi(line, inside)
    assert ngtdm.captk(region, FOUR)["Coarsness"] == pytest.approx(1 / (4 / 3))  # level 4, a third of the voxels
    assert ngtdm.corrected(region, FOUR)["Coarsness"] == 1e6


def test_voxels_that_all_lie_alone_have_no_corrected_value(filled: Callable[..., Roi]) -> None:
    found = ngtdm.corrected(filled((1, 1, 1)), FOUR)
    assert set(found.values()) == {ngtdm.NO_NEIGHBOUR}


def test_one_grey_level_is_as_coarse_as_can_be(filled: Callable[..., Roi]) -> None:
    found = ngtdm.captk(filled((2, 2, 2)), FOUR)
    assert found == {"Coarsness": 1e6, "Contrast": 0, "Busyness": 0, "Complexity": 0, "Strength": 0}


def test_levels_that_weigh_the_same_have_no_busyness() -> None:
    found = ngtdm.features(np.array([1, 1, 2]), np.ones(3), 2)
    assert found["Busyness"] is ngtdm.EVEN

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uptake.features.captk import PAPER, glszm
from uptake.features.captk.roi import FORWARD, Offset, Roi, captk_offsets

FOUR = replace(PAPER, glszm_bins=4, glszm_radius=1)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 3]))
def test_zones_are_what_growing_each_from_a_seed_gives(seed: int, radius: int) -> None:
    random = np.random.default_rng(seed)
    levels = random.integers(0, 3, size=(7, 5, 6))
    inside = random.random(levels.shape) < 0.6
    offsets = captk_offsets(radius)
    level, size = glszm.zones(inside, levels, offsets)
    assert Counter(zip(level.tolist(), size.tolist(), strict=True)) == _grown(inside, levels, offsets)


def test_at_radius_1_both_signs_of_an_offset_join_the_same_zones(lesion: Roi) -> None:
    levels = lesion.image.astype(np.intp)
    found = [glszm.zones(lesion.inside, levels, offsets) for offsets in (FORWARD, captk_offsets(1))]
    assert sorted(zip(*found[0], strict=True)) == sorted(zip(*found[1], strict=True))


def test_voxels_at_the_maximum_join_no_zone_of_the_highest_level(roi: Callable[..., Roi]) -> None:
    """Four bins from 0 to 4: 3 and 4 are neighbours in the last bin, yet two zones."""
    line = np.array([0, 3, 4, 4], dtype=np.float32).reshape(4, 1, 1)
    region = roi(line, np.ones(line.shape, dtype=bool))
    assert glszm.captk(region, FOUR)["ZonePercentage"] == 3 / 4
    assert glszm.captk(region, FOUR)["GreyLevelMean"] == 3  # levels 1, 4 and 4
    assert glszm.corrected(region, FOUR)["ZonePercentage"] == 2 / 4


def test_at_radius_3_nearest_neighbours_do_not_join(roi: Callable[..., Roi]) -> None:
    column = np.ones((1, 1, 4), dtype=np.float32)  # only the voxels 3 apart along k are neighbours
    region = roi(column, np.ones(column.shape, dtype=bool))
    found = glszm.captk(region, replace(FOUR, glszm_radius=3))
    assert found["ZonePercentage"] == 3 / 4
    assert found["LargeZoneEmphasis"] == pytest.approx((4 + 1 + 1) / 3)


def test_every_formula_on_four_zones() -> None:
    found = glszm.features(np.array([1, 1, 2, 2]), np.array([1, 1, 1, 3]))
    assert found == {
        "SmallZoneEmphasis": pytest.approx((3 + 1 / 9) / 4),
        "LargeZoneEmphasis": pytest.approx((3 + 9) / 4),
        "LowGreyLevelEmphasis": pytest.approx((2 + 2 / 4) / 4),
        "HighGreyLevelEmphasis": pytest.approx((2 + 8) / 4),
        "SmallZoneLowGreyLevelEmphasis": pytest.approx((2 + 1 / 4 + 1 / 36) / 4),
        "SmallZoneHighGreyLevelEmphasis": pytest.approx((2 + 4 + 4 / 9) / 4),
        "LargeZoneLowGreyLevelEmphasis": pytest.approx((2 + 1 / 4 + 9 / 4) / 4),
        "LargeZoneHighGreyLevelEmphasis": pytest.approx((2 + 4 + 36) / 4),
        "GreyLevelNonUniformity": pytest.approx((4 + 4) / 4),
        "GreyLevelNonUniformityNormalized": pytest.approx(8 / 16),
        "ZoneSizeNonUniformity": pytest.approx((9 + 1) / 4),
        "ZoneSizeNoneUniformityNormalized": pytest.approx(10 / 16),
        "ZonePercentage": pytest.approx(4 / 6),
        "GreyLevelMean": 1.5,
        "GreyLevelVariance": 0.25,
        "ZoneSizeMean": 1.5,
        "ZoneSizeVariance": 0.75,
        "ZoneSizeEntropy": pytest.approx(1.5),
    }
    assert set(found) == set(glszm.units(FOUR))


def test_equal_intensities_are_one_zone_of_the_lowest_level(filled: Callable[..., Roi]) -> None:
    found = glszm.captk(filled((3, 2, 2)), FOUR)
    assert found["LargeZoneEmphasis"] == 144
    assert found["GreyLevelMean"] == 1


def _grown(inside: np.ndarray, levels: np.ndarray, offsets: Iterable[Offset]) -> Counter[tuple[int, int]]:
    left, found = {tuple(map(int, voxel)) for voxel in np.argwhere(inside)}, Counter[tuple[int, int]]()
    both = [*offsets, *((-i, -j, -k) for i, j, k in offsets)]
    while left:
        growing = [left.pop()]
        level, size = levels[growing[0]], 0
        while growing:
            i, j, k = growing.pop()
            size += 1
            near = {(i + a, j + b, k + c) for a, b, c in both} & left
            joined = {voxel for voxel in near if levels[voxel] == level}
            left -= joined
            growing += joined
        found[int(level), size] += 1
    return found

"""What a registration leaves out: places brighter after contrast than the rest of the body, whatever the gain."""

from __future__ import annotations

import numpy as np
import pytest

from uptake.preprocess.enhancing import Rise
from uptake.preprocess.mutual import Samples
from uptake.volume import Grid, Volume


@pytest.mark.parametrize(("size_mm", "seen"), [(2.0, True), (6.0, False)], ids=["fine voxels", "coarse voxels"])
@pytest.mark.parametrize("gain", [1.0, 3.0])
def test_only_what_rises_above_the_body_is_left_out_and_only_where_voxels_are_fine(
    size_mm: float, seen: bool, gain: float
) -> None:
    grid = Grid((24, 24, 24), np.diag([size_mm] * 3 + [1.0]))
    before = np.full(grid.shape, 100.0) + np.arange(24)
    ratio = np.ones(grid.shape)
    ratio[9:15, 9:15, 9:15] = 1.8
    fixed, moving = Volume(before, grid), Volume(gain * ratio * before, grid)
    mask = np.ones(grid.shape, bool)
    samples = Samples.of(fixed, moving, mask, size_mm, 1.0, 32)
    found = Rise.of(fixed, moving, mask).shows(samples, np.zeros_like(samples.points_mm)).reshape(grid.shape)
    assert found[9:15, 9:15, 9:15].all() == seen
    assert not found[:4].any()
    assert not found[-4:].any()


def test_of_a_gland_that_enhances_all_over_only_the_brightest_part_is_left_out() -> None:
    grid = Grid((24, 24, 24), np.diag([2.0] * 3 + [1.0]))
    before = np.full(grid.shape, 100.0)
    rise = np.zeros(24)
    rise[-10:] = np.linspace(0.2, 0.45, 10)  # 42 % of the places, all above the threshold
    fixed, moving = Volume(before, grid), Volume(np.exp(rise) * before, grid)
    mask = np.ones(grid.shape, bool)
    samples = Samples.of(fixed, moving, mask, 2.0, 1.0, 32)
    found = Rise.of(fixed, moving, mask).shows(samples, np.zeros_like(samples.points_mm)).reshape(grid.shape)
    assert found[..., -2:].all()
    assert not found[..., -10:-5].any()
    assert found.mean() <= 1 / 8 + 2 / 24  # and the neighbours

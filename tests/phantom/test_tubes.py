from __future__ import annotations

import numpy as np
import pytest

from uptake.phantom.tubes import Growth, Tube, grow, tube_share
from uptake.volume import Grid

GRID = Grid((40, 30, 20), np.array([[0, 0, 2.0, -20], [-1.0, 0, 0, 20], [0, 1.0, 0, -15], [0, 0, 0, 1]]))


def test_a_tube_has_the_volume_of_a_cylinder_with_round_ends() -> None:
    tube = Tube(np.array([-10.0, 0.0, 0.0]), np.array([10.0, 0.0, 0.0]), (3.0, 3.0))
    share = tube_share(GRID, [tube], (3, 3, 6))
    expected = np.pi * 9 * 20 + 4 / 3 * np.pi * 27
    assert float(share.sum()) * GRID.voxel_volume_mm3 == pytest.approx(expected, rel=0.03)
    assert share.max() <= 1
    inside = np.round(GRID.to_index((0.0, 0.0, 0.0))).astype(int)
    assert share[tuple(inside)] == pytest.approx(1, abs=0.01)


def test_a_tube_outside_the_grid_leaves_it_empty() -> None:
    far = Tube(np.array([0.0, 300.0, 0.0]), np.array([0.0, 310.0, 0.0]), (2.0, 1.0))
    assert not tube_share(GRID, [far], (2, 2, 2)).any()


def test_a_tree_grows_from_its_root_thins_and_branches() -> None:
    growth = Growth(radius_mm=2.0, thinning=0.93, branching=0.4, wander=0.2)
    tree = grow(
        np.zeros(3), np.array([0.0, 50.0, 0.0]), lambda _, direction: direction, growth, np.random.default_rng(3)
    )
    assert tree[0].start_mm == pytest.approx((0, 0, 0))
    assert tree[0].radii_mm[0] == 2.0
    assert all(tube.radii_mm[1] < tube.radii_mm[0] <= 2.0 for tube in tree)
    assert all(tube.radii_mm[0] >= growth.thinnest_mm for tube in tree)
    ends = {tuple(np.round(tube.end_mm, 6)) for tube in tree}
    assert all(tuple(np.round(tube.start_mm, 6)) in ends for tube in tree[1:])
    starts = [tuple(np.round(tube.start_mm, 6)) for tube in tree]
    assert len(starts) > len(set(starts))


def test_a_tree_without_branching_is_one_line_of_the_length_its_thinning_allows() -> None:
    """Radius 1 falls by 0.9 per step of 4 mm to 0.35 after 10 steps: 0.9^9 = 0.387, 0.9^10 = 0.349."""
    growth = Growth(1.0, 0.9, 0.0, 0.0)
    tree = grow(
        np.zeros(3), np.array([0.0, 0.0, 1.0]), lambda _, direction: direction, growth, np.random.default_rng(1)
    )
    assert len(tree) == 10
    assert tree[-1].end_mm == pytest.approx((0, 0, 40))

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from uptake.phantom.anatomy import Breast, draw_breast
from uptake.phantom.lesion import Focus, draw_foci, occupancy, spread
from uptake.volume import Grid

GRID = Grid((60, 50, 30), np.array([[-1.5, 0, 0, 45], [0, 1.5, 0, -37], [0, 0, 3.0, -45], [0, 0, 0, 1.0]]))


def ball(centre: tuple[float, float, float], radius: float, gap: float = 0.0, core: float = 0.0) -> Focus:
    return Focus(np.array(centre), np.full(3, radius), np.eye(3), 0.0, gap, core)


def whole(grid: Grid, part: np.ndarray, where: tuple[slice, slice, slice]) -> np.ndarray:
    return spread(part, where, grid.shape)


def test_partial_volumes_add_up_to_the_volume_of_the_ellipsoid() -> None:
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0]
    focus = Focus(np.array([3.0, -2.0, 5.0]), np.array([9.0, 14.0, 11.0]), rotation, 0.0, 0.0, 0.5)
    made = occupancy(GRID, (focus,), 20.0, np.random.default_rng(2))
    volume = 4 / 3 * np.pi * 9 * 14 * 11
    assert float(made.lesion.sum()) * GRID.voxel_volume_mm3 == pytest.approx(volume, rel=0.01)
    assert float(made.core.sum()) * GRID.voxel_volume_mm3 == pytest.approx(volume / 8, rel=0.02)


def test_a_focus_lies_at_its_centre_in_world_coordinates() -> None:
    made = occupancy(GRID, (ball((10.0, -12.0, 4.0), 8.0),), 20.0, np.random.default_rng(3))
    array = whole(GRID, made.lesion, made.where)
    assert GRID.to_world(ndimage.center_of_mass(array)) == pytest.approx([10, -12, 4], abs=0.05)
    assert array.min() == 0
    assert array.max() == 1


def test_the_stv_has_the_near_satellite_and_not_the_far_one() -> None:
    foci = (ball((0, 0, -20), 10), ball((25, 0, -20), 5, gap=10), ball((0, 0, 20), 5, gap=25))
    made = occupancy(GRID, foci, 20.0, np.random.default_rng(4))
    lesion, stv = (whole(GRID, part, made.where) for part in (made.lesion, made.stv))
    one_ball = 4 / 3 * np.pi * 125
    assert (lesion - stv).sum() * GRID.voxel_volume_mm3 == pytest.approx(one_ball, rel=0.03)
    assert ndimage.label(lesion > 0.5)[1] == 3
    assert ndimage.label(stv > 0.5)[1] == 2


def test_without_a_core_none_is_made() -> None:
    made = occupancy(GRID, (ball((0, 0, 0), 8),), 20.0, np.random.default_rng(5))
    assert not made.core.any()


def test_a_lesion_at_the_border_is_cut_off_there() -> None:
    edge = GRID.to_world((0, 25, 15))
    made = occupancy(GRID, (ball((edge[0], edge[1], edge[2]), 9),), 20.0, np.random.default_rng(6))
    half = 4 / 3 * np.pi * 9**3 / 2
    assert made.where[0].start == 0
    # The grid ends half a voxel (0.75 mm) beyond the centre: a little more than half of the ball.
    assert float(made.lesion.sum()) * GRID.voxel_volume_mm3 == pytest.approx(half + np.pi * 81 * 0.75, rel=0.02)


@pytest.mark.parametrize("seed", range(8))
def test_a_drawn_lesion_keeps_its_distances_and_stays_in_the_breast(seed: int) -> None:
    rng = np.random.default_rng(seed)
    breast = draw_breast(1, rng)
    foci = draw_foci(breast, rng)
    mass = foci[0]
    volume_cc = 4 / 3 * np.pi * float(mass.half_axes_mm.prod()) / 1000
    assert 1.5 < volume_cc < 80
    for focus in foci[1:]:
        apart = float(np.linalg.norm(focus.centre_mm - mass.centre_mm))
        radius = float(focus.half_axes_mm[0])
        assert mass.half_axes_mm.min() - 0.01 <= apart - radius - focus.gap_mm <= mass.half_axes_mm.max() + 0.01
        assert _inside(focus.centre_mm, breast)
    assert _inside(mass.centre_mm, breast)


def test_satellites_lie_on_both_sides_of_the_two_centimetres() -> None:
    gaps = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        gaps += [focus.gap_mm for focus in draw_foci(draw_breast(1, rng), rng)[1:]]
    near, far = [gap for gap in gaps if gap < 20], [gap for gap in gaps if gap > 20]
    assert len(near) >= 20
    assert len(far) >= 10
    assert max(near) <= 12
    assert min(far) >= 27


def _inside(point: np.ndarray, breast: Breast) -> bool:
    """By the equation of the ellipsoid on the chest wall."""
    x, z = point[0] - breast.centre_mm[0], point[2] - breast.centre_mm[1]
    y = point[1] - (12 - 0.003 * point[0] ** 2)
    ax, ay, az = breast.half_axes_mm
    return bool(y > 0 and (x / ax) ** 2 + (y / ay) ** 2 + (z / az) ** 2 < 1)

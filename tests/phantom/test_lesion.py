from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from uptake.phantom.fields import Field, Region, random_field
from uptake.phantom.foci import Ball, Focus, Lesion, longest_diameter_mm, occupancy, spread
from uptake.phantom.lesion import KINDS, draw_lesion
from uptake.phantom.outline import chest_y_mm, draw_breast
from uptake.phantom.tubes import Tube
from uptake.volume import Grid

GRID = Grid((60, 50, 30), np.array([[-1.5, 0, 0, 45], [0, 1.5, 0, -37], [0, 0, 3.0, -45], [0, 0, 0, 1.0]]))
NOTHING = Field(np.zeros((4, 4, 4), dtype=np.float32), (-50.0, -50.0, -50.0), (30.0, 30.0, 30.0))


def ball(centre: tuple[float, float, float], radius: float, gap: float = 0.0, rim: float | None = None) -> Focus:
    return Focus((Ball(np.array(centre, dtype=float), np.full(3, radius), np.eye(3)),), gap_mm=gap, rim_mm=rim)


def lesion(*foci: Focus) -> Lesion:
    return Lesion("mass", foci, NOTHING, NOTHING, NOTHING, NOTHING)


def made(*foci: Focus) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    found = occupancy(GRID, lesion(*foci), None, 20.0)
    whole, stv, core = (spread(part, found.where, GRID.shape) for part in (found.lesion, found.stv, found.core))
    return whole, stv, core


def test_partial_volumes_add_up_to_the_volume_of_the_ellipsoid() -> None:
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0]
    focus = Focus((Ball(np.array([3.0, -2.0, 5.0]), np.array([9.0, 14.0, 11.0]), rotation),))
    whole, stv, core = made(focus)
    assert float(whole.sum()) * GRID.voxel_volume_mm3 == pytest.approx(4 / 3 * np.pi * 9 * 14 * 11, rel=0.01)
    np.testing.assert_array_equal(whole, stv)
    assert not core.any()


def test_a_core_begins_below_the_rim() -> None:
    """A ball of 12 mm with a rim of 4 mm: the core's share falls from 1 at 6 mm to 0 at 10 mm from the middle."""
    _, _, core = made(ball((0, 0, 0), 12.0, rim=4.0))
    assert float(core.sum()) * GRID.voxel_volume_mm3 == pytest.approx(
        4 / 3 * np.pi * (10**4 - 6**4) / (4 * 4), rel=0.01
    )


def test_a_focus_lies_at_its_centre_in_world_coordinates() -> None:
    whole, _, _ = made(ball((10.0, -12.0, 4.0), 8.0))
    assert GRID.to_world(ndimage.center_of_mass(whole)) == pytest.approx([10, -12, 4], abs=0.05)
    assert whole.min() == 0
    assert whole.max() == pytest.approx(1)


def test_the_stv_has_the_near_satellite_and_not_the_far_one() -> None:
    whole, stv, _ = made(ball((0, 0, -20), 10), ball((25, 0, -20), 5, gap=10), ball((0, 0, 20), 5, gap=25))
    assert (whole - stv).sum() * GRID.voxel_volume_mm3 == pytest.approx(4 / 3 * np.pi * 125, rel=0.03)
    assert ndimage.label(whole > 0.5)[1] == 3
    assert ndimage.label(stv > 0.5)[1] == 2


@pytest.mark.parametrize(("crumbs_mm3", "pieces"), [(400.0, 1), (650.0, 2)])
def test_pieces_above_the_limit_beside_the_largest_are_no_part_of_a_focus(crumbs_mm3: float, pieces: int) -> None:
    """A ball of 5 mm has 524 cubic mm. Left out, it holds less than half of any voxel."""
    balls = (*ball((0, 0, -20), 10).balls, *ball((0, 0, 10), 5).balls)
    whole, stv, _ = made(Focus(balls, crumbs_mm3=crumbs_mm3))
    assert ndimage.label(stv >= 0.5)[1] == ndimage.label(whole >= 0.5)[1] == pieces


def test_slow_parts_of_a_lesion_have_gland_and_fat_in_them_and_the_others_have_not() -> None:
    """Where the field of the islands is 0.84 or more they hold a fifth of space: SD 1, mean 0."""
    values = np.where(np.arange(8) < 4, 15.0, -15.0)[:, None, None] * np.ones((1, 4, 4))
    field = Field(values.astype(np.float32), (-70.0, -50.0, -50.0), (20.0, 30.0, 30.0))
    found = occupancy(GRID, replace(lesion(ball((0, 0, 0), 12.0)), islands=field, spared=0.2), None, 20.0)
    parts = (found.lesion, found.tumour, found.slow, found.depth_mm)
    whole, tumour, slow, depth = (spread(part, found.where, GRID.shape) for part in parts)
    deep = depth > 4
    x = GRID.to_world(np.argwhere(deep))[:, 0]
    assert whole[deep].min() >= 0.99
    np.testing.assert_allclose(tumour[deep][x < -5], 0.55, atol=0.01)
    assert tumour[deep][x > 5].min() >= 0.99
    assert slow[deep][x < -5].min() >= 0.99
    assert slow[deep][x > 5].max() == 0


def test_a_lesion_is_less_tumour_at_its_surface_than_deep_inside() -> None:
    found = occupancy(GRID, replace(lesion(ball((0, 0, 0), 12.0)), spared=0.0), None, 20.0)
    surface = (found.lesion >= 0.99) & (found.depth_mm < 1)
    assert found.tumour[surface].max() < 0.9
    assert np.median(found.tumour[found.depth_mm > 5]) >= 0.99


def test_spicules_belong_to_the_mass() -> None:
    spicule = Tube(np.array([8.0, 0.0, 0.0]), np.array([28.0, 0.0, 0.0]), (1.5, 1.5))
    bare, spiky = ball((0, 0, 0), 10.0), Focus(ball((0, 0, 0), 10.0).balls, (spicule,))
    added = (made(spiky)[1] - made(bare)[1]).sum() * GRID.voxel_volume_mm3
    assert added == pytest.approx(np.pi * 1.5**2 * 18 + 2 / 3 * np.pi * 1.5**3, rel=0.12)


def test_the_skin_and_the_chest_cut_a_lesion_off() -> None:
    """A body whose depth is 10 mm - x: nothing within 2.5 mm of its surface, x > 7.5."""
    x = np.arange(-100.0, 101.0, 10.0, dtype=np.float32)[:, None, None]
    depth = Field(np.broadcast_to(10 - x, (21, 4, 4)).astype(np.float32), (-100.0, -50.0, -50.0), (10.0, 30.0, 30.0))
    found = occupancy(GRID, lesion(ball((0, 20, 0), 12.0)), depth, 20.0)
    inside = np.argwhere(spread(found.lesion, found.where, GRID.shape) > 0.6)
    assert GRID.to_world(inside)[:, 0].max() <= 7.6


def test_a_rough_lesion_does_not_end_at_the_chest_in_a_flat_face() -> None:
    """A ball around a point of the chest wall: smooth, it ends at the wall; rough, here and there before it."""
    rng = np.random.default_rng(3)
    coarse = random_field(Region((-50, -50, -50), (50, 50, 50)), 8.0, rng)
    middle = float(chest_y_mm(0.0, 0.0))
    shapes = [Focus(ball((0.0, middle, 0.0), 16.0).balls, rough_mm=rough) for rough in ((0.0, 0.0), (2.0, 0.0))]
    deep = Field(np.full((4, 4, 4), 60, dtype=np.float32), (-50.0, -50.0, -50.0), (30.0, 30.0, 30.0))
    x, y, z = GRID.to_world(np.argwhere(np.ones(GRID.shape, dtype=bool))).T.reshape(3, *GRID.shape)
    before = (y - chest_y_mm(x, z))[27:34, :, 13:18]
    gaps = []
    for shape in shapes:
        found = occupancy(GRID, replace(lesion(shape), coarse=coarse), deep, 20.0)
        inside = spread(found.lesion, found.where, GRID.shape) >= 0.5
        gaps.append(np.where(inside[27:34, :, 13:18], before, np.inf).min(axis=1))
    assert np.abs(gaps[0]).max() <= 2
    assert np.ptp(gaps[1]) >= 3
    assert gaps[1].min() >= -1


def test_a_rough_lesion_reaches_out_along_the_walls_of_fat_lobules() -> None:
    """On a wall (x > 0) its surface lies 0.9 x 2 mm farther out, in the midst of a lobule 1.9 x 2 mm farther in."""
    walls = np.where(np.arange(8) < 4, 7.0, 0.0)[:, None, None] * np.ones((1, 4, 4))
    field = Field(walls.astype(np.float32), (-70.0, -50.0, -50.0), (20.0, 30.0, 30.0))
    rough = Focus(ball((0.0, 0.0, 0.0), 16.0).balls, rough_mm=(2.0, 0.0))
    reach = []
    for walls_mm in (None, field):
        found = occupancy(GRID, replace(lesion(rough), walls_mm=walls_mm), None, 20.0)
        along = spread(found.lesion, found.where, GRID.shape)[:, 24:26, 15].mean(axis=1)
        x = GRID.to_world([(i, 24, 15) for i in range(60)])[:, 0]
        reach.append((along[x < 0].sum() * 1.5, along[x > 0].sum() * 1.5))
    assert reach[1][0] - reach[0][0] == pytest.approx(-3.8, abs=0.5)
    assert reach[1][1] - reach[0][1] == pytest.approx(1.8, abs=0.5)


def test_a_confined_lesion_goes_farther_in_gland_than_in_fat() -> None:
    """With 4 mm per unit: 0.5 x 4 mm farther out in gland (x > 0), 1.2 x 4 mm farther in where there is fat."""
    tendency = np.where(np.arange(8) < 4, -3.0, 3.0)[:, None, None] * np.ones((1, 4, 4))
    gland = Field(tendency.astype(np.float32), (-70.0, -50.0, -50.0), (20.0, 30.0, 30.0))
    rough = Focus(ball((0.0, 0.0, 0.0), 16.0).balls, rough_mm=(0.01, 0.0))
    reach = []
    for confined_mm in (0.0, 4.0):
        found = occupancy(GRID, replace(lesion(rough), gland=gland, confined_mm=confined_mm), None, 20.0)
        along = spread(found.lesion, found.where, GRID.shape)[:, 24:26, 15].mean(axis=1)
        x = GRID.to_world([(i, 24, 15) for i in range(60)])[:, 0]
        reach.append((along[x < 0].sum() * 1.5, along[x > 0].sum() * 1.5))
    assert reach[1][0] - reach[0][0] == pytest.approx(-4.8, abs=0.5)
    assert reach[1][1] - reach[0][1] == pytest.approx(2.0, abs=0.5)


def test_a_lesion_at_the_border_is_cut_off_there() -> None:
    edge = GRID.to_world((0, 25, 15))
    found = occupancy(GRID, lesion(ball((edge[0], edge[1], edge[2]), 9.0)), None, 20.0)
    half = 4 / 3 * np.pi * 9**3 / 2
    assert found.where[0].start == 0
    # The grid ends half a voxel (0.75 mm) beyond the centre: a little more than half of the ball.
    assert float(found.lesion.sum()) * GRID.voxel_volume_mm3 == pytest.approx(half + np.pi * 81 * 0.75, rel=0.02)


def test_the_longest_diameter_is_the_distance_of_the_two_farthest_voxels() -> None:
    mask = np.zeros(GRID.shape, dtype=bool)
    mask[10, 10, 5] = mask[30, 40, 20] = mask[20, 20, 10] = True
    expected = float(np.sqrt((20 * 1.5) ** 2 + (30 * 1.5) ** 2 + (15 * 3.0) ** 2))
    assert longest_diameter_mm(mask, GRID) == pytest.approx(expected, rel=0.01)
    assert longest_diameter_mm(np.zeros(GRID.shape, dtype=bool), GRID) == 0


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_drawn_primary_has_the_volume_that_was_drawn(kind: str) -> None:
    """Log-normal around 13.6 cc: within the published range of 160 patients, 0.7 to 487 cc."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        drawn = draw_lesion(draw_breast(1, rng), kind, rng)  # type: ignore[arg-type]
        primary = Lesion(drawn.kind, (drawn.foci[0],), drawn.coarse, drawn.fine, drawn.clumps, drawn.islands)
        middle = drawn.foci[0].balls[0].centre_mm
        affine = np.diag((1.5, 1.5, 1.5, 1.0))
        affine[:3, 3] = middle - 75
        found = occupancy(Grid((100, 100, 100), affine), primary, None, 20.0)
        assert 0.4 < float(found.lesion.sum()) * 1.5**3 / 1000 < 300
        assert found.core.any() == (kind == "rim")


def test_satellites_lie_on_both_sides_of_the_two_centimetres() -> None:
    gaps = []
    for seed in range(25):
        rng = np.random.default_rng(seed)
        gaps += [focus.gap_mm for focus in draw_lesion(draw_breast(1, rng), "multifocal", rng).foci[1:]]
    assert sum(5 <= gap < 20 for gap in gaps) >= 15
    assert sum(20 < gap <= 40 for gap in gaps) >= 10
    assert min(gaps) >= 5


def test_kinds_occur_as_often_as_they_are_meant_to() -> None:
    rng = np.random.default_rng(1)
    drawn = [draw_lesion(draw_breast(1, rng), "any", rng).kind for _ in range(40)]
    assert set(drawn) == set(KINDS)

from __future__ import annotations

import numpy as np
import pytest

from uptake.phantom.fields import Field, Region, random_field, region_of, sampled
from uptake.phantom.frames import frame_of
from uptake.volume import Grid

REGION = Region((-60.0, -50.0, -40.0), (60.0, 50.0, 40.0))


def grid(step: float, shape: tuple[int, int, int], first: tuple[float, float, float]) -> Grid:
    affine = np.diag((step, step, step, 1.0))
    affine[:3, 3] = first
    return Grid(shape, affine)


def turned(straight: Grid) -> Grid:
    """The same points, with array axes y, z, x and y counted backwards."""
    order, size = [1, 2, 0], straight.shape
    affine = np.eye(4)
    affine[:3, :3] = straight.affine[:3, order] * (-1, 1, 1)
    affine[:3, 3] = straight.to_world((0, size[1] - 1, 0))
    return Grid((size[1], size[2], size[0]), affine)


def test_a_field_is_the_same_in_space_whatever_the_order_of_the_axes() -> None:
    field, straight = random_field(REGION, 7.0, np.random.default_rng(1)), grid(4.0, (20, 15, 10), (-40, -30, -20))
    one, two = field.on(frame_of(straight)), field.on(frame_of(turned(straight)))
    np.testing.assert_allclose(two[::-1].transpose(2, 0, 1), one, atol=1e-5)


def test_a_field_is_the_same_on_a_fine_and_a_coarse_grid() -> None:
    field = random_field(REGION, (5.0, 9.0, 6.0), np.random.default_rng(2))
    coarse = field.on(frame_of(grid(4.0, (10, 10, 10), (-20, -20, -20))))
    fine = field.on(frame_of(grid(1.0, (37, 37, 37), (-20, -20, -20))))
    np.testing.assert_allclose(fine[::4, ::4, ::4], coarse, atol=1e-5)


def test_a_random_field_has_mean_zero_and_unit_spread() -> None:
    region = Region((0.0, 0.0, 0.0), (180.0, 180.0, 180.0))
    field = random_field(region, 4.0, np.random.default_rng(2)).on(frame_of(grid(3.0, (60, 60, 60), (0, 0, 0))))
    assert field.dtype == np.float32
    assert abs(float(field.mean())) < 0.05
    assert float(field.std()) == pytest.approx(1.0, abs=0.1)


def test_a_random_field_is_smooth_within_its_scale_and_independent_beyond_it() -> None:
    region = Region((0.0, 0.0, 0.0), (80.0, 40.0, 40.0))
    field = random_field(region, 10.0, np.random.default_rng(3)).on(frame_of(grid(1.0, (80, 40, 40), (0, 0, 0))))
    assert float(np.corrcoef(field[1:].ravel(), field[:-1].ravel())[0, 1]) > 0.98
    assert abs(float(np.corrcoef(field[45:].ravel(), field[:-45].ravel())[0, 1])) < 0.4


def test_a_linear_function_of_space_survives_sampling() -> None:
    """Cubic B-splines reproduce it: 2 x - y + 3 z + 1."""
    points, origin = sampled(REGION, 5.0)
    values = np.asarray(2 * points.x - points.y + 3 * points.z + 1, dtype=np.float32)
    frame = frame_of(grid(3.3, (12, 10, 9), (-20, -15, -12)))
    expected = 2 * frame.x - frame.y + 3 * frame.z + 1
    np.testing.assert_allclose(Field(values, origin, (5.0, 5.0, 5.0)).on(frame), expected, atol=1e-3)


def test_the_region_of_a_grid_holds_its_voxels_and_the_margin() -> None:
    region = region_of(frame_of(turned(grid(2.0, (5, 6, 7), (1, 2, 3)))), 10.0)
    assert region.low_mm == pytest.approx((-9, -8, -7))
    assert region.high_mm == pytest.approx((19, 22, 25))

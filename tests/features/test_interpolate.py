from __future__ import annotations

import numpy as np
import pytest

from uptake.features import Features, extract
from uptake.features.interpolate import grid_of, interpolate
from uptake.study import Code, Refusal, SettingsError
from uptake.volume import Grid, Volume

GRID = Grid((4, 3, 2), np.diag([1.0, 1.0, 3.0, 1.0]))
RAMP = Volume(np.indices(GRID.shape)[0].astype(np.int16) * 10, GRID)
ALL = Volume(np.ones(GRID.shape, dtype=bool), GRID)


def test_the_new_grid_has_the_same_centre_and_covers_the_old_one() -> None:
    turned = np.array([[0, -2.0, 0, 7], [2.0, 0, 0, -3], [0, 0, 3.0, 11], [0, 0, 0, 1]])
    old = Grid((5, 4, 3), turned)
    new = grid_of(old, (1.5, 0, 2.0))
    assert new.shape == (7, 4, 5)  # 10 mm / 1.5, as it was, 9 mm / 2, each rounded up
    assert new.spacing_mm == pytest.approx((1.5, 2, 2))
    assert new.direction == pytest.approx(old.direction)
    middle = [(np.array(grid.shape) - 1) / 2 for grid in (old, new)]
    assert new.to_world(middle[1]) == pytest.approx(old.to_world(middle[0]))


def test_a_spacing_that_divides_the_size_but_for_rounding_adds_no_voxel() -> None:
    assert grid_of(Grid((10, 10, 10), np.diag([0.3, 0.3, 0.3, 1])), (0.1, 0.1, 0.1)).shape == (30, 30, 30)


def test_linear_intensities_lie_between_their_neighbours_and_the_nearest_counts_beyond_the_last_centre() -> None:
    image, _ = interpolate(RAMP, ALL, Features(spacing_mm=(0.5, 0, 0)))
    # eight centres at -0.25, 0.25 ... 3.25 of the old ones
    assert image.array[:, 0, 0] == pytest.approx([0, 2.5, 7.5, 12.5, 17.5, 22.5, 27.5, 30])


def test_intensities_are_rounded_where_the_settings_say_so() -> None:
    image, _ = interpolate(RAMP, ALL, Features(spacing_mm=(0.6, 0, 0), round_intensities=True))
    assert np.array_equal(image.array, np.round(image.array))


def test_a_cubic_spline_keeps_a_cubic_polynomial() -> None:
    grid = Grid((60, 1, 1), np.eye(4))
    x = np.arange(60.0)
    volume = Volume((x**3 - 40 * x**2).reshape(grid.shape), grid)
    settings = Features(spacing_mm=(0.5, 0, 0), interpolation="cubic-spline")
    image, _ = interpolate(volume, Volume(np.ones(grid.shape, dtype=bool), grid), settings)
    at = (np.arange(120) - 0.5) / 2
    inner = slice(40, 80)  # the spline's ends are felt near the border
    assert image.array[inner, 0, 0] == pytest.approx((at**3 - 40 * at**2)[inner], rel=1e-6)


def test_a_voxel_of_the_mask_is_inside_from_one_half_on() -> None:
    grid = Grid((4, 1, 1), np.eye(4))
    mask = Volume(np.array([True, True, False, False]).reshape(grid.shape), grid)
    image = Volume(np.zeros(grid.shape), grid)
    # seven centres at 0, 0.5 ... 3: the one at 1.5 is half inside
    assert (
        interpolate(image, mask, Features(spacing_mm=(4 / 7, 0, 0)))[1].array[:, 0, 0].tolist()
        == [True] * 4 + [False] * 3
    )


def test_the_same_spacing_changes_no_feature() -> None:
    image = Volume(np.random.default_rng(2).integers(0, 90, GRID.shape), GRID)
    plain, same = (extract(image, ALL, Features(spacing_mm=mm)).wide() for mm in ((), (1, 1, 3)))
    assert same == pytest.approx(plain, nan_ok=True)


def test_an_image_that_is_not_finite_everywhere_is_not_interpolated() -> None:
    array = RAMP.array.astype(float)
    array[0, 0, 0] = np.nan
    with pytest.raises(Refusal) as refused:
        interpolate(Volume(array, GRID), ALL, Features(spacing_mm=(0.5, 0, 0)))
    assert refused.value.code is Code.NON_FINITE


def test_a_mask_on_another_grid_is_refused_before_it_is_interpolated() -> None:
    moved = Grid(GRID.shape, np.diag([1.0, 1, 4, 1]))
    with pytest.raises(Refusal) as refused:
        extract(RAMP, Volume(ALL.array, moved), Features(spacing_mm=(1, 1, 1)))
    assert refused.value.code is Code.MASK_GRID


def test_a_grid_too_fine_to_be_held_is_refused() -> None:
    with pytest.raises(SettingsError, match="spacing_mm"):
        grid_of(GRID, (1e-4, 1e-4, 1e-4))

"""Planes, steps, affines and array order, against hand-worked numbers."""

from __future__ import annotations

import numpy as np
import pytest

from uptake.io.dicom import geometry
from uptake.io.dicom.headers import Plane, plane
from uptake.study import Code, Refusal
from uptake.volume import DCM2NIIX, Layout

SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def at(position: tuple[float, ...], orientation: tuple[float, ...] = SAGITTAL) -> Plane:
    return Plane(orientation, position, (0.75, 0.5), (4, 5))


def test_slices_are_counted_along_row_direction_times_column_direction() -> None:
    assert geometry.normal(at((0, 0, 0))) == (-1, 0, 0)
    assert geometry.normal(at((0, 0, 0), AXIAL)) == (0, 0, 1)
    assert geometry.along_normal_mm(at((31.9, -123, 106))) == -31.9


@pytest.mark.parametrize(
    ("orientation", "position", "spacing", "size"),
    [
        (None, (0, 0, 0), (1, 1), (4, 4)),
        (AXIAL, None, (1, 1), (4, 4)),
        (AXIAL, (0, 0, 0), None, (4, 4)),
        (AXIAL, (0, 0, 0), (1, 1), (None, 4)),
        (AXIAL, (0, 0, 0), (0, 1), (4, 4)),
        ((1, 0, 0, 1, 0, 0), (0, 0, 0), (1, 1), (4, 4)),
        ((2, 0, 0, 0, 1, 0), (0, 0, 0), (1, 1), (4, 4)),
        ((0, 0, 0, 0, 0, 0), (0, 0, 0), (1, 1), (4, 4)),
    ],
)
def test_a_plane_needs_all_its_parts_and_two_perpendicular_directions(
    orientation: tuple[float, ...] | None,
    position: tuple[float, ...] | None,
    spacing: tuple[float, ...] | None,
    size: tuple[int | None, int | None],
) -> None:
    assert plane(orientation, position, spacing, size) is None


def test_slices_of_one_stack_differ_only_along_their_normal() -> None:
    one = at((10, 20, 30))

    assert geometry.same_plane(one, at((99, 20.05, 30)))
    assert not geometry.same_plane(one, at((10, 20.5, 30)))
    assert not geometry.same_plane(one, at((10, 20, 30.5)))
    assert not geometry.same_plane(one, at((10, 20, 30), AXIAL))
    assert not geometry.same_plane(one, Plane(SAGITTAL, (10, 20, 30), (0.75, 0.75), (4, 5)))
    assert not geometry.same_plane(one, Plane(SAGITTAL, (10, 20, 30), (0.75, 0.5), (5, 4)))


def test_positions_within_rounding_are_one() -> None:
    indices, positions = geometry.position_indices([4.0, 0.0, 2.001, 1.999, 0.01])

    assert indices == [2, 0, 1, 1, 0]
    assert positions == [0.0, 1.999, 4.0]


def test_steps_may_be_off_by_the_rounding_of_positions() -> None:
    assert geometry.step_fault([round(2.25 * k, 1) for k in range(60)], "here") is None


@pytest.mark.parametrize(
    ("offsets", "words"),
    [
        ([0, 2, 4, 8, 10], "here: 4.00 mm between slices 3 and 4, where the usual step is 2.00 mm"),
        ([0, 2, 4, 6.5], "here: 2.50 mm between slices 3 and 4"),
        ([0, 2, 4.3, 6, 8], "between slices"),
        ([5], "one slice only"),
    ],
)
def test_unequal_steps_are_refused_with_place_and_amount(offsets: list[float], words: str) -> None:
    refusal = geometry.step_fault(offsets, "here")

    assert refusal is not None
    assert refusal.code == Code.SLICE_GAP
    assert words in refusal.found


def test_the_affine_of_a_sagittal_stack() -> None:
    affine = geometry.affine_lps([at((11, 7, 9)), at((9, 7, 9)), at((7, 7, 9))])

    expected = [[0, 0, -2, 11], [0.5, 0, 0, 7], [0, -0.75, 0, 9], [0, 0, 0, 1]]
    assert np.array_equal(affine, expected)


def test_a_stack_that_leans_is_refused() -> None:
    with pytest.raises(Refusal, match=r"drift 1\.00 mm sideways") as caught:
        geometry.affine_lps([at((11, 7, 9)), at((9, 7.5, 9)), at((7, 8, 9))])
    assert caught.value.code == Code.GEOMETRY


def test_the_grid_turns_lps_to_ras_and_counts_rows_from_below() -> None:
    affine = geometry.affine_lps([at((11, 7, 9)), at((9, 7, 9)), at((7, 7, 9))])

    grid = geometry.grid_of(affine, (4, 5, 3), DCM2NIIX)

    assert grid.shape == (4, 5, 3)
    assert grid.to_world((0, 4, 0)) == pytest.approx((-11, -7, 9))
    assert grid.to_world((1, 4, 0)) == pytest.approx((-11, -7.5, 9))
    assert grid.to_world((0, 3, 0)) == pytest.approx((-11, -7, 8.25))
    assert grid.to_world((0, 4, 1)) == pytest.approx((-9, -7, 9))


def test_the_order_of_axes_of_a_time_series_is_left_as_it_is() -> None:
    affine = geometry.affine_lps([at((11, 7, 9)), at((9, 7, 9))])

    assert geometry.layout_of(affine, (4, 5, 2), rotated=False) == DCM2NIIX


def test_a_volume_is_turned_to_right_anterior_superior() -> None:
    affine = geometry.affine_lps([at((11, 7, 9)), at((9, 7, 9))])
    layout = geometry.layout_of(affine, (4, 5, 2), rotated=True)

    assert layout == Layout((2, 0, 1), (False, True, True))
    grid = geometry.grid_of(affine, (4, 5, 2), layout)
    assert grid.shape == (2, 4, 5)
    assert np.allclose(grid.affine, [[2, 0, 0, -11], [0, 0.5, 0, -8.5], [0, 0, 0.75, 6], [0, 0, 0, 1]])


def test_a_volume_that_lies_so_already_is_left() -> None:
    ras = np.diag([-1.0, -1, 1, 1]) @ np.diag([1.0, 2, 3, 1])

    assert geometry.layout_of(ras, (3, 3, 3), rotated=True) == Layout((0, 1, 2), (False, False, False))


def test_arranging_and_grid_agree_about_where_a_voxel_lies() -> None:
    affine = geometry.affine_lps([at((11, 7, 9)), at((9, 7, 9)), at((7, 7, 9))])
    array = np.arange(60).reshape(4, 5, 3)
    layout = Layout((2, 0, 1), (True, False, True))

    turned, grid = geometry.arranged(array, layout), geometry.grid_of(affine, (4, 5, 3), layout)

    assert turned.flags.f_contiguous
    for place in np.ndindex(array.shape):
        (found,) = np.argwhere(turned == array[place])
        assert grid.to_world(found) == pytest.approx((affine @ (*place, 1))[:3] * (-1, -1, 1))

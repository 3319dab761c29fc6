"""The compiled passes refuse arrays that they would run out of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from uptake.features import _kernels

LEVELS = np.zeros((3, 4, 5), np.uint8)
STEP = np.array([[0, 0, 1]], np.int32)
TABLE = np.zeros((1, 3, 3), np.uint32)


def test_a_level_beyond_the_table_is_refused() -> None:
    levels = LEVELS.copy()
    levels[1, 1, 1] = 3
    with pytest.raises(ValueError, match="a row for every grey level"):
        _kernels.glcm(levels, STEP, 0, 1, TABLE)


def test_a_step_longer_than_the_margin_is_refused() -> None:
    with pytest.raises(ValueError, match="margin"):
        _kernels.glcm(LEVELS, 2 * STEP, 0, 1, TABLE)


@pytest.mark.parametrize(("first", "last"), [(-1, 1), (1, 0), (0, 2)])
def test_slices_beyond_the_array_are_refused(first: int, last: int) -> None:
    with pytest.raises(ValueError, match="slices"):
        _kernels.glcm(LEVELS, STEP, first, last, TABLE)


def test_arrays_of_another_type_shape_or_order_are_refused() -> None:
    with pytest.raises(ValueError, match="type"):
        _kernels.glcm(LEVELS.astype(np.float64), STEP, 0, 1, TABLE)
    with pytest.raises(ValueError, match="axes"):
        _kernels.glcm(LEVELS[0], STEP, 0, 1, TABLE)
    with pytest.raises((ValueError, BufferError), match="contiguous"):
        _kernels.glcm(LEVELS.T, STEP, 0, 1, TABLE)
    with pytest.raises(ValueError, match="three parts"):
        _kernels.glcm(LEVELS, STEP[:, :2].copy(), 0, 1, TABLE)
    with pytest.raises(ValueError, match="square"):
        _kernels.glcm(LEVELS, STEP, 0, 1, np.zeros((2, 3, 3), np.uint32))


def test_tables_too_small_are_refused() -> None:
    small = np.zeros((3, 1), np.uint32)
    with pytest.raises(ValueError, match="every number of neighbours"):
        _kernels.neighbours(LEVELS, STEP, 0, 1, 0, small, small, small.astype(np.uint64))
    with pytest.raises(ValueError, match="4 side - 2"):
        _kernels.margins(TABLE, np.zeros((1, 3)))
    with pytest.raises(ValueError, match="one shape"):
        _kernels.zones(LEVELS, np.zeros((3, 3, 3), np.uint16), 1, False)


def test_a_result_that_cannot_be_written_is_refused() -> None:
    fixed = TABLE.copy()
    fixed.setflags(write=False)
    with pytest.raises((ValueError, BufferError), match=r"read-only|writable"):
        _kernels.glcm(LEVELS, STEP, 0, 1, fixed)


def test_pairs_join_groups_that_are_named_by_their_first_member() -> None:
    first = np.arange(6, dtype=np.int32)
    _kernels.join(np.array([4, 5], np.int32), np.array([2, 3], np.int32), first)
    assert first.tolist() == [0, 1, 2, 3, 2, 3]
    _kernels.join(np.array([3], np.int32), np.array([4], np.int32), first)
    assert first.tolist() == [0, 1, 2, 2, 2, 2]


@pytest.mark.parametrize(
    ("source", "target", "first"), [(2, 0, (0, 1)), (0, -1, (0, 1)), (0, 1, (1, 1)), (0, 1, (-1, 1))]
)
def test_members_that_are_not_there_are_refused(source: int, target: int, first: tuple[int, int]) -> None:
    ends = (np.array([end], np.int32) for end in (source, target))
    with pytest.raises(ValueError, match="numbered from 0"):
        _kernels.join(*ends, np.array(first, np.int32))


def test_pairs_have_two_ends() -> None:
    with pytest.raises(ValueError, match="as many targets"):
        _kernels.join(np.zeros(2, np.int32), np.zeros(1, np.int32), np.zeros(1, np.int32))


def test_a_hull_needs_a_voxel_and_moments_a_weight_for_each() -> None:
    with pytest.raises(ValueError, match="a mask with a voxel"):
        _kernels.hull(LEVELS)
    with pytest.raises(ValueError, match="a weight for every voxel"):
        _kernels.moments(np.ones((2, 2, 2), np.uint8), np.ones(7), np.empty(14))


def test_columns_of_a_ball_that_leave_the_margin_are_refused() -> None:
    column = np.array([[0, 0, 0, 6]], np.int32)
    with pytest.raises(ValueError, match="inside of the margin"):
        _kernels.balls(np.zeros((3, 4, 8)), column, np.ones((3, 4, 5), np.uint8), np.empty(60))


def test_spectra_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        _kernels.pair_sums(np.zeros((1, 1, 4)), np.zeros((1, 1, 4)), np.zeros((1, 1, 6)), np.zeros((1, 1, 2)), False)


def test_counts_of_cubes_and_sums_of_tones_need_their_room() -> None:
    with pytest.raises(ValueError, match="256 numbers twice"):
        _kernels.cubes(LEVELS, np.zeros((2, 255)))
    with pytest.raises(ValueError, match="one shape"):
        _kernels.tones(np.ones((2, 3)), np.ones((2, 4)), np.empty((2, 8)))
    with pytest.raises(ValueError, match="eight sums"):
        _kernels.tones(np.ones((2, 3)), np.ones((2, 3)), np.empty((1, 8)))


@settings(max_examples=200, deadline=None)
@given(arrays(np.uint8, st.tuples(*[st.sampled_from([1, 2, 3, 9, 70, 300])] * 3), fill=st.just(0)))
def test_the_extent_is_that_of_all_voxels_that_are_not_zero(mask: np.ndarray) -> None:
    places = np.argwhere(mask)
    ends = np.stack([places.min(axis=0), places.max(axis=0) + 1], axis=1).ravel().tolist() if len(places) else []
    assert list(_kernels.extent(mask)) == ends


def test_sums_of_tones_worked_by_hand() -> None:
    # one voxel of level 1 that differs by 2, three of level 3 by 1 in all: p = 1/4 and 3/4
    sums = np.empty((2, 8))
    _kernels.tones(np.array([[1.0, 0, 3], [0, 0, 0]]), np.array([[2.0, 0, 1], [0, 0, 0]]), sums)
    assert sums[0] == pytest.approx([2, 4, 5 / 4, 3, 2 * 4 * 3 / 16, 2 * abs(1 / 4 - 9 / 4), 2 * 2 * 5 / 4, 2 * 4])
    assert not sums[1].any()


@settings(deadline=None)
@given(arrays(np.float64, (3, 3), elements=st.floats(-100, 100)), st.booleans())
def test_eigenvalues_are_those_of_lapack(matrix: np.ndarray, alike: bool) -> None:
    symmetric = matrix @ matrix.T if alike else matrix + matrix.T
    values = np.empty(3)
    _kernels.eigenvalues(symmetric, values)
    assert values == pytest.approx(np.linalg.eigvalsh(symmetric), abs=1e-12 * (1 + np.abs(symmetric).max()))


def test_a_surface_has_three_corners_a_triangle_and_they_exist() -> None:
    with pytest.raises(ValueError, match="corners that there are"):
        _kernels.measure(np.zeros((3, 3)), np.array([[0, 1, 3]], np.int32), np.empty((1, 3)))
    with pytest.raises(ValueError, match="a normal for every triangle"):
        _kernels.measure(np.zeros((3, 3)), np.array([[0, 1, 2]], np.int32), np.empty((2, 3)))
    with pytest.raises(ValueError, match="3 x 3"):
        _kernels.eigenvalues(np.eye(2), np.empty(3))

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from uptake.features.region import bounding_box, frame_of, region_of
from uptake.features.settings import Features
from uptake.study import Code, Refusal, SettingsError
from uptake.volume import Grid, Volume

GRID = Grid((3, 4, 5), np.diag([1.0, 1.0, 2.0, 1.0]))
IMAGE = Volume(np.arange(60, dtype=np.int16).reshape(3, 4, 5), GRID)


def test_image_and_masks_are_cut_to_the_box_of_the_mask() -> None:
    region = region_of(IMAGE, _mask((1, 2, 3), (2, 2, 4)), Features())
    assert region.box == (slice(1, 3), slice(2, 3), slice(3, 5))
    assert region.image.tolist() == [[[33, 34]], [[53, 54]]]
    assert region.values.tolist() == [33, 54]
    assert region.whole is IMAGE.array


def test_resegmentation_takes_voxels_out_of_the_intensity_mask_only_and_includes_both_ends() -> None:
    mask = _mask((0, 0, 0), (0, 0, 1), (0, 0, 2), (0, 0, 3))
    region = region_of(IMAGE, mask, Features(resegment_range=(1, 2)))
    assert region.values.tolist() == [1, 2]
    assert region.morphological.sum() == 4


def test_outliers_are_measured_in_the_whole_mask_and_the_range_counts_as_well() -> None:
    grid = Grid((6, 1, 1), np.eye(4))
    image = Volume(np.array([0.0, 1, 1, 1, 1, 8]).reshape(grid.shape), grid)  # mean 2, standard deviation sqrt(44 / 6)
    mask = Volume(np.ones(grid.shape, dtype=bool), grid)
    assert region_of(image, mask, Features(resegment_outliers=2)).values.tolist() == [0, 1, 1, 1, 1]
    both = region_of(image, mask, Features(resegment_outliers=2, resegment_range=(1, 9)))
    assert both.values.tolist() == [1, 1, 1, 1]
    assert both.morphological.all()


def test_a_mask_on_another_grid_is_refused() -> None:
    moved = Grid(GRID.shape, GRID.affine + np.array([[0, 0, 0, 5.0], [0] * 4, [0] * 4, [0] * 4]))
    with pytest.raises(Refusal) as refused:
        region_of(IMAGE, Volume(np.ones(GRID.shape, dtype=bool), moved), Features())
    assert refused.value.code is Code.MASK_GRID
    assert "from (5, 0, 0)" in refused.value.found


def test_a_mask_of_another_shape_is_refused() -> None:
    grid = Grid((3, 4, 4), GRID.affine)
    with pytest.raises(Refusal) as refused:
        region_of(IMAGE, Volume(np.ones(grid.shape, dtype=bool), grid), Features())
    assert refused.value.code is Code.MASK_GRID


def test_an_empty_mask_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        region_of(IMAGE, _mask(), Features())
    assert refused.value.code is Code.EMPTY_MASK


def test_a_range_that_leaves_no_voxel_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        region_of(IMAGE, _mask((0, 0, 0)), Features(resegment_range=(5, 6)))
    assert refused.value.code is Code.EMPTY_MASK
    assert "from 5 to 6" in refused.value.found


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_voxel_inside_that_is_not_finite_is_refused_and_one_outside_is_not(wrong: float) -> None:
    array = IMAGE.array.astype(np.float32)
    array[1, 1, 1] = wrong
    image = Volume(array, GRID)
    with pytest.raises(Refusal) as refused:
        region_of(image, _mask((1, 1, 1), (0, 0, 0)), Features())
    assert refused.value.code is Code.NON_FINITE
    assert refused.value.found.startswith("1 of 2 voxels")
    assert region_of(image, _mask((0, 0, 0), (2, 2, 2)), Features()).values.tolist() == [0, 52]


def test_a_mask_of_zeros_and_ones_is_a_mask_and_one_of_labels_or_fractions_is_not() -> None:
    ones = _mask((1, 1, 1), (2, 2, 2))
    number = region_of(IMAGE, ones.with_array(ones.array.astype(np.uint8)), Features())
    assert np.array_equal(number.morphological, region_of(IMAGE, ones, Features()).morphological)
    for wrong in (2 * ones.array.astype(np.int16), 0.5 * ones.array):
        with pytest.raises(SettingsError, match="one label"):
            region_of(IMAGE, ones.with_array(wrong), Features())


@given(arrays(np.bool_, array_shapes(min_dims=3, max_dims=3, max_side=6)).filter(np.any), st.permutations(range(3)))
def test_the_box_is_the_smallest_with_all_voxels_whatever_the_memory_order(mask: np.ndarray, axes: list[int]) -> None:
    stored = np.ascontiguousarray(mask.transpose(axes)).transpose(np.argsort(axes))
    box = bounding_box(stored)
    assert stored[box].sum() == mask.sum()
    for axis, part in enumerate(box):
        places = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        assert (part.start, part.stop) == (places[0], places[-1] + 1)


def test_the_frame_of_a_turned_grid_is_its_spacing() -> None:
    cosine, sine = np.cos(0.3), np.sin(0.3)
    turn = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, -1]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([0.5, 0.7, 3])
    assert frame_of(Grid((2, 2, 2), affine)) == pytest.approx(np.diag([0.5, 0.7, 3]))


def test_distances_in_the_frame_of_a_sheared_grid_are_those_in_the_patient() -> None:
    affine = np.eye(4)
    affine[:3, :3] = [[0.5, 0.2, 0.4], [-0.1, 0.9, 0.3], [0.3, 0, -2]]
    frame = frame_of(Grid((2, 2, 2), affine))
    steps = np.random.default_rng(0).integers(-3, 4, (20, 3))
    assert np.linalg.norm(steps @ frame.T, axis=1) == pytest.approx(np.linalg.norm(steps @ affine[:3, :3].T, axis=1))
    assert np.all(frame == np.triu(frame))
    assert np.all(np.diag(frame) > 0)


def _mask(*voxels: tuple[int, int, int]) -> Volume:
    array = np.zeros(GRID.shape, dtype=bool)
    for voxel in voxels:
        array[voxel] = True
    return Volume(array, GRID)

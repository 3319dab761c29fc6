"""Images on coarser voxels for the network, and its answer brought back."""

from __future__ import annotations

import numpy as np
import pytest

from uptake.segment.coarse import coarsened, factors_to, refined


def test_blocks_come_nearest_to_the_wanted_spacing_and_are_one_voxel_at_least() -> None:
    assert factors_to((1.0, 1.0, 1.0), 2.0) == (2, 2, 2)
    assert factors_to((0.5, 0.7, 2.5), 2.0) == (4, 3, 1)
    assert factors_to((1.0, 1.0, 1.0), 0.0) == (1, 1, 1)


def test_a_block_is_the_mean_of_its_voxels_and_a_cut_one_is_continued_by_its_edge() -> None:
    image = np.array([1, 3, 5, 7, 9], dtype=np.float32).reshape(1, 5, 1, 1)
    assert coarsened(image, (2, 1, 1)).ravel().tolist() == [2, 6, 9]


def test_blocks_of_one_voxel_change_nothing() -> None:
    image = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    assert coarsened(image, (1, 1, 1)) is image
    coarse = image[0]
    assert refined(coarse, (1, 1, 1), (2, 3, 4)) is coarse


@pytest.mark.parametrize("factors", [(2, 2, 2), (1, 3, 2), (4, 1, 1)])
def test_a_ramp_survives_there_and_back_but_for_the_outermost_half_block(factors: tuple[int, int, int]) -> None:
    shape = (12, 12, 12)
    i, j, k = np.indices(shape, dtype=np.float32)
    ramp = i + 2 * j - 3 * k
    back = refined(coarsened(ramp[None], factors)[0], factors, shape)
    inside = tuple(slice(factor, 12 - factor) for factor in factors)
    assert back.shape == shape
    assert np.abs(back - ramp)[inside].max() < 1e-4


def test_a_map_of_a_cut_block_has_the_shape_of_the_image() -> None:
    coarse = coarsened(np.ones((1, 5, 7, 3), np.float32), (2, 2, 2))[0]
    assert np.array_equal(refined(coarse, (2, 2, 2), (5, 7, 3)), np.ones((5, 7, 3), np.float32))

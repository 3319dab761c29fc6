from __future__ import annotations

import numpy as np
import pytest

from uptake.features.filters.rotations import check_pooling, pooled, rotations, turned
from uptake.study import SettingsError


def test_there_are_4_rotations_in_a_plane_and_24_in_space() -> None:
    for dimensions, count in ((2, 4), (3, 24)):
        found = rotations(dimensions)
        assert len(set(found)) == count
        assert found[0] == tuple((axis, 1) for axis in range(dimensions))


def test_the_kernels_of_a_turned_filter_are_the_turned_kernel() -> None:
    """Every outer product of turned kernels is a rotation of the first one, and all 24 differ."""
    kernels = [np.array([1.0, 2, 4]), np.array([1.0, 3, 9]), np.array([1.0, 5, 7])]
    made = {_outer(turned(kernels, rotation)).tobytes() for rotation in rotations(3)}
    whole = _outer(kernels)
    turns = set()
    for a in range(4):
        for b in range(4):
            for c in range(4):
                turn = np.rot90(np.rot90(np.rot90(whole, a, (0, 1)), b, (1, 2)), c, (0, 2))
                turns.add(np.ascontiguousarray(turn).tobytes())
    assert len(made) == 24
    assert made == turns


def test_responses_are_pooled_voxel_by_voxel() -> None:
    responses = [np.array([1.0, 5]), np.array([4.0, 2]), np.array([1.0, -1])]
    assert pooled(iter(responses), "max").tolist() == [4, 5]
    assert pooled(iter(responses), "min").tolist() == [1, -1]
    assert pooled(iter(responses), "mean").tolist() == [2, 2]
    assert responses[0].tolist() == [1, 5]


def test_another_pooling_is_an_error() -> None:
    with pytest.raises(SettingsError, match="max, mean, min"):
        check_pooling("sum")


def _outer(kernels: list[np.ndarray] | tuple[np.ndarray, ...]) -> np.ndarray:
    return np.ascontiguousarray(np.einsum("i,j,k->ijk", *kernels))

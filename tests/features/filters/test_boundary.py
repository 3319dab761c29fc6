from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from uptake.features.filters import Mean, mean
from uptake.features.filters.boundary import Boundary, convolve_separably, padded
from uptake.study import Code, Refusal, SettingsError
from uptake.volume import Volume

LINE = np.array([1.0, 2, 4, 8])
BEYOND: dict[Boundary, list[float]] = {
    "zero": [0, 0, 1, 2, 4, 8, 0, 0],
    "nearest": [1, 1, 1, 2, 4, 8, 8, 8],
    "periodic": [4, 8, 1, 2, 4, 8, 1, 2],
    "mirror": [2, 1, 1, 2, 4, 8, 8, 4],
}


@pytest.mark.parametrize("boundary", BEYOND)
def test_what_lies_beyond_the_border_is_what_the_condition_says(boundary: Boundary) -> None:
    assert padded(LINE.reshape(4, 1, 1), (2, 0, 0), boundary).ravel().tolist() == BEYOND[boundary]


@pytest.mark.parametrize("boundary", BEYOND)
def test_convolution_sees_the_same_beyond_the_border(boundary: Boundary) -> None:
    kernel = np.array([1.0, 10, 100, 1000, 10000])
    found = convolve_separably(LINE.reshape(4, 1, 1), [kernel], boundary).ravel()
    assert found.tolist() == np.convolve(BEYOND[boundary], kernel, mode="valid").tolist()


def test_a_kernel_of_even_length_has_its_centre_after_its_middle() -> None:
    impulse = np.array([0.0, 0, 1, 0, 0]).reshape(5, 1, 1)
    assert convolve_separably(impulse, [np.array([3.0, 5.0])], "zero").ravel().tolist() == [0, 3, 5, 0, 0]


def test_a_voxel_that_is_not_finite_is_refused(volume: Callable[..., Volume]) -> None:
    array = np.zeros((3, 3, 3))
    array[0, 0, 0] = np.nan
    with pytest.raises(Refusal) as refused:
        mean(volume(array), Mean(3))
    assert refused.value.code == Code.NON_FINITE


def test_another_condition_is_an_error() -> None:
    with pytest.raises(SettingsError, match="zero, nearest, periodic, mirror"):
        Mean(3, boundary="reflect")  # type: ignore[arg-type]

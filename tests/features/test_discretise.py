from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from uptake.features.discretise import fixed_bin_number, fixed_bin_size, levels_of
from uptake.features.region import region_of
from uptake.features.settings import Features
from uptake.study import SettingsError
from uptake.volume import Grid, Volume

VALUES = arrays(np.float64, st.integers(1, 40), elements=st.integers(-300, 300).map(float))


def test_a_fixed_number_of_bins_divides_the_range_and_the_maximum_belongs_to_the_last() -> None:
    levels = fixed_bin_number(np.array([0.0, 2.4, 2.5, 4.9, 5.0, 9.9, 10.0]), 4)
    assert levels.numbers.tolist() == [1, 1, 2, 2, 3, 4, 4]
    assert levels.bins == 4


@given(st.integers(1, 200), st.integers(-50, 50))
def test_whole_numbers_in_as_many_bins_have_one_each(bins: int, low: int) -> None:
    x = np.arange(low, low + bins + 1, dtype=np.float64)
    assert fixed_bin_number(x, bins).numbers.tolist() == [*range(1, bins + 1), bins]


@given(VALUES, st.integers(1, 50))
def test_fixed_bins_keep_the_order_and_reach_from_the_first_to_the_last(x: np.ndarray, bins: int) -> None:
    numbers, count = fixed_bin_number(x, bins)
    assert np.all(np.diff(numbers[np.argsort(x)]) >= 0)
    if x.min() < x.max():
        assert (numbers.min(), numbers.max(), count) == (1, bins, bins)


def test_equal_intensities_fill_one_bin() -> None:
    levels = fixed_bin_number(np.full(3, 7.5), 64)
    assert levels.numbers.tolist() == [1, 1, 1]
    assert levels.bins == 1


def test_bins_of_a_fixed_size_begin_where_they_are_told() -> None:
    levels = fixed_bin_size(np.array([-475.0, -476.0, -450.0, 377.0]), 25, -500)
    assert levels.numbers.tolist() == [2, 1, 3, 36]
    assert levels.bins == 36


def test_a_width_that_makes_a_million_bins_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"bins of 1e-06 would be 2e\+06"):
        fixed_bin_size(np.array([0.0, 2.0]), 1e-6, 0)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Features(bins=3), [1, 2, 3]),
        (Features(discretisation="fixed-bin-size", bin_width=10), [1, 2, 4]),
        (Features(discretisation="fixed-bin-size", bin_width=10, resegment_range=(0, 100)), [2, 4, 5]),
        (Features(discretisation="fixed-bin-size", bin_width=10, resegment_range=(-np.inf, 100)), [1, 2, 4]),
    ],
)
def test_the_settings_say_how_and_the_range_says_where_bins_of_a_fixed_size_begin(
    settings: Features, expected: list[int]
) -> None:
    grid = Grid((1, 1, 3), np.eye(4))
    image = Volume(np.array([[[15, 34, 45]]]), grid)
    region = region_of(image, Volume(np.ones(grid.shape, dtype=bool), grid), settings)
    assert levels_of(region).numbers.tolist() == expected

from __future__ import annotations

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptake.features.captk.distribution import CONSTANT, NO_MEAN, NO_QUARTILES, ONE_VOXEL, UNITS, describe


def _described(values: list[float]) -> dict[str, object]:
    return dict(describe(*np.unique(np.array(values, dtype=float), return_counts=True)))


def test_every_statistic_of_a_small_list_is_worked_by_hand() -> None:
    found = _described([1, 2, 2, 3, 7])  # mean 3, squares from the mean 4 + 1 + 1 + 0 + 16 = 22
    s = (22 / 4) ** 0.5
    assert found == {
        "Minimum": 1,
        "Maximum": 7,
        "Mean": 3,
        "Sum": 15,
        "Mode": 2,
        "Median": 2,
        "Variance": 5.5,
        "StandardDeviation": pytest.approx(s),
        "Skewness": pytest.approx((-8 - 1 - 1 + 64) / 5 / s**3),
        "Kurtosis": pytest.approx((16 + 1 + 1 + 256) / 5 / s**4),
        "Range": 6,
        "Energy": 67,
        "RootMeanSquare": pytest.approx((67 / 5) ** 0.5),
        "TenthPercentile": 1,  # place 0
        "NinetiethPercentile": 7,  # place 4
        "InterQuartileRange": 1,  # places 3 and 1
        "MeanAbsoluteDeviation": pytest.approx(0, abs=1e-12),
        "MedianAbsoluteDeviation": 1,
        "CoefficientOfVariation": pytest.approx(s / 3),
        "QuartileCoefficientOfVariation": pytest.approx(1 / 5),
    }
    assert set(found) == set(UNITS)


def test_the_largest_number_is_never_the_mode() -> None:
    assert _described([1, 2, 9, 9, 9])["Mode"] == 1


def test_of_several_modes_the_smallest_is_taken() -> None:
    assert _described([4, 4, 6, 6, 8])["Mode"] == 4


@given(st.lists(st.integers(-20, 20), min_size=2, max_size=40))
def test_statistics_agree_with_the_standard_library(values: list[int]) -> None:
    found = _described([float(v) for v in values])
    assert found["Median"] == statistics.median(values)
    assert found["Variance"] == pytest.approx(statistics.variance(values), abs=1e-9)
    assert found["NinetiethPercentile"] == sorted(values)[90 * len(values) // 100]


@given(st.lists(st.integers(0, 9), min_size=2, max_size=40))
def test_bins_without_a_voxel_change_nothing(values: list[int]) -> None:
    counts = np.bincount(values, minlength=12)
    assert describe(np.arange(12.0), counts) == _described([float(v) for v in values])


def test_one_number_has_no_variance() -> None:
    found = _described([3])
    assert found["Mode"] == 3
    for name in ("Variance", "StandardDeviation", "Skewness", "Kurtosis", "CoefficientOfVariation"):
        assert found[name] is ONE_VOXEL


def test_equal_numbers_have_neither_skewness_nor_kurtosis() -> None:
    found = _described([3, 3])
    assert found["Variance"] == found["CoefficientOfVariation"] == 0
    assert found["Skewness"] is found["Kurtosis"] is CONSTANT


def test_coefficients_have_no_value_where_their_divisor_is_zero() -> None:
    found = _described([-1, 1])
    assert found["CoefficientOfVariation"] is NO_MEAN
    assert found["QuartileCoefficientOfVariation"] is NO_QUARTILES

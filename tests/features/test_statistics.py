from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from uptake.features.definition import Undefined
from uptake.features.statistics import NO_MEAN, NO_MIDDLE, NO_QUARTILES, summary

VALUES = arrays(np.float64, st.integers(2, 60), elements=st.integers(-1000, 1000).map(float))


def test_the_eighteen_statistics_of_one_two_three_four_and_ten_are_those_worked_by_hand() -> None:
    # mean 20 / 5; deviations -3 -2 -1 0 6; ranks of P10 1.4, P25 2, P75 4, P90 4.6; 2, 3, 4 lie from P10 to P90
    expected = {
        "mean": 4.0,
        "var": 50 / 5,
        "skew": (-27 - 8 - 1 + 216) / 5 / 10**1.5,
        "kurt": (81 + 16 + 1 + 1296) / 5 / 100 - 3,
        "median": 3.0,
        "min": 1.0,
        "p10": 1.4,
        "p90": 4 + 0.6 * 6,
        "max": 10.0,
        "iqr": 4.0 - 2.0,
        "range": 9.0,
        "mad": 12 / 5,
        "rmad": 2 / 3,
        "medad": (2 + 1 + 0 + 1 + 7) / 5,
        "cov": 10**0.5 / 4,
        "qcod": 2 / 6,
        "energy": 1 + 4 + 9 + 16 + 100.0,
        "rms": 26**0.5,
    }
    assert summary(np.array([10.0, 1, 4, 2, 3])) == pytest.approx(expected)


@given(VALUES)
def test_the_moments_are_those_of_scipy(x: np.ndarray) -> None:
    found = summary(x)
    constant = x.min() == x.max()
    assert found["var"] == pytest.approx(x.var())
    assert found["skew"] == pytest.approx(0 if constant else stats.skew(x), abs=1e-9)
    assert found["kurt"] == pytest.approx(0 if constant else stats.kurtosis(x), abs=1e-9)


@given(VALUES, st.permutations(range(60)))
def test_the_order_of_the_voxels_does_not_matter(x: np.ndarray, order: list[int]) -> None:
    shuffled = x[[place for place in order if place < len(x)]]
    # A mean, a quartile sum or a skewness of exactly 0 may come out as rounding error in another order.
    for name in ("var", "median", "p10", "p90", "iqr", "range", "mad", "rmad", "medad", "energy", "rms"):
        found, expected = summary(shuffled)[name], summary(x)[name]
        assert found == expected == NO_MIDDLE or found == pytest.approx(expected, rel=1e-9, abs=1e-9), name


@pytest.mark.parametrize("value", [7.0, 0.1, -1e6 / 3])
def test_equal_values_have_no_spread_and_by_ibsis_definition_neither_skewness_nor_kurtosis(value: float) -> None:
    found = summary(np.full(1001, value))
    for name in ("var", "skew", "kurt", "iqr", "range", "mad", "rmad", "medad", "cov", "qcod"):
        assert found[name] == 0, name
    assert found["mean"] == found["median"] == value


def test_the_coefficient_of_variation_is_undefined_for_a_mean_of_zero() -> None:
    assert summary(np.array([-1.0, 1.0]))["cov"] == NO_MEAN


def test_the_quartile_coefficient_is_undefined_where_the_quartiles_cancel() -> None:
    assert summary(np.array([-2.0, -1, 0, 1, 2]))["qcod"] == NO_QUARTILES


def test_the_robust_deviation_is_undefined_for_two_values_that_lie_outside_their_own_percentiles() -> None:
    assert summary(np.array([1.0, 2.0]))["rmad"] == NO_MIDDLE


def test_one_value_is_its_own_mean_median_and_percentiles() -> None:
    found = summary(np.array([5.0]))
    assert {found[name] for name in ("mean", "median", "min", "max", "p10", "p90", "rms")} == {5.0}
    assert not any(isinstance(value, Undefined) for value in found.values())

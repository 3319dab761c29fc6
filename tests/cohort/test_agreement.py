"""Agreement of measurements, against published analyses and worked by hand."""

from __future__ import annotations

import pytest

from uptake.cohort.agreement import extremes, limits_of_agreement


def test_bland_and_altmans_peak_flow_meters() -> None:
    """The Wright and mini meters, first readings: Lancet 1986;i:307, Table 1 and text."""
    wright = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
    mini = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
    found = limits_of_agreement(mini, wright)
    assert found is not None
    assert found.bias == pytest.approx(-2.1, abs=0.05)
    assert found.sd == pytest.approx(38.8, abs=0.05)
    assert found.bias_interval == pytest.approx((-22.0, 17.8), abs=0.1)
    assert (found.lower, found.upper) == pytest.approx((-78.1, 73.9), abs=0.3)


def test_ratios_of_volumes_have_limits_too_where_every_volume_is_positive() -> None:
    found = limits_of_agreement([1.0, 2.0, 4.0], [2.0, 4.0, 8.0])
    assert found is not None
    assert (found.ratio, found.ratio_lower, found.ratio_upper) == pytest.approx((2.0, 2.0, 2.0))
    zero = limits_of_agreement([0.0, 2.0, 4.0], [2.0, 4.0, 8.0])
    assert zero is not None
    assert zero.ratio is None


def test_two_pairs_have_no_limits() -> None:
    assert limits_of_agreement([1.0, 2.0], [1.0, 2.0]) is None


def test_best_median_and_worst() -> None:
    assert extremes({"a": 0.5, "b": 0.9, "c": 0.1}) == ("b", "a", "c")
    assert extremes({"a": 0.5, "b": 0.9}) == ("b", "b", "a")
    assert extremes({}) is None

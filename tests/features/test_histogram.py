from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from uptake.features.discretise import Levels
from uptake.features.histogram import ONE_BIN, describe
from uptake.features.statistics import summary

NUMBERS = arrays(np.int64, st.integers(1, 60), elements=st.integers(1, 12))


def test_mode_entropy_uniformity_and_gradients_are_those_worked_by_hand() -> None:
    # counts 4 2 0 1 1 in five bins; gradient -2 -2 -0.5 0.5 0
    found = describe(Levels(np.array([1, 1, 1, 1, 2, 2, 4, 5]), 5))
    assert found["mode"] == 1
    assert found["entropy"] == pytest.approx(1 / 2 * 1 + 1 / 4 * 2 + 2 / 8 * 3)
    assert found["uniformity"] == pytest.approx((16 + 4 + 1 + 1) / 64)
    assert [found[name] for name in ("max_grad", "max_grad_g", "min_grad", "min_grad_g")] == [0.5, 4, -2, 1]


@given(NUMBERS)
def test_the_common_statistics_are_those_of_the_bin_numbers(numbers: np.ndarray) -> None:
    found, expected = describe(Levels(numbers, 12)), summary(numbers.astype(float))
    del expected["energy"], expected["rms"]
    for name, value in expected.items():
        assert found[name] == (pytest.approx(value, rel=1e-12, abs=1e-12) if isinstance(value, float) else value)
    assert len(found) == 23


@given(NUMBERS)
def test_entropy_and_uniformity_keep_their_bounds(numbers: np.ndarray) -> None:
    found = describe(Levels(numbers, 12))
    present = len(set(numbers.tolist()))
    assert 0 <= found["entropy"] <= math.log2(present) + 1e-9
    assert 1 / present - 1e-9 <= found["uniformity"] <= 1


@pytest.mark.parametrize(
    ("numbers", "mode"),
    [
        ([1, 1, 5, 5, 6], 5),  # mean 3.6: 5 is nearer
        ([1, 1, 5, 5, 2], 1),  # mean 2.8: 1 is nearer
        ([1, 1, 5, 5, 3], 1),  # mean 3: as near, the lower one
        ([2, 2, 9, 9, 1, 10], 2),  # mean 5.5, as near
    ],
)
def test_of_equally_full_bins_the_mode_is_nearest_to_the_mean_then_the_lower(numbers: list[int], mode: int) -> None:
    assert describe(Levels(np.array(numbers), 10))["mode"] == mode


def test_one_bin_has_no_gradient_and_no_entropy() -> None:
    found = describe(Levels(np.array([1, 1, 1]), 1))
    assert {found[name] for name in ("max_grad", "max_grad_g", "min_grad", "min_grad_g")} == {ONE_BIN}
    assert found["entropy"] == 0
    assert math.copysign(1, found["entropy"]) == 1
    assert found["uniformity"] == found["mode"] == 1

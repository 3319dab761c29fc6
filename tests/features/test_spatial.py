from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from uptake.features.spatial import autocorrelation

SHAPES = array_shapes(min_dims=3, max_dims=3, max_side=5)
RIGHT_ANGLED = st.tuples(*[st.floats(0.3, 4)] * 3).map(np.diag)
SHEARED = st.tuples(RIGHT_ANGLED, st.tuples(*[st.floats(-2, 2)] * 3)).map(lambda pair: pair[0] + _upper(pair[1]))


def test_two_different_voxels_are_perfectly_opposed() -> None:
    # deviations -1 and 1, one weight: I = 2 / 2w * 2w(-1) / 2; C = 1 / 4w * 2w * 4 / 2
    found = autocorrelation(np.array([[[3.0, 5.0]]]), np.ones((1, 1, 2), dtype=bool), np.eye(3))
    assert found == pytest.approx((-1, 1))


def test_three_voxels_in_a_row_have_the_values_worked_by_hand() -> None:
    # 0 0 3: deviations -1 -1 2, squares sum to 6; weights 1, 1, 1/2, twice each: 5
    # the pairs multiply to 1, -2 and -2 / 2, and their squared differences to 0, 9 and 9 / 2, each counted twice
    found = autocorrelation(np.array([[[0, 0, 3]]]), np.ones((1, 1, 3), dtype=bool), np.eye(3))
    assert found == pytest.approx((3 / 5 * -4 / 6, 2 / 10 * 27 / 6))


@given(st.data(), SHAPES, st.one_of(RIGHT_ANGLED, SHEARED))
def test_the_sums_are_those_over_all_pairs(data: st.DataObject, shape: tuple[int, ...], frame: np.ndarray) -> None:
    image = data.draw(arrays(np.int16, shape, elements=st.integers(-500, 500)))
    inside = data.draw(arrays(np.bool_, shape))
    assume(inside.sum() > 1 and np.ptp(image[inside]) > 0)
    assert autocorrelation(image, inside, frame) == pytest.approx(_over_pairs(image, inside, frame), rel=1e-8, abs=1e-9)


def test_voxels_outside_count_for_nothing_even_where_they_are_not_finite() -> None:
    image, inside = np.array([[[0.0, 0, 3, np.nan]]]), np.array([[[True, True, True, False]]])
    assert autocorrelation(image, inside, np.eye(3)) == pytest.approx((-0.4, 0.9))


def _over_pairs(image: np.ndarray, inside: np.ndarray, frame: np.ndarray) -> tuple[float, float]:
    places, x = np.argwhere(inside) @ frame.T, image[inside].astype(float)
    n, x = len(x), x - x.mean()
    distance = np.linalg.norm(places[:, None] - places[None], axis=2)
    weight = np.divide(1, distance, out=np.zeros_like(distance), where=distance > 0)
    spread = weight.sum() * (x**2).sum()
    squares = (weight * (x[:, None] - x) ** 2).sum()
    return n * (weight * np.outer(x, x)).sum() / spread, (n - 1) * squares / (2 * spread)


def _upper(values: tuple[float, ...]) -> np.ndarray:
    frame = np.zeros((3, 3))
    frame[np.triu_indices(3, 1)] = values
    return frame

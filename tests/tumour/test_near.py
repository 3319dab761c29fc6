from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from uptake.tumour import near as module
from uptake.tumour.near import grown_box, near

SPACING = (1.0, 1.0, 1.0)


def test_near_counts_millimetres_and_nothing_is_near_nothing() -> None:
    mask = np.zeros((9, 9, 5), bool)
    mask[4, 4, 2] = True
    grown = near(mask, (1.0, 1.0, 3.0), 3.0)
    assert grown[1, 4, 2]
    assert grown[4, 4, 1]
    assert not grown[0, 4, 2]
    assert not grown[4, 4, 0]
    assert not near(np.zeros((3, 3, 3), bool), SPACING, 5.0).any()


@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(*[st.integers(1, 14)] * 3),
    spacing=st.tuples(*[st.sampled_from((0.5, 0.78125, 1.0, 2.0, 3.3))] * 3),
    distance=st.sampled_from((0.0, 0.5, 1.0, 2.0, 3.5, 10.0)),
    fortran=st.booleans(),
)
def test_it_is_a_limit_on_the_distance_transform(
    seed: int, shape: tuple[int, int, int], spacing: tuple[float, float, float], distance: float, fortran: bool
) -> None:
    generator = np.random.default_rng(seed)
    mask = generator.random(shape) < generator.choice([0.002, 0.02, 0.2])
    mask[0, -1, 0] = True
    found = near(np.asfortranarray(mask) if fortran else mask, spacing, distance)
    assert np.array_equal(found, ndimage.distance_transform_edt(~mask, sampling=spacing) <= distance)


def test_a_ball_of_many_lines_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = np.random.default_rng(1).random((20, 18, 9)) < 0.003
    by_lines = near(mask, (0.8, 0.9, 2.0), 5.0)
    monkeypatch.setattr(module, "MOST_LINES", 0)
    assert np.array_equal(near(mask, (0.8, 0.9, 2.0), 5.0), by_lines)


def test_a_box_grows_by_whole_voxels_and_not_beyond_the_array() -> None:
    mask = np.zeros((9, 9, 5), bool)
    mask[4, 1, 2] = True
    assert grown_box(mask, (1.0, 1.0, 3.0), 2.5) == (slice(1, 8), slice(0, 5), slice(1, 4))

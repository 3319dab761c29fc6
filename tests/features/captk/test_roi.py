from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptake.features.captk.roi import FORWARD, averaged, bin_of, captk_offsets, itk_edges, ratio
from uptake.features.definition import Undefined


def test_at_radius_1_the_offsets_are_all_26_neighbours() -> None:
    offsets = captk_offsets(1)
    assert len(offsets) == len(set(offsets)) == 26
    assert set(offsets) == {*FORWARD, *((-i, -j, -k) for i, j, k in FORWARD)}


def test_at_radius_3_the_offsets_are_the_first_27_of_the_cube_and_lie_on_its_lowest_side() -> None:
    offsets = captk_offsets(3)
    assert len(offsets) == 27
    assert offsets[:2] == ((-3, -3, -3), (-2, -3, -3))
    assert offsets[-1] == (2, 0, -3)
    assert {k for _, _, k in offsets} == {-3}


def test_half_of_the_neighbours_are_one_per_direction() -> None:
    assert len(FORWARD) == 13
    assert not {(-i, -j, -k) for i, j, k in FORWARD} & set(FORWARD)


def test_a_bin_holds_its_lower_edge_and_the_last_bin_both() -> None:
    edges = itk_edges(0, 8, 4)
    assert edges.tolist() == [0, 2, 4, 6, 8]
    assert bin_of(np.array([0, 1.9, 2, 6, 8, 9]), edges).tolist() == [0, 0, 1, 3, 3, 3]


def test_equal_intensities_lie_in_the_last_bin() -> None:
    assert bin_of(np.array([5.0]), itk_edges(5, 5, 4)).tolist() == [3]


def test_the_width_of_a_bin_is_in_single_precision() -> None:
    edges = itk_edges(0, 1, 10)
    assert edges[1] == float(np.float32(0.1)) != 0.1
    assert edges[-1] == 1


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=30), st.integers(2, 200))
def test_every_value_lies_in_the_bin_whose_edges_enclose_it(values: list[float], bins: int) -> None:
    x = np.array(values)
    edges = itk_edges(x.min(), x.max(), bins)
    index = bin_of(x, edges)
    assert ((edges[index] <= x) & ((x < edges[index + 1]) | (index == bins - 1))).all()


def test_a_quotient_by_zero_has_no_value_but_a_reason() -> None:
    why = Undefined("because")
    assert ratio(1, 0, why) is why
    assert ratio(1, 4, why) == 0.25


def test_a_mean_over_directions_is_undefined_where_one_direction_is() -> None:
    why = Undefined("because")
    assert averaged([{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": why}]) == {"a": pytest.approx(2), "b": why}

"""PE and SER against values worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from uptake.tumour.enhancement import enhancement, percent_enhancement, signal_enhancement_ratio, stored_ser
from uptake.volume import Grid, Volume


def test_percent_enhancement_is_the_rise_in_percent_of_the_signal_before() -> None:
    pre, post = np.array([100, 50, 80], np.int16), np.array([170, 50, 40], np.int16)
    assert percent_enhancement(pre, post).tolist() == [70.0, 0.0, -50.0]


def test_percent_enhancement_is_zero_where_there_was_no_signal_before() -> None:
    assert percent_enhancement(np.array([0, -3]), np.array([90, 5])).tolist() == [0.0, 0.0]


def test_signal_enhancement_ratio_is_early_over_late_enhancement() -> None:
    pre, early, late = np.array([100, 100]), np.array([200, 180]), np.array([150, 260])
    assert signal_enhancement_ratio(pre, early, late).tolist() == [2.0, 0.5]


def test_signal_enhancement_ratio_is_zero_where_it_is_undefined() -> None:
    """No signal before contrast, or a late phase equal to it."""
    pre, early, late = np.array([0, 100]), np.array([50, 150]), np.array([60, 100])
    assert signal_enhancement_ratio(pre, early, late).tolist() == [0.0, 0.0]


def test_ratios_of_unsigned_integers_do_not_wrap_around() -> None:
    pre, post = np.array([100], np.uint16), np.array([50], np.uint16)
    assert percent_enhancement(pre, post).tolist() == [-50.0]


@pytest.mark.parametrize(("ser", "stored"), [(0.9, 900), (0.8995, 900), (3.7, 3000), (-0.4, 0), (1.00049, 1000)])
def test_the_stored_map_is_rounded_half_up_and_clipped_to_three(ser: float, stored: int) -> None:
    assert stored_ser(np.array([ser], np.float32)).tolist() == [stored]


def test_maps_lie_on_the_grid_of_the_pre_contrast_volume() -> None:
    grid = Grid((1, 1, 2), np.diag([2.0, 2.0, 3.0, 1.0]))
    pre, early, late = (Volume(np.array([[[a, b]]], np.int16), grid) for a, b in ((10, 10), (20, 15), (15, 20)))
    maps = enhancement(pre, early, late)
    assert maps.pe.grid is grid
    assert maps.pe.array.tolist() == [[[100.0, 50.0]]]
    assert maps.ser.array.tolist() == [[[2.0, 0.5]]]

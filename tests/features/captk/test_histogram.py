from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptake.features.captk import PAPER, histogram
from uptake.features.captk.roi import Roi

FOUR = replace(PAPER, histogram_bins=4)


def test_the_range_is_stretched_upwards_by_a_hundredth_of_a_bin() -> None:
    counts, edges = histogram.histogram_of(np.array([0.0, 1, 2, 3, 4]), 4)
    assert edges[-1] == pytest.approx(4.01)
    assert counts.tolist() == [2, 1, 1, 1]  # 1 is below the edge 1.0025, as 2 and 3 are below theirs
    assert histogram.histogram_of(np.array([0.0, 1, 2, 3, 4]), 400)[0].sum() == 5


@given(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=50), st.integers(2, 130))
def test_no_voxel_is_lost(values: list[float], bins: int) -> None:
    assert histogram.histogram_of(np.array(values), bins).counts.sum() == len(values)


def test_percentiles_are_linear_inside_a_bin_from_the_nearer_end() -> None:
    found = histogram.Histogram(np.array([10, 80, 10]), np.array([0.0, 1, 2, 3]))
    assert histogram.quantile(found, 0.05) == pytest.approx(0.5)
    assert histogram.quantile(found, 0.1) == pytest.approx(1)
    assert histogram.quantile(found, 0.5) == pytest.approx(1.5)
    assert histogram.quantile(found, 0.95) == pytest.approx(2.5)


def test_a_percentile_within_a_gap_of_empty_bins_is_the_edge_of_the_nearer_full_bin() -> None:
    found = histogram.Histogram(np.array([1, 0, 0, 1]), np.array([0.0, 1, 2, 3, 4]))
    assert histogram.quantile(found, 0.49) == pytest.approx(0.98)
    assert histogram.quantile(found, 0.51) == pytest.approx(3.02)


def test_the_robust_deviation_is_that_of_the_bins_between_the_percentiles() -> None:
    counts = np.array([1, 4, 0, 4, 1])  # P10 is at place 1, bin 1; P90 at place 9, bin 4: 1 1 1 1 3 3 3 3 4
    mean = 20 / 9
    assert histogram.robust_deviation(counts) == pytest.approx(((mean - 1) * 4 + (3 - mean) * 4 + 4 - mean) / 9)


def test_entropy_and_uniformity_are_those_of_the_shares() -> None:
    found = histogram.of_counts(np.array([2, 1, 1, 0]))
    assert found["Entropy"] == pytest.approx(1.5)
    assert found["Uniformity"] == pytest.approx(0.375)
    assert found["Bin-1_Frequency"] == 1
    assert found["Bin-1_Probability"] == 0.25
    assert found["QuartileCoefficientOfVariation"] == pytest.approx(1)


def test_the_tails_are_means_of_intensities_beyond_the_percentiles() -> None:
    x = np.array([0.0, 1, 2, 3])
    found = histogram.tails(x, histogram.Histogram(np.array([1, 1, 1, 1]), np.array([0.0, 1, 2, 3, 4])))
    assert found["FifthPercentile"] == pytest.approx(0.2)
    assert found["FifthPercentileMean"] == 0
    assert found["NinetyFifthPercentile"] == pytest.approx(3.8)
    assert found["NinetyFifthPercentileMean"] is histogram.NO_TAIL


def test_equal_intensities_have_no_upper_tail() -> None:
    ones = np.ones(4)
    found = histogram.tails(ones, histogram.histogram_of(ones, 4))
    assert found["FifthPercentile"] == found["FifthPercentileMean"] == 1
    assert found["NinetyFifthPercentileMean"] is histogram.NO_TAIL


def test_every_column_is_computed_by_both_panels(lesion: Roi) -> None:
    names = set(histogram.units(FOUR))
    assert len(names) == 29 + 2 * 4
    assert set(histogram.captk(lesion, FOUR)) == names
    assert set(histogram.corrected(lesion, FOUR)) == names


def test_the_corrected_histogram_numbers_bins_from_one_and_ends_at_the_maximum(roi: Callable[..., Roi]) -> None:
    line = np.arange(5, dtype=np.float32).reshape(5, 1, 1)
    found = histogram.corrected(roi(line, np.ones(line.shape, dtype=bool)), FOUR)
    assert [found[f"Bin-{b}_Frequency"] for b in range(4)] == [1, 1, 1, 2]
    assert found["Mean"] == pytest.approx(14 / 5)
    assert found["FifthPercentile"] == pytest.approx(0.2)

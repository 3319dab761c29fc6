from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from uptake.features.region import Region, region_of
from uptake.features.settings import Features
from uptake.features.volume_histogram import NEVER, NO_RANGE, curve_of, describe
from uptake.study import SettingsError
from uptake.volume import Grid, Volume

WHOLE = Features(ivh_discretisation="none")


def test_the_curve_is_the_one_that_the_ibsi_manual_prints_for_its_phantom() -> None:
    # 50, 0, 1, 16, 0 and 7 voxels of intensity 1 to 6
    curve = curve_of(_region(np.repeat([1, 3, 4, 6], [50, 1, 16, 7]), WHOLE))
    assert curve.intensities.tolist() == [1, 2, 3, 4, 5, 6]
    assert curve.volumes == pytest.approx([1, 0.324, 0.324, 0.311, 0.095, 0.095], abs=5e-4)


def test_the_features_are_those_worked_by_hand_on_ten_voxels() -> None:
    # at least 0: 10, 1: 9, 2: 5, 3: 1, 4: 1 of 10 voxels, at 0, 25, 50, 75, 100 % of the range
    found = describe(curve_of(_region(np.array([0, 1, 1, 1, 1, 2, 2, 2, 2, 4]), WHOLE)))
    assert found["v10"] == pytest.approx(0.9)
    assert found["v90"] == pytest.approx(0.1)
    assert (found["i10"], found["i90"]) == (3, 1)
    assert (found["diff_v10_v90"], found["diff_i10_i90"]) == (pytest.approx(0.8), 2)
    assert found["auc"] == pytest.approx((1 / 2 + 0.9 + 0.5 + 0.1 + 0.1 / 2) / 4)


def test_whole_intensities_run_over_the_resegmentation_range_as_far_as_it_is_closed() -> None:
    x = np.array([3, 5])
    closed, half_open = (0, 8), (0, np.inf)
    for limits, last in ((closed, 8), (half_open, 5)):
        curve = curve_of(_region(x, Features(ivh_discretisation="none", resegment_range=limits)))
        assert (curve.intensities[0], curve.intensities[-1]) == (0, last)


def test_bins_of_a_fixed_size_stand_for_their_centres_within_the_range() -> None:
    settings = Features(ivh_discretisation="fixed-bin-size", ivh_bin_width=2.5, resegment_range=(-1000, 400))
    curve = curve_of(_region(np.array([-1000.0, -998, -997.5, 399]), settings))
    assert len(curve.intensities) == 560
    assert (curve.intensities[0], curve.intensities[1], curve.intensities[-1]) == (-998.75, -996.25, 398.75)
    assert curve.volumes[[0, 1, 2, -1]].tolist() == [1, 0.5, 0.25, 0.25]


def test_a_fixed_number_of_bins_counts_from_one_whatever_is_present() -> None:
    curve = curve_of(_region(np.array([0.0, 0.5, 10]), Features(ivh_bins=10)))
    assert curve.intensities.tolist() == list(range(1, 11))
    assert curve.volumes == pytest.approx([1] + [1 / 3] * 9)


@given(
    arrays(np.int16, st.integers(2, 50), elements=st.integers(-40, 40)),
    st.sampled_from([WHOLE, Features(ivh_bins=16), Features(ivh_discretisation="fixed-bin-size", ivh_bin_width=3)]),
)
def test_the_curve_starts_at_the_whole_volume_never_rises_and_counts_voxels(x: np.ndarray, settings: Features) -> None:
    curve = curve_of(_region(x, settings))
    assert curve.volumes[0] == 1
    assert np.all(np.diff(curve.volumes) <= 0)
    assert curve.volumes * len(x) == pytest.approx(np.round(curve.volumes * len(x)))
    if settings is WHOLE:
        assert curve.volumes == pytest.approx([(x >= i).mean() for i in curve.intensities])


@pytest.mark.parametrize(
    "settings", [WHOLE, Features(), Features(ivh_discretisation="fixed-bin-size", ivh_bin_width=0.5)]
)
def test_equal_intensities_have_no_fractions_of_their_range_and_by_ibsis_definition_no_area(settings: Features) -> None:
    found = describe(curve_of(_region(np.full(4, 3), settings)))
    assert found["v10"] == found["v90"] == found["diff_v10_v90"] == NO_RANGE
    assert found["i10"] == found["i90"] == found["diff_i10_i90"] == NEVER
    assert found["auc"] == 0


def test_an_intensity_that_most_of_the_volume_reaches_to_the_end_has_no_intensity_above_it() -> None:
    found = describe(curve_of(_region(np.array([0, 9, 9, 9]), WHOLE)))
    assert found["i10"] == found["diff_i10_i90"] == NEVER
    assert found["i90"] == 1


@pytest.mark.parametrize(
    "settings", [WHOLE, Features(ivh_discretisation="fixed-bin-size", ivh_bin_width=0.01, resegment_range=(0, 2e4))]
)
def test_a_curve_of_a_million_steps_is_refused(settings: Features) -> None:
    with pytest.raises(SettingsError, match="allowed are 1000000"):
        curve_of(_region(np.array([0.0, 1, 2e4] if settings.resegment_range else [0.0, 2e6]), settings))


def _region(x: np.ndarray, settings: Features) -> Region:
    grid = Grid((1, 1, len(x)), np.eye(4))
    return region_of(Volume(x.reshape(grid.shape), grid), Volume(np.ones(grid.shape, dtype=bool), grid), settings)

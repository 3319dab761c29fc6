from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from uptake.preprocess.normalise import ZScore, zscore
from uptake.study import Code, Refusal, SettingsError, Study
from uptake.volume import Grid, Volume


def volume(*values: float, dtype: type = np.float32) -> Volume:
    array = np.array(values, dtype=dtype).reshape(-1, 1, 1)
    return Volume(array, Grid(array.shape, np.eye(4)))


def test_one_mean_and_one_sd_are_taken_over_all_phases_together() -> None:
    (first, second), statistics = zscore((volume(0, 2), volume(4, 6)))
    assert (statistics.mean, statistics.sd, statistics.n_voxels) == (3, pytest.approx(math.sqrt(5)), 4)
    assert (statistics.rule, statistics.lower, statistics.upper) == ("plain", 0, 6)
    assert first.array.dtype == np.float32
    assert first.array.ravel() == pytest.approx([-3 / math.sqrt(5), -1 / math.sqrt(5)])
    assert second.array.ravel() == pytest.approx([1 / math.sqrt(5), 3 / math.sqrt(5)])


def test_captks_rule_takes_voxels_of_at_least_1_with_divisor_n_minus_1_and_applies_to_all() -> None:
    rule = ZScore(rule="captk", quantiles=(0, 0), cutoffs=(0, 0))
    (first, second), statistics = zscore((volume(0, 0.5, 1), volume(2, 3, -7)), rule)
    assert (statistics.mean, statistics.sd, statistics.n_voxels) == (2, 1, 3)
    assert first.array.ravel().tolist() == [-2, -1.5, -1]
    assert second.array.ravel().tolist() == [0, 1, -9]


def test_captks_cutoffs_leave_out_what_lies_beyond_three_sd() -> None:
    # 9 and 11 ten times each and one 100: mean 14.29, sd 19.7, so 100 is out; the rest has mean 10, sd sqrt(20/19).
    values = [9] * 10 + [11] * 10 + [100]
    _, statistics = zscore((volume(*values),), ZScore(rule="captk", quantiles=(0, 0)))
    assert statistics.n_voxels == 20
    assert statistics.mean == pytest.approx(10)
    assert statistics.sd == pytest.approx(math.sqrt(20 / 19))
    assert 73 < statistics.upper < 74


def test_captks_quantiles_come_from_a_histogram_of_as_many_bins_as_the_maximum() -> None:
    # 1 to 100 in 100 bins of width 0.99: one value in each, so 5 % lies at 1 + 5 * 0.99 and 95 % at 1 + 95 * 0.99
    # (each a thousandth of a bin's width further out at most), which leaves 6 to 95: mean 50.5, variance 90 * 91 / 12.
    _, statistics = zscore((volume(*range(101)),), ZScore(rule="captk"))
    assert statistics.lower == pytest.approx(5.95, abs=1e-3)
    assert statistics.upper == pytest.approx(95.05, abs=1e-3)
    assert statistics.n_voxels == 90
    assert statistics.mean == pytest.approx(50.5)
    assert statistics.sd == pytest.approx(math.sqrt(90 * 91 / 12))


def test_under_captks_rule_the_sd_of_all_foreground_voxels_exceeds_one() -> None:
    values = np.random.default_rng(0).gamma(3, 20, 5000)
    (scaled,), _ = zscore((volume(*values),), ZScore(rule="captk"))
    assert scaled.array[values.reshape(-1, 1, 1) >= 1].std() > 1.1


arrays = hnp.arrays(np.float32, (3, 4, 5), elements=st.floats(-1000, 1000, width=32))


@settings(max_examples=50, deadline=None)
@given(arrays, arrays, st.sampled_from("CF"))
def test_all_phases_together_come_out_with_mean_zero_and_variance_one(a: np.ndarray, b: np.ndarray, order: str) -> None:
    assume(np.std([a, b]) > 1e-2)
    grid = Grid((3, 4, 5), np.eye(4))
    scaled, statistics = zscore((Volume(np.asarray(a, order=order), grid), Volume(b, grid)))
    pooled = np.stack([v.array for v in scaled]).astype(np.float64)
    assert pooled.mean() == pytest.approx(0, abs=1e-3)
    assert pooled.std() == pytest.approx(1, abs=1e-3)
    assert statistics.mean == pytest.approx(np.mean([a, b], dtype=np.float64), abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(arrays, st.floats(0.1, 50), st.floats(-100, 100))
def test_the_scanners_scale_and_offset_do_not_matter(a: np.ndarray, scale: float, offset: float) -> None:
    assume(a.std() > 1)
    grid = Grid((3, 4, 5), np.eye(4))
    (plain,), _ = zscore((Volume(a, grid),))
    (other,), _ = zscore((Volume(a.astype(np.float64) * scale + offset, grid),))
    np.testing.assert_allclose(plain.array, other.array, atol=1e-3)


def test_the_input_is_left_as_it_was() -> None:
    given_volume = volume(1, 2, 3)
    zscore((given_volume,))
    assert given_volume.array.ravel().tolist() == [1, 2, 3]


@pytest.mark.parametrize("rule", ["plain", "captk"])
def test_a_constant_study_is_refused_and_says_so(rule: str) -> None:
    with pytest.raises(Refusal, match="all 4 voxels considered have the value 7") as refused:
        zscore((volume(7, 7), volume(7, 7)), ZScore(rule=rule))  # type: ignore[arg-type]
    assert refused.value.code == Code.ALL_ZERO


def test_captks_rule_refuses_a_study_without_a_voxel_of_at_least_1() -> None:
    with pytest.raises(Refusal, match="no voxel that the rule considers"):
        zscore((volume(0.1, 0.9, -4),), ZScore(rule="captk"))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("rule", ["plain", "captk"])
def test_voxels_that_are_no_numbers_are_refused(bad: float, rule: str) -> None:
    with pytest.raises(Refusal) as refused:
        zscore((volume(1, 2, 3), volume(4, bad, 6)), ZScore(rule=rule))  # type: ignore[arg-type]
    assert refused.value.code == Code.NON_FINITE


def test_no_volumes_have_no_z_score() -> None:
    with pytest.raises(ValueError, match="at least one"):
        zscore(())


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"rule": "minmax"}, "minmax"),
        ({"quantiles": (95.0, 5.0)}, "quantiles"),
        ({"quantiles": (-1.0, 50.0)}, "quantiles"),
        ({"cutoffs": (3.0, -1.0)}, "cutoffs"),
        ({"cutoffs": (0.0, 3.0)}, "cutoffs"),
        ({"cutoffs": (math.nan, 3.0)}, "cutoffs"),
    ],
)
def test_a_senseless_setting_is_refused_by_name(wrong: dict, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        ZScore(**wrong)


def test_on_the_real_study_the_pooled_statistics_are_numpys(ispy1_study: Study) -> None:
    pooled = np.stack([v.array for v in ispy1_study.volumes]).astype(np.float64)
    _, statistics = zscore(ispy1_study.volumes)
    assert statistics.n_voxels == 3 * 256 * 256 * 60
    assert statistics.mean == pytest.approx(pooled.mean(), rel=1e-12)
    assert statistics.sd == pytest.approx(pooled.std(), rel=1e-12)


def inside(*values: bool) -> Volume:
    array = np.array(values).reshape(-1, 1, 1)
    return Volume(array, Grid(array.shape, np.eye(4)))


def test_over_the_breast_only_its_voxels_give_mean_and_sd_and_all_are_scaled() -> None:
    (first, _), statistics = zscore(
        (volume(100, 0, 2), volume(-50, 4, 6)), ZScore(region="breast"), inside(False, True, True)
    )
    assert (statistics.mean, statistics.sd, statistics.n_voxels) == (3, pytest.approx(math.sqrt(5)), 4)
    assert (statistics.region, statistics.lower, statistics.upper) == ("breast", 0, 6)
    assert first.array.ravel()[0] == pytest.approx(97 / math.sqrt(5))


def test_over_positive_voxels_zero_and_below_are_left_out() -> None:
    _, statistics = zscore((volume(0, -7, 1e-30), volume(3, 0, 6)), ZScore(region="positive"))
    assert (statistics.mean, statistics.n_voxels, statistics.region) == (3, 3, "positive")


def test_captks_rule_within_the_breast_counts_voxels_of_at_least_1_there() -> None:
    rule = ZScore(rule="captk", region="breast", quantiles=(0, 0), cutoffs=(0, 0))
    _, statistics = zscore((volume(50, 0.5, 2, 4),), rule, inside(False, True, True, True))
    assert (statistics.mean, statistics.n_voxels) == (3, 2)


def test_a_breast_that_is_missing_or_lies_elsewhere_is_an_error() -> None:
    with pytest.raises(ValueError, match="breast mask"):
        zscore((volume(1, 2),), ZScore(region="breast"))
    with pytest.raises(ValueError, match="breast mask"):
        zscore((volume(1, 2),), ZScore(region="breast"), inside(True))


def test_an_empty_breast_is_refused() -> None:
    with pytest.raises(Refusal) as caught:
        zscore((volume(1, 2),), ZScore(region="breast"), inside(False, False))
    assert caught.value.code is Code.EMPTY_MASK


def test_an_unknown_region_is_refused() -> None:
    with pytest.raises(SettingsError, match="region"):
        ZScore(region="heart")  # type: ignore[arg-type]

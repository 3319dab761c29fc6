from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from uptake.preprocess.bias import correct, estimate_fields
from uptake.preprocess.harmonise import harmonise
from uptake.preprocess.normalise import ZScore, zscore
from uptake.preprocess.resample import Resample, isotropic_grid, resample, resample_mask
from uptake.study import Study


def test_harmonising_is_correction_then_resampling_then_one_z_score(three_phases: Study) -> None:
    fields = estimate_fields(three_phases)
    resampling = Resample(spacing_mm=1.25, edge="extend")
    rule = ZScore(rule="captk")
    done = harmonise(three_phases, fields, resampling, rule)
    grid = isotropic_grid(three_phases.grid, 1.25)
    expected, statistics = zscore(
        tuple(resample(v, grid, resampling) for v in correct(three_phases, fields).volumes), rule
    )
    assert done.statistics == statistics
    assert done.study.grid.same_as(grid)
    for ours, theirs in zip(done.study.volumes, expected, strict=True):
        np.testing.assert_array_equal(ours.array, theirs.array)


def test_times_and_identity_of_the_study_are_kept(three_phases: Study) -> None:
    done = harmonise(three_phases, estimate_fields(three_phases)).study
    assert (done.case_id, done.acquisition) == (three_phases.case_id, three_phases.acquisition)
    assert [p.time_s for p in done.phases] == [p.time_s for p in three_phases.phases]


def test_fields_of_the_wrong_number_are_an_error(three_phases: Study) -> None:
    with pytest.raises(ValueError, match="bias fields"):
        harmonise(three_phases, estimate_fields(three_phases) * 2)


def test_the_real_study_comes_out_200_200_120_with_mean_0_and_sd_1_in_little_memory(ispy1_study: Study) -> None:
    fields = estimate_fields(ispy1_study)
    tracemalloc.start()
    done = harmonise(ispy1_study, fields)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert done.study.grid.shape == (200, 200, 120)
    assert done.study.grid.spacing_mm == pytest.approx((1, 1, 1))
    pooled = np.stack([v.array for v in done.study.volumes]).astype(np.float64)
    assert pooled.mean() == pytest.approx(0, abs=1e-5)
    assert pooled.std() == pytest.approx(1, abs=1e-5)
    one_phase = 200 * 200 * 120 * 4
    assert peak < 7.5 * one_phase  # three before and three after the z-score, and some


def test_over_the_breast_the_z_score_is_taken_inside_the_resampled_mask(three_phases: Study) -> None:
    fields = estimate_fields(three_phases)
    breast = three_phases.volumes[0].with_array(three_phases.volumes[0].array > 150)
    done = harmonise(three_phases, fields, Resample(), ZScore(region="breast"), breast)
    mask = resample_mask(breast, done.study.grid).array
    inside = np.concatenate([volume.array[mask] for volume in done.study.volumes]).astype(np.float64)
    assert inside.mean() == pytest.approx(0, abs=1e-4)
    assert inside.std() == pytest.approx(1, abs=1e-4)
    assert done.statistics.n_voxels == inside.size
    assert harmonise(three_phases, fields, Resample(), ZScore(), breast).statistics.region == "all"

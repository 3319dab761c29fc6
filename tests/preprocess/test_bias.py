from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from uptake.preprocess.bias import Bias, correct, estimate_bias, estimate_fields
from uptake.preprocess.foreground import foreground
from uptake.study import Code, Phase, Refusal, SettingsError, Study
from uptake.volume import Grid, Volume

MM = (1.0, 1.0, 2.0)
ENGINES = ("uptake", "simpleitk")
SIMPLEITK = Bias(engine="simpleitk")


def percent_enhancement(study: Study) -> np.ndarray:
    pre, early, _ = (v.array.astype(np.float64) for v in study.volumes)
    return 100 * (early - pre) / pre


def signal_enhancement_ratio(study: Study) -> np.ndarray:
    pre, early, late = (v.array.astype(np.float64) for v in study.volumes)
    return (early - pre) / (late - pre)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("engine", ENGINES)
def test_a_known_field_is_found_within_one_and_a_half_percent_sd(ball: Callable, engine: str, seed: int) -> None:
    made = ball((64, 64, 40), seed)
    field = estimate_bias(made.image, made.mask, MM, Bias(engine=engine))  # type: ignore[arg-type]
    assert (field.shape, field.dtype) == (made.image.shape, np.float32)
    assert (field > 0).all()
    assert made.log_field[made.mask].std() > 0.03
    assert (np.log(field) - made.log_field)[made.mask].std() < 0.015


def test_without_shrinking_the_field_is_what_simpleitk_gives(ball: Callable) -> None:
    made = ball((24, 20, 13))
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations([50] * 4)
    n4.SetConvergenceThreshold(1e-3)
    whole = sitk.GetImageFromArray(np.ascontiguousarray(made.image.T))
    corrected = n4.Execute(whole, sitk.GetImageFromArray(np.ascontiguousarray(made.mask.T).astype(np.uint8)))
    expected = sitk.GetArrayFromImage(corrected).T
    for engine, tolerance in (("simpleitk", 1e-5), ("uptake", 2e-3)):
        field = estimate_bias(made.image, made.mask, MM, Bias(engine=engine, shrink=1))  # type: ignore[arg-type]
        ratio = (made.image / field)[made.mask] / expected[made.mask]
        np.testing.assert_allclose(ratio, 1, atol=tolerance)


@pytest.mark.parametrize("size", [(64, 48, 40), (61, 50, 27)])
def test_the_samples_are_those_of_simpleitks_shrink_and_the_field_is_right_where_they_lie(
    ball: Callable, size: tuple[int, int, int]
) -> None:
    made = ball(size)
    whole = sitk.GetImageFromArray(np.ascontiguousarray(made.image.T))
    mask = sitk.GetImageFromArray(np.ascontiguousarray(made.mask.T).astype(np.uint8))
    small = sitk.Shrink(whole, [4] * 3)
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations([50] * 4)
    n4.SetConvergenceThreshold(1e-3)
    n4.Execute(small, sitk.Shrink(mask, [4] * 3))
    expected = np.exp(sitk.GetArrayFromImage(n4.GetLogBiasFieldAsImage(small)).T)
    first = [int(np.flatnonzero(np.isin(line, sampled))[0]) for line, sampled in _lines(size)]
    at = tuple(slice(f, f + 4 * (n - 1) + 1, 4) for f, n in zip(first, expected.shape, strict=True))
    field = estimate_bias(made.image, made.mask, MM, SIMPLEITK)
    np.testing.assert_allclose(field[at], expected, rtol=1e-4)
    np.testing.assert_allclose(
        estimate_bias(made.image, made.mask, MM)[at][made.mask[at]], expected[made.mask[at]], rtol=2e-3
    )


def _lines(size: tuple[int, int, int]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Per axis, all indices and those that SimpleITK's Shrink takes."""
    lines = []
    for n in size:
        line = np.arange(n, dtype=np.float32)
        taken = sitk.GetArrayFromImage(sitk.Shrink(sitk.GetImageFromArray(line[None, None]), [4, 1, 1])).ravel()
        lines.append((line, taken))
    return lines


def test_without_a_mask_the_body_is_used(ball: Callable) -> None:
    made = ball()
    without = estimate_bias(made.image, None, MM)
    np.testing.assert_array_equal(without, estimate_bias(made.image, foreground(made.image, MM), MM))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_constant_image_has_a_field_of_one(engine: str) -> None:
    image = np.full((20, 20, 10), 42, dtype=np.int16)
    settings = Bias(engine=engine)  # type: ignore[arg-type]
    assert (estimate_bias(image, None, MM, settings) == 1).all()
    assert (estimate_bias(image, np.ones(image.shape, dtype=bool), MM, settings) == 1).all()


def test_an_image_that_is_all_but_constant_has_a_field_of_about_one() -> None:
    image = 1000 + np.random.default_rng(0).normal(0, 1e-3, (20, 20, 10))
    np.testing.assert_allclose(estimate_bias(image, np.ones(image.shape, dtype=bool), MM), 1, atol=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("shape", [(48, 48, 1), (1, 48, 48), (48, 48, 2), (48, 48, 3), (200, 24, 5)])
def test_few_slices_give_a_field_of_the_images_shape(ball: Callable, engine: str, shape: tuple[int, int, int]) -> None:
    made = ball(shape)
    field = estimate_bias(made.image, made.mask, MM, Bias(engine=engine))  # type: ignore[arg-type]
    assert field.shape == shape
    assert (np.log(field) - made.log_field)[made.mask].std() < 0.75 * max(made.log_field[made.mask].std(), 0.03)


def test_a_single_row_of_voxels_is_not_for_simpleitk() -> None:
    with pytest.raises(ValueError, match="at least two axes"):
        estimate_bias(np.arange(1.0, 41.0).reshape(40, 1, 1), np.ones((40, 1, 1), dtype=bool), MM, SIMPLEITK)


def test_negative_and_zero_voxels_are_left_out_of_the_estimate(ball: Callable) -> None:
    made = ball()
    holed = made.image.copy()
    holed[10:30, 30:40, 10:14] = -3
    holed[30:40, 20:26, 18:20] = 0
    field = estimate_bias(holed, made.mask, MM)
    without = estimate_bias(made.image, made.mask & (holed > 0), MM)
    np.testing.assert_array_equal(field, without)


def test_a_mask_of_every_voxel_and_very_thick_slices_are_no_obstacle(ball: Callable) -> None:
    made = ball((96, 96, 6))
    field = estimate_bias(made.image, np.ones_like(made.mask), (0.4, 0.4, 10.0))
    assert np.isfinite(field).all()
    assert 0.3 < field.min() < field.max() < 3


def test_the_unit_of_the_intensities_scales_out_of_the_field(ball: Callable) -> None:
    made = ball()
    np.testing.assert_allclose(
        estimate_bias(made.image * 1e-3, made.mask, MM), estimate_bias(made.image, made.mask, MM), rtol=1e-3
    )


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_order_in_memory_changes_nothing_and_is_kept(ball: Callable, order: str) -> None:
    made = ball()
    field = estimate_bias(np.asarray(made.image, order=order), made.mask, MM)  # type: ignore[call-overload]
    assert field.flags[f"{order}_CONTIGUOUS"]
    np.testing.assert_array_equal(field, estimate_bias(made.image, made.mask, MM))


def test_saturated_voxels_leave_a_finite_field(ball: Callable) -> None:
    made = ball()
    field = estimate_bias(np.minimum(made.image, 310), made.mask, MM)
    assert np.isfinite(field).all()
    assert 0.5 < field[made.mask].min() < field[made.mask].max() < 2


@pytest.mark.parametrize("engine", ENGINES)
def test_a_metal_void_with_its_bright_rim_changes_the_shape_of_the_field_around_it_by_three_percent_at_most(
    ball: Callable, engine: Literal["uptake", "simpleitk"]
) -> None:
    """A clip: 8 mm around it nothing but noise, which is above zero and so takes part, and 2 mm of piled-up signal."""
    made = ball((64, 64, 40))
    at = [(n - middle) * mm for n, middle, mm in zip(np.ogrid[:64, :64, :40], (30, 40, 20), MM, strict=True)]
    away_mm = np.sqrt(sum(np.square(axis) for axis in at))
    noise = np.abs(np.random.default_rng(9).normal(0, 4, made.image.shape)) + 1
    clip = np.where(away_mm < 8, noise, made.image * np.where(away_mm < 10, 1.8, 1)).astype(np.float32)
    whole, field = (estimate_bias(image, made.mask, MM, Bias(engine=engine)) for image in (made.image, clip))
    around = made.mask & (away_mm >= 10)
    ratio = (field / whole)[around]
    assert np.abs(ratio / np.median(ratio) - 1).max() < 0.03
    assert abs(np.median(ratio) - 1) < 0.05  # N4 fixes no level
    assert (np.log(field) - made.log_field)[around].std() < 0.015


def test_phases_in_different_units_share_the_field_of_the_reference_and_have_equal_ones_each(
    three_phases: Study,
) -> None:
    units = (1.0, 0.01, 37.0)
    mixed = three_phases.with_volumes(
        tuple(v.with_array(v.array * np.float32(u)) for v, u in zip(three_phases.volumes, units, strict=True))
    )
    (shared,) = estimate_fields(mixed)
    np.testing.assert_array_equal(shared.array, estimate_fields(three_phases)[0].array)
    each, before = (estimate_fields(study, Bias(shared=False)) for study in (mixed, three_phases))
    for one, other in zip(each, before, strict=True):
        np.testing.assert_allclose(one.array, other.array, rtol=2e-3)


def test_an_image_without_a_positive_voxel_is_refused() -> None:
    for value in (0, -2):
        with pytest.raises(Refusal) as refused:
            estimate_bias(np.full((9, 9, 9), value), None, MM)
        assert refused.value.code == Code.ALL_ZERO


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_voxels_that_are_no_numbers_are_refused(bad: float) -> None:
    image = np.ones((9, 9, 9))
    image[4, 4, 4] = bad
    with pytest.raises(Refusal) as refused:
        estimate_bias(image, None, MM)
    assert refused.value.code == Code.NON_FINITE


def test_an_empty_mask_is_refused(ball: Callable) -> None:
    made = ball()
    with pytest.raises(Refusal, match="without any voxel") as refused:
        estimate_bias(made.image, np.zeros_like(made.mask), MM)
    assert refused.value.code == Code.EMPTY_MASK


def test_a_mask_that_falls_between_the_samples_is_refused(ball: Callable) -> None:
    made = ball()
    mask = np.zeros_like(made.mask)
    mask[32, 32, 16] = True
    with pytest.raises(Refusal, match="shrunk by 4"):
        estimate_bias(made.image, mask, MM)
    assert (estimate_bias(made.image, mask, MM, Bias(shrink=1)) == 1).all()


def test_a_mask_of_another_shape_and_an_image_of_two_axes_are_errors(ball: Callable) -> None:
    made = ball()
    with pytest.raises(ValueError, match="does not fit"):
        estimate_bias(made.image, made.mask[1:], MM)
    with pytest.raises(ValueError, match="three axes"):
        estimate_bias(made.image[0], None, MM)


def test_one_shared_field_leaves_pe_and_ser_as_they_are(three_phases: Study) -> None:
    fields = estimate_fields(three_phases)
    assert len(fields) == 1
    assert np.ptp(fields[0].array) > 0.1
    after = correct(three_phases, fields)
    assert not np.allclose(after.volumes[0].array, three_phases.volumes[0].array, rtol=0.02)
    np.testing.assert_allclose(percent_enhancement(after), percent_enhancement(three_phases), rtol=1e-4)
    np.testing.assert_allclose(signal_enhancement_ratio(after), signal_enhancement_ratio(three_phases), rtol=1e-4)


def test_a_field_per_phase_changes_pe_and_ser(three_phases: Study) -> None:
    fields = estimate_fields(three_phases, Bias(shared=False))
    assert len(fields) == 3
    after = correct(three_phases, fields)
    assert np.abs(percent_enhancement(after) - percent_enhancement(three_phases)).mean() > 1
    assert np.abs(signal_enhancement_ratio(after) - signal_enhancement_ratio(three_phases)).mean() > 0.01


def test_a_shared_field_is_estimated_on_the_reference_phase(three_phases: Study) -> None:
    (second,) = estimate_fields(three_phases, Bias(reference=1))
    expected = estimate_bias(three_phases.volumes[1].array, None, three_phases.grid.spacing_mm)
    np.testing.assert_array_equal(second.array, expected)


def test_a_reference_phase_that_the_study_does_not_have_is_refused(three_phases: Study) -> None:
    with pytest.raises(SettingsError, match="reference phase 3"):
        estimate_fields(three_phases, Bias(reference=3))


def test_a_mask_is_used_for_every_field_and_must_lie_on_the_study(three_phases: Study) -> None:
    mask = three_phases.volumes[0].with_array(three_phases.volumes[0].array > 150)
    (field,) = estimate_fields(three_phases, mask=mask)
    expected = estimate_bias(three_phases.volumes[0].array, mask.array, three_phases.grid.spacing_mm)
    np.testing.assert_array_equal(field.array, expected)
    elsewhere = Volume(mask.array, Grid(mask.grid.shape, np.eye(4)))
    with pytest.raises(ValueError, match="another grid"):
        estimate_fields(three_phases, mask=elsewhere)


def test_correction_divides_everywhere_in_float32() -> None:
    grid = Grid((1, 1, 3), np.eye(4))
    study = Study("x", tuple(Phase(Volume(np.array([[[2, -4, 6]]], dtype=np.int16) * n, grid), None) for n in (1, 2)))
    field = Volume(np.array([[[2.0, 1.0, 4.0]]], dtype=np.float32), grid)
    after = correct(study, (field,))
    assert [v.array.ravel().tolist() for v in after.volumes] == [[1, -4, 1.5], [2, -8, 3]]
    assert all(v.array.dtype == np.float32 for v in after.volumes)


def test_fields_that_do_not_fit_the_study_are_errors(three_phases: Study) -> None:
    (field,) = estimate_fields(three_phases)
    with pytest.raises(ValueError, match="2 bias fields for 3 phases"):
        correct(three_phases, (field, field))
    with pytest.raises(ValueError, match="another grid"):
        correct(three_phases, (Volume(field.array, Grid(field.grid.shape, np.eye(4))),))


@pytest.mark.parametrize(
    "wrong",
    [
        {"engine": "ants"},
        {"reference": -1},
        {"shrink": 0},
        {"levels": 0},
        {"iterations": 0},
        {"histogram_bins": 1},
        {"control_points": 3},
        {"convergence_threshold": 0.0},
        {"fwhm": float("nan")},
        {"wiener_noise": -1.0},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_senseless_setting_is_refused_by_name(wrong: dict) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        Bias(**wrong)


def test_on_a_real_study_the_field_is_simpleitks(ispy1_study: Study) -> None:
    pre, spacing_mm = ispy1_study.volumes[0].array, ispy1_study.grid.spacing_mm
    body = foreground(pre, spacing_mm)
    ours, theirs = (estimate_bias(pre, body, spacing_mm, settings) for settings in (Bias(), SIMPLEITK))
    np.testing.assert_allclose(ours[body], theirs[body], rtol=0.002)


def test_on_the_real_studies_the_field_is_mild(ispy1_study: Study, br06_study: Study) -> None:
    for study in (ispy1_study, br06_study):
        pre = study.volumes[0].array
        ours = estimate_bias(pre, None, study.grid.spacing_mm)
        box = study.acquisition.recorded.voi
        assert box is not None
        stop = (box.end[0] + 1, box.end[1] + 1, box.end[2] + 1)
        voi = study.acquisition.layout.slices(box.start, stop, pre.shape)
        low, high = np.percentile(ours[voi], (5, 95))
        assert 0.8 < low < 1 < high < 1.45


def test_the_region_breast_needs_a_mask_and_other_regions_do_not_exist(three_phases: Study) -> None:
    with pytest.raises(ValueError, match="breast mask"):
        estimate_fields(three_phases, Bias(region="breast"))
    with pytest.raises(SettingsError, match="region"):
        Bias(region="heart")  # type: ignore[arg-type]

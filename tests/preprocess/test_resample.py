from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import given, settings
from hypothesis import strategies as st

from uptake.preprocess.resample import Resample, isotropic_grid, resample, resample_mask
from uptake.study import SettingsError, Study
from uptake.volume import Grid, Volume

LPS = np.diag([-1.0, -1.0, 1.0])
SPLINE = Resample(interpolation="bspline")


def turned(degrees: float, spacing: tuple[float, float, float], origin: tuple[float, float, float]) -> npt.NDArray:
    """An affine turned about k, then about i."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    affine = np.eye(4)
    about_k = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    about_i = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    affine[:3, :3] = about_k @ about_i * np.asarray(spacing)
    affine[:3, 3] = origin
    return affine


def as_sitk(volume: Volume) -> sitk.Image:
    array = volume.array.astype(np.uint8) if volume.is_mask else volume.array
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.T))
    image.SetSpacing(volume.grid.spacing_mm)
    image.SetOrigin((LPS @ volume.grid.origin).tolist())
    image.SetDirection((LPS @ volume.grid.direction).ravel().tolist())
    return image


def by_sitk(volume: Volume, grid: Grid, interpolator: int) -> npt.NDArray:
    reference = as_sitk(Volume(np.zeros(grid.shape, dtype=np.float32), grid))
    pixel = sitk.sitkUInt8 if volume.is_mask else sitk.sitkFloat32
    return sitk.GetArrayFromImage(
        sitk.Resample(as_sitk(volume), reference, sitk.Transform(), interpolator, 0.0, pixel)
    ).T


def noise(shape: tuple[int, int, int], affine: npt.NDArray, order: str = "C") -> Volume:
    array = np.random.default_rng(1).normal(100, 30, shape).astype(np.float32)
    return Volume(np.asarray(array, order=order), Grid(shape, affine))


PLAIN = turned(0, (0.8, 0.7, 2.0), (3.0, -20.0, 7.0))
# Which grids: the 1 mm one, a shifted one that reaches over every edge, and a flipped one.
SHIFTED = turned(0, (0.9, 1.1, 1.29), (0.13, -22.0, 1.0))
FLIPPED = PLAIN.copy()
FLIPPED[0, 0], FLIPPED[0, 3] = -PLAIN[0, 0], 25.1


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    "grid",
    [isotropic_grid(Grid((31, 24, 9), PLAIN)), Grid((40, 30, 20), SHIFTED), Grid((33, 24, 9), FLIPPED)],
    ids=["1 mm", "shifted", "flipped"],
)
def test_linear_on_aligned_grids_equals_simpleitk_inside_and_at_the_edges(grid: Grid, order: str) -> None:
    volume = noise((31, 24, 9), PLAIN, order)
    expected = by_sitk(volume, grid, sitk.sitkLinear)
    assert (expected == 0).any()
    np.testing.assert_allclose(resample(volume, grid).array, expected, atol=1e-4)


def test_linear_on_oblique_grids_equals_simpleitk() -> None:
    volume = noise((31, 24, 9), turned(0, (0.8, 0.7, 2.0), (3.0, -20.0, 7.0)))
    grid = Grid((36, 40, 25), turned(20, (1.0, 0.9, 1.1), (6.0, -26.0, 2.0)))
    expected = by_sitk(volume, grid, sitk.sitkLinear)
    assert 0.2 < (expected == 0).mean() < 0.8
    np.testing.assert_allclose(resample(volume, grid).array, expected, atol=1e-4)


def test_an_oblique_study_resampled_along_its_own_axes_equals_simpleitk() -> None:
    volume = noise((31, 24, 9), turned(33, (0.8, 0.7, 2.1), (3.0, -20.0, 7.0)))
    grid = isotropic_grid(volume.grid)
    assert grid.shape == (25, 17, 19)
    np.testing.assert_allclose(resample(volume, grid).array, by_sitk(volume, grid, sitk.sitkLinear), atol=1e-4)


def test_the_last_of_an_even_number_of_2_mm_slices_is_zero_as_itk_has_it_or_extended_on_request() -> None:
    volume = Volume(np.full((2, 2, 3), 7.0, dtype=np.float32), Grid((2, 2, 3), np.diag([1.0, 1.0, 2.0, 1.0])))
    grid = isotropic_grid(volume.grid)
    assert resample(volume, grid).array[0, 0].tolist() == [7, 7, 7, 7, 7, 0]
    assert by_sitk(volume, grid, sitk.sitkLinear)[0, 0].tolist() == [7, 7, 7, 7, 7, 0]
    assert resample(volume, grid, Resample(edge="extend")).array[0, 0].tolist() == [7] * 6


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    "grid",
    [isotropic_grid(Grid((31, 24, 9), PLAIN)), Grid((40, 30, 20), SHIFTED), Grid((33, 24, 9), FLIPPED)],
    ids=["1 mm", "shifted", "flipped"],
)
def test_cubic_b_splines_on_aligned_grids_equal_simpleitk_inside_and_at_the_edges(grid: Grid, order: str) -> None:
    volume = noise((31, 24, 9), PLAIN, order)
    expected = by_sitk(volume, grid, sitk.sitkBSpline)
    assert (expected == 0).any()
    np.testing.assert_allclose(resample(volume, grid, SPLINE).array, expected, atol=1e-4 * 100)
    assert np.abs(resample(volume, grid, SPLINE).array - resample(volume, grid).array).max() > 10


def test_cubic_b_splines_on_oblique_grids_equal_simpleitk() -> None:
    volume = noise((31, 24, 9), PLAIN)
    grid = Grid((36, 40, 25), turned(20, (1.0, 0.9, 1.1), (6.0, -26.0, 2.0)))
    ours, theirs = resample(volume, grid, SPLINE).array, by_sitk(volume, grid, sitk.sitkBSpline)
    inside = by_sitk(volume.with_array(np.ones_like(volume.array)), grid, sitk.sitkLinear) > 0
    np.testing.assert_allclose(ours[inside], theirs[inside], atol=1e-4 * 100)


def test_cubic_b_splines_give_a_parabola_back_away_from_the_edges() -> None:
    x = np.arange(40, dtype=np.float32)
    volume = Volume((x**2)[:, None, None] * np.ones((1, 2, 1), np.float32), Grid((40, 2, 1), np.eye(4)))
    fine = Grid((60, 2, 1), np.array([[0.5, 0, 0, 5.0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))
    found = resample(volume, fine, SPLINE).array[:, 0, 0]
    np.testing.assert_allclose(found[12:-12], (5 + 0.5 * np.arange(60)[12:-12]) ** 2, rtol=1e-4)


def test_cubic_b_splines_keep_a_single_slice_and_two_voxels() -> None:
    one = Volume(np.full((5, 2, 1), 3.0, np.float32), Grid((5, 2, 1), np.diag([1.0, 1.0, 5.0, 1.0])))
    found = resample(one, isotropic_grid(one.grid), Resample(interpolation="bspline", edge="extend")).array
    np.testing.assert_allclose(found, 3, rtol=1e-6)
    assert found.shape == (5, 2, 5)


def test_the_ibsi_grid_of_its_own_example_has_its_size_and_keeps_the_middle() -> None:
    """IBSI's manual: 4 voxels of 1.2 mm to 1 mm are 5, whose centres begin 0.2 mm before the first one's."""
    grid = isotropic_grid(Grid((4, 4, 4), np.diag([1.2, 1.2, 1.2, 1.0])), 1.0, "centre")
    assert grid.shape == (5, 5, 5)
    np.testing.assert_allclose(grid.origin, [-0.2] * 3, atol=1e-6)


@pytest.mark.parametrize(("n", "spacing", "size"), [(60, 2.0, 120), (256, 0.78125, 200), (10, 0.3, 3), (11, 0.3, 4)])
def test_the_ibsi_grid_rounds_sizes_up(n: int, spacing: float, size: int) -> None:
    grid = Grid((n, 1, 1), np.diag([spacing, 1, 1, 1]))
    assert isotropic_grid(grid, 1.0, "centre").shape[0] == size


def test_a_mask_by_threshold_is_where_the_linearly_resampled_mask_reaches_a_half() -> None:
    volume = noise((31, 24, 9), PLAIN)
    mask = volume.with_array(volume.array > 110)
    grid = Grid((40, 30, 20), SHIFTED)
    share = by_sitk(mask.with_array(mask.array.astype(np.float32)), grid, sitk.sitkLinear)
    clear = np.abs(share - 0.5) > 1e-4
    found = resample_mask(mask, grid, "threshold")
    assert found.is_mask
    assert np.array_equal(found.array[clear], share[clear] >= 0.5)
    assert not np.array_equal(found.array, resample_mask(mask, grid).array)


def test_a_voxel_that_is_half_covered_is_in_a_mask_by_threshold() -> None:
    mask = Volume(np.array([[[True, False, True]]]), Grid((1, 1, 3), np.diag([1.0, 1.0, 2.0, 1.0])))
    found = resample_mask(mask, Grid((1, 1, 5), np.eye(4)), "threshold")
    assert found.array.ravel().tolist() == [True, True, False, True, True]


def test_linear_between_two_voxels_is_their_weighted_mean() -> None:
    volume = Volume(np.array([[[0.0, 10.0]]], dtype=np.float32), Grid((1, 1, 2), np.diag([1.0, 1.0, 4.0, 1.0])))
    grid = Grid((1, 1, 5), np.eye(4))
    assert resample(volume, grid).array.ravel().tolist() == [0.0, 2.5, 5.0, 7.5, 10.0]


def test_an_integer_image_becomes_float32_without_loss() -> None:
    volume = Volume(np.arange(27, dtype=np.int16).reshape(3, 3, 3), Grid((3, 3, 3), np.eye(4)))
    same = resample(volume, volume.grid)
    assert same.array.dtype == np.float32
    assert np.array_equal(same.array, volume.array)


def test_nearest_intensities_equal_simpleitk_on_aligned_and_oblique_grids() -> None:
    volume = noise((31, 24, 9), PLAIN)
    for grid in (Grid((40, 30, 20), SHIFTED), Grid((36, 40, 25), turned(20, (1.0, 0.9, 1.1), (6.0, -26.0, 2.0)))):
        ours = resample(volume, grid, Resample(interpolation="nearest")).array
        assert np.array_equal(ours, by_sitk(volume, grid, sitk.sitkNearestNeighbor))


@pytest.mark.parametrize(
    "affine", [SHIFTED, FLIPPED, turned(20, (1.0, 0.9, 1.1), (6.0, -26.0, 2.0))], ids=["shifted", "flipped", "oblique"]
)
def test_a_mask_by_nearest_neighbour_equals_simpleitk(affine: npt.NDArray) -> None:
    volume = noise((31, 24, 9), PLAIN)
    mask = volume.with_array(volume.array > 110)
    grid = Grid((40, 30, 20), affine)
    ours = resample_mask(mask, grid)
    assert ours.is_mask
    assert ours.array.any()
    assert np.array_equal(ours.array, by_sitk(mask, grid, sitk.sitkNearestNeighbor).astype(bool))


def test_half_way_between_two_voxels_a_mask_takes_the_higher_index() -> None:
    mask = Volume(np.array([[[True, False, True]]]), Grid((1, 1, 3), np.diag([1.0, 1.0, 2.0, 1.0])))
    assert resample_mask(mask, Grid((1, 1, 5), np.eye(4))).array.ravel().tolist() == [True, False, False, True, True]


def test_a_mask_goes_to_1_mm_and_back_to_the_acquired_grid_with_its_volume() -> None:
    acquired = Grid((40, 40, 20), turned(12, (0.8, 0.8, 2.0), (-10.0, 4.0, 9.0)))
    i, j, k = np.ogrid[:40, :40, :20]
    mask = Volume((i - 20) ** 2 + (j - 19) ** 2 + ((k - 10) * 2.5) ** 2 < 15**2, acquired)
    fine = resample_mask(mask, isotropic_grid(acquired))
    assert fine.cc == pytest.approx(mask.cc, rel=0.03)
    back = resample_mask(fine, acquired)
    overlap = 2 * np.count_nonzero(back.array & mask.array) / (back.array.sum() + mask.array.sum())
    assert overlap > 0.93


def test_an_empty_mask_stays_empty() -> None:
    mask = Volume(np.zeros((4, 5, 6), dtype=bool), Grid((4, 5, 6), PLAIN))
    assert not resample_mask(mask, isotropic_grid(mask.grid)).array.any()


def test_a_mask_far_from_the_grid_is_all_false() -> None:
    mask = Volume(np.ones((4, 5, 6), dtype=bool), Grid((4, 5, 6), np.eye(4)))
    far = np.eye(4)
    far[:3, 3] = 100
    assert not resample_mask(mask, Grid((3, 3, 3), far)).array.any()


def test_masks_and_images_do_not_go_through_each_others_function() -> None:
    mask = Volume(np.ones((2, 2, 2), dtype=bool), Grid((2, 2, 2), np.eye(4)))
    with pytest.raises(TypeError, match="resample_mask"):
        resample(mask, mask.grid)
    with pytest.raises(TypeError, match="bool"):
        resample_mask(mask.with_array(np.ones((2, 2, 2))), mask.grid)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(*[st.integers(1, 300)] * 3),
    st.tuples(*[st.floats(0.2, 6)] * 3),
    st.sampled_from([0.5, 1.0, 1.5]),
    st.floats(0, 90),
)
def test_the_isotropic_grid_keeps_first_voxel_and_directions_and_rounds_sizes_half_up(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], target: float, degrees: float
) -> None:
    grid = Grid(shape, turned(degrees, spacing, (1.0, -2.0, 3.0)))
    new = isotropic_grid(grid, target)
    assert new.spacing_mm == pytest.approx((target,) * 3)
    np.testing.assert_array_equal(new.origin, grid.origin)
    np.testing.assert_allclose(new.direction, grid.direction, atol=1e-12)
    for size, n, s in zip(new.shape, shape, spacing, strict=True):
        assert size >= 1
        assert size == 1 or abs(size - n * s / target) <= 0.5 + 1e-5


def test_an_extent_of_exactly_half_a_voxel_more_is_rounded_up() -> None:
    assert isotropic_grid(Grid((61, 5, 4), np.diag([0.5, 0.9, 0.1, 1.0]))).shape == (31, 5, 1)


@settings(max_examples=25, deadline=None)
@given(st.floats(-1e6, 1e6, width=32, allow_subnormal=False), st.tuples(*[st.integers(1, 12)] * 3), st.floats(0, 45))
def test_a_constant_image_stays_constant(value: float, shape: tuple[int, int, int], degrees: float) -> None:
    volume = Volume(np.full(shape, value, dtype=np.float32), Grid(shape, turned(degrees, (0.8, 1.3, 2.2), (0, 0, 0))))
    extended = resample(volume, isotropic_grid(volume.grid), Resample(edge="extend"))
    np.testing.assert_allclose(extended.array, value, rtol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"spacing_mm": 0.0}, "spacing_mm"),
        ({"spacing_mm": float("nan")}, "spacing_mm"),
        ({"interpolation": "sinc"}, "sinc"),
        ({"edge": "wrap"}, "wrap"),
        ({"mask": "linear"}, "mask"),
        ({"placement": "corner"}, "placement"),
    ],
)
def test_a_senseless_setting_is_refused_by_name(wrong: dict, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        Resample(**wrong)


def test_a_grid_of_no_spacing_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        isotropic_grid(Grid((2, 2, 2), np.eye(4)), -1.0)


def test_the_real_study_comes_out_200_200_120_and_equal_to_simpleitk(ispy1_study: Study) -> None:
    volume = ispy1_study.volumes[1]
    grid = isotropic_grid(volume.grid)
    assert grid.shape == (200, 200, 120)
    expected = by_sitk(volume.with_array(volume.array.astype(np.float32)), grid, sitk.sitkLinear)
    np.testing.assert_allclose(resample(volume, grid).array, expected, atol=1e-4)


def test_the_real_study_by_cubic_b_splines_equals_simpleitk(ispy1_study: Study) -> None:
    volume = ispy1_study.volumes[1]
    grid = isotropic_grid(volume.grid)
    expected = by_sitk(volume.with_array(volume.array.astype(np.float32)), grid, sitk.sitkBSpline)
    found = resample(volume, grid, SPLINE).array
    np.testing.assert_allclose(found, expected, atol=1e-4 * float(volume.array.max()))
    assert np.abs(found - expected).mean() < 1e-3

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.polynomial.legendre import legval

from uptake.features import Features, FeatureTable, extract
from uptake.features.morphology import CONSTANT, FLAT, NO_MASS, NO_PAIRS, ONE_VOXEL, ellipsoid_area
from uptake.volume import Grid, Volume

AXES = ["pca_maj_axis", "pca_min_axis", "pca_least_axis", "pca_elongation", "pca_flatness"]


def test_a_cube_of_eight_voxels_of_intensity_two_has_the_sizes_and_shapes_worked_by_hand() -> None:
    found = _extracted(np.full((2, 2, 2), 2.0), spacing_mm=3.0)
    volume, area = 27 * (1 + 3 + 3 / 2 + 1 / 6), 9 * (6 + 12 / math.sqrt(2) + math.sqrt(3))
    assert found["morph_volume"].value == pytest.approx(volume)
    assert found["morph_vol_approx"].value == pytest.approx(8 * 27)
    assert found["morph_area_mesh"].value == pytest.approx(area)
    assert found["morph_av"].value == pytest.approx(area / volume)
    assert found["morph_comp_1"].value == pytest.approx(volume / math.sqrt(math.pi * area**3))
    assert found["morph_comp_2"].value == pytest.approx(36 * math.pi * volume**2 / area**3)
    assert found["morph_sphericity"].value == pytest.approx((36 * math.pi * volume**2) ** (1 / 3) / area)
    assert found["morph_sph_dispr"].value == pytest.approx(area / (36 * math.pi * volume**2) ** (1 / 3))
    assert found["morph_asphericity"].value == pytest.approx(found["morph_sph_dispr"].value - 1)
    assert found["morph_vol_dens_aabb"].value == pytest.approx(volume / 6**3)
    assert found["morph_area_dens_aabb"].value == pytest.approx(area / (6 * 6**2))
    assert found["morph_vol_dens_conv_hull"].value == pytest.approx(1)
    assert found["morph_area_dens_conv_hull"].value == pytest.approx(1)
    assert found["morph_integ_int"].value == pytest.approx(2 * volume)
    assert found["morph_com"].value == pytest.approx(0)


def test_the_axes_of_voxels_in_a_cube_are_four_standard_deviations_of_the_sample() -> None:
    found = _extracted(np.ones((2, 2, 2)), spacing_mm=3.0)
    axis = 4 * math.sqrt(8 * 1.5**2 / 7)  # eight centres 1.5 mm from the middle, divided by n - 1
    assert [found[f"morph_{name}"].value for name in AXES] == pytest.approx([axis, axis, axis, 1, 1])
    volume = found["morph_volume"].value
    assert found["morph_vol_dens_aee"].value == pytest.approx(volume / (math.pi / 6 * axis**3))
    assert found["morph_area_dens_aee"].value == pytest.approx(found["morph_area_mesh"].value / (math.pi * axis**2))


def test_the_centre_of_intensity_lies_where_the_lever_says() -> None:
    found = _extracted(np.array([[[1.0, 0.0, 3.0]]]), spacing_mm=2.0)
    assert found["morph_com"].value == pytest.approx(1.0)  # 1.5 steps from the first voxel, the middle lies 1 step


def test_intensities_that_cancel_have_no_centre() -> None:
    found = _extracted(np.array([[[-1.0, 1.0]]]))
    assert found["morph_com"].reason == NO_MASS.reason
    assert math.isnan(found["morph_com"].value)


def test_one_voxel_has_a_size_but_neither_axes_nor_neighbours() -> None:
    found = _extracted(np.full((1, 1, 1), 5.0), spacing_mm=2.0)
    undefined = {row.ibsi_tag: row.reason for row in found if row.reason}
    expected = {f"morph_{name}": ONE_VOXEL.reason for name in (*AXES, "vol_dens_aee", "area_dens_aee")}
    expected |= {"morph_moran_i": NO_PAIRS.reason, "morph_geary_c": NO_PAIRS.reason}
    assert undefined == expected
    assert found["morph_volume"].value == pytest.approx(8 / 6)
    assert found["morph_diam"].value == pytest.approx(2)


def test_equal_intensities_have_no_spatial_autocorrelation() -> None:
    found = _extracted(np.full((3, 3, 2), 0.1))
    assert found["morph_moran_i"].reason == found["morph_geary_c"].reason == CONSTANT.reason


def test_a_single_slice_is_flat_and_its_ellipsoid_has_a_surface_but_no_volume() -> None:
    found = _extracted(np.arange(12.0).reshape(3, 4, 1))
    assert found["morph_pca_least_axis"].value == found["morph_pca_flatness"].value == 0
    assert found["morph_vol_dens_aee"].reason == FLAT.reason
    assert math.isfinite(found["morph_area_dens_aee"].value)


def test_a_row_of_voxels_has_one_axis_only_and_its_ellipsoid_has_no_surface_either() -> None:
    found = _extracted(np.array([[[1.0, 2, 3]]]), spacing_mm=2.0)
    assert [found[f"morph_{name}"].value for name in AXES] == pytest.approx([4 * 2, 0, 0, 0, 0])
    assert found["morph_vol_dens_aee"].reason == found["morph_area_dens_aee"].reason == FLAT.reason


def test_an_oblique_plane_of_voxels_is_flat_too() -> None:
    i, j, k = np.indices((4, 4, 7))
    mask = i + j - k == 0
    found = extract(Volume(i + 1, Grid(mask.shape, np.eye(4))), Volume(mask, Grid(mask.shape, np.eye(4))))
    assert found["morph_pca_least_axis"].value == 0
    assert found["morph_vol_dens_aee"].reason == FLAT.reason


@pytest.mark.parametrize("semi_axes", [(5, 4, 3), (2, 1.5, 1.2), (9, 2, 1)])
def test_the_ellipsoid_surface_is_ibsis_series_of_legendre_polynomials(semi_axes: tuple[float, float, float]) -> None:
    a, b, c = semi_axes
    alpha, beta = math.sqrt(1 - (b / a) ** 2), math.sqrt(1 - (c / a) ** 2)
    n = np.arange(21)
    series = legval((alpha**2 + beta**2) / (2 * alpha * beta), (alpha * beta) ** n / (1 - 4.0 * n**2))
    assert ellipsoid_area(a, b, c) == pytest.approx(4 * math.pi * a * b * series)


def test_the_ellipsoid_surface_of_a_sphere_is_that_of_the_sphere() -> None:
    assert ellipsoid_area(3, 3, 3) == pytest.approx(4 * math.pi * 9)


def _extracted(intensities: np.ndarray, *, spacing_mm: float = 1.0) -> FeatureTable:
    grid = Grid(intensities.shape, np.diag([spacing_mm, spacing_mm, spacing_mm, 1]))
    mask = Volume(np.ones(intensities.shape, dtype=bool), grid)
    return extract(Volume(intensities, grid), mask, Features(families=("morphology",)))

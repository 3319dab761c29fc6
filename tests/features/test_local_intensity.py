from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from uptake.features.local_intensity import NOT_FINITE, RADIUS_MM, local_intensity, sphere_means
from uptake.features.region import region_of
from uptake.features.settings import Features
from uptake.volume import Grid, Volume

SHAPES = array_shapes(min_dims=3, max_dims=3, max_side=6)
SHEARED = np.array([[2.0, 1, 0], [0, 3, -1], [0, 0, 4]])


def test_the_sphere_has_one_cubic_centimetre() -> None:
    assert 4 / 3 * np.pi * RADIUS_MM**3 == pytest.approx(1000)


def test_the_local_peak_is_around_the_brightest_voxel_and_the_global_one_may_be_elsewhere() -> None:
    # steps of 6 mm: the sphere of 6.2 mm is a voxel and its six neighbours, in a row its two
    row = np.array([[[0, 9, 0, 6, 6, 6, 0]]])
    found = _peaks(row, row > 0, 6.0)
    assert found == {"loc_peak_loc": 9 / 3, "loc_peak_glob": 18 / 3}


def test_of_several_brightest_voxels_the_highest_peak_counts() -> None:
    row = np.array([[[0, 9, 0, 0, 9, 3, 0]]])
    assert _peaks(row, row > 0, 6.0)["loc_peak_loc"] == 12 / 3


def test_voxels_outside_the_mask_count_and_voxels_outside_the_image_do_not() -> None:
    row = np.array([[[6, 0, 3]]])
    assert _peaks(row, np.array([[[True, False, False]]]), 6.0)["loc_peak_glob"] == 6 / 2
    assert _peaks(row, np.array([[[False, False, True]]]), 6.0)["loc_peak_glob"] == 3 / 2


def test_a_voxel_that_is_not_finite_spoils_the_spheres_that_hold_it_and_no_others() -> None:
    row = np.array([[[np.nan, 1.0, 5.0, 2.0, 0.0, 0.0]]])
    near, far = (
        np.array([[[False, True, True, False, False, False]]]),
        np.array([[[False] * 2 + [True] * 2 + [False] * 2]]),
    )
    assert _peaks(row, near, 6.0) == {"loc_peak_loc": 8 / 3, "loc_peak_glob": NOT_FINITE}
    assert _peaks(row, far, 6.0) == {"loc_peak_loc": 8 / 3, "loc_peak_glob": 8 / 3}


@settings(deadline=None)
@given(
    st.data(),
    SHAPES,
    st.one_of(st.tuples(*[st.floats(1.5, 8)] * 3).map(np.diag), st.just(SHEARED)),
)
def test_the_means_are_those_over_all_voxels_within_the_radius(
    data: st.DataObject, shape: tuple[int, ...], axes: np.ndarray
) -> None:
    image = data.draw(arrays(np.int16, shape, elements=st.integers(-500, 500)))
    inside = data.draw(arrays(np.bool_, shape))
    assume(inside.any())
    places = np.argwhere(np.ones(shape)) @ axes.T
    distance = np.linalg.norm(places[:, None] - places[None], axis=2)
    assume(not np.any(np.abs(distance - RADIUS_MM) < 1e-6))
    near = distance[inside.ravel()] <= RADIUS_MM
    affine = np.eye(4)
    affine[:3, :3] = axes
    grid = Grid(shape, affine)
    region = region_of(Volume(image, grid), Volume(inside, grid), Features())
    found = np.empty(shape)
    found.T[inside.T] = sphere_means(region)
    assert found[inside] == pytest.approx((near @ image.ravel().astype(float)) / near.sum(axis=1))


def _peaks(image: np.ndarray, inside: np.ndarray, spacing_mm: float) -> dict[str, object]:
    grid = Grid(image.shape, np.diag([spacing_mm, spacing_mm, spacing_mm, 1]))
    found = local_intensity(region_of(Volume(image, grid), Volume(inside, grid), Features()))
    return {tag: pytest.approx(value) if isinstance(value, float) else value for tag, value in found.items()}

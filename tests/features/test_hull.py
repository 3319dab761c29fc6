from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from uptake.features.hull import diameter, hull_of

MASKS = arrays(np.bool_, array_shapes(min_dims=3, max_dims=3, max_side=5)).filter(np.any)
SPACINGS = st.tuples(*[st.floats(0.3, 4)] * 3)


def test_the_hull_of_one_voxel_is_its_octahedron() -> None:
    hull = hull_of(np.ones((1, 1, 1), dtype=bool), np.diag([1.0, 2.0, 3.0]))
    assert len(hull.corners_mm) == 6
    assert hull.volume_mm3 == pytest.approx(1)  # spacing 1 x 2 x 3, a sixth of it
    assert hull.diameter_mm == pytest.approx(3)


def test_the_largest_distance_in_a_box_runs_from_a_voxel_face_to_the_farthest_one() -> None:
    # centres of two opposite corner voxels are (3, 0, 0) apart, and each end reaches half a step further
    assert hull_of(np.ones((4, 1, 1), dtype=bool), np.eye(3)).diameter_mm == pytest.approx(4)
    assert hull_of(np.ones((2, 2, 1), dtype=bool), np.eye(3)).diameter_mm == pytest.approx(math.hypot(2, 1))


@settings(deadline=None)
@given(MASKS, SPACINGS)
def test_hull_and_diameter_are_those_of_all_points_half_way_out_of_the_mask(
    mask: np.ndarray, spacing: tuple[float, float, float]
) -> None:
    points = np.array(_half_way_points(mask)) * spacing
    expected = ConvexHull(points)
    hull = hull_of(mask, np.diag(spacing))
    assert hull.volume_mm3 == pytest.approx(expected.volume)
    assert hull.area_mm2 == pytest.approx(expected.area)
    assert hull.diameter_mm == pytest.approx(pdist(points).max())


def test_the_diameter_of_many_points_is_found_in_parts() -> None:
    angles = np.linspace(0, 2 * math.pi, 3000, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles), np.zeros(3000)], axis=1)
    assert diameter(circle + 1000) == pytest.approx(2)


def _half_way_points(mask: np.ndarray) -> list[np.ndarray]:
    padded = np.pad(mask, 1)
    steps = [sign * np.eye(3, dtype=int)[axis] for axis in range(3) for sign in (-1, 1)]
    return [voxel + step / 2 for voxel in np.argwhere(mask) for step in steps if not padded[tuple(voxel + 1 + step)]]

"""The smallest box and ellipsoid, where the answer is known."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

from uptake.features import _kernels
from uptake.features.enclosing import enclosing_box, enclosing_ellipsoid
from uptake.features.hull import hull_of

LENGTHS = st.tuples(*[st.floats(0.5, 40)] * 3)
SEEDS = st.integers(0, 10_000)


def turned(points: np.ndarray, seed: int) -> np.ndarray:
    """Points turned and moved at random."""
    random = np.random.default_rng(seed)
    return points @ Rotation.random(random_state=random).as_matrix() + random.normal(0, 50, 3)


def normals_of(points: np.ndarray) -> np.ndarray:
    a, b, c = points[ConvexHull(points).simplices.T]
    return np.cross(b - a, c - a)


@settings(max_examples=100, deadline=None)
@given(LENGTHS, SEEDS)
def test_the_smallest_box_around_a_turned_box_is_that_box(lengths: tuple[float, float, float], seed: int) -> None:
    corners = np.array(list(product((-0.5, 0.5), repeat=3))) * lengths
    inside = np.random.default_rng(seed).uniform(-0.5, 0.5, (20, 3)) * lengths
    points = turned(np.concatenate([corners, inside]), seed)
    assert sorted(enclosing_box(points, normals_of(points))) == pytest.approx(sorted(lengths), rel=1e-6)


@settings(max_examples=100, deadline=None)
@given(LENGTHS, SEEDS)
def test_the_smallest_ellipsoid_around_the_ends_of_its_axes_has_these_axes(
    lengths: tuple[float, float, float], seed: int
) -> None:
    ends = np.concatenate([np.diag(lengths), -np.diag(lengths)])
    inside = np.random.default_rng(seed).dirichlet(np.ones(6), 20) @ ends
    found = enclosing_ellipsoid(turned(np.concatenate([ends, inside]), seed))
    assert found == pytest.approx(sorted(lengths, reverse=True), rel=1e-6)


def test_the_smallest_ellipsoid_around_a_box_passes_through_its_corners() -> None:
    corners = np.array(list(product((-1.0, 1.0), (-2.0, 2.0), (-3.0, 3.0))))
    assert enclosing_ellipsoid(turned(corners, 1)) == pytest.approx(np.array([3, 2, 1]) * np.sqrt(3), rel=1e-6)


def test_a_sphere_is_found_from_its_points() -> None:
    points = np.random.default_rng(0).normal(size=(400, 3))
    points *= 7 / np.linalg.norm(points, axis=1)[:, None]
    assert enclosing_ellipsoid(points) == pytest.approx([7, 7, 7], rel=5e-3)


def test_the_box_around_one_voxel_stands_on_an_edge_of_its_octahedron() -> None:
    # corners half a step from the middle: turned by 45 degrees, a square of side sqrt(1/2) and of height 1
    hull = hull_of(np.ones((1, 1, 1), dtype=bool), np.eye(3))
    assert np.prod(enclosing_box(hull.corners_mm, hull.normals_mm2)) <= 0.5 + 1e-12
    assert enclosing_ellipsoid(hull.corners_mm) == pytest.approx([0.5, 0.5, 0.5], rel=1e-6)


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_no_box_of_many_that_are_tried_is_much_smaller_and_every_point_is_enclosed(seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(40, 3)) * (1, 2, 3)
    found = float(np.prod(enclosing_box(points, normals_of(points))))
    sizes = [np.ptp(points @ Rotation.random(random_state=n).as_matrix(), axis=0).prod() for n in range(2000)]
    assert found <= 1.05 * min(sizes)
    assert found >= ConvexHull(points).volume
    axes = enclosing_ellipsoid(points)
    assert 4 / 3 * np.pi * axes.prod() >= ConvexHull(points).volume


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_the_ellipsoid_is_the_same_share_larger_however_the_points_are_stretched(seed: int) -> None:
    random = np.random.default_rng(seed)
    points, stretch = random.normal(size=(60, 3)), random.normal(size=(3, 3)) + 3 * np.eye(3)
    plain, stretched = enclosing_ellipsoid(points).prod(), enclosing_ellipsoid(points @ stretch).prod()
    assert stretched == pytest.approx(plain * abs(np.linalg.det(stretch)), rel=1e-6)


def test_ten_points_that_nearly_lie_on_one_ellipsoid_have_the_least_one() -> None:
    """Nine points decide an ellipsoid; with ten steps come to nothing. Against SciPy's SLSQP on |A x + b| <= 1."""
    points = np.array(
        [(1, 0, 25), (15, 15, 0), (0, 3, 37), (9, 29, 0), (24, 19, 7), (24, 21, 37), (5, 32, 23), (5, 30, 29),
         (0, 25, 29), (20, 3, 37)], dtype=float
    )  # fmt: skip
    scaled = (points - points.mean(axis=0)) / 20

    def inside(x: np.ndarray) -> np.ndarray:
        lower = np.array([[x[0], 0, 0], [x[1], x[2], 0], [x[3], x[4], x[5]]])
        return 1 - ((scaled @ lower.T + x[6:]) ** 2).sum(axis=1)

    def size(x: np.ndarray) -> float:
        return -float(np.log(np.abs(x[[0, 2, 5]])).sum())

    start = np.array([0.4, 0, 0.4, 0, 0, 0.4, 0, 0, 0])
    found = minimize(
        size,
        start,
        method="SLSQP",
        constraints={"type": "ineq", "fun": inside},
        options={"ftol": 1e-13, "maxiter": 500},
    )
    assert found.success
    assert enclosing_ellipsoid(points).prod() == pytest.approx(20**3 * np.exp(found.fun), rel=1e-5)


def test_an_ellipsoid_that_is_not_found_in_time_is_no_answer() -> None:
    points = np.random.default_rng(0).normal(size=(60, 3))
    with pytest.raises(ValueError, match="not found"):
        _kernels.ellipsoid(points, 1e-9, 1, np.empty(3))


def test_too_few_points_and_results_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="four points"):
        _kernels.ellipsoid(np.zeros((3, 3)), 1e-3, 9, np.empty(3))
    with pytest.raises(ValueError, match="three semi-axes"):
        _kernels.ellipsoid(np.zeros((4, 3)), 1e-3, 9, np.empty(2))
    with pytest.raises(ValueError, match="four points"):
        _kernels.cuboid(np.zeros((4, 2)), np.eye(3), 8, np.empty(3))
    with pytest.raises(ValueError, match="three parts"):
        _kernels.cuboid(np.zeros((4, 3)), np.eye(2), 8, np.empty(3))
    with pytest.raises(ValueError, match="three lengths"):
        _kernels.cuboid(np.zeros((4, 3)), np.eye(3), 8, np.empty(4))

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from uptake.features.mesh import mesh_of

UNIT = np.eye(3)
MASKS = arrays(np.bool_, array_shapes(min_dims=3, max_dims=3, max_side=5)).filter(np.any)
SIDES = st.tuples(*[st.integers(1, 6)] * 3)
SPACINGS = st.tuples(*[st.floats(0.3, 4)] * 3)


def test_one_voxel_is_an_octahedron_through_the_half_way_points() -> None:
    mesh = mesh_of(np.ones((1, 1, 1), dtype=bool), UNIT)
    assert mesh.volume_mm3 == pytest.approx(1 / 6)  # eight corners of (1/2)^3 / 6
    assert mesh.area_mm2 == pytest.approx(math.sqrt(3))  # eight equilateral triangles of side 1 / sqrt(2)


def test_two_voxels_in_a_row_are_an_octahedron_stretched_by_a_square_rod() -> None:
    for shape in ((2, 1, 1), (1, 2, 1), (1, 1, 2)):
        mesh = mesh_of(np.ones(shape, dtype=bool), UNIT)
        assert mesh.volume_mm3 == pytest.approx(1 / 6 + 1 / 2)
        assert mesh.area_mm2 == pytest.approx(math.sqrt(3) + 2 * math.sqrt(2))


@given(SIDES, SPACINGS)
def test_a_box_is_its_inner_box_with_plates_rods_and_corners(
    voxels: tuple[int, int, int], spacing: tuple[float, float, float]
) -> None:
    mesh = mesh_of(np.ones(voxels, dtype=bool), np.diag(spacing))
    a, b, c = ((n - 1) * s for n, s in zip(voxels, spacing, strict=True))
    p, q, r = (s / 2 for s in spacing)
    volume = (
        a * b * c
        + 2 * (a * b * r + b * c * p + c * a * q)
        + 2 * (a * q * r + b * r * p + c * p * q)
        + p * q * r * 8 / 6
    )
    corner = math.sqrt((p * q) ** 2 + (q * r) ** 2 + (r * p) ** 2) / 2
    rods = 4 * (a * math.hypot(q, r) + b * math.hypot(r, p) + c * math.hypot(p, q))
    assert mesh.volume_mm3 == pytest.approx(volume)
    assert mesh.area_mm2 == pytest.approx(2 * (a * b + b * c + c * a) + rods + 8 * corner)


def test_a_hole_takes_its_volume_away_and_adds_its_surface() -> None:
    full = np.ones((3, 3, 3), dtype=bool)
    hollow = full.copy()
    hollow[1, 1, 1] = False
    with_hole, without = mesh_of(hollow, UNIT), mesh_of(full, UNIT)
    assert with_hole.volume_mm3 == pytest.approx(without.volume_mm3 - 1 / 6)
    assert with_hole.area_mm2 == pytest.approx(without.area_mm2 + math.sqrt(3))


def test_voxels_that_touch_at_a_corner_stay_apart_and_those_that_touch_along_an_edge_are_joined() -> None:
    corner, edge = np.zeros((2, 2, 2), dtype=bool), np.zeros((2, 2, 1), dtype=bool)
    corner[0, 0, 0] = corner[1, 1, 1] = edge[0, 0] = edge[1, 1] = True
    assert mesh_of(corner, UNIT).volume_mm3 == pytest.approx(2 / 6)
    assert mesh_of(edge, UNIT).volume_mm3 > 2 / 6


@given(MASKS, SPACINGS, st.permutations(range(3)), st.tuples(*[st.booleans()] * 3))
def test_the_mesh_does_not_change_when_axes_are_swapped_or_turned_round(
    mask: np.ndarray, spacing: tuple[float, float, float], axes: list[int], turned: tuple[bool, bool, bool]
) -> None:
    other = np.flip(mask.transpose(axes), [axis for axis in range(3) if turned[axis]])
    found = mesh_of(other, np.diag([spacing[axis] for axis in axes]))
    assert found == pytest.approx(mesh_of(mask, np.diag(spacing)))


@given(MASKS, st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * 3))
def test_empty_margins_do_not_change_the_mesh(mask: np.ndarray, margins: tuple[tuple[int, int], ...]) -> None:
    assert mesh_of(np.pad(mask, margins), UNIT) == pytest.approx(mesh_of(mask, UNIT))


@given(MASKS, MASKS)
def test_parts_a_voxel_apart_add_up(left: np.ndarray, right: np.ndarray) -> None:
    both = np.zeros([a + b + 1 for a, b in zip(left.shape, right.shape, strict=True)], dtype=bool)
    both[tuple(slice(0, n) for n in left.shape)] = left
    both[tuple(slice(n + 1, None) for n in left.shape)] = right
    together = [sum(pair) for pair in zip(mesh_of(left, UNIT), mesh_of(right, UNIT), strict=True)]
    assert mesh_of(both, UNIT) == pytest.approx(together)


def test_a_sphere_has_nearly_its_volume_and_the_known_excess_of_a_staircase_surface() -> None:
    radius = 20
    i, j, k = np.ogrid[-21:22, -21:22, -21:22]
    mesh = mesh_of(i * i + j * j + k * k <= radius * radius, np.diag([0.5, 0.5, 0.5]))
    assert mesh.volume_mm3 == pytest.approx(4 / 3 * math.pi * 10**3, rel=0.01)
    assert 1.03 < mesh.area_mm2 / (4 * math.pi * 10**2) < 1.12


def test_every_kind_of_cube_has_a_surface_without_holes() -> None:
    # The volume is measured along the first axis: with a hole it would change when that axis is turned or exchanged.
    for kind in range(1, 256):
        mask = np.array([kind >> corner & 1 for corner in range(8)], dtype=bool).reshape(2, 2, 2)
        volume = mesh_of(mask, UNIT).volume_mm3
        for axes, turned in itertools.product(((0, 1, 2), (1, 2, 0), (2, 0, 1)), ([], [0])):
            assert mesh_of(np.flip(mask.transpose(axes), turned), UNIT).volume_mm3 == pytest.approx(volume)

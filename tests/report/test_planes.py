from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from uptake.report.planes import Edges, letters, plane, position_words
from uptake.volume import Grid

SAGITTAL = np.array([[0, 0, 2, -149.9], [-0.78125, 0, 0, 123], [0, 0.78125, 0, -93.2], [0, 0, 0, 1]])
AXIAL = np.diag([-0.7, -0.7, 3.0, 1.0])  # DICOM columns to the patient's left (-x), rows to posterior (-y)


def affines() -> list[np.ndarray]:
    """Every way the three array axes can lie along the three world axes: 6 orders x 8 directions."""
    made = []
    for order, signs in product(permutations(range(3)), product((1, -1), repeat=3)):
        affine = np.eye(4)
        affine[:3, :3] = 0
        for axis, (world, sign) in enumerate(zip(order, signs, strict=True)):
            affine[world, axis] = sign * (axis + 1.0)
        made.append(affine)
    return made


def test_a_sagittal_slice_has_anterior_on_the_left_and_superior_on_top() -> None:
    shown = plane(Grid((8, 8, 4), SAGITTAL), 2)
    assert shown.name == "sagittal"
    assert shown.edges == Edges(left="A", right="P", top="S", bottom="I")
    assert shown.spacing_mm == pytest.approx((0.78125, 0.78125))
    assert shown.step_mm == pytest.approx(2.0)


def test_an_axial_slice_has_the_patients_right_on_the_left_and_anterior_on_top() -> None:
    shown = plane(Grid((8, 8, 4), AXIAL), 2)
    assert shown.name == "axial"
    assert shown.edges == Edges(left="R", right="L", top="A", bottom="P")


def test_a_coronal_reformat_of_a_sagittal_study_has_the_patients_right_on_the_left_and_superior_on_top() -> None:
    shown = plane(Grid((8, 8, 4), SAGITTAL), 0)
    assert shown.name == "coronal"
    assert shown.edges == Edges(left="R", right="L", top="S", bottom="I")
    assert shown.spacing_mm == pytest.approx((2.0, 0.78125))


@pytest.mark.parametrize("affine", affines())
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_pixels_run_the_way_the_letters_say_in_every_orientation(affine: np.ndarray, axis: int) -> None:
    grid = Grid((3, 4, 5), affine)
    world = grid.to_world(np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), -1))
    shown = plane(grid, axis)
    picture = np.stack([shown.section(world[..., w], 0) for w in range(3)], -1)
    ends = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}
    to_right, right = picture[0, -1] - picture[0, 0], ends[shown.edges.right]
    to_bottom, bottom = picture[-1, 0] - picture[0, 0], ends[shown.edges.bottom]
    assert to_right[right[0]] * right[1] > 0
    assert to_bottom[bottom[0]] * bottom[1] > 0
    assert (shown.edges.right, shown.edges.bottom) in {("P", "I"), ("L", "I"), ("L", "P")}


def test_a_projection_is_the_maximum_along_the_normal_laid_out_as_a_slice() -> None:
    array = np.zeros((2, 3, 2))
    array[0, 0, 0], array[0, 0, 1], array[1, 2, 1] = 5, 7, 9
    shown = plane(Grid(array.shape, SAGITTAL), 2)  # i to the right, j upwards
    assert shown.project(array).tolist() == [[0, 9], [0, 0], [7, 0]]
    assert shown.section(array, 0).tolist() == [[0, 0], [0, 0], [5, 0]]


def test_an_oblique_direction_has_two_letters_and_a_slightly_tilted_one_has_one() -> None:
    tilt = np.radians(30)
    assert letters(np.array([np.cos(tilt), np.sin(tilt), 0])) == "RA"
    tilt = np.radians(10)
    assert letters(np.array([0, -np.sin(tilt), -np.cos(tilt)])) == "I"


def test_a_slice_position_is_told_with_the_side_it_lies_on() -> None:
    grid = Grid((8, 8, 100), SAGITTAL)
    assert position_words(grid, 2, 0) == "L 149.9 mm"
    assert position_words(grid, 2, 80) == "R 10.1 mm"
    assert position_words(Grid((1, 1, 1), np.eye(4)), 2, 0) == "0.0 mm"

"""Agreement of masks: worked by hand, by brute force, and against SimpleITK."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK as sitk  # noqa: N813 (its usual name)
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from uptake.cohort.overlap import agree, between, border, combined, dice, surface_distances
from uptake.study import Code, Refusal
from uptake.volume import Grid, Volume

SPACING = (0.8, 1.0, 2.0)


def _mask(*boxes: tuple[slice, slice, slice], shape: tuple[int, int, int] = (12, 10, 8)) -> Volume:
    array = np.zeros(shape, bool)
    for box in boxes:
        array[box] = True
    return Volume(array, Grid(shape, np.diag([*SPACING, 1.0])))


CUBE = (slice(2, 6), slice(2, 6), slice(2, 6))


def test_a_cube_moved_by_one_voxel_has_three_quarters_in_common_and_one_step_between_the_borders() -> None:
    found = agree(_mask(CUBE), _mask((slice(3, 7), *CUBE[1:])))
    assert found.dice == 0.75
    assert found.hd95_mm == pytest.approx(0.8)
    assert found.cc_one == found.cc_other == pytest.approx(64 * 1.6 / 1000)
    # of 56 border voxels 16 are a step beyond the other's border; the same back; 2 x 2 inner ones come to lie inside it
    assert found.mean_surface_mm == pytest.approx(0.8 * 20 / 56)


def test_equal_masks_agree_wholly_and_apart_ones_not_at_all() -> None:
    same = agree(_mask(CUBE), _mask(CUBE))
    assert (same.dice, same.hd95_mm, same.mean_surface_mm) == (1.0, 0.0, 0.0)
    apart = agree(_mask((slice(0, 1),) * 3), _mask((slice(5, 6), slice(0, 1), slice(0, 1))))
    assert (apart.dice, apart.hd95_mm) == (0.0, pytest.approx(4.0))


def test_an_empty_mask_has_no_surface_and_two_empty_ones_no_overlap_either() -> None:
    one = agree(_mask(), _mask(CUBE))
    assert (one.dice, one.hd95_mm, one.cc_one, one.reason) == (0.0, None, 0.0, "one mask is empty")
    assert agree(_mask(), _mask()).dice is None
    assert dice(np.zeros((2, 2, 2), bool), np.zeros((2, 2, 2), bool)) is None


def test_masks_on_different_grids_are_refused() -> None:
    with pytest.raises(Refusal, match="on different grids") as refused:
        agree(_mask(CUBE), _mask(CUBE, shape=(12, 10, 9)))
    assert refused.value.code == Code.MASK_GRID


def test_the_border_is_what_touches_the_outside_by_a_face() -> None:
    assert np.count_nonzero(border(_mask(CUBE).array)) == 4**3 - 2**3
    assert border(np.ones((3, 3, 3), bool)).sum() == 26


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_overlap_and_surfaces_are_simpleitks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pair = []
    for _ in range(2):
        centre, radius = rng.uniform(4, 8, 3), rng.uniform(2.5, 4.5)
        at = np.indices((12, 12, 12)).transpose(1, 2, 3, 0) * SPACING
        pair.append(np.linalg.norm(at - centre * np.array(SPACING), axis=-1) < radius)
    if not all(mask.any() for mask in pair):
        return
    grid = Grid((12, 12, 12), np.diag([*SPACING, 1.0]))
    found = agree(Volume(pair[0], grid), Volume(pair[1], grid))
    images = [sitk.GetImageFromArray(mask.T.astype(np.uint8)) for mask in pair]
    for image in images:
        image.SetSpacing(SPACING)
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(*images)
    assert found.dice == pytest.approx(overlap.GetDiceCoefficient())
    edges = [sitk.LabelContour(sitk.ConstantPad(image, [1] * 3, [1] * 3), fullyConnected=False) for image in images]
    far = [sitk.GetArrayFromImage(sitk.Abs(sitk.SignedMaurerDistanceMap(
        edge, squaredDistance=False, useImageSpacing=True))) for edge in edges]  # fmt: skip
    on = [sitk.GetArrayFromImage(edge).astype(bool) for edge in edges]
    expected = max(np.percentile(far[1][on[0]], 95), np.percentile(far[0][on[1]], 95))
    assert found.hd95_mm == pytest.approx(expected, abs=1e-4)


def test_readers_are_compared_each_with_each() -> None:
    found = between({"B": _mask(CUBE), "A": _mask(CUBE), "C": _mask()})
    assert list(found) == [("A", "B"), ("A", "C"), ("B", "C")]
    assert found["A", "B"].dice == 1.0


def test_overlap_of_two_voxels_of_which_one_is_shared() -> None:
    found = agree(voxels((1, 1, 1), (2, 1, 1)), voxels((2, 1, 1), (3, 1, 1)))
    assert found.dice == pytest.approx(2 * 1 / (2 + 2))
    assert found.jaccard == pytest.approx(1 / 3)
    assert found.hausdorff_mm == pytest.approx(SPACING[0])


def test_volumes_differ_in_percent_of_their_mean() -> None:
    assert agree(voxels((0, 0, 0)), voxels((0, 0, 0), (1, 0, 0), (2, 0, 0))).difference_percent == pytest.approx(100)
    assert agree(voxels(), voxels()).difference_percent is None


@settings(max_examples=40, deadline=None)
@given(*[arrays.arrays(bool, (4, 5, 3))] * 2)
def test_surface_distances_are_those_of_all_pairs(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> None:
    grid = Grid((4, 5, 3), np.diag((0.7, 1.3, 2.0, 1.0)))

    def surface(array: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        padded = np.pad(array, 1)
        found = [
            v for v in np.argwhere(array)
            if not all(padded[tuple(v + 1 + step)] for step in (*np.eye(3, dtype=int), *-np.eye(3, dtype=int)))
        ]  # fmt: skip
        return np.array(found, dtype=float).reshape(-1, 3) * grid.spacing_mm

    first, second = surface(a), surface(b)
    if not (a.any() and b.any()):
        return
    found = np.sort(np.concatenate(surface_distances(a, b, grid.spacing_mm)))
    between = np.linalg.norm(first[:, None] - second[None], axis=-1)
    assert found == pytest.approx(np.sort(np.concatenate([between.min(axis=1), between.min(axis=0)])))


def test_a_consensus_starts_from_majority_union_or_intersection() -> None:
    three = [voxels((0, 0, 0), (1, 0, 0)), voxels((1, 0, 0), (2, 0, 0)), voxels((1, 0, 0), (2, 0, 0))]
    assert np.count_nonzero(combined(three, "union").array) == 3
    assert np.argwhere(combined(three, "intersection").array).tolist() == [[1, 0, 0]]
    assert np.argwhere(combined(three, "majority").array).tolist() == [[1, 0, 0], [2, 0, 0]]
    assert np.argwhere(combined(three[:2], "majority").array).tolist() == [[1, 0, 0]]


def voxels(*inside: tuple[int, int, int]) -> Volume:
    volume = _mask()
    for voxel in inside:
        volume.array[voxel] = True
    return volume

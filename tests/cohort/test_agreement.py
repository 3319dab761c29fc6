"""Agreement of masks against values worked out by hand, and a brute-force computation of the distances."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays

from uptake.cohort.agreement import agreement, combined, surface_distances_mm
from uptake.volume import Grid, Volume

GRID = Grid((8, 6, 5), np.diag((1.0, 2.0, 3.0, 1.0)))


def mask(*voxels: tuple[int, int, int]) -> Volume:
    array = np.zeros(GRID.shape, dtype=bool)
    for voxel in voxels:
        array[voxel] = True
    return Volume(array, GRID)


def test_a_mask_agrees_with_itself() -> None:
    a = mask((1, 1, 1), (2, 1, 1))
    found = agreement(a, a)
    assert (found.dice, found.jaccard, found.hausdorff_mm, found.mean_surface_distance_mm) == (1.0, 1.0, 0.0, 0.0)
    assert (found.volume_a_cc, found.difference_cc, found.difference_percent) == (pytest.approx(0.012), 0.0, 0.0)


def test_two_voxels_of_which_one_is_shared() -> None:
    found = agreement(mask((1, 1, 1), (2, 1, 1)), mask((2, 1, 1), (3, 1, 1)))
    assert found.dice == pytest.approx(2 * 1 / (2 + 2))
    assert found.jaccard == pytest.approx(1 / 3)
    assert found.hausdorff_mm == pytest.approx(1.0)
    assert found.mean_surface_distance_mm == pytest.approx((1 + 0 + 0 + 1) / 4)


def test_distances_are_in_mm_along_every_axis() -> None:
    assert agreement(mask((1, 1, 1)), mask((1, 2, 1))).hausdorff_mm == pytest.approx(2.0)
    assert agreement(mask((1, 1, 1)), mask((1, 1, 3))).hausdorff_mm == pytest.approx(6.0)


def test_volumes_differ_in_cc_and_percent_of_their_mean() -> None:
    found = agreement(mask((0, 0, 0)), mask((0, 0, 0), (1, 0, 0), (2, 0, 0)))
    assert found.difference_cc == pytest.approx(0.012)
    assert found.difference_percent == pytest.approx(100 * 2 / 2)


def test_what_is_not_defined_is_none_and_no_number() -> None:
    one = agreement(mask((0, 0, 0)), mask())
    assert (one.dice, one.hausdorff95_mm, one.mean_surface_distance_mm) == (0.0, None, None)
    none = agreement(mask(), mask())
    assert (none.dice, none.jaccard, none.difference_percent) == (None, None, None)


def test_masks_of_different_grids_are_not_compared() -> None:
    with pytest.raises(ValueError, match="one grid"):
        agreement(mask(), Volume(np.zeros((2, 2, 2), bool), Grid((2, 2, 2), np.eye(4))))


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
    found = np.sort(surface_distances_mm(Volume(a, grid), Volume(b, grid)))
    if not (a.any() and b.any()):
        assert found.size == 0
        return
    between = np.linalg.norm(first[:, None] - second[None], axis=-1)
    assert found == pytest.approx(np.sort(np.concatenate([between.min(axis=1), between.min(axis=0)])))


def test_a_consensus_starts_from_majority_union_or_intersection() -> None:
    three = [mask((0, 0, 0), (1, 0, 0)), mask((1, 0, 0), (2, 0, 0)), mask((1, 0, 0), (2, 0, 0))]
    assert np.count_nonzero(combined(three, "union").array) == 3
    assert np.argwhere(combined(three, "intersection").array).tolist() == [[1, 0, 0]]
    assert np.argwhere(combined(three, "majority").array).tolist() == [[1, 0, 0], [2, 0, 0]]
    assert np.argwhere(combined(three[:2], "majority").array).tolist() == [[1, 0, 0]]

"""Agreement of masks and of measurements: worked by hand, and against SimpleITK."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 (its usual name)
from hypothesis import given, settings
from hypothesis import strategies as st

from uptake.cohort.agreement import agree, between, border, dice, extremes, limits_of_agreement
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


def test_bland_and_altmans_peak_flow_meters() -> None:
    """The Wright and mini meters, first readings: Lancet 1986;i:307, Table 1 and text."""
    wright = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
    mini = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
    found = limits_of_agreement(mini, wright)
    assert found is not None
    assert found.bias == pytest.approx(-2.1, abs=0.05)
    assert found.sd == pytest.approx(38.8, abs=0.05)
    assert found.bias_interval == pytest.approx((-22.0, 17.8), abs=0.1)
    assert (found.lower, found.upper) == pytest.approx((-78.1, 73.9), abs=0.3)


def test_ratios_of_volumes_have_limits_too_where_every_volume_is_positive() -> None:
    found = limits_of_agreement([1.0, 2.0, 4.0], [2.0, 4.0, 8.0])
    assert found is not None
    assert (found.ratio, found.ratio_lower, found.ratio_upper) == pytest.approx((2.0, 2.0, 2.0))
    zero = limits_of_agreement([0.0, 2.0, 4.0], [2.0, 4.0, 8.0])
    assert zero is not None
    assert zero.ratio is None


def test_two_pairs_have_no_limits() -> None:
    assert limits_of_agreement([1.0, 2.0], [1.0, 2.0]) is None


def test_best_median_and_worst() -> None:
    assert extremes({"a": 0.5, "b": 0.9, "c": 0.1}) == ("b", "a", "c")
    assert extremes({"a": 0.5, "b": 0.9}) == ("b", "b", "a")
    assert extremes({}) is None

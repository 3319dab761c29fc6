from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from uptake.features.captk import PAPER, lbp
from uptake.features.captk.roi import Roi

ONE = replace(PAPER, lbp_radius=1)


def test_the_mean_code_is_what_a_loop_over_the_whole_image_gives(lesion: Roi) -> None:
    assert lbp.captk(lesion, ONE)["LBP"] == pytest.approx(_looped(lesion), rel=1e-6)


def test_a_mask_at_the_border_sees_the_border_repeated(roi: Callable[..., Roi]) -> None:
    image = np.random.default_rng(5).normal(size=(4, 3, 3)).astype(np.float32)
    inside = np.zeros(image.shape, dtype=bool)
    inside[:2, :, 1:] = True
    region = roi(image, inside)
    assert lbp.captk(region, ONE)["LBP"] == pytest.approx(_looped(region), rel=1e-6)


def test_a_larger_field_of_view_lowers_the_value(roi: Callable[..., Roi]) -> None:
    """The defect that makes the column useless, stated."""
    image, inside = np.zeros((8, 8, 8), dtype=np.float32), np.zeros((8, 8, 8), dtype=bool)
    image[3:5, 3:5, 3:5], inside[3:5, 3:5, 3:5] = 5, True
    padded = roi(np.pad(image, 4), np.pad(inside, 4))
    assert lbp.mean_code(padded) == pytest.approx(lbp.mean_code(roi(image, inside)) / 8)


def test_from_radius_2_on_there_is_no_value(lesion: Roi) -> None:
    assert lbp.captk(lesion, PAPER)["LBP"] is lbp.OVERFLOW


def test_the_corrected_value_is_the_share_of_brighter_neighbours(roi: Callable[..., Roi]) -> None:
    line = np.array([1, 3, 2], dtype=np.float32).reshape(3, 1, 1)
    assert lbp.corrected(roi(line, np.ones(line.shape, dtype=bool)), ONE)["LBP"] == pytest.approx((1 + 0 + 1) / 3)


def test_the_corrected_value_does_not_depend_on_orientation_or_field_of_view(
    lesion: Roi, roi: Callable[..., Roi]
) -> None:
    inside = np.zeros(lesion.whole.shape, dtype=bool)
    inside[lesion.box] = lesion.inside
    turned = roi(np.pad(lesion.whole.transpose(2, 0, 1)[::-1], 3), np.pad(inside.transpose(2, 0, 1)[::-1], 3))
    assert lbp.corrected(turned, ONE)["LBP"] == pytest.approx(lbp.corrected(lesion, ONE)["LBP"])


def test_one_voxel_has_no_corrected_value(filled: Callable[..., Roi]) -> None:
    assert lbp.corrected(filled((1, 1, 1)), ONE)["LBP"] is lbp.ALONE


def _looped(region: Roi) -> float:
    inside = np.zeros(region.whole.shape, dtype=bool)
    inside[region.box] = region.inside
    masked = np.where(inside, region.whole, 0)
    total, last = 0.0, np.array(masked.shape) - 1
    for voxel in product(*map(range, masked.shape)):
        code = 0
        for place, (dk, dj, di) in enumerate(product((-1, 0, 1), repeat=3)):
            there = tuple(np.clip(np.add(voxel, (di, dj, dk)), 0, last))
            code += int(masked[there] > masked[voxel]) << place
        total += float(np.float32(code))
    return total / masked.size

"""Phantoms varied for training: the same from the same seed, the lesion where it was, everything else as asked."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from uptake.phantom.anatomy import Tissue
from uptake.phantom.variation import Scan, Vary, varied

SHAPE = (24, 20, 16)
STILL = Vary(
    contrast=0, bright_fat=0, enhancement=0, dose=0, late=0, coil=(0, 0), field=0, drift=0, moving=0, blurred=0,
    ghosts=0, spots=0, snr=(1e6, 1e6), gamma=(1, 1), cropped=0, turned=0, blanked=0,
)  # fmt: skip


def scan() -> Scan:
    """Gland of 100 in fat of 20 in air, and a lesion in it that takes up as much as it has, then loses a tenth."""
    tissue = np.zeros((len(Tissue), *SHAPE), np.float32)
    tissue[Tissue.AIR] = 1
    for label, box in (
        (Tissue.FAT, np.s_[3:21, 3:17, 3:13]),
        (Tissue.GLAND, np.s_[6:18, 6:14, 5:11]),
        (Tissue.LESION, np.s_[9:14, 8:12, 6:10]),
    ):
        tissue[(slice(None), *box)] = 0
        tissue[(label, *box)] = 1
    pre = 20 * tissue[Tissue.FAT] + 100 * (tissue[Tissue.GLAND] + tissue[Tissue.LESION])
    taken = 100 * tissue[Tissue.LESION]
    phases = np.stack([pre, pre + taken, pre + 0.9 * taken]).astype(np.float32)
    return Scan(phases, tissue, np.ones(SHAPE, np.float32), tissue[Tissue.LESION] > 0, 2.0)


def made(**changes: Any) -> tuple[np.ndarray, np.ndarray]:
    return varied(scan(), dataclasses.replace(STILL, **changes), np.random.default_rng(3))


def test_without_anything_varied_the_phases_are_the_z_scores_of_what_was_given() -> None:
    images, lesion = made()
    wanted = scan().phases
    assert np.allclose(images, (wanted - wanted.mean()) / wanted.std(), atol=1e-3)
    assert np.array_equal(lesion, scan().lesion)


def test_the_same_numbers_give_the_same_bytes_and_others_do_not() -> None:
    first, again, other = (varied(scan(), Vary(), np.random.default_rng(n)) for n in (1, 1, 2))
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    assert first[0].shape != other[0].shape or not np.array_equal(first[0], other[0])


def test_everything_at_once_stays_finite_and_keeps_mean_0_and_sd_1() -> None:
    for seed in range(8):
        images, lesion = varied(scan(), dataclasses.replace(Vary(), spots=1, ghosts=1), np.random.default_rng(seed))
        assert np.isfinite(images).all()
        assert images.dtype == np.float32
        assert images.shape[1:] == lesion.shape
        assert float(images.mean()) == pytest.approx(0, abs=1e-3)
        assert float(images.std()) == pytest.approx(1, abs=1e-3)
        assert lesion.any()


def test_fat_that_is_not_suppressed_is_four_times_as_bright_at_least_and_enhances_no_more() -> None:
    images, _ = made(bright_fat=1)
    air, fat, gland = (images[:, scan().tissue[label] > 0].mean(axis=1) for label in list(Tissue)[:3])
    assert (fat[0] - air[0]) / (gland[0] - air[0]) >= 4 * 20 / 100
    assert fat[1] == pytest.approx(fat[0], abs=1e-4)


def test_enhancement_is_drawn_and_the_signal_before_contrast_is_left() -> None:
    images, lesion = made(enhancement=0.5)
    gland = scan().tissue[Tissue.GLAND] > 0
    air = scan().tissue[Tissue.AIR] > 0
    zero, hundred = images[0][air].mean(), images[0][gland].mean()
    pe = (images[1][lesion].mean() - images[0][lesion].mean()) / (hundred - zero)
    late = (images[2][lesion].mean() - images[0][lesion].mean()) / (hundred - zero)
    assert pe != pytest.approx(1, abs=0.01)
    assert late / pe == pytest.approx(0.9, abs=0.01)
    assert images[0][lesion].mean() == pytest.approx(hundred, abs=1e-3)


def test_a_smaller_field_of_view_keeps_the_middle_of_the_lesion() -> None:
    images, lesion = made(cropped=1, crop=0.45)
    assert images.shape[1:] == lesion.shape
    assert lesion.size < scan().lesion.size
    assert lesion.any()


def test_turned_axes_turn_image_and_lesion_together() -> None:
    images, lesion = made(turned=1)
    assert sorted(lesion.shape) == sorted(SHAPE)
    assert images[1][lesion].min() > images[1][~lesion].max()


def test_motion_moves_the_phases_after_contrast_only() -> None:
    still, _ = made()
    images, _ = made(moving=1, motion_mm=4.0)
    scale = np.corrcoef(still[0].ravel(), images[0].ravel())[0, 1]
    assert scale > 0.9999
    assert np.corrcoef(still[1].ravel(), images[1].ravel())[0, 1] < 0.999

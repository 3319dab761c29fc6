"""Augmentation keeps shapes and labels, moves image and label together, and follows its seed."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from uptake.segment.augment import augmented
from uptake.segment.data import TrainingCase
from uptake.segment.patches import case_patches, epoch_batches
from uptake.segment.recipes import PAPER, Recipe

EVERYTHING = Recipe(flip=1.0, affine=1.0, intensity=1.0, blur=1.0, noise=1.0)
NOTHING = Recipe(flip=0.0, affine=0.0, intensity=0.0, blur=0.0, noise=0.0)


def batch(torch: Any, channels: int = 4) -> tuple[Any, Any]:
    torch.manual_seed(0)
    label = torch.zeros(2, 32, 32, 32, dtype=torch.uint8)
    label[:, 8:16, 10:20, 12:18] = 1
    return torch.randn(2, channels, 32, 32, 32) * 0.01 + label[:, None], label


def test_the_same_seed_gives_the_same_patches_and_another_seed_others(torch: Any) -> None:
    images, labels = batch(torch)
    first, again, other = (augmented(images, labels, EVERYTHING, seed) for seed in (1, 1, 2))
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], other[0])
    assert first[0].shape == images.shape
    assert set(first[1].unique().tolist()) == {0, 1}


def test_without_probabilities_nothing_changes(torch: Any) -> None:
    images, labels = batch(torch)
    found = augmented(images, labels, NOTHING, 1)
    assert torch.equal(found[0], images)
    assert torch.equal(found[1], labels)


def test_image_and_label_move_together(torch: Any) -> None:
    """The lesion is 1 in the image: after flips and rotations the image still is about 1 where the label is."""
    moving = dataclasses.replace(NOTHING, flip=0.7, affine=1.0)
    images, labels = batch(torch)
    for seed in range(5):
        image, label = augmented(images, labels, moving, seed)
        inside, outside = image[:, 0][label == 1].mean(), image[:, 0][label == 0].abs().mean()
        assert inside > 0.85
        assert outside < 0.1


def test_a_voi_is_moved_but_never_brightened_and_left_out_half_of_the_times(torch: Any) -> None:
    recipe = dataclasses.replace(EVERYTHING, flip=0.0, affine=0.0, prompt=True)
    images, labels = batch(torch, channels=5)
    images[:, 4] = labels
    kept = [augmented(images, labels, recipe, seed)[0][:, 4] for seed in range(20)]
    whole = torch.ones_like(kept[0][0])
    same = [torch.equal(voi, labels[n].float()) for vois in kept for n, voi in enumerate(vois)]
    ones = [torch.equal(voi, whole) for vois in kept for voi in vois]
    assert sum(same) + sum(ones) == 40
    assert 10 <= sum(same) <= 30


def test_patches_follow_from_seed_fold_epoch_and_case(blobs: tuple[TrainingCase, ...], small: Recipe) -> None:
    def epoch(number: int) -> list[Any]:
        return [made.images for made in epoch_batches(blobs, small, (0, 1, 2, number))]

    assert all(np.array_equal(a, b) for a, b in zip(epoch(3), epoch(3), strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(epoch(3), epoch(4), strict=True))
    assert sum(len(images) for images in epoch(0)) == len(blobs) * small.patches_per_case


def test_as_many_patches_hold_the_lesion_as_were_asked_for(blobs: tuple[TrainingCase, ...], small: Recipe) -> None:
    recipe = dataclasses.replace(small, foreground=1.0, patches_per_case=20)
    assert all(label.any() for _, label in case_patches(blobs[0], recipe, (0, 1)))


def test_the_paper_s_augmentation_changes_every_channel_in_its_own_way(
    torch: Any, blobs: tuple[TrainingCase, ...]
) -> None:
    pytest.importorskip("torchio")
    always = dataclasses.replace(PAPER, patch=32, patches_per_case=1, ghosting=1.0, blur=1.0, noise=1.0)
    never = dataclasses.replace(always, ghosting=0.0, blur=0.0, noise=0.0)
    image, plain = (case_patches(blobs[0], recipe, (0, 1))[0][0] for recipe in (always, never))
    changes = [np.abs(a - b).mean() for a, b in zip(image, plain, strict=True)]
    assert min(changes) > 0.01
    assert len({round(float(c), 4) for c in changes}) == len(changes)


def test_a_small_case_is_continued_to_the_size_of_the_patch(tmp_path: Any) -> None:
    from uptake.segment.data import keep_case

    case = TrainingCase("S", tmp_path, "k", (1.0, 1.0, 1.0))
    image = np.arange(4 * 10 * 40 * 32, dtype=np.float32).reshape(4, 10, 40, 32)
    keep_case(case, image, np.ones((10, 40, 32), bool), 32)
    assert case.image.shape == (4, 32, 40, 32)
    assert np.array_equal(case.image[:, 31], image[:, 9])
    assert case.label.sum() == 10 * 40 * 32

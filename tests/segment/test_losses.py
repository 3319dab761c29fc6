"""Losses by hand on tiny arrays, and against MONAI's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from uptake.segment.losses import class_weights, dice_per_class, loss_of, multi_class_dice
from uptake.segment.recipes import Recipe


def _pair(torch: Any) -> tuple[Any, Any]:
    """Two voxels, both lesion in truth, of which the network is sure of one."""
    probability = torch.tensor([[[0.0, 0.5], [1.0, 0.5]]])  # (1, classes, voxels)
    target = torch.tensor([[[0.0, 0.0], [1.0, 1.0]]])
    return probability, target


def test_dice_per_class_by_hand(torch: Any) -> None:
    """Background: 2 x 0 / (0.5 + 0) = 0; lesion: 2 x 1.5 / (1.5 + 2) = 6/7."""
    assert dice_per_class(*_pair(torch)).tolist() == pytest.approx([0, 6 / 7], abs=1e-6)


def test_the_multi_class_loss_is_the_mean_over_all_classes_background_included(torch: Any) -> None:
    assert float(multi_class_dice(*_pair(torch))) == pytest.approx((1 + 1 / 7) / 2, abs=1e-6)


def test_weights_make_it_a_weighted_sum(torch: Any) -> None:
    assert float(multi_class_dice(*_pair(torch), (0.25, 0.75))) == pytest.approx(0.25 + 0.75 / 7, abs=1e-6)


def test_the_log_variant_by_hand(torch: Any) -> None:
    probability, target = torch.tensor([[[0.5], [0.5]]]), torch.tensor([[[0.0], [1.0]]])
    dice = (1e-7 / (0.5 + 1e-7), 2 / 3)
    wanted = -np.mean(np.log(np.array(dice) + np.finfo(np.float32).eps))
    assert float(multi_class_dice(probability, target, log=True)) == pytest.approx(wanted, rel=1e-4)


def test_weights_are_inverse_to_the_voxels_of_a_class_and_sum_to_one() -> None:
    assert class_weights(900, 100) == pytest.approx((0.1, 0.9))


def test_ours_is_monai_s_dice_with_cross_entropy(torch: Any) -> None:
    losses = pytest.importorskip("monai.losses")
    torch.manual_seed(0)
    logits, label = torch.randn(2, 2, 4, 4, 4), torch.randint(0, 2, (2, 4, 4, 4))
    theirs = losses.DiceCELoss(softmax=True, to_onehot_y=True, batch=True, smooth_nr=1e-7, smooth_dr=1e-7)
    assert float(loss_of(Recipe(), None)(logits, label)) == pytest.approx(
        float(theirs(logits, label[:, None])), abs=1e-5
    )


@pytest.mark.parametrize("kind", ["dice", "dice-log", "dice-ce"])
def test_every_loss_is_lowest_where_the_network_is_right_and_sure(torch: Any, kind: Any) -> None:
    label = torch.tensor([[[[0, 1]]]])
    right = torch.stack([20.0 - 40 * label, -20.0 + 40 * label], dim=1)
    loss = loss_of(Recipe(loss=kind, weighted=True), (0.5, 0.5))
    assert float(loss(right, label)) == pytest.approx(0, abs=1e-5)
    assert float(loss(-right, label)) > 0.9

"""Losses on two classes, background and lesion.

Dice per class over the whole batch, as GaNDLF 0.0.14 defines it: D = (2 sum(p g) + e) / (sum(p) + sum(g) + e) with
e = 1e-7.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from uptake.segment.recipes import Recipe

if TYPE_CHECKING:
    from torch import Tensor

EPSILON = 1e-7


def loss_of(recipe: Recipe, weights: tuple[float, float] | None) -> Callable[[Tensor, Tensor], Tensor]:
    """The recipe's loss of logits (n, 2, i, j, k) and labels (n, i, j, k); `weights` where classes are weighed."""
    from torch.nn import functional

    own = weights if recipe.weighted else None

    def loss(logits: Tensor, label: Tensor) -> Tensor:
        logits = logits.float()
        probability = functional.softmax(logits, dim=1)
        target = functional.one_hot(label.long(), 2).movedim(-1, 1).to(probability.dtype)
        if recipe.loss == "dice-log":
            return multi_class_dice(probability, target, own, log=True)
        dice = multi_class_dice(probability, target, own)
        return dice + functional.cross_entropy(logits, label.long()) if recipe.loss == "dice-ce" else dice

    return loss


def dice_per_class(probability: Tensor, target: Tensor) -> Tensor:
    """Soft Dice of every class over the batch: (n, classes, ...) twice -> (classes,). 1 where both are empty."""
    axes = tuple(axis for axis in range(probability.ndim) if axis != 1)
    both = (probability * target).sum(axes)
    return (2 * both + EPSILON) / (probability.sum(axes) + target.sum(axes) + EPSILON)


def multi_class_dice(
    probability: Tensor, target: Tensor, weights: tuple[float, ...] | None = None, *, log: bool = False
) -> Tensor:
    """Mean over all classes, background included, of 1 - D; with weights their weighted sum.

    log: -log(D + machine epsilon) in place of 1 - D.
    """
    import torch

    dice = dice_per_class(probability, target)
    terms = -torch.log(dice + torch.finfo(dice.dtype).eps) if log else 1 - dice
    if weights is None:
        return terms.mean()
    return (terms * torch.tensor(weights, dtype=terms.dtype, device=terms.device)).sum()


def class_weights(background_voxels: int, lesion_voxels: int) -> tuple[float, float]:
    """Weights in proportion to total / (classes x voxels of the class), with sum 1."""
    inverse = (1 / max(background_voxels, 1), 1 / max(lesion_voxels, 1))
    return inverse[0] / sum(inverse), inverse[1] / sum(inverse)

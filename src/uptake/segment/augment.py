"""Augmentation of a batch on the device it is trained on: flips, rotations, scales, gain, contrast, blur, noise.

Every parameter is drawn with NumPy from the batch's seed, so that the same patches come out on every device.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from uptake.segment.recipes import Recipe

if TYPE_CHECKING:
    from torch import Tensor

GAIN, CONTRAST, FIELD = 0.25, 0.25, 0.3
"""Largest relative change of brightness and contrast, and of a smooth field over the patch."""
SIGMA_VOXELS = 1.0
PROMPTED = 0.5
"""Share of patches that keep their VOI; the others get ones, so that the network can do without."""


def augmented(images: Tensor, labels: Tensor, recipe: Recipe, seed: int) -> tuple[Tensor, Tensor]:
    """Images (n, channels, i, j, k) and labels (n, i, j, k), every patch changed in its own way.

    A VOI channel (the last one where the recipe has a prompt) moves with the others and keeps its values.
    """
    import torch

    rng = np.random.default_rng(seed)
    made = [_one(image, label, recipe, rng) for image, label in zip(images, labels, strict=True)]
    return torch.stack([image for image, _ in made]), torch.stack([label for _, label in made])


def _one(image: Tensor, label: Tensor, recipe: Recipe, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    axes = [axis for axis in range(3) if rng.random() < recipe.flip]
    if axes:
        image, label = image.flip([a + 1 for a in axes]), label.flip(axes)
    if rng.random() < recipe.affine:
        image, label = _turned(image, label, recipe, rng)
    seen = image[:-1] if recipe.prompt else image
    seen = _intensities(seen, recipe, rng)
    if rng.random() < recipe.blur:
        seen = _blurred(seen, float(rng.uniform(0.3, SIGMA_VOXELS)))
    if rng.random() < recipe.noise:
        noise = rng.standard_normal(seen.shape, dtype=np.float32) * np.float32(rng.uniform(0, recipe.noise_std))
        seen = seen + seen.new_tensor(noise)
    return _with_prompt(seen, image, recipe, rng), label


def _turned(image: Tensor, label: Tensor, recipe: Recipe, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    import torch
    from torch.nn import functional

    angles = np.radians(rng.uniform(-recipe.rotation_deg, recipe.rotation_deg, 3))
    matrix = _rotation(angles) * rng.uniform(1 - recipe.scaling, 1 + recipe.scaling)
    theta = image.new_tensor(np.hstack([matrix, rng.uniform(-0.1, 0.1, (3, 1))]))[None]
    grid = functional.affine_grid(theta, [1, 1, *label.shape], align_corners=False)
    turned = functional.grid_sample(image[None], grid, padding_mode="border", align_corners=False)[0]
    masked = functional.grid_sample(
        label[None, None].to(image.dtype), grid, mode="nearest", padding_mode="zeros", align_corners=False
    )
    return turned, masked[0, 0].round().to(torch.uint8)


def _rotation(angles: np.ndarray) -> np.ndarray:
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        turn = np.eye(3)
        a, b = [n for n in range(3) if n != axis]
        turn[a, a] = turn[b, b] = math.cos(angle)
        turn[a, b], turn[b, a] = -math.sin(angle), math.sin(angle)
        matrix = matrix @ turn
    return matrix


def _intensities(seen: Tensor, recipe: Recipe, rng: np.random.Generator) -> Tensor:
    from torch.nn import functional

    if rng.random() < recipe.intensity:
        seen = seen * float(rng.uniform(1 - GAIN, 1 + GAIN))
    if rng.random() < recipe.intensity:
        middle = seen.mean(dim=(1, 2, 3), keepdim=True)
        seen = (seen - middle) * float(rng.uniform(1 - CONTRAST, 1 + CONTRAST)) + middle
    if rng.random() < recipe.intensity:
        coarse = seen.new_tensor(rng.uniform(1 - FIELD, 1 + FIELD, (1, 1, 3, 3, 3)))
        field = functional.interpolate(coarse, size=seen.shape[1:], mode="trilinear", align_corners=True)
        seen = seen * field[0]
    return seen


def _blurred(seen: Tensor, sigma: float) -> Tensor:
    from torch.nn import functional

    at = np.arange(-3, 4)
    line = np.exp(-0.5 * (at / sigma) ** 2)
    kernel = seen.new_tensor(line / line.sum())
    found = seen[:, None]
    for axis in range(3):
        shape = [1, 1, 1, 1, 1]
        shape[axis + 2] = len(at)
        reach = [0, 0, 0, 0, 0, 0]
        reach[2 * (2 - axis)] = reach[2 * (2 - axis) + 1] = 3
        found = functional.conv3d(functional.pad(found, reach, mode="replicate"), kernel.reshape(shape))
    return found[:, 0]


def _with_prompt(seen: Tensor, image: Tensor, recipe: Recipe, rng: np.random.Generator) -> Tensor:
    import torch

    if not recipe.prompt:
        return seen
    voi = image[-1:] if rng.random() < PROMPTED else torch.ones_like(image[-1:])
    return torch.cat([seen, voi])

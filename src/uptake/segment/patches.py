"""Which cubes of which cases an epoch is made of: drawn from seed, fold, epoch and case, and from nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uptake.segment.data import TrainingCase
from uptake.segment.recipes import Recipe

Floats = npt.NDArray[np.float32]
QUEUE_CASES = 10
"""So many cases' patches are mixed with each other before they are put into batches."""
JITTER = 0.25
"""Share of the patch by which a lesion's voxel may lie beside its centre, so that place tells nothing."""


@dataclass(frozen=True)
class Batch:
    """Patches (n, channels, p, p, p) and their labels (n, p, p, p), and the seed of their augmentation."""

    images: Floats
    labels: npt.NDArray[np.uint8]
    seed: int


def epoch_batches(cases: Sequence[TrainingCase], recipe: Recipe, seeds: Sequence[int]) -> Iterator[Batch]:
    """The batches of one epoch; `seeds` name it: seed, fold and epoch. Every case gives ``patches_per_case``."""
    rng = np.random.default_rng([*seeds, 0])
    order = rng.permutation(len(cases))
    pool: list[tuple[Floats, npt.NDArray[np.uint8]]] = []
    for count, number in enumerate(order, start=1):
        pool += case_patches(cases[number], recipe, [*seeds, 1, int(number)])
        if count % QUEUE_CASES == 0 or count == len(order):
            yield from _batches(pool, recipe.batch, rng)
            pool = []


def case_patches(
    case: TrainingCase, recipe: Recipe, seeds: Sequence[int]
) -> list[tuple[Floats, npt.NDArray[np.uint8]]]:
    """A case's patches of one epoch, the volume augmented first where the recipe says so."""
    rng = np.random.default_rng(seeds)
    image: Floats = case.image
    if recipe.augment_on == "volume":
        image = augmented_volume(image, recipe, int(rng.integers(2**31)), case.spacing_mm)
    found = []
    for _ in range(recipe.patches_per_case):
        box = _place(case, recipe, rng)
        found.append((np.array(image[(slice(None), *box)]), np.array(case.label[box])))
    return found


def augmented_volume(image: Floats, recipe: Recipe, seed: int, spacing_mm: tuple[float, float, float]) -> Floats:
    """Ghosting or spike (half of the times each), blur and noise by TorchIO, drawn for every channel anew."""
    import torch
    import torchio

    steps = [
        torchio.OneOf({torchio.RandomGhosting(): 1, torchio.RandomSpike(): 1}, p=recipe.ghosting),
        torchio.RandomBlur(std=(0, 1), p=recipe.blur),
        torchio.RandomNoise(mean=0, std=(0, recipe.noise_std), p=recipe.noise),
    ]
    affine = np.diag([*spacing_mm, 1.0])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        subject = torchio.Subject(
            {
                f"c{n}": torchio.ScalarImage(tensor=channel[None].copy(), affine=affine)
                for n, channel in enumerate(image)
            }
        )
        made = torchio.Compose(steps)(subject)
        return np.concatenate([made[f"c{n}"].numpy() for n in range(len(image))]).astype(np.float32)


def _batches(pool: list[tuple[Floats, npt.NDArray[np.uint8]]], size: int, rng: np.random.Generator) -> Iterator[Batch]:
    order = rng.permutation(len(pool))
    for start in range(0, len(order), size):
        chosen = [pool[n] for n in order[start : start + size]]
        images, labels = (np.stack(arrays) for arrays in zip(*chosen, strict=True))
        yield Batch(images, labels, int(rng.integers(2**31)))


def _place(case: TrainingCase, recipe: Recipe, rng: np.random.Generator) -> tuple[slice, ...]:
    """A cube inside the volume, about a voxel of the lesion or anywhere."""
    shape, patch = case.label.shape, recipe.patch
    if rng.random() < recipe.foreground and len(case.lesion):
        jitter = rng.integers(-int(JITTER * patch), int(JITTER * patch) + 1, 3)
        start = case.lesion[rng.integers(len(case.lesion))] - patch // 2 + jitter
    else:
        start = rng.integers(0, np.array(shape) - patch + 1)
    start = np.clip(start, 0, np.array(shape) - patch)
    return tuple(slice(int(n), int(n) + patch) for n in start)

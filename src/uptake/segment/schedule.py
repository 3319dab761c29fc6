"""The learning rate from epoch to epoch, as a factor of the highest rate. Pure formulas."""

from __future__ import annotations

import math

from uptake.segment.recipes import Recipe


def factor(recipe: Recipe, epoch: int) -> float:
    """The rate of `epoch` (from 0), as a share of ``recipe.rate``."""
    if recipe.schedule == "triangle":
        return triangle(epoch, recipe.step_size, recipe.lowest)
    if recipe.schedule == "triangle-modified":
        return triangle_modified(epoch, 2 * recipe.step_size, recipe.lowest)
    if recipe.schedule == "triangular":
        return triangular(epoch, recipe.step_size, recipe.lowest)
    if recipe.schedule == "polynomial":
        return float((1 - epoch / recipe.epochs) ** 0.9)
    return 1.0


def triangle(step: float, step_size: float, lowest: float = 1e-3) -> float:
    """GaNDLF's `triangle`: 1 at 0, falling in a line to `lowest` at `step_size`, back to 1 at twice that, and so on."""
    cycle = math.floor(1 + step / (2 * step_size))
    rise = max(0.0, 1 - abs(step / step_size - 2 * cycle + 1))
    return 1 - (1 - lowest) * rise


def triangle_modified(step: float, cycle_length: float, lowest: float = 1e-3) -> float:
    """GaNDLF's `triangle_modified`: 1 at the ends of a cycle, `lowest` in its middle."""
    half = cycle_length / 2
    height = abs(step % cycle_length - half) / half
    return height + lowest * (1 - height)


def triangular(step: float, step_size: float, lowest: float = 1e-3) -> float:
    """GaNDLF's `triangular` (PyTorch's cyclic rate): starts at `lowest`, 1 at `step_size`, back at twice that."""
    return lowest + 1 - triangle(step, step_size, lowest)

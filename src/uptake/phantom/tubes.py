"""Tubes that branch: vessels below the skin and to the lesion, milk ducts, spicules of a mass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uptake.phantom.frames import THREADS, Float, Slices, averaged, slabs, supersampled
from uptake.volume import Grid, Shape

Point = npt.NDArray[np.float64]
Steer = Callable[[Point, Point], Point]

STEP_MM = 4.0


@dataclass(frozen=True, eq=False)
class Tube:
    """A straight piece from one point to another, RAS+ mm, with a radius at each end."""

    start_mm: Point
    end_mm: Point
    radii_mm: tuple[float, float]


@dataclass(frozen=True)
class Growth:
    """How a tree grows: radius at its root, how fast it thins per step, chance to branch per step, wandering (rad)."""

    radius_mm: float
    thinning: float
    branching: float
    wander: float
    thinnest_mm: float = 0.35


def grow(root_mm: Point, towards_mm: Point, steer: Steer, growth: Growth, rng: np.random.Generator) -> tuple[Tube, ...]:
    """A tree from a root: each step turns by chance and by `steer`, thins and may branch.

    steer: from point and direction to the direction that the next step takes.
    """
    direction = _unit(towards_mm - root_mm)
    heads = [(np.asarray(root_mm, dtype=float), direction, growth.radius_mm)]
    tubes: list[Tube] = []
    while heads and len(tubes) < 500:
        point, direction, radius = heads.pop(0)
        if radius < growth.thinnest_mm:
            continue
        direction = _unit(steer(point, _unit(direction + growth.wander * rng.standard_normal(3))))
        end = point + STEP_MM * direction
        thinner = radius * growth.thinning
        tubes.append(Tube(point, end, (radius, thinner)))
        if rng.random() < growth.branching:
            aside = _unit(np.cross(direction, rng.standard_normal(3)))
            heads.append((end, _unit(direction + 0.9 * aside), thinner * rng.uniform(0.55, 0.8)))
        heads.append((end, direction, thinner))
    return tuple(tubes)


def tube_share(grid: Grid, tubes: Sequence[Tube], factors: Shape) -> Float:
    """Share of each voxel inside the tubes, 0-1 float32, by supersampling around each of them; slabs in threads."""
    result = np.zeros(grid.shape, dtype=np.float32)
    axis = int(np.argmin(grid.shape))
    spans = [_span(grid, tube, axis) for tube in tubes]

    def fill(slab: Slices) -> None:
        part = slab[axis]
        near = [tube for tube, (low, high) in zip(tubes, spans, strict=True) if low < part.stop and high >= part.start]
        if near:
            result[slab] = averaged(drawn(supersampled(grid, factors, slab), near), factors) * np.float32(1 / 255)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(fill, slabs(grid.shape, int(np.prod(factors)))))
    return result


def drawn(grid: Grid, tubes: Sequence[Tube]) -> npt.NDArray[np.uint8]:
    """The tubes on a grid, 0 outside to 255 inside, their surfaces blurred over one voxel."""
    inside = np.zeros(grid.shape, dtype=np.uint8)
    width = float(np.mean(grid.spacing_mm))
    for tube in tubes:
        _fill(inside, grid, tube, width)
    return inside


def _span(grid: Grid, tube: Tube, axis: int) -> tuple[float, float]:
    """First and last index along an array axis that a tube may reach."""
    reach = max(tube.radii_mm) / grid.spacing_mm[axis] + 1
    ends = grid.to_index(np.stack([tube.start_mm, tube.end_mm]))[:, axis]
    return float(ends.min() - reach), float(ends.max() + reach)


def _fill(fine: npt.NDArray[np.uint8], grid: Grid, tube: Tube, width: float) -> None:
    reach = max(tube.radii_mm) + width
    corners = np.stack([np.minimum(tube.start_mm, tube.end_mm) - reach, np.maximum(tube.start_mm, tube.end_mm) + reach])
    index = grid.to_index(corners)
    low = np.maximum(np.floor(index.min(0)).astype(int), 0)
    high = np.minimum(np.ceil(index.max(0)).astype(int) + 1, grid.shape)
    if (low >= high).any():
        return
    part = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    axis = tube.end_mm - tube.start_mm
    length2 = float(axis @ axis)
    # Axes of the grid run along those of the world: squares and products stay sums of three lines.
    lines = []
    for a in range(3):
        world = int(np.argmax(np.abs(grid.affine[:3, a])))
        values = grid.affine[world, a] * np.arange(low[a], high[a]) + grid.affine[world, 3] - tube.start_mm[world]
        shape = [-1 if n == a else 1 for n in range(3)]
        lines.append((values.astype(np.float32).reshape(shape), np.float32(axis[world])))
    along = sum(values * weight for values, weight in lines) / np.float32(length2)
    along = np.clip(along, 0, 1)
    square = sum((values - along * weight) ** 2 for values, weight in lines)
    radius = tube.radii_mm[0] + along * np.float32(tube.radii_mm[1] - tube.radii_mm[0])
    inside = np.clip((radius - np.sqrt(square)) / np.float32(width) + np.float32(0.5), 0, 1)
    np.maximum(fine[part], (255 * inside).astype(np.uint8), out=fine[part])


def _unit(vector: Point) -> Point:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9))

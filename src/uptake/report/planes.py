"""How a stack of voxels is laid on a screen: which axis runs right, which down, and the letters at the edges.

Radiological convention: sagittal with anterior on the left, coronal and axial with the patient's right on the
left; superior (axial: anterior) at the top. Holds for any axis order and direction of the array.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
import numpy.typing as npt

from uptake.volume import Array, Grid

_NAMES = ("sagittal", "coronal", "axial")
_LETTERS = (("L", "R"), ("P", "A"), ("I", "S"))
_ACROSS = {0: 1, 1: 0, 2: 0}  # world axis that runs from left to right, always towards its negative end (P or L)
_DOWN = {0: 2, 1: 2, 2: 1}  # world axis that runs downwards, always towards its negative end (I or P)
_OBLIQUE = np.sin(np.radians(22.5))


@dataclass(frozen=True)
class Edges:
    """Letters at the four edges of a picture: A, P, R, L, S, I, two of them where the plane is oblique."""

    left: str
    right: str
    top: str
    bottom: str


@dataclass(frozen=True)
class Plane:
    """Slices perpendicular to array axis `axis`, as shown.

    across, down: array axes that run to the right and down; flip_across, flip_down: counted backwards.
    spacing_mm: (across, down); step_mm: between slices. normal: RAS+ unit vector of `axis`.
    """

    axis: int
    across: int
    down: int
    flip_across: bool
    flip_down: bool
    name: str
    edges: Edges
    spacing_mm: tuple[float, float]
    step_mm: float

    def section(self, array: Array, index: int) -> Array:
        """Slice `index` of `array` (i, j, k) as a picture (rows down, columns to the right)."""
        return self._laid(array[(slice(None),) * self.axis + (index,)])

    def project(self, array: Array) -> Array:
        """Maximum along the plane's normal as a picture (rows down, columns to the right); any() for masks."""
        return self._laid(array.max(axis=self.axis))

    def _laid(self, image: Array) -> Array:
        picture = image if self.down < self.across else image.T
        return picture[:: -1 if self.flip_down else 1, :: -1 if self.flip_across else 1]


def plane(grid: Grid, axis: int) -> Plane:
    """The plane perpendicular to array axis `axis` (0, 1 or 2) of `grid`, named by its nearest anatomical plane."""
    world = _world_axes(grid)
    normal = world[axis]
    across, down = world.index(_ACROSS[normal]), world.index(_DOWN[normal])
    to_right, to_bottom = -_towards(grid, across), -_towards(grid, down)
    return Plane(
        axis=axis,
        across=across,
        down=down,
        flip_across=grid.direction[world[across], across] > 0,
        flip_down=grid.direction[world[down], down] > 0,
        name=_NAMES[normal],
        edges=Edges(letters(-to_right), letters(to_right), letters(-to_bottom), letters(to_bottom)),
        spacing_mm=(grid.spacing_mm[across], grid.spacing_mm[down]),
        step_mm=grid.spacing_mm[axis],
    )


def letters(direction: npt.NDArray[np.float64]) -> str:
    """Anatomical letters of a RAS+ unit vector: every component above sin(22.5 degrees), largest first."""
    order = sorted(range(3), key=lambda axis: -abs(direction[axis]))
    shown = [axis for axis in order if abs(direction[axis]) > _OBLIQUE]
    return "".join(_LETTERS[axis][int(direction[axis] > 0)] for axis in shown)


def position_words(grid: Grid, axis: int, index: int) -> str:
    """Where a slice lies, from the middle of it: ``L 61.2 mm`` (letter of the nearest axis, distance from 0)."""
    world = _world_axes(grid)[axis]
    middle = [(size - 1) / 2 for size in grid.shape]
    middle[axis] = index
    at = round(float(grid.to_world(middle)[world]), 1)
    return f"{_LETTERS[world][int(at > 0)]} {abs(at):.1f} mm" if at else "0.0 mm"


def _towards(grid: Grid, axis: int) -> npt.NDArray[np.float64]:
    """Unit vector of an array axis, turned to the positive end of its nearest world axis."""
    vector: npt.NDArray[np.float64] = grid.direction[:, axis]
    return vector if vector[_world_axes(grid)[axis]] > 0 else -vector


def _world_axes(grid: Grid) -> tuple[int, ...]:
    """The world axis (0 x, 1 y, 2 z) nearest to each array axis, each used once."""
    weight = np.abs(grid.direction)
    return max(permutations(range(3)), key=lambda order: sum(weight[order[axis], axis] for axis in range(3)))

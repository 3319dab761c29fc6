"""The part of an image that the CaPTk panel is computed from, and the rules of its bins and neighbours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from uptake.features.definition import Undefined, Value
from uptake.features.region import Bool, Box, Float, frame_of, region_of
from uptake.features.settings import Features
from uptake.volume import Array, Grid, Volume

Int = npt.NDArray[np.intp]
Offset = tuple[int, int, int]

FORWARD: tuple[Offset, ...] = tuple(
    (i, j, k)
    for k in (-1, 0, 1)
    for j in (-1, 0, 1)
    for i in (-1, 0, 1)
    if (k, j, i) > (0, 0, 0)  # half of the 26 neighbours, one per direction
)


@dataclass(frozen=True, eq=False)
class Roi:
    """An image and a mask on its grid; CaPTk holds intensities in single precision, and so does this.

    whole: the whole image, float32, shape ``grid.shape``. box: the mask's bounding box.
    image, inside: intensities and mask in the box; at least one voxel is inside, all inside are finite.
    """

    whole: npt.NDArray[np.float32]
    box: Box
    image: npt.NDArray[np.float32]
    inside: Bool
    grid: Grid

    @cached_property
    def values(self) -> Float:
        """Intensities inside the mask, shape (n,)."""
        return self.image[self.inside].astype(np.float64)

    @cached_property
    def frame(self) -> Float:
        """Voxel steps -> mm, shape (3, 3); see `uptake.features.region.Region`."""
        return frame_of(self.grid)

    @property
    def constant(self) -> bool:
        """Whether all intensities inside the mask are equal."""
        return bool(self.values.min() == self.values.max())


def roi_of(volume: Volume, mask: Volume) -> Roi:
    """Check an image and its mask and cut both to the mask's box; refuses as `uptake.features.extract` does."""
    region = region_of(volume, mask, Features())
    whole = volume.array.astype(np.float32, copy=False)
    return Roi(whole, region.box, np.ascontiguousarray(whole[region.box]), region.morphological, volume.grid)


def itk_edges(low: float, high: float, bins: int) -> Float:
    """Edges of the bins of an ITK 4.13 histogram, shape (bins + 1,).

    ITK keeps the width of a bin in single precision; only the last edge is what was asked for.
    """
    width = np.float32((float(np.float32(high)) - float(np.float32(low))) / bins)
    edges = low + (np.arange(bins + 1, dtype=np.float32) * width).astype(np.float64)
    edges[-1] = high
    return edges


def bin_of(values: Array, edges: Float) -> Int:
    """Zero-based bin of each value, which is not below the lowest edge.

    Bins hold their lower edge and not their upper one, apart from the last, which holds both and what lies above;
    so where all edges are equal, everything lies in the last bin.
    """
    return np.minimum(np.searchsorted(edges, values, side="right") - 1, len(edges) - 2)


def captk_offsets(radius: int) -> tuple[Offset, ...]:
    """The neighbours (di, dj, dk) that CaPTk 1.8.1 takes for a texture radius.

    Meant are all neighbours of the cube with side ``2 radius + 1``. Taken are the first 27 of them with i running
    fastest, without the centre: right for radius 1 (26 neighbours); for a larger one an accidental set on the
    lowest side of the cube, so that texture depends on how the image is stored.
    """
    side = 2 * radius + 1
    first = ((n % side - radius, n // side % side - radius, n // side**2 - radius) for n in range(27))
    return tuple(offset for offset in first if offset != (0, 0, 0))


def pairs(inside: Bool, offset: Offset) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Slices of an array of the mask's shape: all voxels that have a neighbour at `offset`, and these neighbours."""
    here = tuple(slice(max(0, -d), max(0, n - max(0, d))) for d, n in zip(offset, inside.shape, strict=True))
    there = tuple(slice(max(0, d), max(0, n - max(0, -d))) for d, n in zip(offset, inside.shape, strict=True))
    return here, there


def length_mm(frame: Float, offset: Iterable[int]) -> float:
    """Length of a step of voxels."""
    return float(np.linalg.norm(frame @ np.asarray(tuple(offset), dtype=np.float64)))


def ratio(above: float, below: float, why: Undefined) -> Value:
    """A quotient; where it is divided by zero (CaPTk writes ``inf`` or ``nan``), why it has no value."""
    return why if below == 0 else float(above / below)


def averaged(tables: Iterable[Mapping[str, Value]]) -> dict[str, Value]:
    """Arithmetic mean of each feature over directions; undefined where it is undefined in any of them."""
    rows = list(tables)
    return {name: _mean([row[name] for row in rows]) for name in rows[0]}


def _mean(values: list[Value]) -> Value:
    missing = next((value for value in values if isinstance(value, Undefined)), None)
    return missing or float(np.mean([value for value in values if not isinstance(value, Undefined)]))

"""Geometry and voxels: `Grid` says where voxels lie, `Volume` puts values on them.

Convention, stated once: arrays are indexed ``(i, j, k)`` and an affine maps voxel centres ``(i, j, k)``
to **RAS+ millimetres** (x grows to the patient's right, y to the front, z to the head). DICOM's LPS is converted to
it in `uptake.io` and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Shape = tuple[int, int, int]

GRID_TOLERANCE_MM = 1e-2


@dataclass(frozen=True, eq=False)
class Grid:
    """Where the voxels of a volume lie.

    shape: number of voxels ``(i, j, k)``, each at least 1.
    affine: 4 x 4 float64, voxel centre -> RAS+ mm; its 3 x 3 part is non-singular. Rounded to what float32 can
    hold, as NIfTI headers do, so that a value is the same before and after it was kept in a file.
    """

    shape: Shape
    affine: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.shape)
        affine = np.array(self.affine, dtype=np.float32).astype(np.float64)
        if len(shape) != 3 or min(shape) < 1:
            raise ValueError(f"a grid has three axes of at least one voxel, not {self.shape}")
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise ValueError("an affine is 4 x 4 and finite")
        if not np.array_equal(affine[3], (0, 0, 0, 1)) or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
            raise ValueError("an affine is non-singular and ends in the row 0 0 0 1")
        affine.setflags(write=False)
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "affine", affine)

    @cached_property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxel centres along i, j, k in mm."""
        i, j, k = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(i), float(j), float(k)

    @property
    def origin(self) -> npt.NDArray[np.float64]:
        """Centre of voxel (0, 0, 0), RAS+ mm, shape (3,)."""
        return self.affine[:3, 3]

    @property
    def direction(self) -> npt.NDArray[np.float64]:
        """Unit vectors of the axes i, j, k as columns, shape (3, 3)."""
        axes: npt.NDArray[np.float64] = self.affine[:3, :3] / np.asarray(self.spacing_mm)
        return axes

    @cached_property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel in mm3."""
        return float(abs(np.linalg.det(self.affine[:3, :3])))

    def to_world(self, index: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """RAS+ mm of voxel indices, shape (..., 3) -> (..., 3)."""
        world: npt.NDArray[np.float64] = (
            np.asarray(index, dtype=np.float64) @ self.affine[:3, :3].T + self.affine[:3, 3]
        )
        return world

    def to_index(self, world_mm: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Fractional voxel indices of RAS+ mm points, shape (..., 3) -> (..., 3)."""
        inverse = np.linalg.inv(self.affine)
        index: npt.NDArray[np.float64] = np.asarray(world_mm, dtype=np.float64) @ inverse[:3, :3].T + inverse[:3, 3]
        return index

    def same_as(self, other: Grid, tolerance_mm: float = GRID_TOLERANCE_MM) -> bool:
        """Whether both grids have the same shape and every corner voxel within `tolerance_mm`."""
        if self.shape != other.shape:
            return False
        if self.affine.tobytes() == other.affine.tobytes():
            return True
        corners = np.array(list(product(*[(0, n - 1) for n in self.shape])))
        return bool(np.abs(self.to_world(corners) - other.to_world(corners)).max() <= tolerance_mm)


@dataclass(frozen=True, eq=False)
class Volume:
    """Values on a grid: `array` of shape ``grid.shape``; a mask is a Volume of bool."""

    array: Array
    grid: Grid

    def __post_init__(self) -> None:
        if self.array.shape != self.grid.shape:
            raise ValueError(f"array {self.array.shape} does not fit grid {self.grid.shape}")

    @property
    def is_mask(self) -> bool:
        """Whether the values are bool."""
        return self.array.dtype == np.bool_

    @property
    def cc(self) -> float:
        """Volume of a mask's true voxels in cc (cm3); 0 for an empty mask."""
        if not self.is_mask:
            raise TypeError("only a mask has a volume")
        return int(np.count_nonzero(self.array)) * self.grid.voxel_volume_mm3 / 1000.0

    def with_array(self, array: Array) -> Volume:
        """Other values on the same grid."""
        return Volume(array, self.grid)


@dataclass(frozen=True)
class Layout:
    """How an array's axes follow the DICOM image axes.

    Array axis ``a`` is DICOM axis ``axes[a]`` (0 column index, 1 row index, 2 slice along the normal),
    counted backwards where ``flipped[a]``. Needed because regions of interest in DICOM are given in
    column, row, slice, and UCSF's percentile box is half-open in *that* order.
    """

    axes: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    def __post_init__(self) -> None:
        if sorted(self.axes) != [0, 1, 2]:
            raise ValueError(f"axes is a permutation of 0, 1, 2, not {self.axes}")

    def words(self) -> tuple[str, str, str]:
        """For people: ``('column', '-row', 'slice')`` and the like."""
        names = ("column", "row", "slice")
        first, second, third = (
            ("-" if flip else "") + names[axis] for axis, flip in zip(self.axes, self.flipped, strict=True)
        )
        return first, second, third

    def dicom_shape(self, shape: Shape) -> Shape:
        """(columns, rows, slices) of an array of `shape`."""
        sizes = dict(zip(self.axes, shape, strict=True))
        return sizes[0], sizes[1], sizes[2]

    def slices(self, start: Shape, stop: Shape, shape: Shape) -> tuple[slice, slice, slice]:
        """Array slices of the box ``start <= (column, row, slice) < stop`` in an array of `shape`."""
        result = []
        for axis, flip, size in zip(self.axes, self.flipped, shape, strict=True):
            low, high = start[axis], stop[axis]
            result.append(slice(size - high, size - low) if flip else slice(low, high))
        return result[0], result[1], result[2]


DCM2NIIX = Layout(axes=(0, 1, 2), flipped=(False, True, False))
"""Columns, rows from the bottom up, slices along the normal: what dcm2niix writes for a time series."""


def bounding_slices(mask: Array, margin: int = 0) -> tuple[slice, slice, slice]:
    """Slices of the smallest box that holds a mask's true voxels, grown by `margin` voxels and cut to the array.

    An empty mask gives empty slices.
    """
    found = []
    for axis in range(3):
        hits = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        low, high = (int(hits[0]) - margin, int(hits[-1]) + 1 + margin) if hits.size else (0, 0)
        found.append(slice(max(low, 0), min(high, mask.shape[axis])))
    return found[0], found[1], found[2]

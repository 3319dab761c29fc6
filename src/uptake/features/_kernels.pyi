"""Compiled passes over voxels (src/kernels). Every buffer is C-contiguous; axes are (z, y, x), x along memory.

Grey levels (uint8 or uint16) are 0 outside of the region, in an array with a margin of zeros as wide as the longest of
the steps (int32, shape (n, 3)); slices ``first`` to ``last`` are counted without it. Tables are added to.
Raises ValueError where types or shapes do not fit.
"""

from typing import Any

import numpy.typing as npt

Buffer = npt.NDArray[Any]

def glcm(levels: Buffer, steps: Buffer, first: int, last: int, tables: Buffer, /) -> None: ...
def margins(tables: Buffer, out: Buffer, /) -> None: ...
def runs(levels: Buffer, steps: Buffer, first: int, last: int, tables: Buffer, /) -> None: ...
def neighbours(
    levels: Buffer,
    steps: Buffer,
    first: int,
    last: int,
    alpha: int,
    dependence: Buffer,
    counts: Buffer,
    differences: Buffer,
    /,
) -> None: ...
def zones(levels: Buffer, distances: Buffer, margin: int, flat: bool, /) -> bytes: ...
def distances(mask: Buffer, flat: bool, out: Buffer, /) -> None: ...

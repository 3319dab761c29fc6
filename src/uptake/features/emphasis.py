"""Features that run length, size zone, distance zone and dependence matrices share.

With r(i, j) how often level i occurs with length (size, distance, dependence) j, r(i, .) and r(., j) its sums over
rows and columns, N the sum of all, p(i, j) = r(i, j) / N, and N_v the voxels from which the matrix was made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from uptake.features import _kernels
from uptake.features.average import average
from uptake.features.definition import DIMENSION_TAGS, TAGS, Undefined, Value
from uptake.features.region import Float

Column = npt.NDArray[np.int32]
Rows = Sequence[tuple[str, str, str, str, str]]
_ENDS = {**TAGS, **DIMENSION_TAGS}
_SUMS = 17
VOXELS = 2
"""The column of the sums that `describe` takes for N_v."""


class Cells(NamedTuple):
    """Parts of cells of several matrices, shape (n,) each: what falls on one cell is added.

    matrix: its number, from 0. level, length: i and j of the cell, from 1. number: above 0.
    """

    matrix: Column
    level: Column
    length: Column
    number: Column


def cells_of_tables(tables: npt.NDArray[np.uint32]) -> Cells:
    """Cells of matrices, shape (n, levels, lengths), level 1 and length 1 first."""
    places = np.nonzero(tables)
    matrix, level, length = (np.asarray(part, dtype=np.int32) for part in places)
    return Cells(matrix, level + np.int32(1), length + np.int32(1), tables[places].astype(np.int32))


def all_alike(number: int, count: int) -> Column:
    """A column of one number."""
    return np.broadcast_to(np.int32(number), count)


def sums_of(cells: Cells, matrices: int) -> Float:
    """Sums over the cells of each matrix that has one, shape (n, 17); see `describe` for the order."""
    sums = np.zeros((matrices, _SUMS))
    _kernels.cell_sums(*cells, sums)
    return sums[sums[:, 0] > 0]


def describe(sums: Float) -> Mapping[str, Float | float]:
    """Features of each matrix from its sums, by what they are of: shape (n,), or plain numbers (n = 1) for one matrix.

    sums: as from `sums_of`; its column `VOXELS` holds the sum of r(i, j) j, which is N_v for runs and sizes of zones.
    """
    columns: Iterable[Float | float] = sums[0].tolist() if len(sums) == 1 else sums.T
    n, _, voxels, short, long, low, high, short_low, short_high, long_low, long_high, *rest = columns
    level_squares, length_squares, level_spread, length_spread, logarithms, squares = rest
    return {
        "short": short / n,
        "long": long / n,
        "low": low / n,
        "high": high / n,
        "short_low": short_low / n,
        "short_high": short_high / n,
        "long_low": long_low / n,
        "long_high": long_high / n,
        "level_nonuniformity": level_squares / n,
        "level_nonuniformity_normalised": level_squares / n**2,
        "length_nonuniformity": length_squares / n,
        "length_nonuniformity_normalised": length_squares / n**2,
        "percentage": n / voxels,
        "level_variance": level_spread / n,
        "length_variance": length_spread / n,
        "entropy": -logarithms / n + 0.0,
        "energy": squares / n**2,
    }


def averaged(
    table: Rows, ways: Iterable[str], matrices: Callable[[str], Mapping[str, Float | float]], otherwise: Undefined
) -> dict[str, Value]:
    """Features by IBSI tag, for each way of combining slices and directions averaged over its matrices.

    table: rows that end in an IBSI tag, a unit, and what the feature is of. matrices: gives `describe` for a way.
    """
    values: dict[str, Value] = {}
    for way in ways:
        found = average(matrices(way), otherwise)
        values |= {f"{tag}_{_ENDS[way]}": found[name] for *_, tag, _, name in table}
    return values

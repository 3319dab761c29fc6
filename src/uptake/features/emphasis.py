"""Features that run length, size zone, distance zone and dependence matrices share.

With r(i, j) how often level i occurs with length (size, distance, dependence) j, r(i, .) and r(., j) its sums over
rows and columns, N the sum of all, and N_v the voxels from which the matrix was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from uptake.features.region import Float

Whole = npt.NDArray[np.signedinteger[Any]]


EMPHASES = ("short", "long", "low", "high", "short_low", "short_high", "long_low", "long_high")
"""Means over r(i, j) / N: of 1 / j^2, j^2, 1 / i^2, i^2, and the products of the first two with the last two."""


class Counts(NamedTuple):
    """The cells of several matrices that are not zero, shape (n,) each, cells of a matrix next to each other.

    matrix: its number, rising. level, length: i and j of the cell, from 1. number: r(i, j), above 0.
    """

    matrix: Whole
    level: Whole
    length: Whole
    number: Float


def counts_of_tables(tables: npt.NDArray[np.uint32]) -> Counts:
    """Cells of matrices, shape (n, levels, lengths), level 1 and length 1 first."""
    matrix, level, length = np.nonzero(tables)
    return Counts(matrix, level + 1, length + 1, tables[matrix, level, length].astype(np.float64))


def counts_of(matrix: Whole, level: Whole, length: Whole, number: Whole | None = None) -> Counts:
    """Cells of matrices from their parts, shape (n,) each; what falls on one cell is added (ones without `number`)."""
    # Sizes of zones are few and far between: by rank they make a small table.
    lengths, rank = _ranks(length)
    levels = int(level.max(initial=0)) + 1
    key = (matrix.astype(np.int64) * levels + level) * len(lengths) + rank
    if int(key.max(initial=0)) < 8 * key.size + 100_000:
        sums = np.bincount(key, weights=number)
        cells = np.flatnonzero(sums)
        found = sums[cells].astype(np.float64)
    else:
        cells, place = np.unique(key, return_inverse=True)
        found = np.bincount(place, weights=number).astype(np.float64)
    rest, column = np.divmod(cells, max(1, len(lengths)))
    row, of_level = np.divmod(rest, levels)
    return Counts(row, of_level, lengths[column], found)


def describe(counts: Counts, voxels: Float | None = None) -> Mapping[str, Float]:
    """Features of each matrix that has a cell, shape (matrices,), by what they are of.

    voxels: N_v of each of these matrices; without it the sum of r(i, j) j, which it is for runs and zones.
    """
    i, j, r = counts.level.astype(np.float64), counts.length.astype(np.float64), counts.number
    starts = np.flatnonzero(np.diff(counts.matrix, prepend=-1))
    matrix: Whole = np.cumsum(np.diff(counts.matrix, prepend=counts.matrix[:1]) > 0, dtype=np.int64)

    def total(*values: Float) -> Float:
        """Sums by matrix, a row for each of the values."""
        return np.add.reduceat(np.array(values), starts, axis=1)

    low, high, short, long = 1 / i**2, i**2, 1 / j**2, j**2
    n, length = total(r, r * j)
    by_level = _squares(matrix, counts.level, r)
    by_length = _squares(matrix, _ranks(counts.length)[1], r)
    p = r / n[matrix]
    mean_level, mean_length = total(p * i, p * j)
    emphases = total(
        *(p * w for w in (short, long, low, high)), *(p * a * b for a in (short, long) for b in (low, high))
    )
    spread = total(p * (i - mean_level[matrix]) ** 2, p * (j - mean_length[matrix]) ** 2, p * np.log2(p), p * p)
    return {
        **dict(zip(EMPHASES, emphases, strict=True)),
        "level_nonuniformity": by_level / n,
        "level_nonuniformity_normalised": by_level / n**2,
        "length_nonuniformity": by_length / n,
        "length_nonuniformity_normalised": by_length / n**2,
        "percentage": n / (length if voxels is None else voxels),
        "level_variance": spread[0],
        "length_variance": spread[1],
        "entropy": -spread[2] + 0.0,
        "energy": spread[3],
    }


def _ranks(numbers: Whole) -> tuple[Whole, Whole]:
    """The different ones of whole numbers from 0, sorted, and the place of each among them."""
    present = np.bincount(numbers) > 0
    return np.flatnonzero(present), (np.cumsum(present) - 1)[numbers]


def _squares(matrix: Whole, group: Whole, r: Float) -> Float:
    """Sum over the groups of each matrix of (the sum of r in the group)^2."""
    groups, matrices = int(group.max()) + 1, int(matrix[-1]) + 1
    sums = np.bincount(matrix * groups + group, weights=r, minlength=matrices * groups).reshape(matrices, groups)
    squares: Float = np.einsum("ij,ij->i", sums, sums)
    return squares

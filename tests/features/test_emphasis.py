"""The features that matrices of levels and lengths share, against their definitions on small tables."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from uptake.features import _kernels
from uptake.features.emphasis import Cells, all_alike, cells_of_tables, describe, sums_of

TABLES = arrays(
    np.uint32, st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 5)), elements=st.integers(0, 9)
)


def column(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int32)


def test_a_table_worked_by_hand() -> None:
    # two runs of level 1 and length 1, one of level 2 and length 3
    found = describe(sums_of(Cells(column(0, 0), column(1, 2), column(1, 3), column(2, 1)), 1))
    expected = {
        "short": (2 + 1 / 9) / 3,
        "long": (2 + 9) / 3,
        "low": (2 + 1 / 4) / 3,
        "high": (2 + 4) / 3,
        "short_low": (2 + 1 / 36) / 3,
        "short_high": (2 + 4 / 9) / 3,
        "long_low": (2 + 9 / 4) / 3,
        "long_high": (2 + 36) / 3,
        "level_nonuniformity": (4 + 1) / 3,
        "level_nonuniformity_normalised": 5 / 9,
        "length_nonuniformity": (4 + 1) / 3,
        "length_nonuniformity_normalised": 5 / 9,
        "percentage": 3 / 5,
        "level_variance": 2 / 9,
        "length_variance": 8 / 9,
        "entropy": np.log2(3) - 2 / 3,
        "energy": 5 / 9,
    }
    assert found == pytest.approx(expected)


@settings(max_examples=60, deadline=None)
@given(TABLES.filter(np.any))
def test_sums_over_cells_are_those_over_tables(tables: np.ndarray) -> None:
    rows = sums_of(cells_of_tables(tables), len(tables))
    i, j = (axis + 1.0 for axis in np.indices(tables.shape[1:]))
    kept = [table.astype(float) for table in tables if table.any()]
    for row, r in zip(rows, kept, strict=True):
        n = r.sum()
        weights = (1, i, j, j**-2, j**2, i**-2, i**2, (i * j) ** -2, i**2 / j**2, j**2 / i**2, (i * j) ** 2)
        logarithms = np.log2(r / n, out=np.zeros_like(r), where=r > 0)
        spread = [(r * (axis - (r * axis).sum() / n) ** 2).sum() for axis in (i, j)]
        squares = [(r.sum(axis=axis) ** 2).sum() for axis in (1, 0)]
        expected = [*((r * w).sum() for w in weights), *squares, *spread, (r * logarithms).sum(), (r * r).sum()]
        assert row == pytest.approx(np.array(expected), abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(TABLES.filter(np.any))
def test_parts_of_a_cell_may_come_in_any_order(tables: np.ndarray) -> None:
    places = np.repeat(np.argwhere(tables), tables[np.nonzero(tables)], axis=0)
    np.random.default_rng(5).shuffle(places)
    matrix, level, length = places.T.astype(np.int32)
    parts = Cells(matrix, level + np.int32(1), length + np.int32(1), all_alike(1, len(places)))
    assert sums_of(parts, len(tables)) == pytest.approx(sums_of(cells_of_tables(tables), len(tables)), rel=1e-12)


def test_more_cells_than_a_table_begins_with_are_all_kept() -> None:
    lengths = np.arange(1, 5001, dtype=np.int32)
    sums = sums_of(Cells(all_alike(0, 5000), all_alike(1, 5000), lengths, all_alike(1, 5000)), 1)
    assert sums[0, :3].tolist() == [5000, 5000, 5000 * 5001 / 2]
    assert sums[0, 12] == 5000  # every length once


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ((column(1), column(1), column(1), column(1)), "too small or too large"),
        ((column(-1), column(1), column(1), column(1)), "too small or too large"),
        ((column(0), column(0), column(1), column(1)), "too small or too large"),
        ((column(0), column(8192), column(1), column(1)), "too small or too large"),
        ((column(0), column(1), column(0), column(1)), "too small or too large"),
        ((column(0), column(1), column(1), column(0)), "too small or too large"),
        ((column(0), column(1, 1), column(1), column(1)), "one length"),
        ((column(0), np.ones(1), column(1), column(1)), "int32"),
    ],
)
def test_columns_that_name_no_cell_are_refused(cells: tuple[np.ndarray, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        _kernels.cell_sums(*cells, np.zeros((1, 17)))


def test_sums_need_a_row_of_seventeen_for_every_matrix() -> None:
    with pytest.raises(ValueError, match="seventeen"):
        _kernels.cell_sums(*[column(1)] * 4, np.zeros((2, 16)))

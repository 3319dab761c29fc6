"""Every matrix against its definition, counted voxel by voxel."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from uptake.features import _kernels
from uptake.features.matrices import (
    Runs,
    cooccurrence_2d,
    cooccurrence_3d,
    field_of,
    neighbourhoods_2d,
    neighbourhoods_3d,
    runs_2d,
    runs_3d,
    steps_2d,
    steps_3d,
    zones_2d,
    zones_3d,
)
from uptake.features.region import Region, region_of
from uptake.features.settings import Features
from uptake.study import SettingsError
from uptake.volume import Grid, Volume

SHAPES = array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=6)
LEVELS = st.tuples(SHAPES, st.sampled_from([1, 2, 3, 300])).flatmap(
    lambda drawn: arrays(np.int16, drawn[0], elements=st.integers(0, drawn[1])).filter(np.any)
)
"""Grey levels, 0 outside; more than 255 of them do not fit into one byte."""

DISTANCES = st.integers(1, 3)
Cell = tuple[int, ...]


def region(levels: np.ndarray, *, distance: int = 1, alpha: int = 0) -> Region:
    grid = Grid(levels.shape, np.eye(4))
    chosen = Features(
        discretisation="fixed-bin-size", bin_width=1, resegment_range=(1, 9999), distance=distance, alpha=alpha
    )
    return region_of(Volume(levels, grid), Volume(levels > 0, grid), chosen)


def voxels_of(levels: np.ndarray) -> dict[Cell, int]:
    """Level by place (k, j, i) within the box of the region."""
    box = tuple(slice(p.min(), p.max() + 1) for p in np.nonzero(levels))
    return {(k, j, i): int(v) for (i, j, k), v in np.ndenumerate(levels[box]) if v}


def moved(place: Cell, step: Cell) -> Cell:
    return tuple(int(a + b) for a, b in zip(place, step, strict=True))


@settings(max_examples=60, deadline=None)
@given(LEVELS, DISTANCES)
def test_cooccurrence_is_the_count_of_pairs_both_ways(levels: np.ndarray, distance: int) -> None:
    cut, voxels = region(levels, distance=distance), voxels_of(levels)
    in_space, (in_slices, added) = cooccurrence_3d(cut), cooccurrence_2d(cut)
    highest, slices = field_of(cut).highest, field_of(cut).slices
    for step, row in zip(steps_3d(distance), in_space.per_direction, strict=True):
        assert_margins(row, pairs(voxels, [step]), highest)
    assert_margins(in_space.merged[0], pairs(voxels, steps_3d(distance)), highest)
    rows = iter(in_slices.per_direction)
    for k in range(slices):
        of_slice = {place: level for place, level in voxels.items() if place[0] == k}
        for step in steps_2d(distance):
            assert_margins(next(rows), pairs(of_slice, [step]), highest)
        assert_margins(in_slices.merged[k], pairs(of_slice, steps_2d(distance)), highest)
    for step, row in zip(steps_2d(distance), added.per_direction, strict=True):
        assert_margins(row, pairs(voxels, [step]), highest)
    assert_margins(added.merged[0], pairs(voxels, steps_2d(distance)), highest)


@settings(max_examples=60, deadline=None)
@given(LEVELS)
def test_runs_are_the_longest_rows_of_one_level(levels: np.ndarray) -> None:
    cut, voxels = region(levels), voxels_of(levels)
    for matrix, step in enumerate(steps_3d(1)):
        assert cells(runs_3d(cut), matrix) == runs(voxels, step)
    for k in range(field_of(cut).slices):
        of_slice = {place: level for place, level in voxels.items() if place[0] == k}
        for matrix, step in enumerate(steps_2d(1)):
            assert cells(runs_2d(cut), 4 * k + matrix) == runs(of_slice, step)


@settings(max_examples=60, deadline=None)
@given(LEVELS, DISTANCES, st.sampled_from([0, 1, 5]))
def test_neighbourhoods_are_counted_round_every_voxel(levels: np.ndarray, distance: int, alpha: int) -> None:
    cut, voxels = region(levels, distance=distance, alpha=alpha), voxels_of(levels)
    whole = neighbourhoods_3d(cut)
    reach = range(-distance, distance + 1)
    assert_neighbourhoods([t[0] for t in whole], voxels, list(product(reach, reach, reach)), alpha)
    by_slice = neighbourhoods_2d(cut)
    for k in range(field_of(cut).slices):
        of_slice = {place: level for place, level in voxels.items() if place[0] == k}
        assert_neighbourhoods([t[k] for t in by_slice], of_slice, list(product([0], reach, reach)), alpha)


@settings(max_examples=100, deadline=None)
@given(LEVELS)
def test_zones_are_found_by_flooding_and_know_their_distance_to_the_border(levels: np.ndarray) -> None:
    cut, voxels = region(levels), voxels_of(levels)
    faces = [step for step in product((-1, 0, 1), repeat=3) if sum(map(abs, step)) == 1]
    assert Counter(zip(*[part.tolist() for part in zones_3d(cut)][:3], strict=True)) == Counter(
        zones(voxels, list(product((-1, 0, 1), repeat=3)), distances(voxels, faces))
    )
    flat = list(product((0,), (-1, 0, 1), (-1, 0, 1)))
    edges = [step for step in flat if sum(map(abs, step)) == 1]
    found = zones_2d(cut)
    for k in range(field_of(cut).slices):
        of_slice = {place: level for place, level in voxels.items() if place[0] == k}
        chosen = found.slice == k
        rows = zip(
            found.level[chosen].tolist(), found.size[chosen].tolist(), found.distance[chosen].tolist(), strict=True
        )
        assert Counter(rows) == Counter(zones(of_slice, flat, distances(of_slice, edges)))


def test_a_long_winding_zone_is_one() -> None:
    snake = np.zeros((9, 9, 1), np.int16)
    snake[::4] = snake[2::4, -1:] = snake[[1, 3, 5, 7], -1] = 1
    snake[2::4] = 2
    snake[[1, 5], -1] = snake[[3, 7], 0] = 2
    snake[::2, :] = 2
    snake[1::4, 1:], snake[3::4, :-1] = 0, 0
    snake[1::4, 0], snake[3::4, -1] = 2, 2
    assert zones_3d(region(snake)).size.tolist() == [int((snake == 2).sum())]


@pytest.mark.parametrize("axis", range(3))
@settings(max_examples=20, deadline=None)
@given(arrays(np.int16, (4, 3, 5), elements=st.integers(1, 3)), arrays(np.int16, (4, 3, 5), elements=st.integers(1, 3)))
def test_matrices_of_parts_that_do_not_touch_add_up(axis: int, left: np.ndarray, right: np.ndarray) -> None:
    left[0, 0, 0] = right[0, 0, 0] = 3  # the same highest level, the same table
    gap = np.zeros([1 if a == axis else n for a, n in enumerate(left.shape)], np.int16)
    both = region(np.concatenate([left, gap, right], axis=axis))
    parts = [region(part) for part in (left, right)]
    assert np.allclose(
        cooccurrence_3d(both).merged[:, :-3], sum(cooccurrence_3d(part).merged[:, :-3] for part in parts)
    )
    assert Counter(zones_3d(both).size.tolist()) == sum(
        (Counter(zones_3d(part).size.tolist()) for part in parts), Counter()
    )
    for whole, *of_parts in zip(neighbourhoods_3d(both), *(neighbourhoods_3d(part) for part in parts), strict=True):
        assert np.array_equal(whole, sum(of_parts))
    for matrix in range(13):
        assert cells(runs_3d(both), matrix) == sum((cells(runs_3d(part), matrix) for part in parts), Counter())


@settings(max_examples=30, deadline=None)
@given(arrays(np.int16, (4, 3, 5), elements=st.integers(0, 3)).filter(np.any), st.permutations(range(3)))
def test_merged_matrices_do_not_change_when_axes_are_exchanged(levels: np.ndarray, axes: list[int]) -> None:
    one, other = region(levels), region(levels.transpose(axes))
    assert np.allclose(cooccurrence_3d(one).merged, cooccurrence_3d(other).merged)
    assert merged_runs(runs_3d(one)) == merged_runs(runs_3d(other))
    for first, second in zip(neighbourhoods_3d(one), neighbourhoods_3d(other), strict=True):
        assert np.array_equal(first, second)
    found = [Counter(zip(*[part.tolist() for part in zones_3d(which)][:3], strict=True)) for which in (one, other)]
    assert found[0] == found[1]


def test_a_table_too_large_to_be_kept_for_every_direction_is_counted_in_turn() -> None:
    levels = np.random.default_rng(3).integers(1, 1500, (5, 6, 7)).astype(np.int16)
    assert_margins(cooccurrence_3d(region(levels)).merged[0], pairs(voxels_of(levels), steps_3d(1)), int(levels.max()))


def test_more_grey_levels_than_a_table_can_hold_are_refused() -> None:
    with pytest.raises(SettingsError, match="5000 grey levels"):
        field_of(region(np.array([[[1, 5000]]], np.int16)))


def test_directions_are_half_of_the_neighbours() -> None:
    assert len(steps_3d(1)) == 13
    assert len(steps_2d(1)) == 4
    assert len(steps_3d(2)) == (5**3 - 3**3) // 2
    both = {tuple(step) for step in steps_3d(1)} | {tuple(-step) for step in steps_3d(1)}
    assert both == set(product((-1, 0, 1), repeat=3)) - {(0, 0, 0)}


def pairs(voxels: dict[Cell, int], steps: np.ndarray) -> Counter[tuple[int, int]]:
    found: Counter[tuple[int, int]] = Counter()
    for place, level in voxels.items():
        for step in steps:
            other = voxels.get(moved(place, step))
            if other:
                found[level, other] += 1
                found[other, level] += 1
    return found


def assert_margins(row: np.ndarray, expected: Counter[tuple[int, int]], m: int) -> None:
    table = np.zeros((m, m))
    for (a, b), number in expected.items():
        table[a - 1, b - 1] = number
    i, j = np.indices(table.shape)
    assert np.array_equal(row[:m], table.sum(axis=1))
    assert np.array_equal(row[m : 2 * m], np.bincount(abs(i - j).ravel(), table.ravel(), minlength=m))
    assert np.array_equal(row[2 * m : -3], np.bincount((i + j).ravel(), table.ravel(), minlength=2 * m - 1))
    assert row[-3] == table.max()
    assert row[-2] == (table**2).sum()
    assert row[-1] == pytest.approx((table * np.log2(table, out=np.zeros_like(table), where=table > 0)).sum())


def runs(voxels: dict[Cell, int], step: np.ndarray) -> Counter[tuple[int, int]]:
    found: Counter[tuple[int, int]] = Counter()
    for place, level in voxels.items():
        if voxels.get(moved(place, -step)) != level:
            length, at = 1, moved(place, step)
            while voxels.get(at) == level:
                length, at = length + 1, moved(at, step)
            found[level, length] += 1
    return found


def assert_neighbourhoods(tables: list[np.ndarray], voxels: dict[Cell, int], steps: list[Cell], alpha: int) -> None:
    expected = [np.zeros(tables[0].shape) for _ in range(3)]
    for place, level in voxels.items():
        around = [voxels[moved(place, s)] for s in steps if any(s) and moved(place, s) in voxels]
        expected[0][level - 1, sum(abs(other - level) <= alpha for other in around)] += 1
        expected[1][level - 1, len(around)] += 1
        expected[2][level - 1, len(around)] += abs(level * len(around) - sum(around))
    for table, right in zip(tables, expected, strict=True):
        assert np.array_equal(table, right)


def distances(voxels: dict[Cell, int], steps: list[Cell]) -> dict[Cell, int]:
    left, found, distance = set(voxels), {}, 1
    while left:
        border = {place for place in left if any(moved(place, step) not in left for step in steps)}
        found |= dict.fromkeys(border, distance)
        left, distance = left - border, distance + 1
    return found


def zones(voxels: dict[Cell, int], steps: list[Cell], border: dict[Cell, int]) -> list[tuple[int, int, int]]:
    left, found = dict(voxels), []
    while left:
        place, level = left.popitem()
        zone, front = {place}, [place]
        while front:
            here = front.pop()
            for other in (moved(here, step) for step in steps):
                if left.get(other) == level:
                    del left[other]
                    zone.add(other)
                    front.append(other)
        found.append((level, len(zone), min(border[p] for p in zone)))
    return found


def cells(table: Runs, matrix: int) -> Counter[tuple[int, int]]:
    rows = zip(*(part.tolist() for part in table), strict=True)
    return Counter({(level, length): number for of, level, length, number in rows if of == matrix})


def merged_runs(table: Runs) -> Counter[tuple[int, int]]:
    return sum((cells(table, matrix) for matrix in range(13)), Counter())


def test_the_kernels_add_to_what_is_there() -> None:
    cut = region(np.ones((3, 3, 3), np.int16))
    tables = np.zeros((13, 2, 2), np.uint32)
    for _ in range(2):
        _kernels.glcm(field_of(cut).levels, steps_3d(1), 0, 3, tables)
    assert cooccurrence_3d(cut).merged[0, 0] == tables[:, 1, 1].sum()  # once added twice, once both ways

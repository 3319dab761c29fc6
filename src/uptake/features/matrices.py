"""Texture matrices of a region: what the compiled kernels count, by slice, direction or as a whole.

Slices are those of the array's third axis. Kernels work on arrays with axes (k, j, i) in a margin of zeros.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from uptake.features import _kernels
from uptake.features.discretise import levels_of
from uptake.features.region import Float, Region, once
from uptake.study import SettingsError

MOST_LEVELS = 4096
_TABLES_BYTES = 32_000_000

Counted = npt.NDArray[np.uint32]
Steps = npt.NDArray[np.int32]


class Field(NamedTuple):
    """Grey levels as the kernels read them.

    levels: axes (k, j, i), 0 outside of the intensity mask, uint8 or uint16, with a margin of zeros.
    margin: its width in voxels. highest: the highest level there is. bins: as in `Levels`. slices: along k.
    """

    levels: npt.NDArray[Any]
    margin: int
    highest: int
    bins: int
    slices: int


class Cooccurrence(NamedTuple):
    """Sums over symmetric co-occurrence matrices, one row each, and their number of levels m; see `_kernels.margins`.

    per_direction, merged: shape (n, 4 m + 2), of single directions and with all directions added.
    """

    per_direction: Float
    merged: Float


class Runs(NamedTuple):
    """Cells of run length matrices that are not zero, shape (n,) each: matrix, level, length, how many runs."""

    matrix: npt.NDArray[np.int32]
    level: npt.NDArray[np.int32]
    length: npt.NDArray[np.int32]
    number: npt.NDArray[np.int32]


class Neighbourhoods(NamedTuple):
    """Neighbourhoods of voxels, by slice or as a whole: shape (n, levels, neighbours + 1), level 1 first.

    dependence: voxels by how many neighbours depend on them. counts: voxels by how many neighbours are inside.
    differences: over these the sum of ``|level * neighbours - sum of the neighbours' levels|``.
    """

    dependence: Counted
    counts: Counted
    differences: npt.NDArray[np.uint64]


class Zones(NamedTuple):
    """Connected zones of one grey level, shape (n,) each: level, voxels, least distance to the border, slice."""

    level: npt.NDArray[np.int32]
    size: npt.NDArray[np.int32]
    distance: npt.NDArray[np.int32]
    slice: npt.NDArray[np.int32]


@once
def field_of(region: Region) -> Field:
    """Grey levels of a region. Raises SettingsError for more than `MOST_LEVELS`, which no table could hold."""
    found = levels_of(region)
    highest = int(found.numbers.max())
    if highest > MOST_LEVELS:
        raise SettingsError(
            f"{highest} grey levels: texture matrices allow {MOST_LEVELS}; choose wider bins, or a fixed number of them"
        )
    margin = region.settings.distance
    small = highest < 256 and margin <= 2
    levels = np.zeros([n + 2 * margin for n in region.intensity.T.shape], np.uint8 if small else np.uint16)
    _inner(levels, margin)[region.intensity.T] = found.numbers
    return Field(levels, margin, highest, found.bins, region.image.shape[2])


@lru_cache
def steps_3d(distance: int) -> Steps:
    """Half of the neighbours at a Chebyshev distance, as steps along (k, j, i): 13 for 1; the others are opposite."""
    return _half(_within(distance, range(-distance, distance + 1)), distance)


@lru_cache
def steps_2d(distance: int) -> Steps:
    """The same within a slice: 4 for 1."""
    return _half(_within(distance, range(1)), distance)


@once
def cooccurrence_3d(region: Region) -> Cooccurrence:
    """Co-occurrence of the whole region: a row for all directions, and one for each if the settings ask for a mean."""
    field = field_of(region)
    side = field.highest + 1
    steps = steps_3d(region.settings.distance)
    merged = np.zeros((1, side, side), np.uint32)
    rows = np.empty((len(steps) if "3D averaged" in region.settings.aggregations else 0, 4 * side - 2))
    together = max(1, _TABLES_BYTES // merged.nbytes)
    for first in range(0, len(steps), together):
        part = steps[first : first + together]
        tables = np.zeros((len(part), side, side), np.uint32)
        _kernels.glcm(field.levels, part, 0, field.slices, tables)
        if len(rows):
            _kernels.margins(tables, rows[first : first + together])
        merged[0] += tables.sum(axis=0, dtype=np.uint32)
    return Cooccurrence(rows, _margins(merged))


@once
def cooccurrence_2d(region: Region) -> tuple[Cooccurrence, Cooccurrence]:
    """Co-occurrence within slices: of each slice (rows by slice, then direction), and with all slices added."""
    field = field_of(region)
    side = field.highest + 1
    steps = steps_2d(region.settings.distance)
    whole = np.zeros((len(steps), side, side), np.uint32)
    rows = np.empty((field.slices, len(steps), 4 * side - 2))
    merged = np.empty((field.slices, 4 * side - 2))
    for k in range(field.slices):
        tables = np.zeros_like(whole)
        _kernels.glcm(field.levels, steps, k, k + 1, tables)
        _kernels.margins(tables, rows[k])
        _kernels.margins(tables.sum(axis=0, keepdims=True, dtype=np.uint32), merged[k : k + 1])
        whole += tables
    of_all = Cooccurrence(_margins(whole), _margins(whole.sum(axis=0, keepdims=True, dtype=np.uint32)))
    return Cooccurrence(rows.reshape(-1, 4 * side - 2), merged), of_all


@once
def runs_3d(region: Region) -> Runs:
    """Runs in the whole region: a matrix per direction (13)."""
    return _runs(region, steps_3d(1), flat=False)


@once
def runs_2d(region: Region) -> Runs:
    """Runs within slices: a matrix per slice and direction (4), by slice first."""
    return _runs(region, steps_2d(1), flat=True)


@once
def neighbourhoods_3d(region: Region) -> Neighbourhoods:
    """Neighbourhoods in the whole region: one matrix each."""
    distance = region.settings.distance
    reach = range(-distance, distance + 1)
    return _neighbourhoods(region, _within(distance, reach), ((0, region.image.shape[2]),))


@once
def neighbourhoods_2d(region: Region) -> Neighbourhoods:
    """Neighbourhoods within slices: a matrix per slice."""
    parts = tuple((k, k + 1) for k in range(region.image.shape[2]))
    return _neighbourhoods(region, _within(region.settings.distance, range(1)), parts)


@once
def zones_3d(region: Region) -> Zones:
    """Zones of voxels that touch at a face, edge or corner (26 neighbours); distances through faces (6)."""
    return _zones(region, flat=False)


@once
def zones_2d(region: Region) -> Zones:
    """Zones within slices (8 neighbours); distances within slices, through edges (4)."""
    return _zones(region, flat=True)


def zones_by_matrix(region: Region, dimension: str) -> tuple[Zones, npt.NDArray[np.int32], int]:
    """Zones for 2D, 2.5D or 3D features, the matrix that each belongs to, and how many matrices there may be."""
    zones = zones_3d(region) if dimension == "3D" else zones_2d(region)
    if dimension == "2D":
        return zones, zones.slice, region.image.shape[2]
    return zones, np.broadcast_to(np.int32(0), len(zones.slice)), 1


@lru_cache
def _within(distance: int, along_k: range) -> Steps:
    """Steps (k, j, i) to all neighbours up to a Chebyshev distance, `along_k` of them along k."""
    reach = range(-distance, distance + 1)
    return np.array([step for step in product(along_k, reach, reach) if any(step)], np.int32)


def _half(steps: Steps, distance: int) -> Steps:
    """Of the steps of exactly a Chebyshev distance one of each two opposite ones."""
    far: Steps = steps[np.abs(steps).max(axis=1) == distance]
    return far[len(far) // 2 :]  # sorted by k, j, i: the second half is the first one turned round


def _margins(tables: Counted) -> Float:
    rows = np.empty((len(tables), 4 * tables.shape[1] - 2))
    _kernels.margins(tables, rows)
    return rows


def _runs(region: Region, steps: Steps, *, flat: bool) -> Runs:
    found = _kernels.runs(field_of(region).levels, steps, flat)
    return Runs(*np.frombuffer(found, np.int32).reshape(-1, 4).T)


def _neighbourhoods(region: Region, steps: Steps, parts: tuple[tuple[int, int], ...]) -> Neighbourhoods:
    field = field_of(region)
    shape = (len(parts), field.highest + 1, len(steps) + 1)
    found = Neighbourhoods(np.zeros(shape, np.uint32), np.zeros(shape, np.uint32), np.zeros(shape, np.uint64))
    for (first, last), *tables in zip(parts, *found, strict=True):
        _kernels.neighbours(field.levels, steps, first, last, region.settings.alpha, *tables)
    return Neighbourhoods(found.dependence[:, 1:], found.counts[:, 1:], found.differences[:, 1:])


def _zones(region: Region, *, flat: bool) -> Zones:
    field = field_of(region)
    mask = np.zeros(field.levels.shape, np.uint8)
    _inner(mask, field.margin)[...] = region.morphological.T
    distances = np.empty(mask.shape, np.uint16)
    _kernels.distances(mask, flat, distances)
    found = _kernels.zones(field.levels, distances, field.margin, flat)
    return Zones(*np.frombuffer(found, np.int32).reshape(-1, 4).T)


def _inner(padded: npt.NDArray[Any], margin: int) -> npt.NDArray[Any]:
    return padded[margin:-margin, margin:-margin, margin:-margin]

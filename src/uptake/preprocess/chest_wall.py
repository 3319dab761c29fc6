"""The chest wall: the surface that bounds a breast behind, laid out as `uptake.preprocess.surfaces` has the skin.

It is a smooth sheet. Where there is no breast it lies a finger's breadth behind the skin, so a curved surface through
the rearmost skin says roughly where to look. Near it, the sheet that follows the front of the muscle best and bends
least is found by dynamic programming, in turn along z and along x. A surface through what was seen of the wall then
says where to look again, and where the wall is when a saturation band left nothing to be seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uptake.preprocess.foreground import block_means, otsu
from uptake.preprocess.surfaces import Bools, Floats, Skin, Spacing

CELL_MM = 4.0
"""mm. Columns of about this width are taken together."""

SEARCH_MM = (-45.0, 30.0)
"""mm in front of and behind the guess: where the chest wall is looked for."""

HALF_EDGE_MM = 5
"""mm. An edge is the mean of so much behind a point less that of so much before it."""

VISIBLE_EDGE = 0.12
"""Of the muscle's level above the air (on a logarithmic scale): what counts as an edge that one can see."""

FIRM_EDGE = 0.2
"""The same: what a surface through the wall is fitted to."""

DARK = 0.2
"""Trust in the skin below which a column shows too little for its edges to count as the chest wall's."""

BRIGHT_FAT = 1.4
"""What lies 4-7 mm under the skin is so many times as bright as the skin in images without fat suppression."""

LEAST_DEPTH_MM = 6.0
"""mm. The chest wall is hardly ever nearer to the skin than this."""

CURVATURE = 0.003
"""per mm. A chest falls back by this times the square of the distance from its middle: an ellipse of 260 x 200 mm."""

REACH_MM = 100.0
"""mm. Unit of x and z in the surface's polynomial."""

UNSEEN_MM = 40.0
"""mm. So far beyond what is seen of it the skin is taken to go on where it fades."""

LOOKS = 4
"""How often the sheet is looked for, each time near the surface through what was seen of it the time before."""

# Weights of the chest wall's cost, in units of the muscle's own edge. Chosen on two real studies and on phantoms
# beside which they were then judged slice by slice; the sheets moved little when each was halved or doubled.
BRIGHT_BEHIND = 0.1  # per mm of what is much brighter than muscle, and so gland, behind the sheet
FAR_FROM_GUESS = 0.1  # per 25 mm, squared
FAR_WHERE_DARK = 2.0  # the same in dark columns, from the second look on
NEAR_SKIN = 0.2  # per mm
BENDING = 0.02  # per mm of step between neighbouring cells, squared
PULL = 0.004  # per mm from the sheet of the pass before, squared
STEEPEST = 4  # mm per cell, beyond the guess's own slope
PASSES = 4
# Weights of the surfaces' fit.
BEFORE_REAR = 0.03  # of skin before the surface, which is the breast's, against skin behind it
SKIN_AGAINST_WALL = 0.3
PRIOR = 0.003  # of the curvature, against all points
STRAIGHT = 1e-3  # of no curvature from foot to head


@dataclass(frozen=True)
class ChestWall:
    """The chest wall: its depth per column in mm, and the share of columns (0-1) where an edge shows it."""

    depth_mm: Floats
    support: float
    bright_fat: bool


@dataclass(frozen=True, eq=False)
class _Cells:
    """Columns taken together: intensities ``(x, z, y)``, and per cell the skin's depth (NaN: none) and its trust."""

    values: Floats
    front_mm: Floats
    trust: Floats
    spacing_mm: Spacing
    air: float
    bright_fat: bool

    @property
    def dark(self) -> Bools:
        return ~(self.trust >= DARK)


def find_chest_wall(skin: Skin, spacing_mm: Spacing, depth_mm: float, bright_fat: bool | None) -> ChestWall:
    """The front of the chest wall behind the skin.

    depth_mm: how far behind the skin it lies where there is no breast. bright_fat: whether fat is brighter than
    muscle; None: found out.
    """
    shape = (skin.depth_mm.shape[0], skin.depth_mm.shape[1])
    steps = [max(1, min(n, round(CELL_MM / s))) for n, s in zip(shape, spacing_mm[:2], strict=True)]
    bright = _fat_is_bright(skin, spacing_mm[2]) if bright_fat is None else bright_fat
    cells = _cells(skin, spacing_mm, steps, bright)
    near = rear_surface(cells.front_mm, cells.spacing_mm, cells.trust) + depth_mm
    for look in range(LOOKS):
        sheet, edge = _look(near, cells, first=look == 0)
        near = _through(sheet, edge, cells, depth_mm)
    seen = (edge > VISIBLE_EDGE) & np.isfinite(cells.front_mm)
    return ChestWall(_enlarged(sheet - 0.5, steps, shape), float(seen.mean()), bright)


def completed_skin(skin: Skin, wall: ChestWall, spacing_mm: Spacing, depth_mm: float) -> Floats:
    """The skin's depth, with where it fades: there it is as far before the chest wall as where there is no breast.

    depth_mm: that distance. Nothing is added more than 40 mm from what is seen, or without air.
    """
    from scipy import ndimage

    known = np.isfinite(skin.depth_mm)
    if not skin.seen or not known.any():
        return skin.depth_mm
    expected = np.maximum(wall.depth_mm - depth_mm, 0)
    faded = (skin.trust < 0.5) & ~(skin.depth_mm <= expected + 2)
    near = ndimage.distance_transform_edt(~known, spacing_mm[:2]) <= UNSEEN_MM
    inside = expected < skin.smooth.shape[2] * spacing_mm[2]
    return np.where(faded & near & inside, expected, skin.depth_mm)


def rear_surface(depth_mm: Floats, spacing_mm: Spacing, trust: Floats | None = None) -> Floats:
    """A surface through the rearmost parts of the skin, of second degree from side to side and of first in z.

    Points before the surface, the breast, hardly count, nor do far ones. depth_mm may hold NaN; where nothing is
    known the result is 0. trust: weights of the points, 0-1. Where they say little of the curvature, it is a chest's.
    """
    known = np.isfinite(depth_mm)
    if not known.any():
        return np.zeros(depth_mm.shape)
    terms = _terms(depth_mm.shape, spacing_mm)
    given = np.ones(int(known.sum())) if trust is None else trust[known]
    rear = np.ones(given.shape, dtype=np.bool_)
    surface: Floats = terms @ _fitted(terms[known], depth_mm[known], given, rear, far_mm=12.0, straight=1e3)
    return surface


def _cells(skin: Skin, spacing_mm: Spacing, steps: list[int], bright_fat: bool) -> _Cells:
    front, trust = (block_means(part[..., None], [*steps, 1])[..., 0] for part in (skin.depth_mm, skin.trust))
    spacing = (spacing_mm[0] * steps[0], spacing_mm[1] * steps[1], spacing_mm[2])
    return _Cells(block_means(skin.smooth, [*steps, 1]), front, trust, spacing, skin.air, bright_fat)


def _look(near: Floats, cells: _Cells, *, first: bool) -> tuple[Floats, Floats]:
    """Depth of the sheet near a guess, in mm, and how much of an edge is there."""
    from scipy import ndimage

    offsets = np.arange(SEARCH_MM[0], SEARCH_MM[1] + 1)
    i, j = np.meshgrid(*map(np.arange, near.shape), indexing="ij")
    places = np.broadcast_arrays(i[..., None], j[..., None], (near[..., None] + offsets) / cells.spacing_mm[2])
    values = ndimage.map_coordinates(cells.values, places, order=1, mode="nearest")
    profile = ndimage.gaussian_filter(_profile(values, cells.air, cells.bright_fat), (0.7, 0.7, 0), mode="nearest")
    edge, cost = _cost(profile, offsets - (cells.front_mm - near)[..., None], offsets, cells)
    away = np.where(cells.dark & (not first), FAR_WHERE_DARK, FAR_FROM_GUESS)
    sheet = _sheet((cost + away[..., None] * (offsets / 25) ** 2).astype(np.float32), offsets)
    found = np.take_along_axis(edge, np.rint(sheet - offsets[0]).astype(int)[..., None], 2)
    return near + sheet, found[..., 0]


def _through(sheet: Floats, edge: Floats, cells: _Cells, depth_mm: float) -> Floats:
    """A surface through the chest wall where it is seen, and that far behind the rearmost skin."""
    terms = _terms(sheet.shape, cells.spacing_mm)
    skin, wall = np.isfinite(cells.front_mm), (edge > FIRM_EDGE) & ~cells.dark
    target = np.concatenate([sheet[wall], cells.front_mm[skin] + depth_mm])
    given = np.concatenate([cells.trust[wall], SKIN_AGAINST_WALL * cells.trust[skin]])
    rear = np.arange(target.size) >= np.count_nonzero(wall)
    design = np.concatenate([terms[wall], terms[skin]])
    surface: Floats = terms @ _fitted(design, target, given, rear, far_mm=6.0, straight=STRAIGHT)
    return surface


def _terms(shape: tuple[int, ...], spacing_mm: Spacing) -> Floats:
    """The polynomial's terms at every column, from the middle of the images: 1, x, x2, z, xz, z2."""
    lines = [(np.arange(n) - (n - 1) / 2) * s / REACH_MM for n, s in zip(shape, spacing_mm[:2], strict=True)]
    x, z = np.meshgrid(*lines, indexing="ij")
    return np.stack([np.ones(shape), x, x**2, z, x * z, z**2], axis=-1)


def _fitted(design: Floats, target: Floats, given: Floats, rear: Bools, *, far_mm: float, straight: float) -> Floats:
    """The polynomial's coefficients by iterated least squares.

    given: weights. rear: of which points only the rearmost lie on the surface. far_mm: what is further away counts
    less. straight: weight of no curvature along z.
    """
    prior = np.array([0, 0, CURVATURE * REACH_MM**2, 0, 0, 0])
    firm = np.diag([1e-9, 1e-9, PRIOR, 1e-9, 1e-9, straight]) * max(1, target.size)
    weights = given
    for _ in range(60):
        normal = design.T @ (design * weights[:, None]) + firm
        coefficients: Floats = np.linalg.solve(normal, design.T @ (weights * target) + firm @ prior)
        behind = target - design @ coefficients
        far = np.minimum(1, far_mm / np.maximum(np.abs(behind), 1e-9))
        weights = given * np.where(rear & (behind < 0), BEFORE_REAR, 1.0) * far**2
    return coefficients


def _fat_is_bright(skin: Skin, step_mm: float) -> bool:
    """Whether the fat under the skin is brighter than the skin: images without fat suppression.

    Compared within 10 mm, so that the coil's shading hardly matters.
    """
    known = np.isfinite(skin.depth_mm)
    first = np.rint(skin.depth_mm[known] / step_mm).astype(np.intp)
    profiles = skin.smooth[known]

    def level(depth_mm: float) -> Floats:
        at = np.minimum(first + round(depth_mm / step_mm), profiles.shape[1] - 1)
        return np.asarray(np.take_along_axis(profiles, at[:, None], 1)[:, 0])

    surface = np.max([level(depth) for depth in (0.0, 1.0)], axis=0)
    under = np.median([level(depth) for depth in (4.0, 5.5, 7.0)], axis=0)
    return bool(known.any() and np.median(under / np.maximum(surface, 1e-9)) > BRIGHT_FAT)


def _profile(values: Floats, air: float, bright_fat: bool) -> Floats:
    """Intensities on the scale on which the step from fat to muscle stands out.

    Dark fat: the logarithm over the air, as fat and muscle are both far below gland. Bright fat: as they are, as the
    logarithm would make more of the step from muscle to lung.
    """
    if bright_fat:
        return values / max(float(np.percentile(values, 95)), 1e-9)
    level = max(air, 1e-3 * float(values.max()))
    return np.log(np.maximum(values, level) / level)


def _cost(profile: Floats, depth: Floats, offsets: Floats, cells: _Cells) -> tuple[Floats, Floats]:
    """How well an edge from fat to muscle fits each place (0-0.6 of the muscle's level), and what the sheet pays.

    depth: of each place below the skin, mm. In dark columns the skin says nothing but that its own edge is no wall.
    """
    from scipy import ndimage

    near = (offsets >= -10) & (offsets <= 15) & (depth > LEAST_DEPTH_MM + 2)
    wall = profile.ravel() if cells.bright_fat else profile[near]
    upper = wall[wall > otsu(wall)] if wall.size and np.ptp(wall) else profile.ravel()
    muscle = max(float(np.median(upper)), 1e-3)
    kernel = np.repeat([-1.0, 1.0], HALF_EDGE_MM) / HALF_EDGE_MM
    edge = ndimage.correlate1d(profile, -kernel if cells.bright_fat else kernel, axis=2, mode="nearest") / muscle
    edge = np.clip(edge, 0, 0.6)
    dark = cells.dark[..., None]
    edge[dark & (np.abs(depth) < LEAST_DEPTH_MM)] = 0
    shallow = np.where(dark, 0, np.clip(np.nan_to_num(LEAST_DEPTH_MM - depth, nan=0.0), 0, 30))
    cost = NEAR_SKIN * shallow - edge
    if not cells.bright_fat:
        gland = np.maximum(profile / muscle - 1.75, 0)
        cost += BRIGHT_BEHIND * np.minimum(np.flip(np.cumsum(np.flip(gland, 2), 2), 2), 10)
    return edge, cost


def _sheet(cost: Floats, offsets: Floats) -> Floats:
    """The sheet (offset in mm per cell) of least cost, by paths along z and along x in turn."""
    from scipy import ndimage

    sheet = np.zeros(cost.shape[:2])
    for number in range(PASSES):
        pulled = cost + (PULL * np.square(offsets - sheet[..., None], dtype=np.float32) if number else 0)
        chosen = _paths(pulled) if number % 2 == 0 else _paths(pulled.swapaxes(0, 1)).T
        sheet = ndimage.gaussian_filter(offsets[chosen], 0.7, mode="nearest")
    return sheet


def _paths(cost: Floats) -> npt.NDArray[np.intp]:
    """For every row of ``(rows, places, offsets)`` the offsets' indices along the path of least cost."""
    rows, count, depth = cost.shape
    bends = [BENDING * step**2 for step in range(-STEEPEST, STEEPEST + 1)]
    came_from = np.zeros((count, rows, depth), dtype=np.int8)
    total = np.full((rows, depth + 2 * STEEPEST), np.inf, dtype=np.float32)  # what lies beyond is never chosen
    inner = total[:, STEEPEST:-STEEPEST]
    inner[:] = cost[:, 0]
    options = np.empty((len(bends), rows, depth), dtype=np.float32)
    for place in range(1, count):
        for n, bend in enumerate(bends):
            np.add(total[:, n : n + depth], bend, out=options[n])
        came_from[place] = options.argmin(axis=0) - STEEPEST
        np.add(options.min(axis=0), cost[:, place], out=inner)
    path = np.empty((rows, count), dtype=np.intp)
    path[:, -1] = inner.argmin(axis=1)
    for place in range(count - 1, 0, -1):
        path[:, place - 1] = path[:, place] + came_from[place, np.arange(rows), path[:, place]]
    return path


def _enlarged(cells: Floats, steps: list[int], shape: tuple[int, int]) -> Floats:
    """Values of cells at the columns they were taken from, linear between the cells' centres."""
    from scipy import ndimage

    at = [np.clip((np.arange(n) - (step - 1) / 2) / step, 0, size - 1)
          for n, step, size in zip(shape, steps, cells.shape, strict=True)]  # fmt: skip
    full: Floats = ndimage.map_coordinates(cells, np.meshgrid(*at, indexing="ij"), order=1, mode="nearest")
    return full

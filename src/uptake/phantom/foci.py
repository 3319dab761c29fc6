"""Foci of disease as given, on any grid: how deep a point lies in them, and what share of each voxel they fill."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage, special

from uptake.phantom.anatomy import step
from uptake.phantom.fields import Field
from uptake.phantom.frames import THREADS, Float, Frame, Slices, averaged, frame_of, slabs, supersampled
from uptake.phantom.outline import chest_y_mm
from uptake.phantom.parenchyma import MIDST_MM
from uptake.phantom.tubes import Point, Tube, drawn
from uptake.volume import Grid, Shape, bounding_slices

Kind = Literal["mass", "multifocal", "nonmass", "rim"]

LEAST_CRUMB_MM3 = 1.0
LOOSE_MM, MARGIN_LOOSER = 3.0, 1.2
"""Over this depth a lesion's edge is loose, interspersed with what it grows into (in SD of the texture that says
where)."""
LEFT_IN_SLOW, LEFT_IN_MIDST, MIDST = 0.2, 0.45, 1.0
"""Of slow parts, gland and fat that the tumour has grown around; more in their midst, so far (in SD) beyond the
limit of the texture that says where."""
ISLAND_EDGE = 1.5
"""Over this much of the texture that says where (in SD) a lesion passes into a slow part."""
SOFT_EDGE = 0.5
"""At its surface this much of a lesion is tumour."""
MARGIN_MM = 2.5
"""Lesions stay this far below the skin, and before the chest wall."""
WALLS_MM = 2.0
"""The walls between fat lobules change a lesion's surface by as much as its own lobulation, at most by this per mm."""
IN_FAT, IN_GLAND = -1.2, 0.5
"""Limits of the tendency to gland, within which a confined lesion follows it."""
KEPT_AWAY_MM = 1.5
"""So much farther, and by their roughness, in the mean."""


@dataclass(frozen=True, eq=False)
class Ball:
    """An ellipsoid: half axes along the rows of `rotation`."""

    centre_mm: Point
    half_axes_mm: Point
    rotation: Point


@dataclass(frozen=True, eq=False)
class Focus:
    """One piece of disease: the union of ellipsoids, roughened, with spicules.

    gap_mm: from the edge of the primary to this focus, 0 for the primary itself. grown_mm: added to its depth so that
    it has the volume that was drawn. clumped: 0 solid, 1 all clumps and gaps. rim_mm: depth below which it is core
    (None: no core). crumbs_mm3: larger pieces than this that a rough surface leaves beside the largest are no part
    of it, nor are those that a voxel or two hold.
    """

    balls: tuple[Ball, ...]
    spicules: tuple[Tube, ...] = ()
    rough_mm: tuple[float, float] = (0.0, 0.0)
    gap_mm: float = 0.0
    grown_mm: float = 0.0
    clumped: float = 0.0
    rim_mm: float | None = None
    crumbs_mm3: float = np.inf


@dataclass(frozen=True, eq=False)
class Lesion:
    """All foci of a patient, the primary first, and the textures of their surface.

    spared: share of the foci's inside that is slow, fibrous tumour with gland and fat left in it, 0-1; `islands` says
    where. Within 3 mm of the surface it is more. soft_mm: over this depth it passes from `SOFT_EDGE` to all tumour.
    walls_mm: how far a point is from the walls between fat lobules; rough foci reach out along the walls, and lobules
    bulge into them. gland: positive where there is gland; a lesion confined to it lies so much deeper per unit of that.
    """

    kind: Kind
    foci: tuple[Focus, ...]
    coarse: Field
    fine: Field
    clumps: Field
    islands: Field
    spared: float = 0.0
    soft_mm: float = 2.5
    walls_mm: Field | None = None
    gland: Field | None = None
    confined_mm: float = 0.0


@dataclass(frozen=True, eq=False)
class Occupancy:
    """Share of each voxel inside the lesion, its STV part, its tumour tissue and its core, 0-1 float32.

    The tumour tissue, core included, is the lesion without the gland and fat left in it. slow: share of the lesion that
    takes up little. depth_mm: how far below the surface, 0 outside. The arrays cover the part `where` of the grid;
    outside it everything is 0.
    """

    where: Slices
    lesion: Float
    stv: Float
    tumour: Float
    core: Float
    slow: Float
    depth_mm: Float


def occupancy(grid: Grid, lesion: Lesion, body_depth: Field | None, stv_reach_mm: float) -> Occupancy:
    """Partial volume of the foci on `grid` by supersampling (about 0.6 mm), cut off at skin and chest wall.

    The STV part is the primary with its core and the satellites at most `stv_reach_mm` from it.
    """
    where = _around(grid, lesion, lesion.foci)
    shape = tuple(part.stop - part.start for part in where)
    total, near, tumour, core, slow, deep = (np.zeros(shape, dtype=np.float32) for _ in range(6))
    for focus in lesion.foci:
        own = _around(grid, lesion, (focus,))
        place = tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(own, where, strict=True))
        found = _filled(grid, own, lesion, focus, body_depth)
        added = [(total, found.lesion), (tumour, found.tumour), (core, found.core)]
        added += [(slow, found.slow), (deep, found.depth_mm)]
        if focus.gap_mm <= stv_reach_mm:
            added.append((near, found.lesion))
        for whole, part in added:
            np.maximum(whole[place], part, out=whole[place])
    return Occupancy(where, total, near, tumour, core, slow, deep)


def spread(part: Float, where: Slices, shape: Shape) -> Float:
    """An array of the lesion's part of the grid on the whole grid, zeros around it."""
    whole = np.zeros(shape, dtype=np.float32)
    whole[where] = part
    return whole


def longest_diameter_mm(inside: npt.NDArray[np.bool_], grid: Grid) -> float:
    """The greatest distance between two voxel centres of a mask in mm, to within 1 %; 0 for an empty one."""
    if not inside.any():
        return 0.0
    box = bounding_slices(inside)
    surface = inside[box] & ~ndimage.binary_erosion(inside[box])
    points = grid.to_world(np.argwhere(surface) + [part.start for part in box])
    n = np.arange(400) + 0.5
    polar, around = np.arccos(1 - n / 400), np.pi * (1 + 5**0.5) * n
    directions = np.stack([np.cos(around) * np.sin(polar), np.sin(around) * np.sin(polar), np.cos(polar)])
    widths = [float(np.ptp((points * direction).sum(1))) for direction in directions.T]
    return max(widths)


def focus_depth_mm(frame: Frame, lesion: Lesion, focus: Focus) -> Float:
    """About how deep a point lies below the focus's rough surface in mm; negative outside. Spicules apart."""
    depth = np.full(frame.grid.shape, -np.inf, dtype=np.float32)
    for ball in focus.balls:
        np.maximum(depth, _ball_depth(frame, ball), out=depth)
    depth += np.float32(focus.grown_mm)
    if focus.rough_mm[0]:
        # Lobulated, and creased outwards in points and edges, as what grows along strands is.
        coarse = lesion.coarse.on(frame)
        creased = np.float32(0.8) - np.sqrt(coarse**2 + np.float32(0.05))
        depth += np.float32(focus.rough_mm[0]) * (creased + np.float32(0.8) * coarse)
        if lesion.walls_mm is not None:
            wall = np.minimum(lesion.walls_mm.on(frame), np.float32(MIDST_MM))
            depth += np.float32(min(focus.rough_mm[0], WALLS_MM)) * (np.float32(0.9) - np.float32(0.4) * wall)
        if lesion.gland is not None:
            depth += np.float32(lesion.confined_mm) * np.clip(lesion.gland.on(frame), IN_FAT, IN_GLAND)
    if focus.rough_mm[1]:
        depth += np.float32(focus.rough_mm[1]) * (np.float32(1.1) - np.float32(1.6) * np.abs(lesion.fine.on(frame)))
    if focus.clumped:
        clumps = np.float32(3.0) * (lesion.clumps.on(frame) + np.float32(0.8 - 1.1 * focus.clumped))
        depth = np.minimum(depth, clumps + np.float32(focus.grown_mm))
    return depth


def room_mm(frame: Frame, lesion: Lesion, focus: Focus, skin_depth_mm: Float) -> Float:
    """How deep a focus can lie at most, for skin and chest wall bound it; negative beyond them.

    Not along flat faces: the rougher the focus, the farther it stays away here and there.
    """
    room = _walls_mm(frame, skin_depth_mm)
    if focus.rough_mm[0]:
        uneven = np.clip(1 + np.float32(1.2) * lesion.coarse.on(frame), 0, 2)
        room -= np.float32(KEPT_AWAY_MM + focus.rough_mm[0]) * uneven
    return room


def _walls_mm(frame: Frame, skin_depth_mm: Float) -> Float:
    chest = np.asarray(frame.y - chest_y_mm(frame.x, frame.z), dtype=np.float32)
    return np.asarray(np.minimum(skin_depth_mm - np.float32(MARGIN_MM), chest), dtype=np.float32)


def _filled(grid: Grid, own: Slices, lesion: Lesion, focus: Focus, body_depth: Field | None) -> Occupancy:
    """What one focus fills of its part of the grid; all of it in the STV. Two slabs at a time, each on its own."""
    i, j, k = (max(2, round(s / 0.6)) for s in grid.spacing_mm)
    factors = (i, j, k)
    shape = (own[0].stop - own[0].start, own[1].stop - own[1].start, own[2].stop - own[2].start)
    share, tumour, core, slow, deep = (np.zeros(shape, dtype=np.float32) for _ in range(5))

    def fill(slab: Slices) -> None:
        a, b, c = (slice(o.start + s.start, o.start + s.stop) for o, s in zip(own, slab, strict=True))
        fine = _fine(frame_of(supersampled(grid, factors, (a, b, c))), lesion, focus, body_depth)
        for whole, part in zip((share, tumour, core, slow, deep), fine, strict=True):
            whole[slab] = averaged(part, factors)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(fill, slabs(shape, i * j * k)))
    faded = _without_crumbs(share, LEAST_CRUMB_MM3 / grid.voxel_volume_mm3, focus.crumbs_mm3 / grid.voxel_volume_mm3)
    tumour = np.maximum(tumour, core) * faded
    return Occupancy(own, share * faded, share * faded, tumour, core * faded, slow, deep)


def _fine(
    frame: Frame, lesion: Lesion, focus: Focus, body_depth: Field | None
) -> tuple[Float, Float, Float, Float, Float]:
    """Share of a focus, its tumour, core and slow parts in each supersampled voxel, and how deep below its surface."""
    width = float(np.mean(frame.grid.spacing_mm))
    depth = focus_depth_mm(frame, lesion, focus)
    below_skin = body_depth.on(frame) if body_depth is not None else None
    if below_skin is not None:
        depth = np.minimum(depth, room_mm(frame, lesion, focus, below_skin))
    inside, rising = step(depth, width), depth * np.float32((1 - SOFT_EDGE) / lesion.soft_mm)
    dense = np.clip(np.float32(SOFT_EDGE) + rising, 0, 1)
    if focus.spicules:
        spicules = drawn(frame.grid, focus.spicules) * np.float32(1 / 255)
        inside, dense = np.maximum(inside, spicules), np.maximum(dense, np.float32(0.75) * spicules)
    if below_skin is not None:
        inside *= step(_walls_mm(frame, below_skin), width)
    if not inside.any():
        return inside, inside, inside, inside, inside
    slow, left = _islands(frame, lesion, depth)
    core = inside * step(depth - focus.rim_mm, 4.0) if focus.rim_mm is not None else np.zeros_like(inside)
    return inside, inside * dense * (1 - left), core, slow, np.maximum(depth, 0)


def _without_crumbs(share: Float, least_voxels: float, most_voxels: float) -> Float:
    """1, but less in pieces too small or too large beside the largest one: they hold less than half of any voxel."""
    factor = np.ones_like(share)
    labels, count = ndimage.label(share >= 0.5)
    if count < 2:
        return factor
    sizes = np.bincount(labels.ravel())
    faded = np.zeros(sizes.size, dtype=np.float32)
    faded[sizes > most_voxels] = 0.51
    faded[sizes < least_voxels] = 0.51
    faded[[0, 1 + int(np.argmax(sizes[1:]))]] = 0
    factor -= faded[labels]
    return factor


def _islands(frame: Frame, lesion: Lesion, depth: Float) -> tuple[Float, Float]:
    """Share of slow parts, more of them near the surface, and of gland and fat in them, as if all were lesion."""
    level = np.float32(special.ndtri(1 - max(lesion.spared, 0.01)))
    level = level - np.float32(MARGIN_LOOSER) * np.clip(1 - depth / np.float32(LOOSE_MM), 0, 1)
    beyond = lesion.islands.on(frame) - level
    slow, more = step(beyond, ISLAND_EDGE), np.float32(LEFT_IN_MIDST - LEFT_IN_SLOW)
    return slow, np.float32(LEFT_IN_SLOW) * slow + more * step(beyond - np.float32(MIDST), 1.0)


def _ball_depth(frame: Frame, ball: Ball) -> Float:
    offsets = [line - np.float32(c) for line, c in zip((frame.x, frame.y, frame.z), ball.centre_mm, strict=True)]
    total = np.zeros(frame.grid.shape, dtype=np.float32)
    for row, half_axis in zip(ball.rotation, ball.half_axes_mm, strict=True):
        along = sum(np.float32(weight) * offset for weight, offset in zip(row, offsets, strict=True))
        total += (along / np.float32(half_axis)) ** 2
    return np.asarray((1 - np.sqrt(total)) * np.float32(ball.half_axes_mm.min()), dtype=np.float32)


def _around(grid: Grid, lesion: Lesion, foci: tuple[Focus, ...]) -> Slices:
    """The part of the grid that holds every focus with its roughness and spicules."""
    corners = []
    for focus in foci:
        extra = max(focus.grown_mm, 0) + 4 * sum(focus.rough_mm) + IN_GLAND * lesion.confined_mm + 2
        for ball in focus.balls:
            reach = (
                float(ball.half_axes_mm.max()) * (1 + max(focus.grown_mm, 0) / float(ball.half_axes_mm.min())) + extra
            )
            corners += [ball.centre_mm - reach, ball.centre_mm + reach]
        corners += [point for tube in focus.spicules for point in (tube.start_mm, tube.end_mm)]
    points = np.array(corners)
    box = np.array(np.meshgrid(*np.stack([points.min(0), points.max(0)]).T)).reshape(3, -1).T
    index = grid.to_index(box)
    low = np.clip(np.floor(index.min(0)).astype(int), 0, np.array(grid.shape) - 1)
    high = np.clip(np.ceil(index.max(0)).astype(int) + 1, low + 1, grid.shape)
    i, j, k = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return i, j, k

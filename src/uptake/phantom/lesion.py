"""Lesions: masses with spicules, several foci, segmental non-mass enhancement, rims around a necrotic core.

Sizes follow ACRIN 6657/I-SPY 1: expert volumes of 160 patients (median 13.6 cc, 5-95 % 1.9-122 cc), a third of them
in one piece, smaller pieces mostly a few per cent of the whole; longest diameter of all disease, median 65-68 mm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from uptake.phantom.anatomy import Breast, breast_depth_mm, chest_y_mm, step
from uptake.phantom.fields import Field, Region, random_field
from uptake.phantom.frames import Float, Frame, averaged, frame_of, supersampled
from uptake.phantom.tubes import Point, Tube, drawn
from uptake.volume import Grid, Shape

Slices = tuple[slice, slice, slice]
Kind = Literal["mass", "multifocal", "nonmass", "rim"]
KINDS: dict[Kind, float] = {"mass": 0.3, "multifocal": 0.32, "nonmass": 0.18, "rim": 0.2}

MEDIAN_CC, SPREAD = 13.6, 1.35
SMALLEST_CC = 0.7
CRUMB_MM3 = 60.0
"""Pieces of a rough or clumped focus below this are not made: experts' volumes have few."""
MARGIN_MM = 2.5
"""Lesions stay this far below the skin and above the chest wall."""
COARSE_MM = 1.4


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
    (None: no core).
    """

    balls: tuple[Ball, ...]
    spicules: tuple[Tube, ...] = ()
    rough_mm: tuple[float, float] = (0.0, 0.0)
    gap_mm: float = 0.0
    grown_mm: float = 0.0
    clumped: float = 0.0
    rim_mm: float | None = None


@dataclass(frozen=True, eq=False)
class Lesion:
    """All foci of a patient, the primary first, and the textures of their surface."""

    kind: Kind
    foci: tuple[Focus, ...]
    coarse: Field
    fine: Field
    clumps: Field


@dataclass(frozen=True, eq=False)
class Occupancy:
    """Share of each voxel inside the lesion, inside its STV part and inside its core, 0-1 float32.

    The arrays cover the part `where` of the grid; outside it everything is 0.
    """

    where: Slices
    lesion: Float
    stv: Float
    core: Float


def draw_lesion(breast: Breast, kind: Kind | Literal["any"], rng: np.random.Generator) -> Lesion:
    """A lesion of a kind in a breast: a primary, satellites within 20 mm of it and others beyond."""
    if kind == "any":
        kind = cast(Kind, str(rng.choice(list(KINDS), p=list(KINDS.values()))))
    largest = 0.28 * _breast_cc(breast)
    cc = float(np.clip(MEDIAN_CC * np.exp(SPREAD * rng.standard_normal()), SMALLEST_CC, largest))
    diameter = 2 * (750 * cc / np.pi) ** (1 / 3)
    extent = 67 * (cc / MEDIAN_CC) ** 0.27 * float(np.exp(0.36 * rng.standard_normal()))
    extent = float(np.clip(extent, 1.15 * diameter, 1.45 * sum(breast.half_axes_mm[2:])))
    primary_mm = float(np.clip(extent, 1.1 * diameter, (1.9 if kind == "nonmass" else 1.45) * diameter))
    centre, axis = _place(breast, primary_mm, diameter, rng)
    region = _region(centre, extent)
    textures = (
        random_field(region, max(3.5, 0.16 * diameter), rng),
        random_field(region, 1.9, rng),
        random_field(region, (4.0, 6.0, 4.0), rng),
    )
    primary = _primary(kind, centre, axis, primary_mm, diameter, rng)
    bare = Lesion(kind, (primary,), *textures)
    primary = replace(primary, grown_mm=_growth(bare, primary, 1000 * cc))
    satellites = _satellites(Lesion(kind, (primary,), *textures), breast, (centre, axis), diameter, extent, rng)
    return Lesion(kind, (primary, *satellites), *textures)


def occupancy(grid: Grid, lesion: Lesion, body_depth: Field | None, stv_reach_mm: float) -> Occupancy:
    """Partial volume of the foci on `grid` by supersampling (about 0.6 mm), cut off at skin and chest wall.

    The STV part is the primary with its core and the satellites at most `stv_reach_mm` from it.
    """
    where = _around(grid, lesion.foci)
    i, j, k = (max(2, round(s / 0.6)) for s in grid.spacing_mm)
    factors = (i, j, k)
    frame = frame_of(supersampled(grid, factors, where))
    width = float(np.mean(frame.grid.spacing_mm))
    allowed: Float = np.ones(frame.grid.shape, dtype=np.float32)
    if body_depth is not None:
        allowed = step(body_depth.on(frame) - MARGIN_MM, width) * step(frame.y - chest_y_mm(frame.x, frame.z), width)
    total, near = np.zeros_like(allowed), np.zeros_like(allowed)
    core = np.zeros_like(allowed)
    for n, focus in enumerate(lesion.foci):
        depth = focus_depth_mm(frame, lesion, focus)
        inside = step(depth, width) * allowed
        inside = _without_crumbs(inside, frame.grid.voxel_volume_mm3)
        if focus.spicules:
            inside = np.maximum(inside, drawn(frame.grid, focus.spicules) * (allowed * np.float32(1 / 255)))
        np.maximum(total, inside, out=total)
        if focus.gap_mm <= stv_reach_mm:
            np.maximum(near, inside, out=near)
        if n == 0 and focus.rim_mm is not None:
            core = step(depth - focus.rim_mm, 1.5) * inside
    return Occupancy(where, *(averaged(part, factors) for part in (total, near, core)))


def spread(part: Float, where: Slices, shape: Shape) -> Float:
    """An array of the lesion's part of the grid on the whole grid, zeros around it."""
    whole = np.zeros(shape, dtype=np.float32)
    whole[where] = part
    return whole


def longest_diameter_mm(inside: npt.NDArray[np.bool_], grid: Grid) -> float:
    """The greatest distance between two voxel centres of a mask in mm, to within 1 %; 0 for an empty one."""
    points = grid.to_world(np.argwhere(inside))
    if not points.size:
        return 0.0
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
        depth += np.float32(focus.rough_mm[0]) * lesion.coarse.on(frame)
    if focus.rough_mm[1]:
        depth += np.float32(focus.rough_mm[1]) * lesion.fine.on(frame)
    if focus.clumped:
        clumps = np.float32(3.0) * (lesion.clumps.on(frame) + np.float32(0.8 - 1.1 * focus.clumped))
        depth = np.minimum(depth, clumps + np.float32(focus.grown_mm))
    return depth


def _breast_cc(breast: Breast) -> float:
    ax, ay, up, down = breast.half_axes_mm
    return float(2 / 3 * np.pi * ax * ay * (up + down) / 2 / 1000)


def _without_crumbs(inside: Float, voxel_mm3: float) -> Float:
    labels, count = ndimage.label(inside > 0)
    if count < 2:
        return inside
    kept = np.bincount(labels.ravel()) * voxel_mm3 >= CRUMB_MM3
    return np.where(kept[labels], inside, np.float32(0))


def _place(breast: Breast, length_mm: float, diameter_mm: float, rng: np.random.Generator) -> tuple[Point, Point]:
    """Centre and long axis of the primary: of 300 random ones the first with room for it, else the roomiest."""
    ax, ay, up, down = breast.half_axes_mm
    points = rng.uniform((-0.65, 0.12, -0.6), (0.65, 0.85, 0.65), (300, 3)) * (ax, ay, (up + down) / 2)
    points[:, 0] += breast.centre_mm[0]
    points[:, 2] += breast.centre_mm[1]
    points[:, 1] += chest_y_mm(points[:, 0], points[:, 2])
    axes = rng.standard_normal((300, 3)) * (0.8, 1.0, 1.0)
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    offset = 0.5 * max(length_mm - diameter_mm, 0)
    room = np.min([_room_mm(points + s * offset * axes, breast) for s in (-1, 0, 1)], axis=0) - diameter_mm / 2
    best = int(np.argmax(np.minimum(room, MARGIN_MM)))
    return points[best], axes[best]


def _primary(
    kind: Kind, centre: Point, axis: Point, length_mm: float, diameter_mm: float, rng: np.random.Generator
) -> Focus:
    if kind == "nonmass":
        balls = _chain(centre, axis, length_mm, 0.55 * diameter_mm / 2, 5, rng)
        return Focus(balls, (), (0.1 * diameter_mm, 1.0), clumped=float(rng.uniform(0.45, 0.85)))
    count = {"mass": 3, "multifocal": 4, "rim": 1}[kind]
    balls = _chain(centre, axis, length_mm, 0.6 * diameter_mm / 2, count, rng)
    rough = (rng.uniform(0.05, 0.1) * diameter_mm, rng.uniform(0.5, 1.0))
    spicules = _spicules(balls, diameter_mm, int(rng.integers(10, 28)), rng) if kind != "rim" else ()
    rim = float(rng.uniform(0.16, 0.3)) * diameter_mm if kind == "rim" else None
    return Focus(balls, spicules, rough, rim_mm=rim)


def _chain(
    centre: Point, axis: Point, length_mm: float, radius_mm: float, count: int, rng: np.random.Generator
) -> tuple[Ball, ...]:
    """Ellipsoids in a row that wavers, together about `length_mm` long."""
    reach = max(length_mm - 2 * radius_mm, 0) / 2
    balls = []
    for at in np.linspace(-1, 1, count) if count > 1 else (0.0,):
        middle = centre + axis * at * reach + rng.normal(0, 0.25, 3) * radius_mm
        half_axes = radius_mm * np.exp(0.22 * rng.standard_normal(3)) * (1 - 0.15 * abs(at))
        balls.append(Ball(middle, half_axes, _turned(rng)))
    return tuple(balls)


def _turned(rng: np.random.Generator) -> Point:
    """A random rotation, its rows by Gram and Schmidt (no linear algebra library)."""
    a, b = rng.standard_normal((2, 3))
    a = a / np.sqrt((a * a).sum())
    b = b - (a * b).sum() * a
    b = b / np.sqrt((b * b).sum())
    return np.stack([a, b, np.cross(a, b)])


def _spicules(balls: tuple[Ball, ...], diameter_mm: float, count: int, rng: np.random.Generator) -> tuple[Tube, ...]:
    """Thin cones from inside the mass outwards, bent once."""
    tubes = []
    for _ in range(count):
        ball = balls[int(rng.integers(len(balls)))]
        direction = rng.standard_normal(3)
        direction /= np.linalg.norm(direction)
        start = ball.centre_mm + direction * 0.6 * float(ball.half_axes_mm.min())
        length = float(rng.uniform(0.25, 0.6)) * diameter_mm * 0.6 + 4
        middle = start + direction * 0.6 * length
        bent = direction + 0.35 * rng.standard_normal(3)
        radius = float(rng.uniform(1.1, 1.8))
        end = middle + 0.5 * length * bent / np.linalg.norm(bent)
        tubes += [Tube(start, middle, (radius, 0.65 * radius)), Tube(middle, end, (0.65 * radius, 0.7))]
    return tuple(tubes)


def _satellites(
    lesion: Lesion,
    breast: Breast,
    line: tuple[Point, Point],
    diameter_mm: float,
    extent_mm: float,
    rng: np.random.Generator,
) -> tuple[Focus, ...]:
    """Small foci at 5-40 mm from the primary's edge, on both sides of the 20 mm, out to the extent that was drawn."""
    some, many = (1.5, 1.2) if lesion.kind == "multifocal" else (0.5, 0.4)
    gaps = [float(rng.uniform(5, 17)) for _ in range(rng.poisson(some))]
    gaps += [float(rng.uniform(24, 40)) for _ in range(rng.poisson(many))]
    found: list[Focus] = []
    for gap in gaps:
        radius = float(np.clip(diameter_mm / 2 * rng.uniform(0.15, 0.42), 2.2, 9.0))
        focus = _satellite(lesion, breast, line, gap, radius, rng)
        if focus is not None:
            found.append(focus)
    beyond = [_outlier(lesion, breast, line, sign * extent_mm / 2, rng) for sign in (-1, 1)]
    return (*found, *(focus for focus in beyond if focus is not None))


def _satellite(
    lesion: Lesion, breast: Breast, line: tuple[Point, Point], gap_mm: float, radius_mm: float, rng: np.random.Generator
) -> Focus | None:
    """A focus whose edge lies `gap_mm` from the primary's, in the first of 40 directions that keeps it inside."""
    for direction in line[1] * rng.choice((-1.0, 1.0)) + 0.7 * rng.standard_normal((40, 3)):
        unit = direction / np.linalg.norm(direction)
        edge = _edge_mm(lesion, line[0], unit)
        centre = line[0] + unit * (edge + gap_mm + radius_mm)
        if float(_room_mm(centre[None], breast)[0]) > radius_mm + MARGIN_MM:
            return _small(centre, radius_mm, gap_mm, rng)
    return None


def _outlier(
    lesion: Lesion, breast: Breast, line: tuple[Point, Point], at_mm: float, rng: np.random.Generator
) -> Focus | None:
    """A small focus at one end of the whole extent, if the primary ends more than 5 mm before it."""
    unit = line[1] * np.sign(at_mm)
    radius = float(rng.uniform(2.5, 4.5))
    gap = abs(at_mm) - radius * 2 - _edge_mm(lesion, line[0], unit)
    centre = line[0] + unit * (abs(at_mm) - radius)
    if gap < 5 or float(_room_mm(centre[None], breast)[0]) < radius + MARGIN_MM:
        return None
    return _small(centre, radius, gap, rng)


def _small(centre: Point, radius_mm: float, gap_mm: float, rng: np.random.Generator) -> Focus:
    half_axes = radius_mm * np.exp(0.15 * rng.standard_normal(3))
    return Focus((Ball(centre, half_axes, _turned(rng)),), (), (0.0, 0.12 * radius_mm), gap_mm)


def _edge_mm(lesion: Lesion, centre: Point, unit: Point) -> float:
    """How far the primary reaches from its centre into a direction, mm."""
    primary = lesion.foci[0]
    best = 0.0
    for ball in primary.balls:
        along = np.arange(0.0, 120.0, 0.5)
        offsets = centre + along[:, None] * unit - ball.centre_mm
        rows = np.stack([(offsets * row).sum(1) for row in ball.rotation], axis=1) / ball.half_axes_mm
        depth = (1 - np.sqrt((rows**2).sum(1))) * ball.half_axes_mm.min() + primary.grown_mm
        inside = np.flatnonzero(depth > 0)
        best = max(best, float(along[inside[-1]]) if inside.size else 0.0)
    return best + primary.rough_mm[0]


def _growth(lesion: Lesion, focus: Focus, volume_mm3: float) -> float:
    """What to add to the depth so that the focus has the volume, spicules apart."""
    balls = focus.balls
    reach = 2.0 * max(float(ball.half_axes_mm.max()) for ball in balls) + 6
    corners = np.array([ball.centre_mm + s * reach for ball in balls for s in (-1, 1)])
    shape = np.ceil((corners.max(0) - corners.min(0)) / COARSE_MM).astype(int) + 1
    affine = np.diag((COARSE_MM,) * 3 + (1.0,))
    affine[:3, 3] = corners.min(0)
    frame = frame_of(Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine))
    depth = np.sort(focus_depth_mm(frame, lesion, focus).ravel())
    wanted = round(volume_mm3 / COARSE_MM**3)
    return -float(depth[-min(max(wanted, 1), depth.size)])


def _room_mm(points: Point, breast: Breast) -> npt.NDArray[np.float64]:
    """Distance of points (n, 3) from the skin or the chest wall, whichever is nearer; negative outside."""
    x, y, z = points.T
    return np.asarray(np.minimum(breast_depth_mm(x, y, z, breast), y - chest_y_mm(x, z)), dtype=np.float64)


def _region(centre: Point, extent_mm: float) -> Region:
    reach = 0.9 * extent_mm + 55
    low, high = centre - reach, centre + reach
    return Region((low[0], low[1], low[2]), (high[0], high[1], high[2]))


def _ball_depth(frame: Frame, ball: Ball) -> Float:
    offsets = [line - np.float32(c) for line, c in zip((frame.x, frame.y, frame.z), ball.centre_mm, strict=True)]
    total = np.zeros(frame.grid.shape, dtype=np.float32)
    for row, half_axis in zip(ball.rotation, ball.half_axes_mm, strict=True):
        along = sum(np.float32(weight) * offset for weight, offset in zip(row, offsets, strict=True))
        total += (along / np.float32(half_axis)) ** 2
    return np.asarray((1 - np.sqrt(total)) * np.float32(ball.half_axes_mm.min()), dtype=np.float32)


def _around(grid: Grid, foci: tuple[Focus, ...]) -> Slices:
    """The part of the grid that holds every focus with its roughness and spicules."""
    corners = []
    for focus in foci:
        extra = max(focus.grown_mm, 0) + 3 * sum(focus.rough_mm) + 2
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

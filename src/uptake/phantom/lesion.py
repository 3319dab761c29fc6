"""Lesions: masses with spicules, several foci, segmental non-mass enhancement, rims around a necrotic core.

Sizes follow ACRIN 6657/I-SPY 1: expert volumes of 160 patients (median 13.6 cc, 5-95 % 1.9-122 cc), a third of them
in one piece, smaller pieces mostly a few per cent of the whole; longest diameter of all disease, median 65-68 mm.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, cast

import numpy as np
import numpy.typing as npt

from uptake.phantom.fields import Field, Region, random_field
from uptake.phantom.foci import MARGIN_MM, Ball, Focus, Kind, Lesion, focus_depth_mm, room_mm
from uptake.phantom.frames import frame_of
from uptake.phantom.outline import Breast, breast_depth_mm, chest_y_mm
from uptake.phantom.tubes import Point, Tube
from uptake.volume import Grid

KINDS: dict[Kind, float] = {"mass": 0.36, "multifocal": 0.32, "nonmass": 0.2, "rim": 0.12}

VOLUMES_CC = {0.0: 0.9, 0.05: 1.9, 0.25: 6.2, 0.5: 13.6, 0.75: 43.7, 0.95: 122.0, 1.0: 300.0}
"""Expert volumes of 160 patients of ACRIN 6657/I-SPY 1 by quantile, in between by their logarithms; the largest, 487
cc, does not fit these breasts."""
MEDIAN_CC = VOLUMES_CC[0.5]
LARGEST_SHARE = 0.33
"""Of the breast."""
ONE_PIECE: dict[Kind, float] = {"mass": 0.7, "multifocal": 0.5, "nonmass": 0.55, "rim": 0.6}
"""How often a primary has no crumbs at all. Of the 160 expert volumes a third are in one piece; what the others have
besides their largest piece is mostly tiny, 27 cubic mm in the median."""
CRUMBS_MM3 = (1.5, 40.0)
"""Else pieces beside the largest belong to it up to a limit in this range; satellites are another matter."""
SPARED: dict[Kind, tuple[float, float]] = {
    "mass": (0.06, 0.4), "multifocal": (0.06, 0.42), "nonmass": (0.1, 0.48), "rim": (0.04, 0.3),
}  # fmt: skip
"""Share of a lesion that is gland and fat it has grown around: expert volumes are 1.53 times the enhancing
ones in the median (quartiles 1.26 and 2.08)."""
SOFT_MM = (1.3, 4.5)
"""Some lesions end sharply, others pass into what is around them."""
CONFINED_MM = (0.0, 9.0)
"""How far lesions keep to the gland: some not at all. One with a rim grows where it is."""
COARSE_MM = 1.4


def draw_lesion(
    breast: Breast,
    kind: Kind | Literal["any"],
    rng: np.random.Generator,
    walls_mm: Field | None = None,
    gland: Field | None = None,
) -> Lesion:
    """A lesion of a kind in a breast: a primary, satellites within 20 mm of it and others beyond.

    walls_mm: the walls between the breast's fat lobules, along which it grows. gland: positive where gland is, to
    which it keeps more or less.
    """
    if kind == "any":
        kind = cast(Kind, str(rng.choice(list(KINDS), p=list(KINDS.values()))))
    cc = min(_volume_cc(float(rng.random())), LARGEST_SHARE * _breast_cc(breast))
    diameter = 2 * (750 * cc / np.pi) ** (1 / 3)
    extent = 45 * (cc / MEDIAN_CC) ** 0.3 * float(np.exp(0.45 * rng.standard_normal()))
    extent = float(np.clip(extent, 1.15 * diameter, 1.45 * sum(breast.half_axes_mm[2:])))
    primary_mm = float(np.clip(extent, 1.1 * diameter, (1.9 if kind == "nonmass" else 1.45) * diameter))
    centre, axis = _place(breast, primary_mm, diameter, rng)
    region = _region(centre, extent)
    textures = (
        random_field(region, max(3.5, 0.16 * diameter), rng),
        random_field(region, 1.9, rng),
        random_field(region, (4.0, 6.0, 4.0), rng),
        random_field(region, max(2.6, 0.08 * diameter), rng),
        float(rng.uniform(*SPARED[kind])),
        float(rng.uniform(*SOFT_MM)),
        walls_mm,
        gland,
        float(rng.uniform(*CONFINED_MM)) if kind != "rim" else 0.0,
    )
    primary = _primary(kind, centre, axis, primary_mm, diameter, rng)
    bare = Lesion(kind, (primary,), *textures)
    primary = replace(primary, grown_mm=_growth(bare, primary, breast, 1000 * cc))
    satellites = _satellites(Lesion(kind, (primary,), *textures), breast, (centre, axis), diameter, extent, rng)
    return Lesion(kind, (primary, *satellites), *textures)


def _volume_cc(quantile: float) -> float:
    return float(np.exp(np.interp(quantile, list(VOLUMES_CC), np.log(list(VOLUMES_CC.values())))))


def _breast_cc(breast: Breast) -> float:
    ax, ay, up, down = breast.half_axes_mm
    return float(2 / 3 * np.pi * ax * ay * (up + down) / 2 / 1000)


def _place(breast: Breast, length_mm: float, diameter_mm: float, rng: np.random.Generator) -> tuple[Point, Point]:
    """Centre and long axis of the primary: of 300 random ones the first with room for it, else the roomiest."""
    ax, ay, up, down = breast.half_axes_mm
    points = rng.uniform((-0.55, 0.12, -0.5), (0.55, 0.8, 0.5), (300, 3)) * (ax, ay, (up + down) / 2)
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
    smallest, largest = CRUMBS_MM3
    crumbs = float(smallest * (largest / smallest) ** rng.random()) if rng.random() > ONE_PIECE[kind] else 0.0
    if kind == "nonmass":
        balls = _chain(centre, axis, length_mm, 0.55 * diameter_mm / 2, 5, rng)
        clumped = float(rng.uniform(0.45, 0.85))
        return Focus(balls, (), (0.1 * diameter_mm, 1.0), clumped=clumped, crumbs_mm3=crumbs)
    count = {"mass": 3, "multifocal": 4, "rim": 1}[kind]
    balls = _chain(centre, axis, length_mm, 0.6 * diameter_mm / 2, count, rng)
    rough = (rng.uniform(0.04, 0.1) * diameter_mm, rng.uniform(0.3, 1.2))
    spicules = _spicules(balls, diameter_mm, int(rng.integers(5, 32)), rng) if kind != "rim" else ()
    rim = float(rng.uniform(0.16, 0.3)) * diameter_mm if kind == "rim" else None
    return Focus(balls, spicules, rough, rim_mm=rim, crumbs_mm3=crumbs)


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
        length = 0.2 * diameter_mm * float(np.exp(0.6 * rng.standard_normal())) + 4
        middle = start + direction * 0.6 * length
        bent = direction + 0.35 * rng.standard_normal(3)
        radius = float(rng.uniform(1.0, 1.9))
        end = middle + 0.6 * length * bent / np.linalg.norm(bent)
        tubes += [Tube(start, middle, (radius, 0.6 * radius)), Tube(middle, end, (0.6 * radius, 0.4))]
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
    some, many = (0.9, 1.3) if lesion.kind == "multifocal" else (0.15, 0.3)
    gaps = [float(rng.uniform(5, 17)) for _ in range(rng.poisson(some))]
    gaps += [float(rng.uniform(24, 40)) for _ in range(rng.poisson(many))]
    found: list[Focus] = []
    for gap in gaps:
        radius = float(np.clip(diameter_mm / 2 * rng.uniform(0.04, 0.24), 1.0, 7.0))
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
    radius = float(rng.uniform(1.0, 2.6))
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


def _growth(lesion: Lesion, focus: Focus, breast: Breast, volume_mm3: float) -> float:
    """What to add to the depth so that the focus has the volume inside the breast, spicules apart."""
    balls = focus.balls
    reach = 2.0 * max(float(ball.half_axes_mm.max()) for ball in balls) + 6
    corners = np.array([ball.centre_mm + s * reach for ball in balls for s in (-1, 1)])
    shape = np.ceil((corners.max(0) - corners.min(0)) / COARSE_MM).astype(int) + 1
    affine = np.diag((COARSE_MM,) * 3 + (1.0,))
    affine[:3, 3] = corners.min(0)
    frame = frame_of(Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine))
    below_skin = np.asarray(breast_depth_mm(frame.x, frame.y, frame.z, breast), dtype=np.float32)
    allowed = room_mm(frame, lesion, focus, below_skin) > 0
    depth = np.sort(focus_depth_mm(frame, lesion, focus)[allowed])
    wanted = round(volume_mm3 / COARSE_MM**3)
    return -float(depth[-min(max(wanted, 1), depth.size)]) if depth.size else 0.0


def _room_mm(points: Point, breast: Breast) -> npt.NDArray[np.float64]:
    """Distance of points (n, 3) from the skin or the chest wall, whichever is nearer; negative outside."""
    x, y, z = points.T
    return np.asarray(np.minimum(breast_depth_mm(x, y, z, breast), y - chest_y_mm(x, z)), dtype=np.float64)


def _region(centre: Point, extent_mm: float) -> Region:
    reach = 0.9 * extent_mm + 55
    low, high = centre - reach, centre + reach
    return Region((low[0], low[1], low[2]), (high[0], high[1], high[2]))

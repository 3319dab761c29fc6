"""The breast without its lesion: shapes of body and gland, and what share of each voxel is which tissue."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from uptake.phantom.fields import Field, Region, random_field, sampled
from uptake.phantom.frames import THREADS, Float, Frame, Slices, averaged, frame_of, part_of, slabs, supersampled
from uptake.phantom.outline import Breast, Points, breast_depth_mm, chest_y_mm, depth_mm, radius
from uptake.phantom.parenchyma import Parenchyma, draw_parenchyma
from uptake.volume import Grid, Shape, bounding_slices

LATTICE_MM = 3.0
SKIN_FADES_MM = 1.9
"""Over this depth skin passes into what lies below it."""
BUNDLE_MM = 6.5
"""From one layer of fat between the muscle's bundles to the next."""
OUTER_MM = 1.1
"""Over this depth air passes into skin, which breathes and is not smooth."""


class Tissue(IntEnum):
    """Labels of the tissue map. Rib stands for ribs and what fat there is behind the chest's surface."""

    AIR = 0
    FAT = 1
    GLAND = 2
    SKIN = 3
    MUSCLE = 4
    LUNG = 5
    LESION = 6
    CORE = 7
    VESSEL = 8
    HEART = 9
    NODE = 10
    DUCT = 11
    RIB = 12


@dataclass(frozen=True)
class Blob:
    """An ellipsoid with axes along x, y and z, RAS+ mm: the heart, a node."""

    centre_mm: tuple[float, float, float]
    half_axes_mm: tuple[float, float, float]

    def depth_mm(self, x: Points, y: Points, z: Points) -> Points:
        """Distance below its surface, to first order; negative outside."""
        u = [(p - c) / a for p, c, a in zip((x, y, z), self.centre_mm, self.half_axes_mm, strict=True)]
        radius = np.sqrt(u[0] ** 2 + u[1] ** 2 + u[2] ** 2)
        return np.asarray((1 - radius) * np.float32(min(self.half_axes_mm)))


@dataclass(frozen=True)
class Habit:
    """How one patient's gland passes into fat.

    veined: how much fat runs through it, 0-1. soft: width of its border, in units of the tendency. wispy: how far
    wisps reach beyond it, in the same.
    """

    veined: float
    soft: float
    wispy: float


@dataclass(frozen=True)
class Chest:
    """What lies behind one patient's breast.

    muscle_ends_mm: how far below the middle of the body the pectoral muscle ends. swelling: how fast it becomes thicker
    towards the shoulder, mm per mm, up to `thickest_mm`. fat_mm: before it. rib_mm: from one rib to the next; slant:
    how far they run down to the front; shift: where the first is, share of `rib_mm`. wall_mm: of ribs and what is
    between them. bow_mm: how much the layers bend, SD.
    """

    muscle_ends_mm: float
    swelling: float
    thickest_mm: float
    fat_mm: float
    rib_mm: float
    slant: float
    shift: float
    wall_mm: float
    bow_mm: float


@dataclass(frozen=True, eq=False)
class Body:
    """Everything that is drawn once and looked at on any grid: signed distances and textures as fields.

    depth: below the skin's surface, mm. parenchyma: where gland tends to be, septa, strands. faint: where septa are
    seen. octaves: fine textures of gland and their weights. gland_level: gland begins where tendency and texture are
    above it. fibres: its zero sheets part the pectoral muscle. habit: how gland passes into fat.
    bends: of the chest's layers. skin_uneven: SD of the skin's thickness along the breast over its mean.
    """

    breasts: tuple[Breast, ...]
    depth: Field
    parenchyma: Parenchyma
    faint: Field
    octaves: tuple[tuple[float, Field], ...]
    gland_level: float
    rough_chest: Field
    fibres: Field
    heart: Blob | None
    nodes: tuple[Blob, ...]
    habit: Habit
    chest: Chest
    bends: Field
    skin_uneven: float


def draw_body(region: Region, breasts: tuple[Breast, ...], finest_mm: float, rng: np.random.Generator) -> Body:
    """The fields of a body over a region of the world; `finest_mm`: the lattice of its gland, 2-3."""
    surface = draw_surface(region, breasts, rng)
    parenchyma = draw_parenchyma(region, breasts, surface, finest_mm, rng)
    octaves = ((0.33, random_field(region, 4.2, rng)), (0.2, random_field(region, 2.1, rng)))
    habit = _habit(breasts[0].sparse, rng)
    points, _ = sampled(region, LATTICE_MM)
    near = radius(points.x, points.y, points.z, breasts[0]) < 1
    inside = near & (surface.on(points) > 4) & (points.y > chest_y_mm(points.x, points.z) + 4)
    fine, strands = _texture(points, octaves)[inside], parenchyma.strands.on(points)[inside]
    score = parenchyma.tendency.on(points)[inside] + fine
    left = any(breast.centre_mm[0] < 0 for breast in breasts)
    return Body(
        breasts,
        surface,
        parenchyma,
        random_field(region, 20.0, rng),
        octaves,
        _level(score, fine, strands, habit, breasts[0].density),
        random_field(region, 12.0, rng),
        random_field(region, (2.6, 3.2, 26.0), rng),
        _heart(rng) if left else None,
        _nodes(breasts, rng),
        habit,
        _chest(rng),
        random_field(region, 45.0, rng),
        float(rng.uniform(0.14, 0.3)),
    )


def draw_surface(region: Region, breasts: tuple[Breast, ...], rng: np.random.Generator) -> Field:
    """Depth below the skin in mm: the breasts and the chest, a little uneven. The first thing drawn of a body."""
    points, origin = sampled(region, LATTICE_MM)
    long, short = random_field(region, 55.0, rng).on(points), random_field(region, 24.0, rng).on(points)
    waves = np.float32(rng.uniform(2, 5)) * long + np.float32(rng.uniform(0.6, 1.6)) * short
    drawn = depth_mm(points.x, points.y, points.z, breasts) + waves + _around(points, breasts, rng.spawn(1)[0])
    depth = np.asarray(drawn, dtype=np.float32)
    return Field(depth, origin, (LATTICE_MM, LATTICE_MM, LATTICE_MM))


def _around(points: Frame, breasts: tuple[Breast, ...], rng: np.random.Generator) -> Points:
    """What a patient has more of fat on the chest around her breast than most, or less; more below than above, mm."""
    everywhere, below = rng.uniform(-3.5, 5.0), rng.uniform(-4, 9)
    out = [-breast_depth_mm(points.x, points.y, points.z, breast) for breast in breasts]
    away = np.clip((np.min(out, axis=0) - 5) / 25, 0, 1)
    return np.asarray(away * (everywhere + below * np.clip((-points.z - 45) / 40, 0, 1)))


def fractions(grid: Grid, body: Body, factors: Shape) -> dict[Tissue, Float]:
    """Share of each tissue in every voxel, float32, summing to 1, by supersampling; lesion and vessels apart.

    In slabs, two at a time: each is computed on its own, so that threads leave no trace in the bytes.
    """
    shares = {tissue: np.zeros(grid.shape, dtype=np.float32) for tissue in BASE}
    shares[Tissue.AIR][...] = 1

    def fill(slab: Slices) -> None:
        near = body.depth.on(part_of(frame_of(grid), slab)) > -max(grid.spacing_mm)
        where = _inside(slab, near)
        if where is not None:
            for tissue, share in _fine(frame_of(supersampled(grid, factors, where)), body).items():
                shares[tissue][where] = averaged(share, factors)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(fill, slabs(grid.shape, int(np.prod(factors)))))
    return shares


BASE = (
    Tissue.AIR, Tissue.SKIN, Tissue.FAT, Tissue.GLAND, Tissue.MUSCLE, Tissue.LUNG, Tissue.HEART, Tissue.NODE,
    Tissue.RIB,
)  # fmt: skip


def step(distance: Points, width: float) -> Float:
    """0 outside, 1 inside, linear over `width` around distance 0."""
    return np.asarray(np.clip(distance / np.float32(width) + np.float32(0.5), 0, 1), dtype=np.float32)


def _inside(slab: Slices, there: npt.NDArray[np.bool_]) -> Slices | None:
    """The box of a slab that holds what is there; None where nothing is."""
    if not there.any():
        return None
    i, j, k = (slice(a.start + b.start, a.start + b.stop) for a, b in zip(slab, bounding_slices(there), strict=True))
    return i, j, k


def _fine(frame: Frame, body: Body) -> dict[Tissue, Float]:
    width = float(np.mean(frame.grid.spacing_mm))
    depth = body.depth.on(frame)
    inside = step(depth, max(width, OUTER_MM))
    # Thickest around the nipple and below.
    first = body.breasts[0]
    low = np.clip((first.centre_mm[1] - frame.z) / np.float32(first.half_axes_mm[3]), -0.5, 1)
    above = np.asarray(frame.y - chest_y_mm(frame.x, frame.z), dtype=np.float32)
    front = np.clip(above / np.float32(first.half_axes_mm[1]), 0, 1)
    waves = np.float32(0.8) * body.faint.on(frame) + np.float32(0.6) * body.rough_chest.on(frame)
    uneven = 1 + np.float32(body.skin_uneven) * np.clip(waves, -1.8, 2.5)
    thick = first.skin_mm * (np.float32(0.8) + (np.float32(0.55) + np.float32(0.35) * low) * front) * uneven
    inner = np.minimum(step(depth - thick, max(width, SKIN_FADES_MM)), inside)
    breast = inner * step(above, width)
    chest = inner - breast
    result = {tissue: np.zeros_like(depth) for tissue in BASE}
    result[Tissue.AIR], result[Tissue.SKIN] = 1 - inside, inside - inner
    everywhere = (slice(0, depth.shape[0]), slice(0, depth.shape[1]), slice(0, depth.shape[2]))
    where = _inside(everywhere, breast > 0)
    if where is not None:
        result[Tissue.GLAND][where] = breast[where] * _gland(part_of(frame, where), body, depth[where])
    result[Tissue.FAT] = breast - result[Tissue.GLAND]
    where = _inside(everywhere, chest > 0)
    if where is not None:
        for tissue, share in _behind(part_of(frame, where), body, width).items():
            result[tissue][where] += chest[where] * share
    for node in body.nodes:
        _put_node(result, frame, node, body.rough_chest)
    return result


def _put_node(shares: dict[Tissue, Float], frame: Frame, node: Blob, rough: Field) -> None:
    """A node in place of fat, gland and muscle, kidney-shaped around a fatty hilum."""
    width = float(np.mean(frame.grid.spacing_mm))
    shell = node.depth_mm(frame.x, frame.y, frame.z)
    if shell.max() < -4:
        return
    shell = shell + np.float32(0.9) * rough.on(frame)
    share = step(shell, width) * (1 - np.float32(0.9) * step(_hilum(node).depth_mm(frame.x, frame.y, frame.z), 1.5))
    for tissue in (Tissue.FAT, Tissue.GLAND, Tissue.MUSCLE):
        shares[Tissue.NODE] += shares[tissue] * share
        shares[tissue] *= 1 - share


def _hilum(node: Blob) -> Blob:
    """Where a node's vessels enter: fat, open to one side."""
    (x, y, z), (a, b, c) = node.centre_mm, node.half_axes_mm
    return Blob((x, y - 0.65 * b, z - 0.2 * c), (0.6 * a, 0.75 * b, 0.5 * c))


def _gland(frame: Frame, body: Body, depth: Float) -> Float:
    """Share of gland and septa in the breast's inside."""
    strands, fine = body.parenchyma.strands.on(frame), _texture(frame, body.octaves)
    score = body.parenchyma.tendency.on(frame) + fine - np.float32(body.gland_level)
    gland = _gland_share(score, fine, strands, body.habit) * step(depth - 4.5, 3.0)
    return np.asarray(np.maximum(gland, _septa(frame, body, score, fine, strands)))


def _septa(frame: Frame, body: Body, score: Float, fine: Float, strands: Float) -> Float:
    """Share of septa between lobules, thicker near the gland, of fibres towards the nipple and of a fine web."""
    faint = body.faint.on(frame) + np.clip(score, -0.9, 0.5)
    wall = body.parenchyma.wall_mm.on(frame) + 2 * fine
    sheet = np.clip((np.float32(1.9) - wall) / np.float32(1.3), 0, 1) * np.clip(0.42 + 0.3 * faint, 0.03, 0.7)
    fibre = np.clip(1 - np.abs(strands) / np.float32(0.16), 0, 1) * np.clip(0.36 + 0.3 * faint, 0.03, 0.6)
    web = np.clip(1 - np.abs(body.rough_chest.on(frame) - np.float32(0.7) * fine) / np.float32(0.11), 0, 1)
    web *= np.clip(0.22 + 0.16 * faint, 0.02, 0.4)
    before_chest = step(frame.y - chest_y_mm(frame.x, frame.z) - 1, 4.0)
    return np.asarray(np.maximum(np.maximum(sheet, fibre), web) * before_chest, dtype=np.float32)


def _gland_share(score: Float, fine: Float, strands: Float, habit: Habit) -> Float:
    """Gland with fat running through it, and wisps around it that thin out along strands and creases."""
    gland = step(score, habit.soft) * (1 - np.float32(habit.veined) * np.clip(np.float32(0.2) - fine, 0, 1))
    crease = np.clip(1 - np.abs(strands - np.float32(0.5) * fine) / np.float32(0.5), 0, 1)
    wisps = np.clip(np.float32(0.9) + score / np.float32(habit.wispy), 0, 0.9) * crease**2
    return np.asarray(np.maximum(gland, wisps), dtype=np.float32)


def _behind(frame: Frame, body: Body, width: float) -> dict[Tissue, Float]:
    """Shares of what lies behind the chest's surface: fat, pectoral muscle, ribs with muscle between, lung, heart."""
    chest, rough = body.chest, body.rough_chest.on(frame)
    deep = chest_y_mm(frame.x, frame.z) - frame.y + np.float32(chest.bow_mm) * body.bends.on(frame)
    # The muscle swells towards the shoulder and ends below the breast's middle.
    upwards = np.float32(chest.swelling) * (frame.z + np.float32(chest.muscle_ends_mm))
    thick = np.clip(upwards, 0, np.float32(chest.thickest_mm))
    top = np.float32(chest.fat_mm) + 1.2 * rough
    muscle = step(deep - top, width) * step(top + thick * (1 + 0.12 * rough) - deep, width)
    # Its fibres run to the shoulder, with fat between their bundles.
    layers = np.sin(np.float32(2 * np.pi / BUNDLE_MM) * deep + np.float32(1.6) * body.fibres.on(frame))
    bundles = np.clip((layers - np.float32(0.3)) / np.float32(0.6), 0, 1) * np.clip(0.55 + 0.4 * rough, 0, 1)
    muscle *= 1 - np.float32(0.6) * bundles
    gap = np.clip(2.5 + 2 * rough, 1, 8)
    below = deep - (top + thick + gap)
    wall = step(below, width)
    # Ribs run down to the front, no two alike; their marrow is fatty.
    along = frame.z + np.float32(chest.slant) * frame.x - np.float32(0.3) * frame.y
    phase = along / np.float32(chest.rib_mm) + np.float32(chest.shift) + np.float32(0.22) * body.faint.on(frame)
    across = (np.sin(np.float32(2 * np.pi) * phase) - np.float32(0.25)) * 7
    wall_mm = np.float32(chest.wall_mm)
    rib = step(across, 3.0) * step(below - 1.5 - rough, 2.0) * step(wall_mm - 2 + rough - below, 2.0)
    lung = step(below - wall_mm - 1.5 * rough, 2.0)
    between = np.clip(0.75 + 0.15 * body.faint.on(frame), 0.45, 0.9)
    muscle = np.maximum(muscle, wall * (1 - np.float32(0.6) * rib) * between * (1 - np.float32(0.6) * bundles))
    heart = np.zeros_like(lung)
    if body.heart is not None:
        heart = lung * step(body.heart.depth_mm(frame.x, frame.y, frame.z) + 2 * rough, 6.0)
    muscle *= 1 - lung
    fat = 1 - lung - muscle
    # What lies before the first muscle still belongs to the breast.
    before = fat * step(top + np.where(thick > 1, 0, gap) - deep, width)
    return {
        Tissue.LUNG: lung - heart, Tissue.HEART: heart, Tissue.MUSCLE: muscle, Tissue.FAT: before,
        Tissue.RIB: fat - before,
    }  # fmt: skip


def _texture(frame: Frame, octaves: tuple[tuple[float, Field], ...]) -> Float:
    total = np.zeros(frame.grid.shape, dtype=np.float32)
    for weight, field in octaves:
        total += np.float32(weight) * field.on(frame)
    return total


def _level(score: Float, fine: Float, strands: Float, habit: Habit, density: float) -> float:
    """The score above which gland begins, so that it fills as much of the breast as its density says, by bisection.

    The arrays hold the inside of the breast.
    """
    low, high = float(score.min()) - 1, float(score.max()) + 1
    for _ in range(20):
        middle = (low + high) / 2
        share = float(_gland_share(score - np.float32(middle), fine, strands, habit).mean(dtype=np.float64))
        low, high = (middle, high) if share > density else (low, middle)
    return (low + high) / 2


def _habit(sparse: float, rng: np.random.Generator) -> Habit:
    """The less gland there is, the more fat runs through it and the softer it ends."""
    return Habit(
        float(rng.uniform(0.1, 0.5)) + 0.4 * sparse,
        float(rng.uniform(0.35, 1.1)) + 0.7 * sparse,
        float(rng.uniform(0.8, 2.4)),
    )


def _chest(rng: np.random.Generator) -> Chest:
    muscle = (rng.uniform(0, 55), rng.uniform(0.2, 0.42), rng.uniform(16, 36), rng.uniform(1.5, 5.5))
    ribs = (rng.uniform(22, 33), rng.uniform(0.2, 0.8), rng.random(), rng.uniform(11, 18))
    return Chest(*map(float, (*muscle, *ribs, rng.uniform(0.5, 2.5))))


def _heart(rng: np.random.Generator) -> Blob:
    return Blob((-38 + rng.uniform(-6, 6), -58 + rng.uniform(-5, 5), -28 + rng.uniform(-8, 8)), (46.0, 38.0, 50.0))


def _nodes(breasts: tuple[Breast, ...], rng: np.random.Generator) -> tuple[Blob, ...]:
    """None, one or two axillary nodes behind the upper outer edge of the breast."""
    found = []
    for breast in breasts:
        side = np.sign(breast.centre_mm[0])
        for _ in range(int(rng.choice((0, 1, 2), p=(0.5, 0.3, 0.2)))):
            x = breast.centre_mm[0] + side * rng.uniform(15, 42)
            z = breast.centre_mm[1] + rng.uniform(48, 72)
            y = float(chest_y_mm(x, z)) + rng.uniform(5, 9)
            axes = (rng.uniform(3.5, 6.0), rng.uniform(3.5, 5.5), rng.uniform(5.0, 9.0))
            found.append(Blob((float(x), y, float(z)), axes))
    return tuple(found)

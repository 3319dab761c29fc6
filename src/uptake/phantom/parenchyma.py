"""How gland lies in fat: fat lobules with septa between them, strands that run to the nipple, a cone that thins out.

Fat lobules are the cells of random points (Voronoi's), their walls Cooper's ligaments: gland reaches out along the
walls in points, and lobules bulge into it. Strands are noise in angles around the nipple, drawn out along the rays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage, spatial

from uptake.phantom.fields import UNIT_SD, Field, Region, random_field, sampled
from uptake.phantom.frames import THREADS, Float, Frame
from uptake.phantom.outline import Breast, chest_y_mm

Points = npt.NDArray[np.floating[Any]]

LOBULE_MM = (10.0, 20.0)
"""Edge of the cube that has a lobule's volume: range over patients."""
BENT_MM = {17.0: 4.0, 5.5: 1.7}
"""SD of the shifts that bend lobules and strands, by the length over which they change."""
FLATTENED = 0.65
"""How lobules' extent from front to back is shrunk before they are cells: they are longer that way."""
STRANDS, LOBES = (3.0, 5.5), (7.5, 2.6)
"""Width of strands, and of gland's lobes, 60 mm from the nipple in mm, and how many times longer they are."""
BULGING, POINTED = (0.03, 0.13), (0.2, 0.6)
"""How far lobules bulge into the gland (tendency per mm from their wall), and gland reaches out along strands."""
MIDST_MM = 7.0
"""Farther than this from their walls fat lobules are the same all over, to gland and to lesions."""
UNEQUAL = 0.9
"""SD of a lobule's bulging over its mean: some are all gland."""


@dataclass(frozen=True, eq=False)
class Parenchyma:
    """Functions of space that say how gland and fat share the breast.

    tendency: how much gland there tends to be, about -3 to 2, without what is finer than the lattice. wall_mm: how much
    farther the next lobule's middle is than that of the own one, 0 on the wall between them. strands: SD 1 around 0.
    """

    tendency: Field
    wall_mm: Field
    strands: Field


def draw_parenchyma(
    region: Region, breasts: tuple[Breast, ...], surface: Field, lattice_mm: float, rng: np.random.Generator
) -> Parenchyma:
    """Parenchyma over a region, on a lattice; `surface`: depth below the skin in mm. Outside the breasts: all fat."""
    points, origin = sampled(region, lattice_mm)
    depth = surface.on(points)
    chest = np.asarray(points.y - chest_y_mm(points.x, points.z), dtype=np.float32)
    there = (depth > -lattice_mm) & (chest > -2 * lattice_mm)
    bent = _bent(points, there, region, rng)
    wall, fatty = _lobules(bent, region, float(rng.uniform(*LOBULE_MM)), rng)
    strands, lobes = drawn_out(bent, breasts, STRANDS, rng), drawn_out(bent, breasts, LOBES, rng)
    # From one closed mass of gland to islands and strands scattered in the fat.
    sparse = breasts[0].sparse
    scattered = np.float32(rng.uniform(0.45, 0.9) + 0.6 * sparse)
    coarse = random_field(region, 22.0, rng).on(points)[there]
    envelope = _envelope(points, depth, breasts, rng)[there]
    tendency = envelope + scattered * (np.float32(0.6) * coarse + np.float32(0.5) * lobes)
    bulging, pointed = np.float32(rng.uniform(*BULGING) + 0.22 * sparse), np.float32(rng.uniform(*POINTED))
    tendency = (
        tendency - bulging * np.minimum(wall, MIDST_MM) * (1 + np.float32(UNEQUAL) * fatty) + pointed * np.abs(strands)
    )
    parts = (_whole(values, there, out) for values, out in ((tendency, -9.0), (wall, 9.0), (strands, 3.0)))
    spacing = (lattice_mm, lattice_mm, lattice_mm)
    first, second, third = (Field(part, origin, spacing) for part in parts)
    return Parenchyma(first, second, third)


def drawn_out(
    places: Points, breasts: tuple[Breast, ...], size: tuple[float, float], rng: np.random.Generator
) -> Float:
    """Noise that is drawn out along the rays from the nearest nipple, SD 1 around 0; size: as `STRANDS`."""
    width_mm, longer = size
    result = np.zeros(len(places), dtype=np.float32)
    side = np.argmin([np.abs(places[:, 0] - breast.centre_mm[0]) for breast in breasts], axis=0)
    for n, breast in enumerate(breasts):
        lattice = rng.standard_normal((80, 80, 80), dtype=np.float32) * np.float32(UNIT_SD)
        offsets = places[side == n] - np.asarray(breast.nipple_mm, dtype=np.float32)
        far = np.sqrt((offsets**2).sum(axis=1, keepdims=True))
        # On a sphere of 60 mm, a little larger with distance: angles change much, distance little.
        turned = offsets / np.maximum(far, 1) * (60 + far / np.float32(longer))
        index = (turned / np.float32(width_mm) + 40).T
        result[side == n] = ndimage.map_coordinates(lattice, index, order=3, prefilter=False, mode="grid-wrap")
    return result


def _bent(points: Frame, there: npt.NDArray[np.bool_], region: Region, rng: np.random.Generator) -> Points:
    """The points that are there, (n, 3) float32 mm, shifted by random fields."""
    moved = []
    for line in (points.x, points.y, points.z):
        place = np.broadcast_to(line, there.shape)[there]
        for scale_mm, sd_mm in BENT_MM.items():
            place = place + np.float32(sd_mm) * random_field(region, scale_mm, rng).on(points)[there]
        moved.append(place)
    return np.stack(moved, axis=1)


def _whole(values: Points, there: npt.NDArray[np.bool_], elsewhere: float) -> Float:
    result = np.full(there.shape, elsewhere, dtype=np.float32)
    result[there] = np.asarray(values, dtype=np.float32)
    return result


def _lobules(places: Points, region: Region, lobule_mm: float, rng: np.random.Generator) -> tuple[Float, Float]:
    """Distance to the second nearest of random points less that to the nearest, in mm; and a normal draw per lobule."""
    margin = 3 * sum(BENT_MM.values())
    low, high = (np.array(corner) + s * margin for corner, s in ((region.low_mm, -1), (region.high_mm, 1)))
    count = int(np.prod(high - low) / lobule_mm**3)
    middles = rng.uniform(low, high, (count, 3))
    flattened = places * np.array([1.0, FLATTENED, 1.0], dtype=np.float32)
    distances, nearest = spatial.cKDTree(middles).query(flattened, k=2, workers=THREADS)
    drawn = rng.spawn(1)[0].standard_normal(count, dtype=np.float32)
    return np.asarray(distances[:, 1] - distances[:, 0], dtype=np.float32), drawn[nearest[:, 0]]


def _envelope(points: Frame, depth: Float, breasts: tuple[Breast, ...], rng: np.random.Generator) -> Float:
    """Where gland tends to be: a cone behind the nipple, thinning towards the skin, the chest and the fold below."""
    best = np.full(depth.shape, -9.0, dtype=np.float32)
    back, steep = float(rng.uniform(0.25, 0.5)), float(rng.uniform(1.5, 3.0))
    for breast in breasts:
        ax, ay, up, down = breast.half_axes_mm
        t = (points.y - chest_y_mm(points.x, points.z)) / np.float32(ay)
        dx = (points.x - np.float32(breast.centre_mm[0])) / np.float32(0.8 * ax)
        middle = np.float32(breast.centre_mm[1] - breast.droop_mm * 0.6 + 5)
        dz = (points.z - middle) / np.float32(0.72 * (up + down) / 2)
        cone = 1.3 - 2.1 * np.sqrt(dx**2 + dz**2) * (1.25 - 0.5 * np.clip(1 - t, 0, 1))
        cone -= np.float32(steep) * np.maximum(back - t, 0) / np.float32(back)
        best = np.maximum(best, cone)
    rim = np.minimum((depth - 11) / 6, 0.35) - 0.4 * np.maximum(6 - depth, 0)
    return np.asarray(best + rim * _aside(points, breasts), dtype=np.float32)


def _aside(points: Frame, breasts: tuple[Breast, ...]) -> Float:
    """1, and less within 34 mm of a nipple: there gland comes up to the skin."""
    share = np.ones(points.grid.shape, dtype=np.float32)
    for breast in breasts:
        x, y, z = (a - np.float32(b) for a, b in zip((points.x, points.y, points.z), breast.nipple_mm, strict=True))
        share *= np.clip((np.sqrt(x**2 + y**2 + z**2) - 12) / 22, 0.1, 1)
    return share

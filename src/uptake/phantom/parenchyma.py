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
BENT_MM = 4.0
"""SD of the shift that bends lobules and strands."""
STRAND_MM, STRAND_LENGTHS = 3.0, 5.5
"""Width of strands 60 mm from the nipple, and how many times longer they are."""
BULGING, POINTED = (0.05, 0.22), (0.1, 0.4)
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
    bends = [np.float32(BENT_MM) * random_field(region, 17.0, rng).on(points)[there] for _ in range(3)]
    places = np.stack([np.broadcast_to(line, there.shape)[there] for line in (points.x, points.y, points.z)], axis=1)
    bent = np.asarray(places + np.stack(bends, axis=1), dtype=np.float32)
    wall, fatty = _lobules(bent, region, float(rng.uniform(*LOBULE_MM)), rng)
    strands = _strands(bent, breasts, rng)
    # From one closed mass of gland to islands and strands scattered in the fat.
    scattered = np.float32(rng.uniform(0.45, 1.2))
    coarse, middle = random_field(region, 22.0, rng).on(points)[there], random_field(region, 8.5, rng).on(points)[there]
    envelope = _envelope(points, depth, breasts, rng)[there]
    tendency = envelope + scattered * (np.float32(0.68) * coarse + np.float32(0.2) * middle)
    bulging, pointed = np.float32(rng.uniform(*BULGING)), np.float32(rng.uniform(*POINTED))
    tendency = (
        tendency - bulging * np.minimum(wall, MIDST_MM) * (1 + np.float32(UNEQUAL) * fatty) + pointed * np.abs(strands)
    )
    parts = (_whole(values, there, out) for values, out in ((tendency, -9.0), (wall, 9.0), (strands, 3.0)))
    spacing = (lattice_mm, lattice_mm, lattice_mm)
    first, second, third = (Field(part, origin, spacing) for part in parts)
    return Parenchyma(first, second, third)


def _whole(values: Points, there: npt.NDArray[np.bool_], elsewhere: float) -> Float:
    result = np.full(there.shape, elsewhere, dtype=np.float32)
    result[there] = np.asarray(values, dtype=np.float32)
    return result


def _lobules(places: Points, region: Region, lobule_mm: float, rng: np.random.Generator) -> tuple[Float, Float]:
    """Distance to the second nearest of random points less that to the nearest, in mm; and a normal draw per lobule."""
    low, high = (np.array(corner) + s * 3 * BENT_MM for corner, s in ((region.low_mm, -1), (region.high_mm, 1)))
    count = int(np.prod(high - low) / lobule_mm**3)
    middles = rng.uniform(low, high, (count, 3))
    distances, nearest = spatial.cKDTree(middles).query(places, k=2, workers=THREADS)
    drawn = rng.spawn(1)[0].standard_normal(count, dtype=np.float32)
    return np.asarray(distances[:, 1] - distances[:, 0], dtype=np.float32), drawn[nearest[:, 0]]


def _strands(places: Points, breasts: tuple[Breast, ...], rng: np.random.Generator) -> Float:
    """Noise that is drawn out along the rays from the nearest nipple, SD 1 around 0."""
    result = np.zeros(len(places), dtype=np.float32)
    side = np.argmin([np.abs(places[:, 0] - breast.centre_mm[0]) for breast in breasts], axis=0)
    for n, breast in enumerate(breasts):
        lattice = rng.standard_normal((80, 80, 80), dtype=np.float32) * np.float32(UNIT_SD)
        offsets = places[side == n] - np.asarray(breast.nipple_mm, dtype=np.float32)
        far = np.sqrt((offsets**2).sum(axis=1, keepdims=True))
        # On a sphere of 60 mm, a little larger with distance: angles change much, distance little.
        turned = offsets / np.maximum(far, 1) * (60 + far / np.float32(STRAND_LENGTHS))
        index = (turned / np.float32(STRAND_MM) + 40).T
        result[side == n] = ndimage.map_coordinates(lattice, index, order=3, prefilter=False, mode="grid-wrap")
    return result


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
    return np.asarray(best + np.minimum((depth - 11) / 6, 0.35) - 0.4 * np.maximum(6 - depth, 0), dtype=np.float32)

"""Lesions: an irregular mass, satellites on both sides of the 2 cm rule, sometimes a core that does not enhance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uptake.phantom.anatomy import Breast, chest_y_mm, depth_mm
from uptake.phantom.frames import Float, Frame, frame_of, smooth_field
from uptake.volume import Grid, Shape

Point = npt.NDArray[np.float64]
Slices = tuple[slice, slice, slice]

IRREGULARITY = 0.16
"""Relative SD of the mass's radius."""

MARGIN_MM = 3.0
"""A focus stays this far below the skin and above the chest wall."""


@dataclass(frozen=True, eq=False)
class Focus:
    """One piece of disease: an ellipsoid with axes ``rotation`` (rows), rough where ``irregular`` is above 0.

    gap_mm: from the edge of the primary mass, 0 for the mass itself. core: part of the radius that is core.
    """

    centre_mm: Point
    half_axes_mm: Point
    rotation: Point
    irregular: float
    gap_mm: float
    core: float


@dataclass(frozen=True, eq=False)
class Occupancy:
    """Share of each voxel inside the lesion, inside its STV part and inside its core, 0-1 float32.

    The arrays cover the part `where` of the grid; outside it everything is 0.
    """

    where: Slices
    lesion: Float
    stv: Float
    core: Float


def draw_foci(breast: Breast, rng: np.random.Generator) -> tuple[Focus, ...]:
    """The mass (log-normal volume, median 13 cc), one near satellite and often one beyond 20 mm.

    Satellites that do not fit into the breast are left out.
    """
    mass = _mass(breast, rng)
    gaps = [rng.uniform(6, 12)] + ([rng.uniform(27, 33)] if rng.random() < 0.7 else [])
    satellites = (_satellite(mass, breast, gap, rng) for gap in gaps)
    return (mass, *(focus for focus in satellites if focus is not None))


def occupancy(grid: Grid, foci: tuple[Focus, ...], stv_reach_mm: float, rng: np.random.Generator) -> Occupancy:
    """Partial volume of the foci on `grid` by supersampling.

    The STV part is the mass with its core and the satellites at most `stv_reach_mm` from it.
    """
    where = _around(grid, foci)
    factors = (*(max(2, round(s / 0.7)) for s in grid.spacing_mm),)
    fine = frame_of(_supersampled(grid, where, factors))
    # One field for the whole lesion: its bumps are smaller than the mass and larger than a voxel.
    rough = smooth_field(fine, max(4.0, 0.4 * float(np.mean(foci[0].half_axes_mm))), rng)
    radii = [_radius(fine, focus) * (1 + focus.irregular * rough) for focus in foci]
    near = [r for r, focus in zip(radii, foci, strict=True) if focus.gap_mm <= stv_reach_mm]
    core = radii[0] < foci[0].core
    inside = [np.any([r < 1 for r in group], axis=0) for group in (radii, near)]
    return Occupancy(where, *(_averaged(mask, factors) for mask in (*inside, core)))


def _mass(breast: Breast, rng: np.random.Generator) -> Focus:
    volume_mm3 = 1000 * float(np.clip(13 * np.exp(0.8 * rng.standard_normal()), 3, 40))
    radius = (volume_mm3 * 3 / (4 * np.pi)) ** (1 / 3)
    half_axes = radius * np.exp(0.15 * rng.standard_normal(3))
    rotation = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    reach = 1.25 * float(half_axes.max()) + MARGIN_MM
    core = float(rng.uniform(0.4, 0.6)) if rng.random() < 0.35 else 0.0
    return Focus(_place(breast, reach, rng), half_axes, rotation, IRREGULARITY, 0.0, core)


def _place(breast: Breast, reach_mm: float, rng: np.random.Generator) -> Point:
    """A random point of the breast, the one of 200 with most room around it if none has `reach_mm`."""
    axes = np.asarray(breast.half_axes_mm)
    points = rng.uniform((-0.7, 0.1, -0.7), (0.7, 0.9, 0.7), (200, 3)) * axes
    points[:, 0] += breast.centre_mm[0]
    points[:, 2] += breast.centre_mm[1]
    points[:, 1] += chest_y_mm(points[:, 0].astype(np.float32))
    room = np.array([_room_mm(point, breast) for point in points])
    return np.asarray(points[int(np.argmax(np.minimum(room, reach_mm)))], dtype=np.float64)


def _satellite(mass: Focus, breast: Breast, gap_mm: float, rng: np.random.Generator) -> Focus | None:
    radius = float(rng.uniform(5.0, 7.5))
    for direction in rng.standard_normal((80, 3)):
        unit = direction / np.linalg.norm(direction)
        edge = 1 / np.linalg.norm(mass.rotation @ unit / mass.half_axes_mm)
        centre = mass.centre_mm + unit * (edge + gap_mm + radius)
        if _room_mm(centre, breast) > radius + MARGIN_MM:
            return Focus(centre, np.full(3, radius), np.eye(3), 0.0, gap_mm, 0.0)
    return None


def _room_mm(point: Point, breast: Breast) -> float:
    """Distance of a point from the skin or the chest wall, whichever is nearer; negative outside."""
    x, y, z = np.asarray(point, dtype=np.float32).reshape(3, 1, 1, 1)
    there = Frame(Grid((1, 1, 1), np.eye(4)), x, y, z, (0, 1, 2))
    return min(float(depth_mm(there, breast)[0, 0, 0]), float((y - chest_y_mm(x))[0, 0, 0]))


def _radius(frame: Frame, focus: Focus) -> Float:
    """1 on the surface of the ellipsoid, 0 in its centre."""
    offsets = [line - np.float32(c) for line, c in zip((frame.x, frame.y, frame.z), focus.centre_mm, strict=True)]
    total = np.zeros(frame.grid.shape, dtype=np.float32)
    for row, half_axis in zip(focus.rotation, focus.half_axes_mm, strict=True):
        along = sum(np.float32(weight) * offset for weight, offset in zip(row, offsets, strict=True))
        total += (along / np.float32(half_axis)) ** 2
    return np.sqrt(total)


def _around(grid: Grid, foci: tuple[Focus, ...]) -> Slices:
    """The part of the grid that holds every focus with its roughness."""
    reach = [1.6 * float(focus.half_axes_mm.max()) for focus in foci]
    corners = np.array([focus.centre_mm + sign * r for focus, r in zip(foci, reach, strict=True) for sign in (-1, 1)])
    box = np.array(np.meshgrid(*np.stack([corners.min(0), corners.max(0)]).T)).reshape(3, -1).T
    index = grid.to_index(box)
    low = np.maximum(np.floor(index.min(0)).astype(int), 0)
    high = np.minimum(np.ceil(index.max(0)).astype(int) + 1, grid.shape)
    i, j, k = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return i, j, k


def _supersampled(grid: Grid, where: Slices, factors: tuple[int, ...]) -> Grid:
    start = np.array([part.start for part in where])
    fine = np.diag((*(1 / np.asarray(factors, dtype=float)), 1.0))
    fine[:3, 3] = start - 0.5 + 0.5 / np.asarray(factors)
    i, j, k = ((part.stop - part.start) * factor for part, factor in zip(where, factors, strict=True))
    return Grid((i, j, k), grid.affine @ fine)


def _averaged(mask: npt.NDArray[np.bool_], factors: tuple[int, ...]) -> Float:
    i, j, k = (n // f for n, f in zip(mask.shape, factors, strict=True))
    fi, fj, fk = factors
    blocks = mask.reshape(i, fi, j, fj, k, fk)
    return np.asarray(blocks.mean(axis=(1, 3, 5), dtype=np.float32), dtype=np.float32)


def spread(part: Float, where: Slices, shape: Shape) -> Float:
    """An array of the lesion's part of the grid on the whole grid, zeros around it."""
    whole = np.zeros(shape, dtype=np.float32)
    whole[where] = part
    return whole

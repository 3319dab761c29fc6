"""The patient as a continuous model: what lies where, at any point of space, drawn once from a seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from uptake.phantom.anatomy import Body, Tissue, draw_body, fractions
from uptake.phantom.fields import Field, Region, random_field, sampled
from uptake.phantom.foci import Kind, Lesion, Occupancy, occupancy, spread
from uptake.phantom.frames import Float
from uptake.phantom.lesion import draw_lesion
from uptake.phantom.outline import Breast, breast_depth_mm
from uptake.phantom.tissues import Background, Patient, draw_patient
from uptake.phantom.tubes import Growth, Point, Steer, Tube, grow, tube_share
from uptake.volume import Grid

STV_REACH_MM = 20.0
"""Foci further than this from the primary do not belong to the structural tumour volume."""
RESIDUE_MM = 12.0
"""Lattice of what fat suppression leaves over."""
Stream = Literal["plan", "lesion", "anatomy", "vessels", "kinetics", "texture", "coil", "motion", "noise", "defects"]


@dataclass(frozen=True, eq=False)
class Textures:
    """Random fields of mean 0 and SD 1: of the signal, of Ktrans, of kep, and of what fat suppression leaves over.

    grain: how much the coarse, the middle and the fine field have of Ktrans, one patient's background being patchy and
    another's stippled. Suppression fails most at the ends of the breast.
    """

    signal: tuple[Field, Field]
    ktrans: tuple[Field, Field]
    kep: Field
    residue: Field
    grain: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Model:
    """Body, lesion, vessels, ducts, and what the tissues are."""

    body: Body
    lesion: Lesion
    vessels: tuple[Tube, ...]
    ducts: tuple[Tube, ...]
    patient: Patient
    textures: Textures


@dataclass(frozen=True, eq=False)
class Shares:
    """What each voxel of a grid holds: share of every tissue, summing to 1, and of lesion and STV."""

    tissues: dict[Tissue, Float]
    lesion: Occupancy
    lesion_whole: Float
    stv_whole: Float


def stream(seed: int, name: Stream) -> np.random.Generator:
    """Independent random numbers per part, so that a change in one part leaves the others as they were."""
    return np.random.default_rng([seed, *name.encode()])


def draw_model(
    seed: int,
    region: Region,
    breasts: tuple[Breast, ...],
    finest_mm: float,
    kind: Kind | Literal["any"],
    background: Background | Literal["any"],
) -> Model:
    """The patient of a seed, over a region of the world. The lesion lies in the first breast."""
    body = draw_body(region, breasts, finest_mm, stream(seed, "anatomy"))
    lesion = draw_lesion(breasts[0], kind, stream(seed, "lesion"), body.parenchyma.wall_mm, _gland_field(body))
    rng, growing = stream(seed, "texture"), stream(seed, "vessels")
    textures = Textures(
        (random_field(region, 6.0, rng), random_field(region, 2.2, rng)),
        (random_field(region, 20.0, rng), random_field(region, 6.5, rng)),
        random_field(region, 7.0, rng),
        _residue(region, breasts, rng),
        (float(rng.uniform(0.3, 0.9)), float(rng.uniform(0.1, 0.5)), float(rng.uniform(0.3, 0.8))),
    )
    vessels: list[Tube] = []
    ducts: list[Tube] = []
    for n, breast in enumerate(breasts):
        vessels += _vessels(breast, lesion.foci[0].balls[0].centre_mm if n == 0 else None, growing)
        ducts += _ducts(breast, growing)
    return Model(
        body,
        lesion,
        tuple(vessels),
        tuple(ducts),
        draw_patient(background, stream(seed, "kinetics")),
        textures,
    )


def shares_on(grid: Grid, model: Model) -> Shares:
    """What each voxel of a grid holds, by supersampling to half a millimetre or a third of a voxel."""
    i, j, k = (max(2, min(3, round(s / 0.5))) for s in grid.spacing_mm)
    factors = (i, j, k)
    shares = fractions(grid, model.body, factors)
    duct = tube_share(grid, model.ducts, factors) * shares[Tissue.GLAND]
    shares[Tissue.DUCT] = duct
    shares[Tissue.GLAND] = shares[Tissue.GLAND] - duct
    inside = 1 - shares[Tissue.AIR] - shares[Tissue.SKIN]
    _displace(shares, Tissue.VESSEL, tube_share(grid, model.vessels, factors) * inside)
    found = occupancy(grid, model.lesion, model.body.depth, STV_REACH_MM)
    for part in [share[found.where] for share in shares.values()]:
        np.multiply(part, 1 - found.tumour, out=part)
    parts = (found.lesion, found.stv, found.tumour, found.core)
    whole, stv, tumour, core = (spread(part, found.where, grid.shape) for part in parts)
    shares[Tissue.LESION], shares[Tissue.CORE] = tumour - core, core
    return Shares(shares, found, whole, stv)


def labels(shares: dict[Tissue, Float]) -> np.ndarray:
    """The tissue with the largest share in each voxel, uint8; a lesion where it has half of it, as its mask has."""
    order = sorted(shares)
    result = np.zeros(shares[Tissue.AIR].shape, dtype=np.uint8)
    best = shares[order[0]].copy()
    for tissue in order[1:]:
        result[shares[tissue] > best] = tissue
        np.maximum(best, shares[tissue], out=best)
    whole = shares[Tissue.LESION] + shares[Tissue.CORE] >= 0.5
    result[whole] = Tissue.LESION
    result[whole & (shares[Tissue.CORE] >= 0.5)] = Tissue.CORE
    result[~whole & ((result == Tissue.LESION) | (result == Tissue.CORE))] = Tissue.FAT
    return result


def _displace(shares: dict[Tissue, Float], tissue: Tissue, share: Float) -> None:
    for other in shares.values():
        np.multiply(other, 1 - share, out=other)
    shares[tissue] = share


def _gland_field(body: Body) -> Field:
    """Positive where there is gland."""
    tendency = body.parenchyma.tendency
    return replace(tendency, coefficients=tendency.coefficients - np.float32(body.gland_level))


def _residue(region: Region, breasts: tuple[Breast, ...], rng: np.random.Generator) -> Field:
    """Smooth over 45 mm, and larger where the field is hard to shim: above, below and beside the breasts."""
    noise = random_field(region, 45.0, rng)
    points, origin = sampled(region, RESIDUE_MM)
    out = [
        ((points.x - b.centre_mm[0]) / b.half_axes_mm[0]) ** 2 + ((points.z - b.centre_mm[1]) / b.half_axes_mm[3]) ** 2
        for b in breasts
    ]
    worse = np.clip(np.sqrt(np.min(out, axis=0)) - np.float32(0.75), 0, 1)
    values = noise.on(points) + np.float32(1.3) * worse
    return Field(np.asarray(values, dtype=np.float32), origin, (RESIDUE_MM, RESIDUE_MM, RESIDUE_MM))


def _vessels(breast: Breast, lesion_mm: Point | None, rng: np.random.Generator) -> list[Tube]:
    """Trees below the skin and through the fat, from above and the sides to the nipple; finer ones to the lesion."""
    found: list[Tube] = []
    for _ in range(int(rng.integers(4, 10))):
        angle = rng.uniform(-0.6, np.pi + 0.6)
        root, target = (
            _on_skin(breast, angle, 0.9),
            _on_skin(breast, angle + rng.normal(0, 0.9), rng.uniform(0.05, 0.45)),
        )
        growth = Growth(float(rng.choice((0.5, 0.6, 0.7, 0.9, 1.1, 1.3))), 0.982, 0.2, 0.12)
        found += grow(root, target, _under_skin(breast, float(rng.choice((4, 6, 9, 14, 22))), target), growth, rng)
    if lesion_mm is not None:
        for _ in range(int(rng.integers(3, 7))):
            away = rng.standard_normal(3) * (0.7, 0.5, 1.0) + (0, -0.5, 0)
            root = lesion_mm + 60 * away / np.sqrt((away * away).sum())
            growth = Growth(float(rng.uniform(0.5, 1.0)), 0.98, 0.2, 0.24)
            found += grow(root, lesion_mm, _to(lesion_mm), growth, rng)
    return found


def _ducts(breast: Breast, rng: np.random.Generator) -> list[Tube]:
    """Milk ducts: from the nipple back into the gland, branching."""
    found: list[Tube] = []
    root = breast.nipple_mm - (0, 5, 0)
    for _ in range(int(rng.integers(5, 9))):
        aim = root + np.array([rng.normal(0, 0.5), -1.0, rng.normal(0, 0.5)]) * 30
        found += grow(root, aim, _straight, Growth(0.9, 0.95, 0.3, 0.15), rng)
    return found


def _on_skin(breast: Breast, angle: float, out: float) -> Point:
    """A point just below the skin, at an angle around the breast (pi / 2: above), `out` of its radius."""
    ax, _, up, down = breast.half_axes_mm
    x = breast.centre_mm[0] + out * ax * np.cos(angle)
    z = breast.centre_mm[1] + out * (up if np.sin(angle) > 0 else down) * np.sin(angle)
    y = np.arange(-40.0, 140.0, 1.0)
    depth = breast_depth_mm(np.full(y.shape, x), y, np.full(y.shape, z), breast)
    inside = np.flatnonzero(depth > 6)
    return np.array([x, float(y[inside[-1]]) if inside.size else float(y[int(np.argmax(depth))]), z])


def _under_skin(breast: Breast, wanted_mm: float, target: Point) -> Steer:
    """Keeps a vessel at a depth below the skin, more or less towards a target."""

    def steer(point: Point, direction: Point) -> Point:
        x, y, z = (point + np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])).T
        here, *ahead_mm = breast_depth_mm(x, y, z, breast)
        slope = np.asarray(ahead_mm) - here
        ahead = target - point
        ahead = ahead / max(float(np.sqrt((ahead * ahead).sum())), 1e-6)
        turn = 0.12 * ahead + np.clip(0.12 * (wanted_mm - here), -0.7, 0.7) * slope
        return np.asarray(direction + turn)

    return steer


def _straight(_: Point, direction: Point) -> Point:
    return direction


def _to(target: Point) -> Steer:
    def steer(point: Point, direction: Point) -> Point:
        ahead = target - point
        far = float(np.sqrt((ahead * ahead).sum()))
        return np.asarray(direction + (0.24 if far > 12 else -0.1) * ahead / max(far, 1e-6))

    return steer

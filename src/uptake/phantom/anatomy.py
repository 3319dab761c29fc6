"""The breast without its lesion: what share of each voxel is skin, fat, gland, muscle or lung."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from uptake.phantom.frames import BREAST_X_MM, Float, Frame, smooth_field

SKIN_MM = 2.0
MUSCLE_MM = 11.0
SUBCUTANEOUS_MM = 9.0


class Tissue(IntEnum):
    """Labels of the tissue map."""

    AIR = 0
    FAT = 1
    GLAND = 2
    SKIN = 3
    MUSCLE = 4
    LUNG = 5
    LESION = 6
    CORE = 7


@dataclass(frozen=True)
class Breast:
    """A half-ellipsoid on the chest wall.

    centre_mm: (x, z) of its middle. half_axes_mm: along x, y (out of the chest) and z.
    gland_level: threshold of the random field above which there is gland; higher is fattier.
    """

    centre_mm: tuple[float, float]
    half_axes_mm: tuple[float, float, float]
    gland_level: float


def draw_breast(side: int, rng: np.random.Generator) -> Breast:
    """A breast of ordinary size on one side (-1 left, 1 right)."""
    centre = (side * (BREAST_X_MM + rng.uniform(-4, 4)), rng.uniform(-5, 5))
    half_axes = (rng.uniform(48, 56), rng.uniform(72, 92), rng.uniform(60, 70))
    return Breast(centre, half_axes, rng.uniform(-0.5, 0.7))


def chest_y_mm(x: Float) -> Float:
    """Where the chest wall begins: a curved front, highest at the sternum."""
    return np.float32(12) - np.float32(0.003) * x**2


def depth_mm(frame: Frame, breast: Breast) -> Float:
    """Distance below the breast's surface in mm, to first order; negative outside, whole grid or broadcast."""
    ax, ay, az = breast.half_axes_mm
    dx, dy, dz = frame.x - breast.centre_mm[0], frame.y - chest_y_mm(frame.x), frame.z - breast.centre_mm[1]
    radius = np.sqrt((dx / ax) ** 2 + (dy / ay) ** 2 + (dz / az) ** 2)
    slope = np.sqrt((dx / ax**2) ** 2 + (dy / ay**2) ** 2 + (dz / az**2) ** 2)
    return np.asarray((1 - radius) * radius / np.maximum(slope, 1e-6), dtype=np.float32)


def fractions(frame: Frame, breasts: tuple[Breast, ...], rng: np.random.Generator) -> dict[Tissue, Float]:
    """Share of each tissue in every voxel, float32, summing to 1. Surfaces are blurred over one voxel."""
    width = float(np.mean(frame.grid.spacing_mm))
    above_chest = frame.y - chest_y_mm(frame.x)
    depth = np.broadcast_to(SUBCUTANEOUS_MM - above_chest, frame.grid.shape)
    gland = np.zeros(frame.grid.shape, dtype=np.float32)
    for breast in breasts:
        own = depth_mm(frame, breast)
        depth = np.maximum(depth, own)
        gland = np.maximum(gland, _gland(frame, own, breast, rng))
    body, inner = _step(depth, width), _step(depth - SKIN_MM, width)
    chest = inner * _step(-above_chest, width)
    lung = inner * _step(-above_chest - MUSCLE_MM, width)
    front = inner - chest
    return {
        Tissue.AIR: 1 - body,
        Tissue.SKIN: body - inner,
        Tissue.LUNG: lung,
        Tissue.MUSCLE: chest - lung,
        Tissue.GLAND: front * gland,
        Tissue.FAT: front * (1 - gland),
    }


def _gland(frame: Frame, depth: Float, breast: Breast, rng: np.random.Generator) -> Float:
    texture = smooth_field(frame, 9.0, rng) + np.float32(0.5) * smooth_field(frame, 4.5, rng)
    above_chest = frame.y - chest_y_mm(frame.x)
    envelope = _step(depth - 9, 8.0) * _step(above_chest - 7, 6.0)
    return np.asarray(envelope * _step(texture - breast.gland_level, 0.5), dtype=np.float32)


def _step(distance: npt.NDArray[np.floating[Any]], width: float) -> Float:
    """0 outside, 1 inside, linear over `width` around distance 0."""
    return np.asarray(np.clip(distance / np.float32(width) + np.float32(0.5), 0, 1), dtype=np.float32)

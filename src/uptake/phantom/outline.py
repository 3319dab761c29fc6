"""The outline of breast and chest: a teardrop on a chest wall, and how deep below the skin a point lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from uptake.phantom.frames import BREAST_X_MM

SUBCUTANEOUS_MM = 11.0
FOLD_MM, SLOPE_MM = 6.0, 24.0
"""Over this width the surfaces of breast and chest pass into each other, below and above."""

Points = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Breast:
    """A teardrop on the chest wall.

    centre_mm: (x, z) of its middle. half_axes_mm: along x, y (out of the chest), z upwards and z downwards.
    pointed: 1 is a cone, 2 an ellipsoid. droop_mm: how far the nipple hangs below the middle (prone: little).
    density: gland's share of the tissue inside the skin, 0.1-0.6. skin_mm: thickness.
    """

    centre_mm: tuple[float, float]
    half_axes_mm: tuple[float, float, float, float]
    pointed: float
    droop_mm: float
    overhang: float
    density: float
    skin_mm: float

    @property
    def sparse(self) -> float:
        """0 where gland lies closed in a dense breast, 1 where little of it is scattered in fat."""
        return float(np.clip((0.42 - self.density) / 0.25, 0, 1))

    @property
    def nipple_mm(self) -> npt.NDArray[np.float64]:
        """Where the nipple's tip is, RAS+ mm."""
        x, z = self.centre_mm
        y = float(chest_y_mm(np.float32(x), np.float32(z - self.droop_mm))) + self.half_axes_mm[1]
        return np.array([x, y + 3.0, z - self.droop_mm])


def draw_breast(side: int, rng: np.random.Generator) -> Breast:
    """A breast on one side (-1 left, 1 right): small to large, fatty to dense, round to pointed."""
    centre = (side * (BREAST_X_MM + rng.uniform(-4, 4)), rng.uniform(-8, 6))
    size = float(np.exp(rng.normal(0.05, 0.2)))
    out, up, down = size * rng.uniform(78, 112), size * rng.uniform(68, 88), size * rng.uniform(68, 92)
    half_axes = (min(size * rng.uniform(54, 62), 67.0), float(np.clip(out, 60, 118)), min(up, 98.0), min(down, 104.0))
    density = float(np.clip(rng.beta(1.2, 2.6), 0.02, 0.98) * 0.5 + 0.1)
    pointed = float(np.clip(rng.normal(2.1, 0.32), 1.45, 2.9))
    droop, overhang = rng.uniform(-8, 24), float(rng.random())
    return Breast(centre, half_axes, pointed, droop, overhang, density, rng.uniform(1.6, 3.3))


def chest_y_mm(x: Any, z: Any = 0.0) -> Any:  # noqa: ANN401 (arrays and numbers alike)
    """Where the chest wall begins: highest at the sternum, falling back to the sides and towards the shoulder."""
    above = np.sqrt((z - 5) ** 2 + 900) + (z - 5)
    return np.float32(12) - np.float32(0.003) * x**2 - np.float32(0.21) * (above - np.float32(25.4))


def breast_depth_mm(x: Points, y: Points, z: Points, breast: Breast) -> Points:
    """Distance below the breast's surface in mm, to first order; negative outside."""
    step = 0.5
    there = radius(x, y, z, breast)
    slopes = [
        (radius(x + dx, y + dy, z + dz, breast) - there) / step
        for dx, dy, dz in ((step, 0, 0), (0, step, 0), (0, 0, step))
    ]
    slope = np.sqrt(slopes[0] ** 2 + slopes[1] ** 2 + slopes[2] ** 2)
    tip = 5.5 - np.sqrt(
        (x - breast.nipple_mm[0]) ** 2 + (y - breast.nipple_mm[1] + 4) ** 2 + (z - breast.nipple_mm[2]) ** 2
    )
    return _either((1 - there) / np.maximum(slope, 1e-3), tip, 5.0)


def depth_mm(x: Points, y: Points, z: Points, breasts: tuple[Breast, ...]) -> Points:
    """Distance below the skin's surface of breasts and chest in mm, to first order; negative outside."""
    # Below the fold the belly comes forward again, most where the breast hangs over it, or falls back.
    forward = 26 * breasts[0].overhang - 7 if breasts else 0
    belly = forward * np.sin(np.clip((-z - 50) / 45, 0, 1) * np.float32(np.pi / 2))
    depth = chest_y_mm(x, z) + np.float32(SUBCUTANEOUS_MM) + belly - y
    for breast in breasts:
        # Above, breast and chest pass into each other; below they meet in a fold.
        above = np.clip((z - breast.centre_mm[1] + 25) / 50, 0, 1)
        depth = _either(depth, breast_depth_mm(x, y, z, breast), FOLD_MM + (SLOPE_MM - FOLD_MM) * above)
    return np.asarray(depth)


def radius(x: Points, y: Points, z: Points, breast: Breast) -> Points:
    """1 on the breast's surface, 0 in its middle on the chest wall."""
    ax, ay, up, down = breast.half_axes_mm
    t = np.maximum((y - chest_y_mm(x, z)) / ay, 0)
    dz = z - (breast.centre_mm[1] - breast.droop_mm * t)
    # Above, the slope to the shoulder is straight or hollow; below, the breast may hang over its fold.
    low = np.maximum(0.45 - t, 0) / 0.45
    az = np.where(dz > 0, up * (1 + 0.35 * low), down * (1 - 0.55 * breast.overhang * low))
    round_part = ((x - breast.centre_mm[0]) / (ax * (1 + 0.1 * low))) ** 2 + (dz / az) ** 2
    p = breast.pointed
    return np.asarray((np.maximum(round_part, 1e-8) ** (p / 2) + t**p) ** (1 / p))


def _either(a: Points, b: Points, width_mm: Points | float) -> Points:
    """The union of two signed distances with the seam rounded over `width_mm`."""
    h = np.maximum(width_mm - np.abs(a - b), 0) / width_mm
    return np.asarray(np.maximum(a, b) + h * h * width_mm / 4)

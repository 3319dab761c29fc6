"""The patient moves between phases: a smooth displacement for each phase after the first."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from uptake.phantom.fields import Region, random_field
from uptake.phantom.frames import Float, Frame

SCALE_MM = 40.0
TOGETHER = 0.6
"""Share of the variance that is a shift of the whole breast; the rest bends it."""

Displacement = tuple[Float, Float, Float]


def draw_displacement(frame: Frame, region: Region, sd_mm: float, rng: np.random.Generator) -> Displacement:
    """A displacement in mm along x, y and z, SD `sd_mm` along each (over patients, phases and places), float32."""
    parts = []
    for _ in range(3):
        shift = np.float32(np.sqrt(TOGETHER) * rng.standard_normal())
        bend = np.float32(np.sqrt(1 - TOGETHER)) * random_field(region, SCALE_MM, rng).on(frame)
        parts.append(np.float32(sd_mm) * (bend + shift))
    return parts[0], parts[1], parts[2]


def moved(still: Float, frame: Frame, displacement: Displacement) -> Float:
    """The image after the tissue that was at p - d(p) came to p, cubic B-spline interpolation, borders go on."""
    index = np.indices(still.shape, dtype=np.float32)
    for world, part in enumerate(displacement):
        axis = frame.axes[world]
        index[axis] -= part / np.float32(frame.grid.affine[world, axis])
    result = ndimage.map_coordinates(still, index, order=3, mode="nearest", output=np.float32)
    return np.asarray(np.maximum(result, 0), dtype=np.float32)

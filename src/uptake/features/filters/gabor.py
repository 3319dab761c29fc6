"""Gabor filter (IBSI Q88H): waves of one length and direction under a Gaussian, in slices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import cos, inf, pi, radians, sin
from typing import Annotated

import numpy as np
import numpy.typing as npt

from uptake.features.filters.boundary import Boundary, Float, check_boundary, padded, voxels
from uptake.features.filters.rotations import Pooling, check_pooling, pooled
from uptake.study import SettingsError
from uptake.volume import Volume

REACH = 7
"""Standard deviations after which the Gaussian (below 3e-11 of its peak) is left out."""
SLICES = 16
"""How many slices are filtered at a time."""


@dataclass(frozen=True)
class Gabor:
    """Gabor filter."""

    sigma_mm: Annotated[float, "mm; standard deviation of the Gaussian in the direction of the waves"] = 5.0
    wavelength_mm: Annotated[float, "mm; length of the waves"] = 2.0
    aspect: Annotated[float, "ratio of that standard deviation to the one across (gamma)"] = 1.5
    angle_deg: Annotated[float, "degrees; from the plane's first axis towards its second, where the waves run"] = 0.0
    angle_step_deg: Annotated[
        float, "degrees; pool the responses to all directions from angle_deg on, this far apart; 0: the one direction"
    ] = 45.0
    orthogonal_planes: Annotated[bool, "also in the planes (i, k) and (j, k), pooled with the slices (i, j)"] = False
    pooling: Annotated[Pooling, "how responses are pooled"] = "mean"
    boundary: Annotated[Boundary, "what lies beyond the border of the image"] = "mirror"

    def __post_init__(self) -> None:
        check_boundary(self.boundary)
        check_pooling(self.pooling)
        for field in ("sigma_mm", "wavelength_mm", "aspect"):
            if not 0 < getattr(self, field) < inf:
                raise SettingsError(f"{field} {getattr(self, field)}: allowed is above 0")
        step = self.angle_step_deg
        if step and (not 0 < step <= 360 or abs(360 / step - round(360 / step)) > 1e-9):
            raise SettingsError(f"angle_step_deg {step}: allowed is 0, or a whole part of 360")


def gabor(volume: Volume, settings: Gabor) -> Volume:
    """Modulus of the complex response, float64 on the same grid. Raises Refusal NON_FINITE."""
    array, spacing = voxels(volume), volume.grid.spacing_mm
    return volume.with_array(pooled(_responses(array, spacing, settings), settings.pooling))


def _responses(array: Float, spacing_mm: tuple[float, ...], settings: Gabor) -> Iterator[Float]:
    for first, second in ((0, 1), (0, 2), (1, 2)) if settings.orthogonal_planes else ((0, 1),):
        for angle in angles(settings):
            found = kernel(settings, angle, (spacing_mm[first], spacing_mm[second]))
            yield _modulus(array, found, (first, second), settings.boundary)


def angles(settings: Gabor) -> tuple[float, ...]:
    """Directions in degrees whose responses are pooled.

    A direction and its opposite have the same modulus, so only half of a full turn is taken where that is the same.
    """
    if not settings.angle_step_deg:
        return (settings.angle_deg,)
    count = round(360 / settings.angle_step_deg)
    count = count // 2 if count % 2 == 0 else count
    return tuple(settings.angle_deg + n * settings.angle_step_deg for n in range(count))


def kernel(settings: Gabor, angle_deg: float, spacing_mm: tuple[float, float]) -> npt.NDArray[np.complex128]:
    """``exp(-(u^2 + aspect^2 v^2) / (2 sigma^2) + 2 pi i u / wavelength)``, u mm along `angle_deg` and v mm across."""
    reach_mm = REACH * settings.sigma_mm * max(1.0, 1 / settings.aspect)
    steps = [np.arange(-int(reach_mm // mm), int(reach_mm // mm) + 1) * mm for mm in spacing_mm]
    x, y = np.meshgrid(*steps, indexing="ij")
    angle = radians(angle_deg)
    u, v = x * cos(angle) + y * sin(angle), y * cos(angle) - x * sin(angle)
    envelope = -(u**2 + settings.aspect**2 * v**2) / (2 * settings.sigma_mm**2)
    return np.asarray(np.exp(envelope + 2j * pi * u / settings.wavelength_mm))


def _modulus(
    array: Float, found: npt.NDArray[np.complex128], axes: tuple[int, int], boundary: Boundary
) -> npt.NDArray[np.float64]:
    """Modulus of the convolution of every slice along `axes`, a few slices at a time: spectra are large."""
    from scipy import signal

    across = next(axis for axis in range(3) if axis not in axes)
    margins = [found.shape[axes.index(axis)] // 2 if axis in axes else 0 for axis in range(3)]
    thick = np.expand_dims(found, across)
    parts = np.array_split(array, range(SLICES, array.shape[across], SLICES), axis=across)
    responses = (signal.fftconvolve(padded(part, margins, boundary), thick, mode="valid", axes=axes) for part in parts)
    return np.concatenate([np.abs(response) for response in responses], axis=across)

"""Laplacian of Gaussian (IBSI L6PA): how much darker a voxel is than what surrounds it at a scale; positive in dips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from uptake.features.filters.boundary import Boundary, Float, axes_of, check_boundary, convolve_separably, voxels
from uptake.study import SettingsError
from uptake.volume import Volume


@dataclass(frozen=True)
class LaplacianOfGaussian:
    """Laplacian of Gaussian."""

    sigma_mm: Annotated[float, "mm; standard deviation of the Gaussian"] = 5.0
    cutoff: Annotated[float, "standard deviations; where the kernel ends"] = 4.0
    by_slice: Annotated[bool, "in slices (array axis k) instead of the volume"] = False
    boundary: Annotated[Boundary, "what lies beyond the border of the image"] = "mirror"

    def __post_init__(self) -> None:
        check_boundary(self.boundary)
        for field in ("sigma_mm", "cutoff"):
            if not 0 < getattr(self, field) < 1e3:
                raise SettingsError(f"{field} {getattr(self, field)}: allowed is above 0")


def laplacian_of_gaussian(volume: Volume, settings: LaplacianOfGaussian) -> Volume:
    """The response map, float64 on the same grid, intensities per square voxel step. Raises Refusal NON_FINITE.

    The kernel of the IBSI is sampled, not integrated, at whole voxel steps k of at most ``floor(cutoff sigma + 0.5)``,
    in steps of each axis: the sum over axes a of ``(k_a^2 / s_a^2 - 1) / s_a^2`` times the Gaussian with
    ``s_a = sigma_mm / spacing``, which is the IBSI's on a grid of cubes. Its sum is not exactly zero.
    """
    array = voxels(volume)
    axes = axes_of(settings.by_slice)
    sigmas = [settings.sigma_mm / volume.grid.spacing_mm[axis] for axis in axes]
    smooth = [gaussian(sigma, settings.cutoff) for sigma in sigmas]
    curved = [second_derivative(sigma, settings.cutoff) for sigma in sigmas]
    response = np.zeros_like(array)
    for axis in axes:
        kernels = [curved[a] if a == axis else smooth[a] for a in axes]
        response += convolve_separably(array, kernels, settings.boundary)
    return volume.with_array(response)


def gaussian(sigma: float, cutoff: float) -> Float:
    """The normal density with standard deviation `sigma` at whole steps up to the cut-off."""
    steps = np.arange(-_reach(sigma, cutoff), _reach(sigma, cutoff) + 1)
    return np.asarray(np.exp(-(steps**2) / (2 * sigma**2)) / (np.sqrt(2 * np.pi) * sigma))


def second_derivative(sigma: float, cutoff: float) -> Float:
    """The second derivative of that density at the same steps."""
    steps = np.arange(-_reach(sigma, cutoff), _reach(sigma, cutoff) + 1)
    return np.asarray((steps**2 / sigma**2 - 1) / sigma**2) * gaussian(sigma, cutoff)


def _reach(sigma: float, cutoff: float) -> int:
    return int(np.floor(cutoff * sigma + 0.5))

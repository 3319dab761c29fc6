"""Laws kernels (IBSI JTXT): levels, edges, spots, waves and ripples, and the energy of their responses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Annotated

import numpy as np

from uptake.features.filters.boundary import Boundary, Float, axes_of, check_boundary, convolve_separably, voxels
from uptake.features.filters.rotations import Pooling, check_pooling, pooled, rotations, turned
from uptake.study import SettingsError
from uptake.volume import Volume

KERNELS: Mapping[str, Float] = {
    "L3": np.array([1, 2, 1]) / sqrt(6),
    "L5": np.array([1, 4, 6, 4, 1]) / sqrt(70),
    "E3": np.array([-1, 0, 1]) / sqrt(2),
    "E5": np.array([-1, -2, 0, 2, 1]) / sqrt(10),
    "S3": np.array([-1, 2, -1]) / sqrt(6),
    "S5": np.array([-1, 0, 2, 0, -1]) / sqrt(6),
    "W5": np.array([-1, 2, 0, -2, 1]) / sqrt(10),
    "R5": np.array([1, -4, 6, -4, 1]) / sqrt(70),
}
"""Level (B5BZ, 6HRH), edge (LJ4T, 2WPV), spot (MK5Z, RXA1), wave (4ENO) and ripple (3A1W), of norm 1."""


@dataclass(frozen=True)
class Laws:
    """Laws kernels."""

    kernels: Annotated[str, "one kernel per axis, i first, as in L5S5E5; two of them with by_slice"] = "L5E5E5"
    rotation_invariant: Annotated[bool, "pool the responses to all right-angled rotations of the filter"] = True
    pooling: Annotated[Pooling, "how responses are pooled"] = "max"
    energy_distance: Annotated[
        int, "voxels; the response becomes the mean of its absolute values up to this distance; 0: stays as it is"
    ] = 7
    by_slice: Annotated[bool, "in slices (array axis k) instead of the volume"] = False
    boundary: Annotated[Boundary, "what lies beyond the border of the image"] = "mirror"

    def __post_init__(self) -> None:
        check_boundary(self.boundary)
        check_pooling(self.pooling)
        wanted = len(axes_of(self.by_slice))
        if not re.fullmatch(f"({'|'.join(KERNELS)}){{{wanted}}}", self.kernels):
            raise SettingsError(f"kernels {self.kernels!r}: allowed are {wanted} of {', '.join(KERNELS)} in a row")
        if self.energy_distance < 0:
            raise SettingsError(f"energy_distance {self.energy_distance}: allowed is 0 or more")


def laws(volume: Volume, settings: Laws) -> Volume:
    """The response or energy map, float64 on the same grid. Raises Refusal NON_FINITE.

    Rotations are pooled first; the energy (IBSI PQSD) is the mean of the absolute pooled response in a cube.
    """
    array, kernels = voxels(volume), parse(settings.kernels)
    turns = rotations(len(kernels)) if settings.rotation_invariant else rotations(len(kernels))[:1]
    responses = (convolve_separably(array, turned(kernels, turn), settings.boundary) for turn in turns)
    response = pooled(responses, settings.pooling)
    if settings.energy_distance:
        side = 2 * settings.energy_distance + 1
        window = [np.full(side, 1 / side) for _ in kernels]
        response = convolve_separably(np.abs(response), window, settings.boundary)
    return volume.with_array(response)


def parse(names: str) -> tuple[Float, ...]:
    """The kernels that a text like ``L5S5E5`` names."""
    return tuple(KERNELS[names[n : n + 2]] for n in range(0, len(names), 2))

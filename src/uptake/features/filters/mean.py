"""Mean filter (IBSI S60F): every voxel becomes the mean of a cube around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from uptake.features.filters.boundary import Boundary, axes_of, check_boundary, convolve_separably, voxels
from uptake.study import SettingsError
from uptake.volume import Volume


@dataclass(frozen=True)
class Mean:
    """Mean filter."""

    support: Annotated[int, "voxels; side of the cube, odd"] = 15
    by_slice: Annotated[bool, "squares in slices (array axis k) instead of cubes"] = False
    boundary: Annotated[Boundary, "what lies beyond the border of the image"] = "mirror"

    def __post_init__(self) -> None:
        check_boundary(self.boundary)
        if self.support < 1 or self.support % 2 == 0:
            raise SettingsError(f"support {self.support}: allowed is an odd number of voxels")


def mean(volume: Volume, settings: Mean) -> Volume:
    """The mean intensity around every voxel, float64 on the same grid. Raises Refusal NON_FINITE."""
    kernel = np.full(settings.support, 1 / settings.support)
    kernels = [kernel for _ in axes_of(settings.by_slice)]
    return volume.with_array(convolve_separably(voxels(volume), kernels, settings.boundary))

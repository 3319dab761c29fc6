"""In which order of axes a written study will be read back, and volumes brought into that order.

dcm2niix, and `read_study` with it, turns a 3D acquisition that has one series per phase towards RAS+, and leaves a
time series in one series as it is. The truth of a phantom has to lie as its study will.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from uptake.io.dicom.geometry import arranged, grid_of, layout_of
from uptake.io.dicom.writing.vendors import Vendor, planes_of, stack
from uptake.volume import Grid, Layout, Volume


def layout_when_read(grid: Grid, layout: Layout, vendor: Vendor) -> Layout:
    """The layout that a study of this grid and layout has when it was written in a vendor's habit and read again."""
    return layout_of(_affine_lps(grid, layout), layout.dicom_shape(grid.shape), rotated=vendor == "siemens")


def relaid(volume: Volume, layout: Layout, wanted: Layout) -> Volume:
    """The same voxels at the same places with the array axes in the order of `wanted`."""
    if layout == wanted:
        return volume
    grid = grid_of(_affine_lps(volume.grid, layout), layout.dicom_shape(volume.grid.shape), wanted)
    return Volume(arranged(stack(volume.array, layout).transpose(2, 1, 0), wanted), grid)


def _affine_lps(grid: Grid, layout: Layout) -> npt.NDArray[np.float64]:
    """(column, row, slice) -> LPS mm."""
    first, *others = planes_of(grid, layout)
    affine = np.eye(4)
    affine[:3, 0] = first.orientation[:3] * first.spacing_mm[1]
    affine[:3, 1] = first.orientation[3:] * first.spacing_mm[0]
    through = np.cross(first.orientation[:3], first.orientation[3:])
    affine[:3, 2] = others[0].position - first.position if others else through * first.step_mm
    affine[:3, 3] = first.position
    return affine

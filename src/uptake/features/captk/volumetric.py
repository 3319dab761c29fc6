"""CaPTk's Volumetric family: how many voxels, and their volume, of all components together.

The corrected panel keeps both: they are right (IBSI YEKZ, volume by voxel counting).
"""

from __future__ import annotations

from uptake.features.captk.parameters import CaptkParameters
from uptake.features.captk.roi import Roi
from uptake.features.definition import Value


def units(_: CaptkParameters) -> dict[str, str]:
    """Names and units."""
    return {"Pixels": "voxel", "Volume": "mm3"}


def captk(roi: Roi, _: CaptkParameters) -> dict[str, Value]:
    """The family as CaPTk 1.8.1 computes it."""
    return of_count(int(roi.inside.sum()), roi.grid.voxel_volume_mm3)


def of_count(voxels: int, voxel_mm3: float) -> dict[str, Value]:
    """Both columns from the number of voxels and the volume of one."""
    return {"Pixels": float(voxels), "Volume": voxels * voxel_mm3}

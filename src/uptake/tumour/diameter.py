"""The longest diameter of a mask: what a radiologist would measure as its largest extent."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from uptake.volume import Volume, bounding_slices

Bool = npt.NDArray[np.bool_]


def longest_diameter_mm(mask: Volume) -> float:
    """Largest distance between the centres of two true voxels in mm; 0 for an empty or one-voxel mask.

    The trial's longest diameter spans all disease, with normal tissue between foci, so all components count.
    Exact: the farthest pair of a point set are vertices of its convex hull.
    """
    points = _extreme_points(mask)
    if len(points) < 2:
        return 0.0
    differences = points[:, None, :] - points[None, :, :]
    return float(np.sqrt((differences**2).sum(-1).max()))


def _extreme_points(mask: Volume) -> npt.NDArray[np.float64]:
    """World coordinates (n, 3) of the hull's vertices, or of all line ends for flat masks."""
    from scipy.spatial import ConvexHull, QhullError

    box = bounding_slices(mask.array)
    world = mask.grid.to_world(_line_ends(mask.array[box]) + [s.start for s in box])
    if len(world) < 50:
        return world
    try:
        return np.asarray(world[ConvexHull(world).vertices])
    except QhullError:  # all voxels in one plane or line: no hull with volume
        return world


def _line_ends(array: Bool) -> npt.NDArray[np.int64]:
    """Voxels (n, 3) that end a line of true voxels along every axis: no other can be a hull vertex."""
    ends = array.copy()
    for axis in range(3):
        along = np.moveaxis(array, axis, 0)
        inner = np.zeros_like(along)
        before = np.logical_or.accumulate(along, axis=0)
        after = np.logical_or.accumulate(along[::-1], axis=0)[::-1]
        inner[1:-1] = before[:-2] & after[2:]
        ends &= ~np.moveaxis(inner, 0, axis)
    return np.argwhere(ends)

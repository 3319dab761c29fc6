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
        return world[ConvexHull(world).vertices]
    except QhullError:  # all voxels in one plane or line: no hull with volume
        return world


def _line_ends(array: Bool) -> npt.NDArray[np.int64]:
    """Voxels (n, 3) that end a line of true voxels along every axis: no other can be a hull vertex."""
    ends = array
    for axis in range(3):
        seen = np.logical_or.accumulate(array, axis=axis)
        back = np.flip(np.logical_or.accumulate(np.flip(array, axis), axis=axis), axis)
        none = np.zeros_like(array.take([0], axis))
        size = array.shape[axis]
        first = ~np.concatenate([none, seen.take(range(size - 1), axis)], axis)
        last = ~np.concatenate([back.take(range(1, size), axis), none], axis)
        ends = ends & (first | last)
    return np.argwhere(ends)

"""How well two readers' masks agree: overlap, distance of the surfaces, volumes; and what a consensus may start from.

Dice 1945 (overlap); the surface distances are those from each surface voxel of one mask to the nearest surface voxel
of the other, both ways together, between voxel centres, as in the Medical Segmentation Decathlon and MICCAI's
challenges. A surface voxel is one of the mask with a face neighbour outside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from uptake.volume import Volume, bounding_slices

Bool = npt.NDArray[np.bool_]
Rule = Literal["majority", "union", "intersection"]


@dataclass(frozen=True)
class Agreement:
    """Two masks compared; volumes in cc, distances in mm. Undefined where a mask is empty: None.

    difference_percent: (b - a) over the mean of both, as Bland and Altman plot it.
    """

    dice: float | None
    jaccard: float | None
    mean_surface_distance_mm: float | None
    hausdorff95_mm: float | None
    hausdorff_mm: float | None
    volume_a_cc: float
    volume_b_cc: float
    difference_cc: float
    difference_percent: float | None


def agreement(a: Volume, b: Volume) -> Agreement:
    """Overlap, surface distances and volumes of two masks on one grid. Raises ValueError for different grids."""
    if not a.grid.same_as(b.grid):
        raise ValueError("masks are compared on one grid")
    both, either = int(np.count_nonzero(a.array & b.array)), int(np.count_nonzero(a.array | b.array))
    total = int(np.count_nonzero(a.array)) + int(np.count_nonzero(b.array))
    distances = surface_distances_mm(a, b)
    mean = (a.cc + b.cc) / 2
    return Agreement(
        dice=2 * both / total if total else None,
        jaccard=both / either if either else None,
        mean_surface_distance_mm=float(distances.mean()) if distances.size else None,
        hausdorff95_mm=float(np.percentile(distances, 95)) if distances.size else None,
        hausdorff_mm=float(distances.max()) if distances.size else None,
        volume_a_cc=a.cc,
        volume_b_cc=b.cc,
        difference_cc=b.cc - a.cc,
        difference_percent=100 * (b.cc - a.cc) / mean if mean else None,
    )


def surface_distances_mm(a: Volume, b: Volume) -> npt.NDArray[np.float64]:
    """Distances in mm from every surface voxel of each mask to the other's surface; none where a mask is empty."""
    from scipy import ndimage

    if not (a.array.any() and b.array.any()):
        return np.empty(0)
    box = bounding_slices(a.array | b.array, margin=1)
    first, second = (_surface(mask.array[box]) for mask in (a, b))
    to_first, to_second = (ndimage.distance_transform_edt(~s, sampling=a.grid.spacing_mm) for s in (first, second))
    return np.concatenate([to_second[first], to_first[second]])


def combined(masks: Sequence[Volume], rule: Rule) -> Volume:
    """The voxels that most of at least one mask hold, or any, or all: a start for the consensus.

    majority: more than half of the masks (of two: both).
    """
    votes = np.sum([mask.array for mask in masks], axis=0)
    needed = {"majority": len(masks) // 2 + 1, "union": 1, "intersection": len(masks)}[rule]
    return masks[0].with_array(votes >= needed)


def _surface(mask: Bool) -> Bool:
    from scipy import ndimage

    padded = np.pad(mask, 1)
    inner = ndimage.binary_erosion(padded)[1:-1, 1:-1, 1:-1]
    surface: Bool = mask & ~inner
    return surface

"""How far two masks of one lesion agree: overlap, distances of their borders, volumes; a start for their consensus.

Dice 1945. A border voxel is one of the mask with a face neighbour outside; distances are those from each border voxel
of one mask to the nearest of the other, centre to centre. HD95 is the larger of the two directed 95th percentiles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import numpy.typing as npt

from uptake.study import Code, Refusal
from uptake.volume import Volume, bounding_slices

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Rule = Literal["majority", "union", "intersection"]


@dataclass(frozen=True)
class Agreement:
    """Two masks of one case.

    dice: 0-1; None where both are empty. hd95_mm, hausdorff_mm, mean_surface_mm: distances of the borders, the mean
    over both ways together; None where a mask is empty. cc_one, cc_other: volumes. `reason`: why a number is missing.
    """

    dice: float | None
    hd95_mm: float | None
    hausdorff_mm: float | None
    mean_surface_mm: float | None
    cc_one: float
    cc_other: float
    reason: str = ""

    @property
    def jaccard(self) -> float | None:
        """Common voxels over all voxels of both, 0-1."""
        return None if self.dice is None else self.dice / (2 - self.dice)

    @property
    def difference_percent(self) -> float | None:
        """Other less one over the mean of both, as Bland and Altman plot it; None for two empty masks."""
        total = self.cc_one + self.cc_other
        return 200 * (self.cc_other - self.cc_one) / total if total else None


def agree(one: Volume, other: Volume) -> Agreement:
    """Agreement of two masks on one grid. Raises Refusal MASK_GRID where they lie on different ones."""
    if not one.grid.same_as(other.grid):
        raise Refusal(
            Code.MASK_GRID,
            found=f"masks of {one.grid.shape} and {other.grid.shape} voxels on different grids",
            allowed="two masks on one grid",
            remedy="bring one to the grid of the other: uptake import does so for masks of a case",
        )
    sizes = int(np.count_nonzero(one.array)), int(np.count_nonzero(other.array))
    if not all(sizes):
        which = "both masks are" if not any(sizes) else "one mask is"
        return Agreement(None if not any(sizes) else 0.0, None, None, None, one.cc, other.cc, f"{which} empty")
    box = bounding_slices(one.array | other.array, margin=1)
    a, b = one.array[box], other.array[box]
    there, back = surface_distances(a, b, one.grid.spacing_mm)
    mean = float((there.sum() + back.sum()) / (there.size + back.size))
    farthest = float(max(there.max(), back.max()))
    return Agreement(dice(a, b), hd95_mm(there, back), farthest, mean, one.cc, other.cc)


def dice(one: Mask, other: Mask) -> float | None:
    """Twice the common voxels over the sum of both, 0-1; None for two empty masks of the same shape."""
    total = int(np.count_nonzero(one)) + int(np.count_nonzero(other))
    return 2 * int(np.count_nonzero(one & other)) / total if total else None


def surface_distances(one: Mask, other: Mask, spacing_mm: Sequence[float]) -> tuple[Floats, Floats]:
    """Distances in mm from every border voxel of one mask to the nearest of the other, and back; none is empty."""
    from scipy import ndimage

    borders = border(one), border(other)
    far = [ndimage.distance_transform_edt(~edge, sampling=spacing_mm) for edge in borders]
    return far[1][borders[0]], far[0][borders[1]]


def hd95_mm(there: Floats, back: Floats) -> float:
    """The larger of the 95th percentiles of both directions' distances in mm."""
    return float(max(np.percentile(there, 95), np.percentile(back, 95)))


def border(mask: Mask) -> Mask:
    """Voxels of a mask (i, j, k) with a face neighbour outside it; outside the array nothing is inside."""
    from scipy import ndimage

    inner: Mask = ndimage.binary_erosion(mask, border_value=0)
    return mask & ~inner


def between(masks: Mapping[str, Volume]) -> dict[tuple[str, str], Agreement]:
    """Every pair of named masks (readers, say) of one case, in order of name."""
    return {(a, b): agree(masks[a], masks[b]) for a, b in combinations(sorted(masks), 2)}


def combined(masks: Sequence[Volume], rule: Rule) -> Volume:
    """The voxels that most of at least one mask hold, or any, or all: a start for the consensus.

    majority: more than half of the masks (of two: both).
    """
    votes = np.sum([mask.array for mask in masks], axis=0)
    needed = {"majority": len(masks) // 2 + 1, "union": 1, "intersection": len(masks)}[rule]
    return masks[0].with_array(votes >= needed)

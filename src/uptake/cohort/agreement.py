"""How far two masks of one lesion agree, and two measurements over a cohort: overlap, surfaces, volumes.

Dice 1945; HD95 as the larger of the two directed 95th percentiles of border voxels' distances to the other border;
limits of agreement and their intervals: Bland and Altman, Stat Methods Med Res 1999;8:135.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from uptake.study import Code, Refusal
from uptake.volume import Volume, bounding_slices

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Agreement:
    """Two masks of one case.

    dice: 0-1; None where both are empty. hd95_mm, mean_surface_mm: distances of the borders; None where one is
    empty. cc_one, cc_other: volumes. `reason`: why a number is missing.
    """

    dice: float | None
    hd95_mm: float | None
    mean_surface_mm: float | None
    cc_one: float
    cc_other: float
    reason: str = ""


@dataclass(frozen=True)
class Limits:
    """Bland and Altman's analysis of differences other - one: all in the unit of the measurements, intervals 95 %.

    ratio, ratio_lower, ratio_upper: the same of the logarithms, turned back; None where a value is not positive.
    """

    pairs: int
    bias: float
    bias_interval: tuple[float, float]
    sd: float
    lower: float
    lower_interval: tuple[float, float]
    upper: float
    upper_interval: tuple[float, float]
    ratio: float | None = None
    ratio_lower: float | None = None
    ratio_upper: float | None = None


FEWEST_PAIRS = 3
"""With fewer there is no spread to speak of."""


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
        return Agreement(None if not any(sizes) else 0.0, None, None, one.cc, other.cc, f"{which} empty")
    box = bounding_slices(one.array | other.array, margin=1)
    a, b = one.array[box], other.array[box]
    there, back = surface_distances(a, b, one.grid.spacing_mm)
    hd95 = max(float(np.percentile(there, 95)), float(np.percentile(back, 95)))
    mean = float((there.sum() + back.sum()) / (there.size + back.size))
    return Agreement(dice(a, b), hd95, mean, one.cc, other.cc)


def dice(one: Mask, other: Mask) -> float | None:
    """Twice the common voxels over the sum of both, 0-1; None for two empty masks of the same shape."""
    total = int(np.count_nonzero(one)) + int(np.count_nonzero(other))
    return 2 * int(np.count_nonzero(one & other)) / total if total else None


def surface_distances(
    one: Mask, other: Mask, spacing_mm: Sequence[float]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Distances in mm from every border voxel of one mask to the nearest of the other, and back; none is empty."""
    from scipy import ndimage

    borders = border(one), border(other)
    far = [ndimage.distance_transform_edt(~edge, sampling=spacing_mm) for edge in borders]
    return far[1][borders[0]], far[0][borders[1]]


def border(mask: Mask) -> Mask:
    """Voxels of a mask (i, j, k) with a face neighbour outside it; outside the array nothing is inside."""
    from scipy import ndimage

    inner: Mask = ndimage.binary_erosion(mask, border_value=0)
    return mask & ~inner


def between(masks: Mapping[str, Volume]) -> dict[tuple[str, str], Agreement]:
    """Every pair of named masks (readers, say) of one case, in order of name."""
    return {(a, b): agree(masks[a], masks[b]) for a, b in combinations(sorted(masks), 2)}


def limits_of_agreement(one: Sequence[float], other: Sequence[float]) -> Limits | None:
    """Bias and 95 % limits of agreement of paired measurements; None for fewer than three pairs."""
    from scipy import stats

    differences = [b - a for a, b in zip(one, other, strict=True)]
    count = len(differences)
    if count < FEWEST_PAIRS:
        return None
    bias, sd = statistics.fmean(differences), statistics.stdev(differences)
    t = float(stats.t.ppf(0.975, count - 1))
    of_bias = t * sd / math.sqrt(count)
    of_limit = t * sd * math.sqrt(1 / count + 1.96**2 / (2 * (count - 1)))
    lower, upper = bias - 1.96 * sd, bias + 1.96 * sd
    return Limits(
        count,
        bias,
        (bias - of_bias, bias + of_bias),
        sd,
        lower,
        (lower - of_limit, lower + of_limit),
        upper,
        (upper - of_limit, upper + of_limit),
        *_ratios(one, other),
    )


def extremes(values: Mapping[str, float]) -> tuple[str, str, str] | None:
    """The names of the best (largest), the median and the worst value; None for nobody. Ties go by name."""
    order = sorted(values, key=lambda name: (-values[name], name))
    return (order[0], order[(len(order) - 1) // 2], order[-1]) if order else None


def _ratios(one: Sequence[float], other: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    if min(*one, *other) <= 0:
        return None, None, None
    logs = [math.log(b / a) for a, b in zip(one, other, strict=True)]
    mean, sd = statistics.fmean(logs), statistics.stdev(logs)
    return math.exp(mean), math.exp(mean - 1.96 * sd), math.exp(mean + 1.96 * sd)

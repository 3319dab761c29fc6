"""How well masks agree with the truth: per case in voxels and millimetres, over cases with intervals and paired tests.

Overlap and distances are those of `uptake.cohort.overlap`. Sources: Nikolov et al. 2021 (surface Dice); Efron 1979
(percentile bootstrap); Wilcoxon 1945.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from uptake.cohort.overlap import dice, hd95_mm, surface_distances
from uptake.volume import Volume, bounding_slices

Floats = npt.NDArray[np.float64]
SURFACE_TOLERANCE_MM = 2.0
MISSED_BELOW = 0.1
"""Dice below which a lesion counts as missed."""
RESAMPLES = 2000
METRICS = ("dice", "hd95_mm", "surface_dice_2mm", "volume_bias_cc", "volume_bias_percent")


@dataclass(frozen=True)
class Judged:
    """One mask of one case against the truth. An empty mask has surface Dice 0 and no HD95."""

    case_id: str
    method: str
    dice: float
    hd95_mm: float | None
    surface_dice_2mm: float
    volume_cc: float
    truth_cc: float
    volume_bias_cc: float
    volume_bias_percent: float
    detected: bool


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Figures:
    """A method over cases: medians with intervals, the share of lesions found; `stratum` says which cases.

    hd95_cases: in how many of them there is a mask, and so a distance.
    """

    method: str
    stratum: str
    cases: int
    dice: Interval
    hd95_mm: Interval | None
    surface_dice_2mm: Interval
    volume_bias_cc: Interval
    volume_bias_percent: Interval
    detected: float
    hd95_cases: int


@dataclass(frozen=True)
class Difference:
    """Dice of a method less that of another on the same cases: median with interval, and Wilcoxon's p.

    p is None where there are no differences to rank.
    """

    method: str
    against: str
    cases: int
    dice: Interval
    p: float | None


def judge(case_id: str, method: str, mask: Volume, truth: Volume) -> Judged:
    """One mask against the truth on the same grid. Raises ValueError for an empty truth or another grid."""
    if not mask.grid.same_as(truth.grid):
        raise ValueError("a mask is judged on the grid of the truth")
    overlap = dice(mask.array, truth.array)
    if overlap is None or not truth.array.any():
        raise ValueError("an empty truth says nothing of a mask")
    box = bounding_slices(mask.array | truth.array, margin=1)
    found, true = mask.array[box], truth.array[box]
    distances = surface_distances(found, true, truth.grid.spacing_mm) if found.any() else None
    bias = mask.cc - truth.cc
    return Judged(
        case_id,
        method,
        overlap,
        hd95_mm(*distances) if distances else None,
        surface_dice(*distances) if distances else 0.0,
        mask.cc,
        truth.cc,
        bias,
        100 * bias / truth.cc,
        overlap >= MISSED_BELOW,
    )


def surface_dice(there: Floats, back: Floats, tolerance_mm: float = SURFACE_TOLERANCE_MM) -> float:
    """Share of both surfaces' voxels that lie within `tolerance_mm` of the other surface."""
    near = np.count_nonzero(there <= tolerance_mm) + np.count_nonzero(back <= tolerance_mm)
    return float(near / (len(there) + len(back)))


def figures(rows: Sequence[Judged], strata: Mapping[str, Sequence[str]], seed: int = 0) -> tuple[Figures, ...]:
    """Every method over all cases and over each stratum (name -> case ids) that has one; in order of first mention."""
    methods = list(dict.fromkeys(row.method for row in rows))
    found = []
    for stratum, cases in {"all": [row.case_id for row in rows], **strata}.items():
        members = set(cases)
        for method in methods:
            own = [row for row in rows if row.method == method and row.case_id in members]
            if own:
                found.append(_figures(method, stratum, own, seed))
    return tuple(found)


def difference(rows: Sequence[Judged], method: str, against: str, seed: int = 0) -> Difference | None:
    """The paired comparison of two methods over the cases that both have; None where there is no such case."""
    from scipy import stats

    dice = {(row.case_id, row.method): row.dice for row in rows}
    cases = sorted({case for case, name in dice if name == method} & {case for case, name in dice if name == against})
    if not cases:
        return None
    gains = [dice[case, method] - dice[case, against] for case in cases]
    p = float(stats.wilcoxon(gains).pvalue) if any(gains) else None
    return Difference(method, against, len(cases), bootstrapped(gains, seed), p)


def bootstrapped(values: Sequence[float], seed: int = 0) -> Interval:
    """The median of values with its 95 % percentile-bootstrap interval; of one value that value.

    Values are taken for independent: of several visits of a patient the interval is too narrow.
    """
    rng = np.random.default_rng(seed)
    array = np.asarray(values, dtype=np.float64)
    medians = np.median(array[rng.integers(0, len(array), (RESAMPLES, len(array)))], axis=1)
    low, high = np.percentile(medians, (2.5, 97.5))
    return Interval(float(median(values)), float(low), float(high))


def size_strata(truth_cc: Mapping[str, float]) -> dict[str, tuple[str, ...]]:
    """Cases by the size of their lesion: below 2 cc, 2 to 10 cc, from 10 cc on; those without a case are left out."""
    limits = (("lesion below 2 cc", 0.0, 2.0), ("lesion 2-10 cc", 2.0, 10.0), ("lesion from 10 cc", 10.0, np.inf))
    found = {
        name: tuple(sorted(case for case, cc in truth_cc.items() if low <= cc < high)) for name, low, high in limits
    }
    return {name: cases for name, cases in found.items() if cases}


def _figures(method: str, stratum: str, rows: Sequence[Judged], seed: int) -> Figures:
    def interval(name: str) -> Interval | None:
        values = [value for row in rows if (value := getattr(row, name)) is not None]
        return bootstrapped(values, seed) if values else None

    made: dict[str, Any] = {name: interval(name) for name in METRICS}
    found = sum(row.detected for row in rows) / len(rows)
    distances = sum(row.hd95_mm is not None for row in rows)
    return Figures(method, stratum, len(rows), **made, detected=found, hd95_cases=distances)

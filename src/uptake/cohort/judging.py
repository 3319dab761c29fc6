"""How well masks agree with the truth: per case in voxels and millimetres, over cases with intervals and paired tests.

Overlap and distances are those of `uptake.cohort.overlap`. Cases of one patient are no independent witnesses: intervals
resample patients with all their cases, and the paired test ranks patients. Sources: Nikolov et al. 2021 (surface Dice);
Efron 1979 (percentile bootstrap); Davison and Hinkley 1997, 3.8 (whole clusters drawn); Wilcoxon 1945.
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
    """One mask of one case against the truth. Of an empty mask hd95_mm is None and surface_dice_2mm 0."""

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

    hd95_mm is of hd95_cases of them alone: an empty mask has no distance. patients: whose the cases are, in number.
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
    patients: int


@dataclass(frozen=True)
class Difference:
    """Dice of a method less that of another on the same cases: median with interval, and Wilcoxon's p.

    p is of the patients' mean differences, None where there are none to rank.
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


def figures(
    rows: Sequence[Judged], strata: Mapping[str, Sequence[str]], owners: Mapping[str, str] | None = None
) -> tuple[Figures, ...]:
    """Every method over all cases and over each stratum (name -> case ids) that has one; in order of first mention.

    owners: whose each case is; one that is not in it is a patient of its own.
    """
    methods = list(dict.fromkeys(row.method for row in rows))
    found = []
    for stratum, cases in {"all": [row.case_id for row in rows], **strata}.items():
        members = set(cases)
        for method in methods:
            own = [row for row in rows if row.method == method and row.case_id in members]
            if own:
                found.append(_figures(method, stratum, own, owners or {}))
    return tuple(found)


def difference(
    rows: Sequence[Judged], method: str, against: str, owners: Mapping[str, str] | None = None
) -> Difference | None:
    """The paired comparison of two methods over the cases that both have; None where there is no such case."""
    from scipy import stats

    dice = {(row.case_id, row.method): row.dice for row in rows}
    cases = sorted({case for case, name in dice if name == method} & {case for case, name in dice if name == against})
    if not cases:
        return None
    gains = [dice[case, method] - dice[case, against] for case in cases]
    whose = [(owners or {}).get(case, case) for case in cases]
    means = [
        float(np.mean([gain for gain, other in zip(gains, whose, strict=True) if other == owner]))
        for owner in dict.fromkeys(whose)
    ]
    p = float(stats.wilcoxon(means).pvalue) if any(means) else None
    return Difference(method, against, len(cases), bootstrapped(gains, whose), p)


def bootstrapped(values: Sequence[float], whose: Sequence[str] = (), seed: int = 0) -> Interval:
    """The median of values with its 95 % percentile-bootstrap interval; of one patient's values that median alone.

    whose: the patient of each value; every resample draws as many patients as there are, with all their values.
    Empty: each value is a patient's own.
    """
    names = list(whose) or [str(number) for number in range(len(values))]
    patients = list(dict.fromkeys(names))
    drawn = np.random.default_rng(seed).integers(0, len(patients), (RESAMPLES, len(patients)))
    times = np.stack([np.bincount(row, minlength=len(patients)) for row in drawn])
    order = np.argsort(values)
    owner = np.array([patients.index(name) for name in names])[order]
    medians = _medians(np.asarray(values, dtype=np.float64)[order], times[:, owner])
    low, high = np.percentile(medians, (2.5, 97.5))
    return Interval(float(median(values)), float(low), float(high))


def _medians(values: Floats, times: npt.NDArray[np.int64]) -> Floats:
    """Medians of ascending values, each of which stands in a sample (row) so many times."""
    upto = times.cumsum(axis=1)
    count = upto[:, -1:]
    low, high = (np.argmax(upto >= rank, axis=1) for rank in ((count + 1) // 2, count // 2 + 1))
    middle: Floats = (values[low] + values[high]) / 2
    return middle


def size_strata(truth_cc: Mapping[str, float]) -> dict[str, tuple[str, ...]]:
    """Cases by the size of their lesion: below 2 cc, 2 to 10 cc, from 10 cc on; those without a case are left out."""
    limits = (("lesion below 2 cc", 0.0, 2.0), ("lesion 2-10 cc", 2.0, 10.0), ("lesion from 10 cc", 10.0, np.inf))
    found = {
        name: tuple(sorted(case for case, cc in truth_cc.items() if low <= cc < high)) for name, low, high in limits
    }
    return {name: cases for name, cases in found.items() if cases}


def _figures(method: str, stratum: str, rows: Sequence[Judged], owners: Mapping[str, str]) -> Figures:
    def interval(name: str) -> Interval | None:
        known = [row for row in rows if getattr(row, name) is not None]
        whose = [owners.get(row.case_id, row.case_id) for row in known]
        return bootstrapped([getattr(row, name) for row in known], whose) if known else None

    made: dict[str, Any] = {name: interval(name) for name in METRICS}
    found = sum(row.detected for row in rows) / len(rows)
    distances = sum(row.hd95_mm is not None for row in rows)
    patients = len({owners.get(row.case_id, row.case_id) for row in rows})
    return Figures(method, stratum, len(rows), **made, detected=found, hd95_cases=distances, patients=patients)

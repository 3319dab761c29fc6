"""Checks of one case, as in the paper's technical validation: what was found, what is allowed.

A check is one function of a case; `CHECKS` is the list. Source: Chitalia et al., Scientific Data 2022;9:440,
"Technical Validation": uniform spacing and intensity distribution. What it asks of the images of every step, a defined
coordinate system and voxels that are not zero, stands in `uptake.cohort.stages`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from uptake.study import Case
from uptake.volume import Volume

Status = Literal["pass", "warn", "fail"]

SATURATED_SHARE = 1e-4
EXPECTED_SPACING_MM = 1e-3
POOLED_MEAN, POOLED_SD = 0.02, 0.05


@dataclass(frozen=True)
class Finding:
    """The result of one check, in words: what was found and what is allowed."""

    check: str
    status: Status
    found: str
    allowed: str
    remedy: str = ""


def check_case(case: Case) -> tuple[Finding, ...]:
    """Every finding of every check, in the order of `CHECKS`."""
    return tuple(finding for check in CHECKS for finding in check(case))


def saturation(case: Case) -> Iterator[Finding]:
    """The share of voxels at the largest value of a phase: clipped intensities falsify PE and SER."""
    worst = max(_share_at_maximum(volume) for volume in case.study.volumes)
    yield Finding(
        "saturation",
        "pass" if worst <= SATURATED_SHARE else "warn",
        f"{100 * worst:.4f} % of voxels at the maximum of a phase",
        f"at most {100 * SATURATED_SHARE:g} %",
        "look at the brightest voxels: PE is too low where they are clipped",
    )


def phase_order(case: Case) -> Iterator[Finding]:
    """Enhancement exists: the tumour is brighter after contrast than before; and phases are evenly far apart."""
    mask = case.masks.get("ftv_pe")
    if mask is not None and mask.array.any():
        means = [float(volume.array[mask.array].mean()) for volume in case.study.volumes]
        status: Status = "pass" if means[0] == min(means) else "fail"
        found = "mean in the FTV per phase " + ", ".join(f"{m:.4g}" for m in means)
        yield Finding(
            "phases in order", status, found, "lowest before contrast", "check how the phases were told apart"
        )
    times = [phase.time_s for phase in case.study.phases]
    known = [time for time in times if time is not None]
    if len(known) < len(times):
        yield Finding("phase times", "warn", "no file says when the phases were taken", "times of all phases")
        return
    gaps = [b - a for a, b in pairwise(known)]
    yield Finding("phase times", "pass", "s between phases " + ", ".join(f"{g:.0f}" for g in gaps), "increasing")


def harmonised_grid(case: Case) -> Iterator[Finding]:
    """The harmonised images are isotropic."""
    if case.harmonised is None:
        return
    spacing = case.harmonised.grid.spacing_mm
    even = max(spacing) - min(spacing) <= EXPECTED_SPACING_MM
    words = " x ".join(f"{s:.4g}" for s in spacing)
    yield Finding("isotropic spacing", "pass" if even else "fail", f"{words} mm", "equal along the three axes")


def harmonised_intensity(case: Case) -> Iterator[Finding]:
    """Mean 0 and standard deviation 1 over all phases together, as far as the plain rule promises it."""
    if case.harmonised is None:
        return
    volumes = case.harmonised.volumes
    mean = float(np.mean([v.array.mean(dtype=np.float64) for v in volumes]))
    sd = float(np.sqrt(np.mean([np.square(v.array - np.float32(mean)).mean(dtype=np.float64) for v in volumes])))
    even = abs(mean) <= POOLED_MEAN and abs(sd - 1) <= POOLED_SD
    found = f"mean {mean:.4f}, standard deviation {sd:.4f} over all phases"
    allowed = f"within {POOLED_MEAN:g} of 0 and {POOLED_SD:g} of 1 under the plain rule"
    yield Finding("pooled intensity", "pass" if even else "warn", found, allowed, "expected under zscore.rule = captk")


def tumour_found(case: Case) -> Iterator[Finding]:
    """An FTV and an STV proposal with at least a voxel, and none that touches the edge of the images."""
    for name, words in (("ftv_pe", "FTV"), ("stv_proposal", "STV proposal")):
        mask = case.masks.get(name)
        if mask is None:
            continue
        found = bool(mask.array.any())
        yield Finding(
            f"{words} found",
            "pass" if found else "warn",
            f"{mask.cc:.2f} cc",
            "above 0",
            "look at the VOI and the thresholds; after treatment an empty FTV can be true",
        )
        if found and _touches_edge(mask):
            yield Finding(f"{words} inside the images", "warn", "it touches the edge", "a margin", "it may be cut off")


def _share_at_maximum(volume: Volume) -> float:
    array = volume.array
    return float(np.count_nonzero(array == array.max()) - 1) / array.size


def _touches_edge(mask: Volume) -> bool:
    return any(mask.array.take(end, axis).any() for axis in range(3) for end in (0, -1))


CHECKS: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    saturation,
    phase_order,
    harmonised_grid,
    harmonised_intensity,
    tumour_found,
)

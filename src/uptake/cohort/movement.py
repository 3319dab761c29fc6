"""Whether the patient moved between the phases, and whether a correction did harm: plain numbers in, findings out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from uptake.cohort.checks import Finding, Status
from uptake.volume import Volume

MOVED_MEDIAN_MM = 1.0
MOVED_P95_MM = 2.0
"""mm. Skin farther away than this is found in studies with visible motion artefacts at the skin; still ones have
medians of 0.1-0.2 and 95th percentiles of 0.3-1.5."""

LEAST_JACOBIAN = 0.0
LESION_JACOBIAN = (0.95, 1.05)
"""A correction that shrinks or swells the lesion by more than 5 % measures itself, not the tumour."""


@dataclass(frozen=True)
class Moved:
    """One phase against the reference: the skin's distance in mm as it is used now; None where not measurable.

    jacobian: the correction's volume change per voxel; None without a correction.
    """

    phase: int
    median_mm: float | None
    p95_mm: float | None
    jacobian: Volume | None = None


def movement(phases: Sequence[Moved], lesion: Volume | None = None) -> Iterator[Finding]:
    """Findings on every phase; `lesion` is where a correction must not change volumes."""
    for moved in phases:
        yield _skin(moved)
        if moved.jacobian is not None:
            yield from _deformation(moved.phase, moved.jacobian, lesion)


def _skin(moved: Moved) -> Finding:
    check = f"motion of phase {moved.phase}"
    allowed = f"median at most {MOVED_MEDIAN_MM:g} mm, 95th percentile at most {MOVED_P95_MM:g} mm at the skin"
    if moved.median_mm is None or moved.p95_mm is None:
        return Finding(check, "warn", "too little skin to follow", allowed, "look at the phases for motion")
    found = f"median {moved.median_mm:.2f} mm, 95th percentile {moved.p95_mm:.2f} mm"
    if moved.median_mm <= MOVED_MEDIAN_MM and moved.p95_mm <= MOVED_P95_MM:
        return Finding(check, "pass", found, allowed)
    again = (
        "look at the skin: the correction left motion"
        if moved.jacobian is not None
        else (
            "correction is recommended: motion.correct = rigid or bspline; PE and SER near edges are not to be trusted"
        )
    )
    return Finding(check, "warn", found, allowed, again)


def _deformation(phase: int, jacobian: Volume, lesion: Volume | None) -> Iterator[Finding]:
    smallest = float(jacobian.array.min())
    yield Finding(
        f"no folding in phase {phase}",
        "pass" if smallest > LEAST_JACOBIAN else "fail",
        f"smallest volume change {smallest:.2f}",
        f"above {LEAST_JACOBIAN:g}",
        "a coarser motion.grid_mm, or motion.correct = rigid",
    )
    if lesion is None or not lesion.array.any():
        return
    mean = float(jacobian.array[lesion.array].mean(dtype="float64"))
    low, high = LESION_JACOBIAN
    status: Status = "pass" if low <= mean <= high else "warn"
    found, allowed = f"mean volume change {mean:.3f} in the FTV", f"{low:g}-{high:g}"
    yield Finding(f"lesion kept in phase {phase}", status, found, allowed, "a coarser motion.grid_mm, or rigid")

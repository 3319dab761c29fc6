"""The quantities of the paper's technical validation, after every step that makes images.

A defined coordinate system, voxels that are not zero, the spacing, the distribution of intensities: Chitalia et al.,
Scientific Data 2022;9:440, "Technical Validation".
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from uptake.cohort.checks import Finding, Status
from uptake.study import Study
from uptake.volume import Array, Volume

FEWEST_NON_ZERO = 0.05
"""Share of voxels. A phase with fewer shows no breast."""

SPACING_MM = (0.2, 8.0)
"""Voxel edges of breast DCE-MRI; beyond this a header is wrong."""

FIELD = (0.1, 10.0)
"""A bias field beyond this is no coil's."""


def stage(name: str, study: Study) -> Iterator[Finding]:
    """Four findings on the images that a step has made: `name` says which."""
    grid = study.grid
    skew = float(np.abs(grid.direction.T @ grid.direction - np.eye(3)).max())
    orientation: Status = "pass" if skew < np.sin(np.radians(0.1)) else "warn"
    origin = ", ".join(f"{x:.1f}" for x in grid.origin)
    words = f"axes at right angles within {np.degrees(np.arcsin(min(skew, 1.0))):.2f} degrees, origin {origin} mm"
    yield Finding(f"{name}: coordinate system", orientation, words, "within 0.1 degrees")
    shares = [np.count_nonzero(volume.array) / volume.array.size for volume in study.volumes]
    filled: Status = "pass" if min(shares) >= FEWEST_NON_ZERO else "fail"
    words = "voxels that are not zero " + ", ".join(f"{100 * share:.1f} %" for share in shares)
    yield Finding(f"{name}: non-zero", filled, words, f"at least {100 * FEWEST_NON_ZERO:g} % of every phase")
    low, high = SPACING_MM
    sane: Status = "pass" if low <= min(grid.spacing_mm) <= max(grid.spacing_mm) <= high else "warn"
    words = " x ".join(f"{s:.4g}" for s in grid.spacing_mm) + " mm, " + " x ".join(map(str, grid.shape)) + " voxels"
    yield Finding(f"{name}: spacing", sane, words, f"{low:g}-{high:g} mm")
    yield _intensities(name, study.volumes)


def fields(volumes: tuple[Volume, ...]) -> Iterator[Finding]:
    """The bias fields: finite, positive and no further from 1 than a coil's."""
    for n, volume in enumerate(volumes):
        values = _some(volume.array)
        least, most = float(values.min()), float(values.max())
        sound = np.isfinite(values).all() and FIELD[0] <= least and most <= FIELD[1]
        name = "bias field" if len(volumes) == 1 else f"bias field {n}"
        words = f"{least:.2f} to {most:.2f}"
        remedy = "look at the field on the report; another bias.reference, or fewer bias.levels"
        yield Finding(name, "pass" if sound else "warn", words, f"{FIELD[0]:g} to {FIELD[1]:g}", remedy)


def _intensities(name: str, volumes: tuple[Volume, ...]) -> Finding:
    """Minimum, quartiles and maximum per phase; not finite or all the same is a failure."""
    parts, sound = [], True
    for volume in volumes:
        values = _some(volume.array)
        finite = bool(np.isfinite(values).all())
        sound &= finite and bool(values.min() < values.max())
        parts.append(
            " ".join(f"{q:.4g}" for q in np.percentile(values, (0, 25, 50, 75, 100))) if finite else "not finite"
        )
    words = "minimum, quartiles, maximum " + "; ".join(parts)
    return Finding(f"{name}: intensities", "pass" if sound else "fail", words, "finite, and not all the same")


def _some(array: Array) -> Array:
    """Every third voxel along each axis: the distribution, at a twenty-seventh of the time."""
    return array[tuple(slice(None, None, 3 if n > 9 else 1) for n in array.shape)]

"""Sizes, pieces and diameters of drawn lesions beside those of the published cohort."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import ndimage

from uptake.phantom.fields import region_of
from uptake.phantom.foci import longest_diameter_mm, occupancy, spread
from uptake.phantom.frames import frame_of, view_grid
from uptake.phantom.model import STV_REACH_MM, draw_model, stream
from uptake.phantom.outline import draw_breast
from uptake.volume import Array

Size = tuple[float, int, float, float, float]
POINTS = (5, 25, 50, 75, 95)
REAL_DIAMETERS_MM = {5: 25, 25: 47, 50: 65, 75: 85, 95: 114}
"""Percentiles of MRI LD Baseline, 219 patients of I-SPY 1's clinical workbook."""


def lesion_size(seed: int) -> Size:
    """STV in cc, its pieces, the share of the largest, mm3 beside it, longest diameter of all disease in mm.

    Those of `make(seed=seed)`, without rendering anything but the lesion.
    """
    rng = stream(seed, "plan")
    side = int(rng.choice((-1, 1)))
    frame = frame_of(view_grid("sagittal", "full", side, rng, "ge"))
    breast = draw_breast(side, rng)
    model = draw_model(seed, region_of(frame, 12.0), (breast,), 2.0, "any", "any")
    found = occupancy(frame.grid, model.lesion, model.body.depth, STV_REACH_MM)
    stv, whole = (spread(part, found.where, frame.grid.shape) >= 0.5 for part in (found.stv, found.lesion))
    labels, number = ndimage.label(stv)
    sizes = np.bincount(labels.ravel())[1:] * frame.grid.voxel_volume_mm3
    largest = float(sizes.max()) if number else 0.0
    total = float(sizes.sum())
    return (
        total / 1000,
        int(number),
        largest / max(total, 1e-9),
        total - largest,
        longest_diameter_mm(whole, frame.grid),
    )


def real_sizes(path: Path) -> tuple[Array, Array, Array]:
    """STV in cc, share of its largest piece, mm3 beside it, of the published cohort."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    cc, voxels, largest, one = (
        np.array([float(row[name]) for row in rows])
        for name in ("stv_mm3", "stv_voxels", "largest_component_voxels", "voxel_mm3")
    )
    return cc / 1000, largest / voxels, (voxels - largest) * one


def size_table(lesions: Sequence[Size], real: tuple[Array, Array, Array]) -> str:
    """Volumes, pieces and diameters of lesions against the published cohort."""
    volumes, pieces, largest, beside, diameters = (np.array(column) for column in zip(*lesions, strict=True))
    real_cc, real_largest, real_beside = real
    lines = [
        ("STV, cc, 5-25-50-75-95 %", _five(real_cc), _five(volumes)),
        ("largest piece of the STV, share", _five(real_largest), _five(largest)),
        ("other pieces where there are any, cubic mm", _five(real_beside[real_beside > 0]), _five(beside[pieces > 1])),
        ("longest diameter of all disease, mm", " ".join(map(str, REAL_DIAMETERS_MM.values())), _five(diameters)),
    ]
    rows = ["| | real | phantoms |", "|---|---|---|"]
    rows.append(f"| more than one piece, % | {100 * np.mean(real_beside > 0):.0f} | {100 * np.mean(pieces > 1):.0f} |")
    return "\n".join(rows + [f"| {name} | {theirs} | {ours} |" for name, theirs, ours in lines])


def _five(values: Array) -> str:
    return " ".join(f"{p:.3g}" for p in np.percentile(values, POINTS))

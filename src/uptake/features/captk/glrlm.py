"""CaPTk's GLRLM family: 12 features of runs of equal grey level, on ITK's matrix.

Defects that are kept (and put right in the corrected panel): the length of a run is a number of mm, 0 for a single
voxel, sorted into as many bins as there are grey levels between 0 and the diagonal of the mask's box, so that its
number is not a number of voxels; runs begin inside the mask but go on outside it, as far as grey level and image
allow; runs longer than the diagonal are dropped; for a radius above 1 the directions are an accidental set of steps
of up to that many voxels (see `captk_offsets`). `Combined` has neither TotalRuns nor RunPercentage, as in CaPTk.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from uptake.features.captk.parameters import CaptkParameters
from uptake.features.captk.roi import FORWARD, Offset, Roi, averaged, bin_of, captk_offsets, itk_edges, length_mm
from uptake.features.definition import Undefined, Value
from uptake.features.discretise import fixed_bin_number
from uptake.features.region import Bool, Float

Levels = npt.NDArray[np.int32]
OUTSIDE = -1
NO_RUN = Undefined("a direction has no run that is short enough to be counted")

AVERAGE_ONLY = ("RunPercentage", "TotalRuns")
NAMES = (
    "GreyLevelNonuniformity",
    "HighGreyLevelRunEmphasis",
    "LongRunEmphasis",
    "LongRunHighGreyLevelEmphasis",
    "LongRunLowGreyLevelEmphasis",
    "LowGreyLevelRunEmphasis",
    "RunLengthNonuniformity",
    "ShortRunEmphasis",
    "ShortRunHighGreyLevelEmphasis",
    "ShortRunLowGreyLevelEmphasis",
    *AVERAGE_ONLY,
)


def units(parameters: CaptkParameters) -> dict[str, str]:
    """Names and units; numbers of grey levels and of lengths have none."""
    names = NAMES if parameters.glrlm_offset == "Average" else tuple(n for n in NAMES if n not in AVERAGE_ONLY)
    return {name: "run" if name == "TotalRuns" else "1" for name in names}


def captk(roi: Roi, parameters: CaptkParameters) -> dict[str, Value]:
    """The family as CaPTk 1.8.1 computes it, with `Average` or `Combined` offsets."""
    bins = parameters.glrlm_bins
    levels, inside = _whole_levels(roi, bins), np.zeros(roi.whole.shape, dtype=np.bool_)
    inside[roi.box] = roi.inside
    diagonal = _diagonal_mm(roi)
    edges = itk_edges(0, diagonal, bins)
    lattice, matrices = lattice_of(levels, inside, parameters.glrlm_radius), []
    for offset in captk_offsets(parameters.glrlm_radius):
        level, steps = runs(lattice, upwards(offset))
        length = steps * length_mm(roi.frame, offset)
        counted = length <= diagonal
        matrices.append(_matrix(level[counted], bin_of(length[counted], edges), bins, bins))
    return _aggregated(matrices, len(roi.values), parameters)


def corrected(roi: Roi, parameters: CaptkParameters) -> dict[str, Value]:
    """The 12 meanings with the definitions of the IBSI (TP0I): runs of voxels inside the mask in 13 directions."""
    bins = parameters.glrlm_bins
    levels = np.full(roi.inside.shape, OUTSIDE, dtype=np.int32)
    levels[roi.inside] = fixed_bin_number(roi.values, bins).numbers - 1
    longest = max(roi.inside.shape)
    lattice = lattice_of(levels, roi.inside)
    found = (runs(lattice, offset) for offset in FORWARD)
    matrices = [_matrix(level, steps, bins, longest) for level, steps in found]
    return _aggregated(matrices, len(roi.values), parameters)


def _aggregated(matrices: list[Float], voxels: int, parameters: CaptkParameters) -> dict[str, Value]:
    if parameters.glrlm_offset == "Combined":
        table = features(np.sum(matrices, axis=0), voxels)
        return {name: value for name, value in table.items() if name not in AVERAGE_ONLY}
    return averaged(features(matrix, voxels) for matrix in matrices)


def upwards(offset: Offset) -> Offset:
    """The offset or its opposite, whichever has its last step that is not 0 forwards: so ITK scans."""
    forward = next(step for step in reversed(offset) if step) > 0
    return offset if forward else (-offset[0], -offset[1], -offset[2])


class Lattice(NamedTuple):
    """Levels and mask within a margin that no step crosses, both flat; made once for all directions.

    places: where the mask is, rising. strides: from a place to the next one along i, j and k.
    """

    levels: Levels
    within: Bool
    places: npt.NDArray[np.intp]
    strides: tuple[int, ...]


def lattice_of(levels: Levels, inside: Bool, reach: int = 1) -> Lattice:
    """Levels and mask, shape (i, j, k) both, for steps of at most `reach` voxels along each axis."""
    padded = np.pad(levels, reach, constant_values=OUTSIDE)
    within = np.pad(inside, reach).ravel()
    strides = tuple(stride // padded.itemsize for stride in padded.strides)
    return Lattice(padded.ravel(), within, np.flatnonzero(within), strides)


def runs(lattice: Lattice, offset: Offset) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.intp]]:
    """Level and number of steps (0 for a single voxel) of every run along `offset`.

    A run is the part, from its first voxel inside the mask on, of a row of voxels of one level (not `OUTSIDE`) that
    are each `offset` apart; further voxels need not be inside.
    """
    levels, stride = lattice.levels, int(np.dot(offset, lattice.strides))
    starts = _without_voxels_before(lattice, stride)
    steps = np.zeros(len(starts), dtype=np.intp)
    going, at = np.arange(len(starts)), starts
    while going.size:
        same = levels[at + stride] == levels[at]
        going, at = going[same], at[same] + stride
        steps[going] += 1
    return levels[starts], steps


def _without_voxels_before(lattice: Lattice, stride: int) -> npt.NDArray[np.intp]:
    """Voxels inside the mask before which their row of equal levels has no other voxel inside the mask."""
    levels, at = lattice.levels, lattice.places
    first = np.ones(len(at), dtype=np.bool_)
    looking = np.arange(len(at))
    while looking.size:
        same = levels[at - stride] == levels[at]
        looking, at = looking[same], at[same] - stride
        met = lattice.within[at]
        first[looking[met]] = False
        looking, at = looking[~met], at[~met]
    return lattice.places[first]


def features(runs_by_level_and_length: Float, voxels: int) -> dict[str, Value]:
    """The 12 features of a run length matrix: rows are levels from 1, columns lengths from 1."""
    total = runs_by_level_and_length.sum()
    if total == 0:
        return dict.fromkeys(NAMES, NO_RUN)
    levels, lengths = runs_by_level_and_length.sum(axis=1), runs_by_level_and_length.sum(axis=0)
    i2 = np.arange(1, len(levels) + 1, dtype=np.float64) ** 2
    j2 = np.arange(1, len(lengths) + 1, dtype=np.float64) ** 2
    values = {
        "ShortRunEmphasis": lengths @ (1 / j2),
        "LongRunEmphasis": lengths @ j2,
        "GreyLevelNonuniformity": levels @ levels,
        "RunLengthNonuniformity": lengths @ lengths,
        "LowGreyLevelRunEmphasis": levels @ (1 / i2),
        "HighGreyLevelRunEmphasis": levels @ i2,
        "ShortRunLowGreyLevelEmphasis": (1 / i2) @ runs_by_level_and_length @ (1 / j2),
        "ShortRunHighGreyLevelEmphasis": i2 @ runs_by_level_and_length @ (1 / j2),
        "LongRunLowGreyLevelEmphasis": (1 / i2) @ runs_by_level_and_length @ j2,
        "LongRunHighGreyLevelEmphasis": i2 @ runs_by_level_and_length @ j2,
    }
    table: dict[str, Value] = {name: float(value / total) for name, value in values.items()}
    return {**table, "TotalRuns": float(total), "RunPercentage": float(total / voxels)}


def _matrix(rows: npt.NDArray[np.int32], columns: npt.NDArray[np.intp], height: int, width: int) -> Float:
    cells = rows.astype(np.intp) * width + columns
    return np.bincount(cells, minlength=height * width).reshape(height, width).astype(np.float64)


def _whole_levels(roi: Roi, bins: int) -> Levels:
    """Grey level from 0 of every voxel of the image between the mask's minimum and maximum, else `OUTSIDE`."""
    low, high = float(roi.values.min()), float(roi.values.max())
    levels = np.full(roi.whole.shape, OUTSIDE, dtype=np.int32)
    within = (roi.whole >= low) & (roi.whole <= high)
    levels[within] = bin_of(roi.whole[within].astype(np.float64), itk_edges(low, high, bins))
    return levels


def _diagonal_mm(roi: Roi) -> float:
    """Diagonal of the box, along the patient's axes, around the centres of the mask's voxels."""
    world = roi.grid.to_world(np.argwhere(roi.inside))
    return float(np.linalg.norm(np.ptp(world, axis=0)))

"""CaPTk's GLSZM family: 18 features of zones, sets of neighbours of equal grey level.

Defects that are kept (and put right in the corrected panel): voxels at the maximum are a level of their own while
zones are grown, above the highest one, and are counted with the highest; for a radius above 1 neighbours are an
accidental set of voxels up to that many steps away and not the nearest ones (see `captk_offsets`), so that zones
need not hang together. GreyLevelMean and ZoneSizeMean are no IBSI features; the latter is 1 / ZonePercentage.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from uptake.features import _kernels
from uptake.features.captk.parameters import CaptkParameters
from uptake.features.captk.roi import FORWARD, Int, Offset, Roi, captk_offsets, pairs
from uptake.features.definition import Value
from uptake.features.discretise import fixed_bin_number
from uptake.features.region import Bool, Float

Number = npt.NDArray[np.int32]

NAMES = (
    "GreyLevelMean",
    "GreyLevelNonUniformity",
    "GreyLevelNonUniformityNormalized",
    "GreyLevelVariance",
    "HighGreyLevelEmphasis",
    "LargeZoneEmphasis",
    "LargeZoneHighGreyLevelEmphasis",
    "LargeZoneLowGreyLevelEmphasis",
    "LowGreyLevelEmphasis",
    "SmallZoneEmphasis",
    "SmallZoneHighGreyLevelEmphasis",
    "SmallZoneLowGreyLevelEmphasis",
    "ZonePercentage",
    "ZoneSizeEntropy",
    "ZoneSizeMean",
    "ZoneSizeNonUniformity",
    "ZoneSizeNoneUniformityNormalized",
    "ZoneSizeVariance",
)


def units(_: CaptkParameters) -> dict[str, str]:
    """Names and units; grey levels have none."""
    voxels = {"ZoneSizeEntropy": "bit", "ZoneSizeMean": "voxel", "ZoneSizeVariance": "voxel2"}
    return {name: voxels.get(name, "1") for name in NAMES}


def captk(roi: Roi, parameters: CaptkParameters) -> dict[str, Value]:
    """The family as CaPTk 1.8.1 computes it."""
    bins, low, high = parameters.glszm_bins, float(roi.values.min()), float(roi.values.max())
    levels = np.zeros(roi.inside.shape, dtype=np.intp)
    if high > low:
        levels[roi.inside] = np.floor((roi.values - low) / ((high - low) / bins))
    level, size = zones(roi.inside, levels, captk_offsets(parameters.glszm_radius))
    return features(np.minimum(level, bins - 1) + 1, size)


def corrected(roi: Roi, parameters: CaptkParameters) -> dict[str, Value]:
    """The 18 meanings with the definitions of the IBSI (9SAK): zones of the 26 nearest neighbours."""
    levels = np.zeros(roi.inside.shape, dtype=np.intp)
    levels[roi.inside] = fixed_bin_number(roi.values, parameters.glszm_bins).numbers
    return features(*zones(roi.inside, levels, FORWARD))


def zones(inside: Bool, levels: Int, offsets: Iterable[Offset]) -> tuple[Int, Int]:
    """Level and number of voxels of every zone: voxels of one level that lead to each other by `offsets`, both ways."""
    count = int(np.count_nonzero(inside))
    number = np.full(inside.shape, -1, dtype=np.int32)
    number[inside] = np.arange(count, dtype=np.int32)
    first = np.arange(count, dtype=np.int32)
    for offset in offsets:
        _kernels.join(*_neighbours(inside, levels, number, offset), first)
    firsts, size = np.unique(first, return_counts=True)
    return levels[inside][firsts], size


def _neighbours(inside: Bool, levels: Int, number: Number, offset: Offset) -> tuple[Number, Number]:
    here, there = pairs(inside, offset)
    joined = inside[here] & inside[there] & (levels[here] == levels[there])
    return number[here][joined], number[there][joined]


def features(level: Int, size: Int) -> dict[str, Value]:
    """The 18 features of zones with grey levels from 1 and sizes in voxels."""
    total, i, j = len(level), level.astype(np.float64), size.astype(np.float64)
    by_level, by_size = np.bincount(level).astype(np.float64), np.unique(size, return_counts=True)[1].astype(np.float64)
    share = _cells(level, size) / total
    return {
        "SmallZoneEmphasis": float((1 / j**2).mean()),
        "LargeZoneEmphasis": float((j**2).mean()),
        "LowGreyLevelEmphasis": float((1 / i**2).mean()),
        "HighGreyLevelEmphasis": float((i**2).mean()),
        "SmallZoneLowGreyLevelEmphasis": float((1 / (i * j) ** 2).mean()),
        "SmallZoneHighGreyLevelEmphasis": float(((i / j) ** 2).mean()),
        "LargeZoneLowGreyLevelEmphasis": float(((j / i) ** 2).mean()),
        "LargeZoneHighGreyLevelEmphasis": float(((i * j) ** 2).mean()),
        "GreyLevelNonUniformity": float(by_level @ by_level) / total,
        "GreyLevelNonUniformityNormalized": float(by_level @ by_level) / total**2,
        "ZoneSizeNonUniformity": float(by_size @ by_size) / total,
        "ZoneSizeNoneUniformityNormalized": float(by_size @ by_size) / total**2,
        **of_counts(total, int(size.sum())),
        "GreyLevelMean": float(i.mean()),
        "GreyLevelVariance": float(i.var()),
        "ZoneSizeVariance": float(j.var()),
        "ZoneSizeEntropy": 0.0 - float(share @ np.log2(share)),
    }


def of_counts(zones_: int, voxels: int) -> dict[str, Value]:
    """The two features that follow from the number of zones and of voxels."""
    return {"ZonePercentage": zones_ / voxels, "ZoneSizeMean": voxels / zones_}


def _cells(level: Int, size: Int) -> Float:
    """How many zones share a level and a size, for every such pair that occurs."""
    counts: npt.NDArray[np.intp] = np.unique(np.stack([level, size]), axis=1, return_counts=True)[1]
    return counts.astype(np.float64)

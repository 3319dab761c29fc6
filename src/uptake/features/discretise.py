"""Grey levels: intensities sorted into numbered bins (IBSI 4R0B)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from uptake.features.region import Float, Region, once
from uptake.study import SettingsError

MOST_BINS = 1_000_000


class Levels(NamedTuple):
    """Bin numbers, 1 for the lowest, and how many bins there are; empty ones count.

    numbers: whole, shape (n,), those of `Region.values` in the same order. bins: at least the highest number.
    """

    numbers: npt.NDArray[Any]
    bins: int


@once
def levels_of(region: Region) -> Levels:
    """Grey levels of a region as its settings say."""
    if region.steps is None:
        return _discretised(region.values, region)
    # Whole numbers repeat themselves: each different one is sorted once.
    different = region.distribution[0]
    found = _discretised(different, region)
    table = np.zeros(int(different[-1] - different[0]) + 1, np.uint16 if found.bins < 2**16 else np.int64)
    table[(different - different[0]).astype(np.int64)] = found.numbers
    return Levels(table[region.steps], found.bins)


def fixed_bin_number(x: Float, bins: int) -> Levels:
    """Fixed bin number (IBSI K15C): equal bins from the minimum to the maximum, which belongs to the last bin.

    Equal intensities fill one bin, number 1: where the range is zero IBSI's formula says nothing.
    """
    low, high = float(x.min()), float(x.max())
    if low == high:
        return Levels(np.ones(x.shape, dtype=np.int64), 1)
    # Multiplied first: whole numbers on the edge of a bin then stay on it.
    numbers = np.floor((x - low) * bins / (high - low)).astype(np.int64) + 1
    return Levels(np.minimum(numbers, bins), bins)


def fixed_bin_size(x: Float, width: float, low: float) -> Levels:
    """Fixed bin size (IBSI Q3RU): bins of `width` from `low`, each without its upper edge, as many as are needed.

    Raises SettingsError for more than `MOST_BINS`.
    """
    check_count((float(x.max()) - low) / width, f"bins of {width:g}")
    numbers = np.floor((x - low) / width).astype(np.int64) + 1
    return Levels(numbers, int(numbers.max()))


def check_count(count: float, what: str) -> None:
    """Raise SettingsError where a histogram would have more than `MOST_BINS` bins."""
    if count >= MOST_BINS:
        raise SettingsError(
            f"{what} would be {count:.3g} for the intensities of this region: allowed are {MOST_BINS}; "
            "choose wider bins, or a fixed number of them"
        )


def _discretised(x: Float, region: Region) -> Levels:
    settings = region.settings
    if settings.discretisation == "fixed-bin-number":
        return fixed_bin_number(x, settings.bins)
    return fixed_bin_size(x, settings.bin_width, lowest(region))


def lowest(region: Region) -> float:
    """Where the first bin of fixed size begins: at the re-segmentation range if it has an end, else at the minimum."""
    limits = region.settings.resegment_range
    return limits[0] if limits and np.isfinite(limits[0]) else float(region.distribution[0][0])

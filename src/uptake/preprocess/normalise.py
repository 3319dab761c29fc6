"""z-score: one mean and one standard deviation over all phases of a patient.

Pooling keeps the phases comparable: enhancement survives, the scanner's scale does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Literal, get_args

import numpy as np
import numpy.typing as npt

from uptake.study import Code, Refusal, SettingsError
from uptake.volume import Array, Volume

Rule = Literal["plain", "captk"]
Region = Literal["all", "breast", "positive"]
Mask = npt.NDArray[np.bool_]

CAPTK_FOREGROUND = 1.0
"""CaPTk 1.8.1 without a mask takes every voxel of at least this value."""

ABOVE_ZERO = math.ulp(0.0)
"""The smallest positive number."""

ITK_MARGINAL_SCALE = 1000.0
"""ITK widens a histogram of floats by one thousandth of a bin, so that the maximum falls inside."""


@dataclass(frozen=True)
class ZScore:
    """How mean and standard deviation are taken."""

    rule: Annotated[
        Rule,
        "plain: every voxel of the region; captk: those of at least 1, between the quantiles and cut-offs below",
    ] = "plain"
    region: Annotated[
        Region, "all: every voxel of the images (the paper's words); breast: the breast mask; positive: voxels above 0"
    ] = "all"
    quantiles: Annotated[
        tuple[float, float], "percent; captk only: voxels below and above are left out of mean and SD. (0, 0): off"
    ] = (5.0, 95.0)
    cutoffs: Annotated[
        tuple[float, float], "SD below and above the mean; captk only: voxels beyond are left out. (0, 0): off"
    ] = (3.0, 3.0)

    def __post_init__(self) -> None:
        if self.rule not in get_args(Rule):
            raise SettingsError(f"rule is one of {get_args(Rule)}, not {self.rule!r}")
        if self.region not in get_args(Region):
            raise SettingsError(f"region is one of {get_args(Region)}, not {self.region!r}")
        low, high = self.quantiles
        if (low, high) != (0, 0) and not 0 <= low < high <= 100:
            raise SettingsError(f"quantiles are two rising percentages between 0 and 100, or (0, 0), not {(low, high)}")
        if not all(math.isfinite(c) and c >= 0 for c in self.cutoffs) or min(self.cutoffs) == 0 < max(self.cutoffs):
            raise SettingsError(f"cutoffs are two positive numbers of SD, or (0, 0), not {self.cutoffs}")


@dataclass(frozen=True)
class Statistics:
    """What the intensities were normalised with, in the unit of the input.

    n_voxels: how many voxels mean and sd were taken over, all phases together.
    region: where they were taken. lower, upper: the limits of those voxels; their minimum and maximum under the
    plain rule.
    """

    mean: float
    sd: float
    n_voxels: int
    rule: Rule
    lower: float
    upper: float
    region: Region = "all"


def zscore(
    volumes: tuple[Volume, ...], settings: ZScore | None = None, breast: Volume | None = None
) -> tuple[tuple[Volume, ...], Statistics]:
    """``(x - mean) / sd`` of every voxel, float32, with one mean and sd over all volumes together.

    The region says which voxels count, the rule how; every voxel is scaled, inside the region or not. breast: a mask on
    the volumes' grid, needed for that region alone. plain: all voxels, sd with divisor N. captk: CaPTk 1.8.1's default,
    divisor N - 1: of the voxels that are at least 1, those within ``max(min, quantile, mean - c sd)`` and
    ``min(max, quantile, mean + c sd)``; nothing is clipped, so background becomes a negative number. Accumulated in
    float64.
    Raises ValueError for no volumes, and for a region breast without a mask or with one on another grid; Refusal
    (empty-mask) for a mask without a voxel, (all-zero-voxels) where all voxels considered are equal or none is left,
    (non-finite-voxels) for NaN or infinity in the region.
    """
    settings = settings or ZScore()
    if not volumes:
        raise ValueError("a z-score needs at least one volume")
    sample = _Sample(volumes, _mask(volumes, settings, breast))
    least = ABOVE_ZERO if settings.region == "positive" else -math.inf
    statistics = _captk(sample, settings) if settings.rule == "captk" else _plain(sample, least)
    statistics = replace(statistics, region=settings.region)
    return tuple(_apply(volume, statistics) for volume in volumes), statistics


@dataclass(frozen=True, eq=False)
class _Sample:
    """What the statistics are taken of: all voxels of the volumes, or those of a mask."""

    volumes: tuple[Volume, ...]
    mask: Mask | None

    def pieces(self, lower: float, upper: float) -> Iterator[Array]:
        """Values in [lower, upper] as float64, a slab at a time: the whole is never held twice."""
        for volume in self.volumes:
            flat = volume.array.ravel(order="K") if self.mask is None else volume.array[self.mask]
            for start in range(0, flat.size, 1 << 18):
                values = flat[start : start + (1 << 18)].astype(np.float64)
                if not np.isfinite(values).all():
                    raise _non_finite()
                if math.isfinite(lower) or math.isfinite(upper):
                    values = values[(values >= lower) & (values <= upper)]
                if values.size:
                    yield values


def _mask(volumes: tuple[Volume, ...], settings: ZScore, breast: Volume | None) -> Mask | None:
    if settings.region != "breast":
        return None
    if breast is None or not all(breast.grid.same_as(volume.grid) for volume in volumes):
        raise ValueError("the region breast needs a breast mask on the grid of the volumes")
    if not breast.array.any():
        raise Refusal(
            Code.EMPTY_MASK,
            found="a breast mask without any voxel",
            allowed="a breast to take mean and standard deviation of",
            remedy="look at the breast mask, or set zscore.region = all",
        )
    mask: Mask = breast.array
    return mask


def _plain(sample: _Sample, least: float) -> Statistics:
    return _statistics(sample, least, math.inf, rule="plain", ddof=0)


def _captk(sample: _Sample, settings: ZScore) -> Statistics:
    first = _statistics(sample, CAPTK_FOREGROUND, math.inf, rule="captk", ddof=1)
    lower, upper = first.lower, first.upper
    if settings.quantiles != (0, 0):
        low, high = _histogram_quantiles(sample, first, settings.quantiles)
        lower, upper = max(lower, low), min(upper, high)
    if settings.cutoffs != (0, 0):
        below, above = settings.cutoffs
        lower, upper = max(lower, first.mean - below * first.sd), min(upper, first.mean + above * first.sd)
    return replace(_statistics(sample, lower, upper, rule="captk", ddof=1), lower=lower, upper=upper)


def _statistics(sample: _Sample, lower: float, upper: float, *, rule: Rule, ddof: int) -> Statistics:
    """Mean and sd (divisor N - ddof) of all values in [lower, upper], their minimum and maximum, in two passes."""
    n, total, smallest, largest = 0, 0.0, math.inf, -math.inf
    for values in sample.pieces(lower, upper):
        n += values.size
        total += float(values.sum())
        smallest, largest = min(smallest, float(values.min())), max(largest, float(values.max()))
    if n <= ddof or smallest == largest:
        raise _no_spread(n, smallest)
    mean = total / n
    squares = sum(float(np.square(values - mean).sum()) for values in sample.pieces(lower, upper))
    return Statistics(mean, math.sqrt(squares / (n - ddof)), n, rule, smallest, largest)


def _histogram_quantiles(sample: _Sample, over: Statistics, percentages: tuple[float, float]) -> tuple[float, float]:
    """Quantiles as ITK takes them from a histogram of ``floor(max)`` bins over [min, max], linear within a bin."""
    bins = math.floor(over.upper)
    margin = (over.upper - over.lower) / bins / ITK_MARGINAL_SCALE
    edges = np.linspace(over.lower, over.upper + margin, bins + 1)
    counts = np.zeros(bins, dtype=np.int64)
    for values in sample.pieces(over.lower, over.upper):
        counts += np.histogram(values, edges)[0]
    cumulated = np.concatenate(([0], np.cumsum(counts))) / counts.sum()
    low, high = np.interp(np.asarray(percentages) / 100, cumulated, edges)
    return float(low), float(high)


def _apply(volume: Volume, statistics: Statistics) -> Volume:
    scaled = volume.array.astype(np.float32)
    scaled -= np.float32(statistics.mean)
    scaled /= np.float32(statistics.sd)
    return volume.with_array(scaled)


def _no_spread(n: int, value: float) -> Refusal:
    found = f"all {n} voxels considered have the value {value:g}" if n else "no voxel that the rule considers"
    return Refusal(
        Code.ALL_ZERO,
        found=found,
        allowed="at least two different intensities",
        remedy="look at the images of this study; they cannot be normalised",
    )


def _non_finite() -> Refusal:
    return Refusal(
        Code.NON_FINITE,
        found="voxels that are infinite or not a number",
        allowed="finite intensities",
        remedy="look at the images of this study; they cannot be normalised",
    )

"""How far two measurements agree over a cohort: bias and limits of agreement, the best and the worst case.

Bland and Altman, Stat Methods Med Res 1999;8:135.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bland and Altman's analysis of differences other - one: all in the unit of the measurements, intervals 95 %.

    ratio, ratio_lower, ratio_upper: the same of the logarithms, turned back; None where a value is not positive.
    """

    pairs: int
    bias: float
    bias_interval: tuple[float, float]
    sd: float
    lower: float
    lower_interval: tuple[float, float]
    upper: float
    upper_interval: tuple[float, float]
    ratio: float | None = None
    ratio_lower: float | None = None
    ratio_upper: float | None = None


FEWEST_PAIRS = 3
"""With fewer there is no spread to speak of."""


def limits_of_agreement(one: Sequence[float], other: Sequence[float]) -> Limits | None:
    """Bias and 95 % limits of agreement of paired measurements; None for fewer than three pairs."""
    from scipy import stats

    differences = [b - a for a, b in zip(one, other, strict=True)]
    count = len(differences)
    if count < FEWEST_PAIRS:
        return None
    bias, sd = statistics.fmean(differences), statistics.stdev(differences)
    t = float(stats.t.ppf(0.975, count - 1))
    of_bias = t * sd / math.sqrt(count)
    of_limit = t * sd * math.sqrt(1 / count + 1.96**2 / (2 * (count - 1)))
    lower, upper = bias - 1.96 * sd, bias + 1.96 * sd
    return Limits(
        count,
        bias,
        (bias - of_bias, bias + of_bias),
        sd,
        lower,
        (lower - of_limit, lower + of_limit),
        upper,
        (upper - of_limit, upper + of_limit),
        *_ratios(one, other),
    )


def extremes(values: Mapping[str, float]) -> tuple[str, str, str] | None:
    """The names of the best (largest), the median and the worst value; None for nobody. Ties go by name."""
    order = sorted(values, key=lambda name: (-values[name], name))
    return (order[0], order[(len(order) - 1) // 2], order[-1]) if order else None


def _ratios(one: Sequence[float], other: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    if min(*one, *other) <= 0:
        return None, None, None
    logs = [math.log(b / a) for a, b in zip(one, other, strict=True)]
    mean, sd = statistics.fmean(logs), statistics.stdev(logs)
    return math.exp(mean), math.exp(mean - 1.96 * sd), math.exp(mean + 1.96 * sd)

"""Intensity-volume histogram (IBSI P88C): how much of the region is at least how bright."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from uptake.features.definition import Family, Undefined, Value, define
from uptake.features.discretise import check_count, fixed_bin_number, fixed_bin_size, lowest
from uptake.features.region import Float, Region

DEFINITIONS = define(
    "intensity_volume_histogram",
    (
        ("Volume at intensity fraction 10%", "BC2M", "ivh_v10", "1"),
        ("Volume at intensity fraction 90%", "BC2M", "ivh_v90", "1"),
        ("Intensity at volume fraction 10%", "GBPN", "ivh_i10", "intensity or bin"),
        ("Intensity at volume fraction 90%", "GBPN", "ivh_i90", "intensity or bin"),
        ("Volume fraction difference between intensity fractions", "DDTU", "ivh_diff_v10_v90", "1"),
        ("Intensity fraction difference between volume fractions", "CNV2", "ivh_diff_i10_i90", "intensity or bin"),
        ("Area under the IVH curve", "9CMM", "ivh_auc", "1"),
    ),
)

NO_RANGE = Undefined("the range of intensities, by which it is divided, is zero")
NEVER = Undefined("every intensity of the range is present in a larger fraction of the volume")


class Curve(NamedTuple):
    """Discretised intensities from end to end of their range, and the fraction of the volume that has at least each.

    Both have shape (n,), n >= 1; `intensities` rise in equal steps, `volumes` never rise.
    """

    intensities: Float
    volumes: Float


def volume_histogram(region: Region) -> dict[str, Value]:
    """The features of the intensity-volume histogram of a region."""
    return {f"ivh_{name}": value for name, value in describe(curve_of(region)).items()}


def curve_of(region: Region) -> Curve:
    """The intensity-volume histogram, discretised as the region's settings say.

    ``fixed-bin-number`` (for arbitrary units, as in MR): bin numbers, from 1 to the number of bins.
    ``fixed-bin-size`` (for calibrated units): centres of bins of a width, over the re-segmentation range if there is
    one, else from the lowest to the highest intensity. ``none`` (for units that are whole numbers, as in CT): the
    intensities themselves in steps of 1, over the same range. Raises SettingsError for too many bins or steps.
    """
    settings, (x, counts) = region.settings, region.distribution
    if settings.ivh_discretisation == "fixed-bin-number":
        levels = fixed_bin_number(x, settings.ivh_bins)
        return _curve(levels.numbers.astype(np.float64), counts, 1.0, levels.bins)
    low, high = lowest(region), _highest(region)
    if settings.ivh_discretisation == "none":
        check_count(high - low, "steps of 1")
        return _curve(x, counts, low, int(np.floor(high - low)) + 1)
    width = settings.ivh_bin_width
    check_count((high - low) / width, f"bins of {width:g}")
    numbers = fixed_bin_size(x, width, low).numbers.astype(np.float64)
    # The range ends half a width below its highest intensity; 1e-9 for ranges that hold whole bins but for rounding.
    by_number = _curve(numbers, counts, 1.0, max(1, int(np.floor((high - low) / width + 1e-9))))
    return Curve(low + (by_number.intensities - 0.5) * width, by_number.volumes)


def describe(curve: Curve) -> dict[str, Value]:
    """Features of an intensity-volume histogram by the last part of their IBSI tags."""
    i10, i90 = _intensity_at(curve, 0.1), _intensity_at(curve, 0.9)
    v10, v90 = _volume_at(curve, 0.1), _volume_at(curve, 0.9)
    return {
        "v10": v10,
        "v90": v90,
        "i10": i10,
        "i90": i90,
        "diff_v10_v90": _difference(v10, v90),
        "diff_i10_i90": _difference(i10, i90),
        "auc": _area(curve),
    }


def _curve(values: Float, counts: Float, first: float, count: int) -> Curve:
    """The curve of rising values, each there so often, at so many intensities from the first one on in steps of 1."""
    intensities = first + np.arange(count, dtype=np.float64)
    up_to = np.concatenate([[0.0], np.cumsum(counts)])
    below = up_to[np.searchsorted(values, intensities, side="left")]
    return Curve(intensities, (up_to[-1] - below) / up_to[-1])


def _volume_at(curve: Curve, fraction: float) -> Value:
    """The largest volume fraction with at least this fraction of the intensity range."""
    span = curve.intensities[-1] - curve.intensities[0]
    if span == 0:
        return NO_RANGE
    enough = curve.intensities - curve.intensities[0] >= fraction * span - 1e-9 * span
    return float(curve.volumes[enough].max())


def _intensity_at(curve: Curve, fraction: float) -> Value:
    """The lowest intensity that is present in at most this fraction of the volume."""
    present = np.flatnonzero(curve.volumes <= fraction)
    return float(curve.intensities[present[0]]) if present.size else NEVER


def _difference(first: Value, second: Value) -> Value:
    if isinstance(first, Undefined):
        return first
    return second if isinstance(second, Undefined) else first - second


def _area(curve: Curve) -> float:
    """Trapezoidal area over the intensity fraction; 0, as IBSI defines, for a single intensity."""
    n = len(curve.volumes)
    return float(np.trapezoid(curve.volumes, dx=1 / (n - 1))) if n > 1 else 0.0


def _highest(region: Region) -> float:
    limits = region.settings.resegment_range
    return limits[1] if limits and np.isfinite(limits[1]) else float(region.distribution[0][-1])


FAMILY = Family("intensity_volume_histogram", "P88C", DEFINITIONS, volume_histogram)

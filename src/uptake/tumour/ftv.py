"""Functional tumour volume (FTV), voxel for voxel as UCSF publishes it.

A voxel belongs to the PE-rule FTV when, on raw intensities of the acquired grid,

1. S0 >= T, with T recorded in the study or round-half-up(fraction x P95 of S0 inside the volume of interest);
2. PE(early) >= threshold, in float32, inclusive;
3. S2 > S0;
4. at least N of its 26 neighbours satisfy 1-3, counted on the whole volume with its border replicated;
5. it lies in the volume of interest and in no omit region.

The second FTV (the paper's ``masks_ftv``) also asks for SER > 0.9, strictly. Rule order, border and rounding
reproduce the published maps of ACRIN 6657/I-SPY 1 and the NACT pilot without a differing voxel.
Source: Hylton et al., Radiology 2012;263:663 and 2016;279:44; the private group 0117 of UCSF's DICOM objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated

import numpy as np
import numpy.typing as npt

from uptake.study import Recorded, SettingsError
from uptake.tumour.diameter import longest_diameter_mm
from uptake.tumour.enhancement import Enhancement, Float32
from uptake.tumour.phases import PhaseChoice
from uptake.tumour.voi import VoiChoice, VoiRegion
from uptake.volume import Array, Volume

Bool = npt.NDArray[np.bool_]

BANDS = ((0.0, 0.9), (0.9, 1.0), (1.0, 1.3), (1.3, 1.75), (1.75, 3.0))
"""SER bands, open below and closed above, as UCSF's display colours them."""


@dataclass(frozen=True)
class Ftv:
    """Thresholds used where the study records none, and the SER limit of the second FTV."""

    pe_threshold_percent: Annotated[float, "percent; used where the study records none"] = 70.0
    minimum_neighbours: Annotated[int, "of 26; used where the study records none"] = 4
    background_fraction: Annotated[float, "of the 95th percentile of S0 in the VOI; unless recorded"] = 0.60
    ser_threshold: Annotated[float, "ratio; the second FTV asks for SER strictly above it"] = 0.9
    prefer_recorded: Annotated[bool, "thresholds that the study's own objects record win over these"] = True

    def __post_init__(self) -> None:
        if not 0 < self.pe_threshold_percent <= 1000:
            raise SettingsError(f"ftv.pe_threshold_percent must be in (0, 1000], not {self.pe_threshold_percent}")
        if not 0 <= self.minimum_neighbours <= 26:
            raise SettingsError(f"ftv.minimum_neighbours must be in 0-26, not {self.minimum_neighbours}")
        if not 0 < self.background_fraction <= 1:
            raise SettingsError(f"ftv.background_fraction must be in (0, 1], not {self.background_fraction}")
        if not 0 <= self.ser_threshold < 3:
            raise SettingsError(f"ftv.ser_threshold must be in [0, 3), not {self.ser_threshold}")


@dataclass(frozen=True)
class Threshold:
    """A number and where it came from, in words."""

    value: float | int
    source: str


@dataclass(frozen=True)
class Band:
    """Voxels of the PE-rule FTV with low < SER <= high."""

    low: float
    high: float
    voxels: int
    cc: float
    percent: float


@dataclass(frozen=True)
class FtvNumbers:
    """What ``ftv.json`` says: counts, volumes, thresholds and where each of them came from.

    motion_correction: "no" where the phases are as acquired, as UCSF counts them; else how they were brought onto the
    pre-contrast one before PE, SER and FTV were computed.
    """

    ftv_pe_voxels: int
    ftv_pe_cc: float
    ftv_ser_voxels: int
    ftv_ser_cc: float
    ftv_ser_inclusive_voxels: int
    longest_diameter_mm: float
    pe_threshold_percent: Threshold
    minimum_neighbours: Threshold
    background_threshold: Threshold
    ser_threshold: Threshold
    phases: PhaseChoice
    voi: VoiChoice
    voxel_volume_mm3: float
    bands: tuple[Band, ...]
    motion_correction: str = "no"


@dataclass(frozen=True)
class FtvResult:
    """Both FTV masks on the acquired grid, and their numbers."""

    pe_mask: Volume
    ser_mask: Volume
    numbers: FtvNumbers


@dataclass(frozen=True)
class Thresholds:
    """The thresholds in force for one study, each with its source."""

    pe_percent: Threshold
    neighbours: Threshold
    background: Threshold
    ser: Threshold


def functional_tumour_volume(
    phases: tuple[Volume, Volume, Volume], maps: Enhancement, region: VoiRegion, limits: Thresholds
) -> tuple[Bool, Bool]:
    """The PE-rule and the PE-and-SER-rule FTV as bool arrays (i, j, k) of the acquired grid.

    phases: raw pre-contrast, early and late volumes. An FTV without a voxel is a legitimate result.
    """
    s0, s1, s2 = (volume.array for volume in phases)
    enhancing = (s0 >= limits.background.value) & (maps.pe.array >= np.float32(limits.pe_percent.value)) & (s2 > s0)
    ftv_pe = enhancing & (neighbour_count(enhancing) >= int(limits.neighbours.value)) & region.inside
    ftv_ser = ftv_pe.copy()
    ftv_ser[ftv_pe] = ser_above(s0[ftv_pe], s1[ftv_pe], s2[ftv_pe], limits.ser.value)
    return ftv_pe, ftv_ser


def measure(
    masks: tuple[Bool, Bool],
    maps: Enhancement,
    limits: Thresholds,
    phases: PhaseChoice,
    voi: VoiChoice,
) -> FtvResult:
    """Counts, volumes (cc), SER bands and longest diameter (mm) of the two FTV masks."""
    pe_mask, ser_mask = (maps.pe.with_array(mask) for mask in masks)
    inside = maps.ser.array[masks[0]]
    numbers = FtvNumbers(
        ftv_pe_voxels=int(inside.size),
        ftv_pe_cc=pe_mask.cc,
        ftv_ser_voxels=int(np.count_nonzero(masks[1])),
        ftv_ser_cc=ser_mask.cc,
        ftv_ser_inclusive_voxels=int(np.count_nonzero(inside >= np.float32(limits.ser.value))),
        longest_diameter_mm=longest_diameter_mm(pe_mask),
        pe_threshold_percent=limits.pe_percent,
        minimum_neighbours=limits.neighbours,
        background_threshold=limits.background,
        ser_threshold=limits.ser,
        phases=phases,
        voi=voi,
        voxel_volume_mm3=maps.pe.grid.voxel_volume_mm3,
        bands=_bands(inside, maps.pe.grid.voxel_volume_mm3),
    )
    return FtvResult(pe_mask, ser_mask, numbers)


def thresholds(pre: Array, region: VoiRegion, recorded: Recorded, settings: Ftv) -> Thresholds:
    """The thresholds in force: recorded in the study's own objects, else computed or set; sources named."""
    known = recorded if settings.prefer_recorded else Recorded()
    pe = _known(known, "pe_threshold_percent") or Threshold(settings.pe_threshold_percent, "setting ftv")
    neighbours = _known(known, "minimum_neighbours") or Threshold(settings.minimum_neighbours, "setting ftv")
    background = _known(known, "background_threshold") or _background(pre, region, known, settings)
    return Thresholds(pe, neighbours, background, Threshold(settings.ser_threshold, "setting ftv"))


def background_threshold(sample: Array, fraction: float) -> int:
    """T = floor(fraction x P95 + 0.5) of raw pre-contrast intensities (any shape, at least one voxel).

    P95 is the 95th percentile with linear interpolation between order statistics.
    """
    return int(np.floor(fraction * float(np.percentile(sample, 95)) + 0.5))


def neighbour_count(mask: Bool) -> npt.NDArray[np.uint8]:
    """How many of the 26 neighbours of each voxel are true (0-26), border voxels repeated outward."""
    total = mask.astype(np.uint8)
    for axis in range(3):
        padded = np.pad(total, [(1, 1) if a == axis else (0, 0) for a in range(3)], mode="edge")
        size = total.shape[axis]
        total = sum(padded.take(range(shift, shift + size), axis) for shift in range(3))  # type: ignore[assignment]
    return total - mask.astype(np.uint8)


def ser_above(s0: Array, s1: Array, s2: Array, limit: float) -> Bool:
    """SER > limit, strictly, without a division: q (S1 - S0) > p (S2 - S0) for limit = p / q and S2 > S0.

    Exact for integer intensities and decimal limits, where the float32 ratio is not.
    """
    ratio = Fraction(str(limit))
    base = s0.astype(np.float64)
    early, late = s1 - base, s2 - base
    return (late > 0) & (ratio.denominator * early > ratio.numerator * late)


def _bands(ser: Float32, voxel_volume_mm3: float) -> tuple[Band, ...]:
    counts = [int(np.count_nonzero((ser > low) & (ser <= np.float32(high)))) for low, high in BANDS]
    total = sum(counts)
    return tuple(
        Band(low, high, count, count * voxel_volume_mm3 / 1000.0, 100.0 * count / total if total else 0.0)
        for (low, high), count in zip(BANDS, counts, strict=True)
    )


def _known(recorded: Recorded, name: str) -> Threshold | None:
    value = getattr(recorded, name)
    if value is None:
        return None
    return Threshold(value, f"recorded in the study ({recorded.sources.get(name, 'derived object')})")


def _background(pre: Array, region: VoiRegion, recorded: Recorded, settings: Ftv) -> Threshold:
    known = _known(recorded, "background_fraction")
    fraction = known.value if known else settings.background_fraction
    where = "recorded in the study" if known else "setting ftv"
    value = background_threshold(pre[region.sample], fraction)
    return Threshold(value, f"{100 * fraction:g} % ({where}) of the 95th percentile of the pre-contrast VOI")

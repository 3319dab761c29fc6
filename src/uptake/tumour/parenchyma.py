"""Fibroglandular tissue (FGT) and how much of it takes up contrast agent: background parenchymal enhancement (BPE).

Strong BPE is the main way in which an FTV goes wrong: gland above the PE threshold counts as tumour. So the share of
the gland above that very threshold is given, beside the mean PE.
Source of the two classes of bias-corrected intensities: Gubern-Merida et al., IEEE JBHI 2015;19:349 (there by
expectation maximisation). The share of FGT above a PE threshold is called BPE_rf; lesion and 10 mm
around it are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt

from uptake.study import SettingsError
from uptake.tumour.near import Bools, Spacing, grown_box, near
from uptake.volume import Array, Volume

Floats = npt.NDArray[np.floating[Any]]
SideName = Literal["L", "R"]

DEPTH_STEP_MM = 1.5
"""mm. Depth below the skin is measured on voxels of about this size."""

SMOOTHING_MM = 1.0
"""mm. SD of the Gaussian before voxels are put into classes."""


@dataclass(frozen=True)
class Parenchyma:
    """Which part of the breast is looked at for background enhancement."""

    lesion_margin_mm: Annotated[float, "mm; FTV and STV proposal with so much around them are left out"] = 10.0
    skin_mm: Annotated[float, "mm; depth below the surface to which skin and nipple are left out"] = 8.0

    def __post_init__(self) -> None:
        for name in ("lesion_margin_mm", "skin_mm"):
            if not 0 <= getattr(self, name) <= 50:
                raise SettingsError(f"parenchyma.{name} must be in [0, 50], not {getattr(self, name)}")


@dataclass(frozen=True, eq=False)
class Breasts:
    """The masks (bool) of one or two breasts, which do not overlap; whether their fat is brighter than their gland."""

    masks: Mapping[SideName, Bools]
    bright_fat: bool = False


@dataclass(frozen=True)
class Uptake:
    """The gland of one breast, or of all that the images show, lesion left out.

    breast_cc: what is left of the breast without the lesion and its margin. fgt_percent: FGT of that, 0-100.
    mean_pe_percent: mean PE of the FGT; above_percent: share of FGT voxels (0-100) with PE at or above the FTV's
    threshold, BPE_rf. Both None where there is no FGT.
    """

    breast_cc: float
    fgt_cc: float
    fgt_percent: float
    mean_pe_percent: float | None
    above_percent: float | None


@dataclass(frozen=True)
class SideUptake:
    """The gland of one side."""

    side: SideName
    uptake: Uptake


@dataclass(frozen=True)
class ParenchymaNumbers:
    """What ``parenchyma.json`` says.

    fgt_above: corrected pre-contrast intensity that parts FGT from fat; None where the two can't be told apart.
    """

    whole: Uptake
    sides: tuple[SideUptake, ...]
    pe_threshold_percent: float
    fgt_above: float | None


@dataclass(frozen=True, eq=False)
class Background:
    """The fibroglandular tissue outside the lesion, on the acquired grid, and its enhancement."""

    fgt: Volume
    numbers: ParenchymaNumbers


def background_enhancement(
    corrected: Volume,
    pe: Volume,
    breasts: Breasts,
    lesion: Volume,
    pe_threshold_percent: float,
    settings: Parenchyma,
) -> Background:
    """FGT and its enhancement in one or two breasts.

    corrected: pre-contrast intensities after bias correction; pe: percent enhancement of the early phase, of raw
    intensities; lesion: FTV and what else is tumour; all on one grid, as are the breasts. In images without
    fat suppression FGT is the darker class.
    Where no breast is left, or all of it has one intensity, there is no FGT and the means are None.
    """
    spacing = corrected.grid.spacing_mm
    breast = (
        np.logical_or.reduce(list(breasts.masks.values()))
        if breasts.masks
        else np.zeros(corrected.array.shape, np.bool_)
    )
    rest = breast & ~near(lesion.array, spacing, settings.lesion_margin_mm)
    inner = deep(breast, spacing, settings.skin_mm)
    gland, limit = _gland(corrected.array, inner, spacing, breasts.bright_fat)
    fgt = gland & rest

    def uptake(part: Bools) -> Uptake:
        return _uptake(rest & part, fgt & part, pe, pe_threshold_percent)

    numbers = ParenchymaNumbers(
        whole=uptake(breast),
        sides=tuple(SideUptake(side, uptake(mask)) for side, mask in breasts.masks.items()),
        pe_threshold_percent=pe_threshold_percent,
        fgt_above=limit,
    )
    return Background(corrected.with_array(fgt), numbers)


def deep(breast: Bools, spacing_mm: Spacing, depth_mm: float) -> Bools:
    """Voxels of the breast at least `depth_mm` from anything that is not breast, to about 1 mm.

    The edge of the images is no surface. Depth is measured on a coarser grid, where it takes a tenth of the time.
    """
    if depth_mm == 0 or not breast.any():
        return breast
    steps = [max(1, min(n, round(DEPTH_STEP_MM / s))) for n, s in zip(breast.shape, spacing_mm, strict=True)]
    starts = [step // 2 for step in steps]
    coarse = breast[tuple(slice(start, None, step) for start, step in zip(starts, steps, strict=True))]
    sampling = [s * step for s, step in zip(spacing_mm, steps, strict=True)]
    inside = ~near(~coarse, (sampling[0], sampling[1], sampling[2]), depth_mm)
    at = [np.minimum(np.arange(n) // step, size - 1)
          for n, step, size in zip(breast.shape, steps, coarse.shape, strict=True)]  # fmt: skip
    return np.asarray(breast & inside[np.ix_(*at)], dtype=np.bool_)


def _gland(image: Array, inner: Bools, spacing_mm: Spacing, bright_fat: bool) -> tuple[Bools, float | None]:
    """The class that is not fat, and the intensity between the two.

    Lesions take part: before contrast they are as bright as gland, which may be all but gone without them.
    """
    from scipy import ndimage

    none = np.zeros(image.shape, dtype=np.bool_)
    if not inner.any():
        return none, None
    box = grown_box(inner, spacing_mm, 4 * SMOOTHING_MM)
    sigmas = [SMOOTHING_MM / s if s < 2 * SMOOTHING_MM else 0.0 for s in spacing_mm]
    smooth = ndimage.gaussian_filter(image[box].astype(np.float32), sigmas)
    part = inner[box] & (smooth > 0)
    if not part.any() or np.ptp(smooth[part]) == 0:
        return none, None
    limit = _between_classes(smooth[part])
    gland = none.copy()
    gland[box] = part & ((smooth < limit) if bright_fat else (smooth >= limit))
    return gland, limit


def _between_classes(values: Floats) -> float:
    """Otsu's threshold, the brightest and darkest 0.5 % left out.

    On intensities, not their logarithm: there suppressed fat falls into two classes of its own, at the noise and above.
    """
    low, high = (float(value) for value in np.percentile(values, (0.5, 99.5)))
    counts, edges = np.histogram(values, 512, (low, max(high, low + 1e-6)))
    centres = (edges[:-1] + edges[1:]) / 2
    below, sums = np.cumsum(counts), np.cumsum(counts * centres)
    above = below[-1] - below
    means = sums / np.maximum(below, 1), (sums[-1] - sums) / np.maximum(above, 1)
    between = below * above * (means[1] - means[0]) ** 2
    return float(edges[1 + int(between.argmax())])


def _uptake(breast: Bools, fgt: Bools, pe: Volume, threshold: float) -> Uptake:
    breast_cc, fgt_cc = (pe.with_array(mask).cc for mask in (breast, fgt))
    values = pe.array[fgt].astype(np.float64)
    return Uptake(
        breast_cc=breast_cc,
        fgt_cc=fgt_cc,
        fgt_percent=100 * fgt_cc / breast_cc if breast_cc else 0.0,
        mean_pe_percent=float(values.mean()) if values.size else None,
        above_percent=100 * float((values >= threshold).mean()) if values.size else None,
    )

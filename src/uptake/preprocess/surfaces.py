"""The skin: the surface that bounds a breast in front.

Images are laid out as columns: axes ``(x to the right, z to the head, y from front to back)``. A surface is one depth
per column in mm, measured from the centre of the first voxel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from uptake.preprocess.foreground import block_means, otsu

Floats = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]
Spacing = tuple[float, float, float]

SMOOTHING_MM = 1.2
"""mm. SD of the Gaussian along finely sampled axes: noise falls, a skin of 2 mm stays."""

COARSE_MM = 2.5
"""mm. Voxels of about this size are averaged for the first look at the skin."""

COARSE_SMOOTHING_MM = 3.5
"""mm. SD of the Gaussian on those: fat of one SD of the noise stands out after it."""

NOISE_SDS = 5.0
"""Standard deviations above the air: what counts as tissue."""

PEAK_MM = 4.0
"""mm. Around each place of the strongly smoothed image, where half of the brightest is the edge of the body."""

SKIN_MM = 2.0
"""mm behind the first tissue within which the skin is brightest. Fat, brighter in some images, begins behind it."""

RISE = 0.7
"""Of the way from air to that: where the skin begins. Half would be too early for a skin thinner than the voxels."""

REFINE_MM = 10.0
"""mm. So far in front of and behind the first look it is looked for again."""

MEDIAN_MM = 4.0
"""mm. Across columns farther apart a median of depths would take a breast for an outlier."""

LOOKS_MM = ((4.0, -REFINE_MM), (1.0, -REFINE_MM), (1.0, 0.0))
"""mm, time after time: the SD of the Gaussian over neighbouring columns at the same depth below the skin, and where the
skin may begin, counted from where it was found before. At last only behind that: neighbours draw the skin forward where
slices cut the side of a breast at a slant."""


@dataclass(frozen=True)
class Skin:
    """The skin: its depth per column (NaN where a column holds no tissue), and what the air before it is like.

    signal: the brightest of the first 6 mm, above the air (NaN as depth_mm). smooth: the image, a little smoothed.
    air: median of the air. seen: whether there is any air.
    """

    depth_mm: Floats
    signal: Floats
    smooth: Floats
    air: float
    seen: bool

    @property
    def trust(self) -> Floats:
        """How far each column's skin is trusted, 0-1: little where hardly any signal is left of it.

        Saturation bands and the end of the coil do that; what is first seen there may lie behind the skin.
        """
        known = np.isfinite(self.depth_mm)
        typical = float(np.median(self.signal[known])) if known.any() else 1.0
        share = np.nan_to_num(self.signal) / max(typical, 1e-9)
        return np.where(known, np.clip(4 * share - 1, 0.03, 1), 0)


@dataclass(frozen=True)
class _Air:
    """Median and standard deviation of the air; spread None: there is too little to measure."""

    level: float
    spread: float | None

    @property
    def tissue(self) -> float:
        """What is brighter is tissue."""
        return self.level + NOISE_SDS * (self.spread or 0.0)


def find_skin(columns: Floats, spacing_mm: Spacing) -> Skin:
    """The front of the body.

    Looked for in an image so much smoothed that fat at the level of the noise stands out of it; then near what was
    found there, at full resolution, where neighbouring columns are averaged at the same depth below the skin, so that
    noise falls and the edge stays. Noise is measured in the air before the body. Without air (a breast that fills the
    images, or a background set to zero) the tissue is what Otsu's threshold on the logarithm keeps.
    """
    from scipy import ndimage

    fine = _smoothed(columns, spacing_mm, SMOOTHING_MM)
    rough, air = _rough(columns, spacing_mm)
    width = [5 if s <= 2.5 else 3 if s <= MEDIAN_MM else 1 for s in spacing_mm[:2]]
    depth = ndimage.median_filter(rough, width, mode="nearest")
    for beside_mm, from_mm in LOOKS_MM:
        found = _refined(fine, depth, spacing_mm, (beside_mm, from_mm), air)
        depth = ndimage.median_filter(found, width, mode="nearest")
    return Skin(depth, _brightest(fine, depth, spacing_mm[2]) - air.level, fine, air.level, air.spread is not None)


def largest(mask: Bools) -> Bools:
    """The largest connected part (faces) of a mask; all false for an empty one."""
    from scipy import ndimage

    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    part: Bools = labels == sizes.argmax()
    return part


def _smoothed(image: Floats, spacing_mm: Spacing, sd_mm: float) -> Floats:
    """By a Gaussian, along axes that are sampled finely enough for it."""
    from scipy import ndimage

    sigmas = [sd_mm / s if s < 1.5 * sd_mm and n > 1 else 0.0 for s, n in zip(spacing_mm, image.shape, strict=True)]
    smooth: Floats = ndimage.gaussian_filter(image, sigmas, truncate=3)
    return smooth


def _rough(columns: Floats, spacing_mm: Spacing) -> tuple[Floats, _Air]:
    """The front of the body in a strongly smoothed image, for every column, and its air."""
    steps = [max(1, min(n, round(COARSE_MM / s))) for n, s in zip(columns.shape, spacing_mm, strict=True)]
    cells = (steps[0] * spacing_mm[0], steps[1] * spacing_mm[1], steps[2] * spacing_mm[2])
    body, air = _body(_smoothed(block_means(columns, steps), cells, COARSE_SMOOTHING_MM), cells)
    front = body.argmax(axis=2) * cells[2] + (cells[2] - spacing_mm[2]) / 2
    i, j = (np.minimum(np.arange(n) // step, size - 1)
            for n, step, size in zip(columns.shape, steps, front.shape, strict=False))  # fmt: skip
    return np.where(body.any(axis=2), front, np.nan)[np.ix_(i, j)], air


def _body(smooth: Floats, spacing_mm: Spacing) -> tuple[Bools, _Air]:
    """What stands out of the air before it and is no blur of what is brighter beside it.

    Fat that is taken for air at first is told from it in the next round.
    """
    from scipy import ndimage

    logs = np.log1p(np.maximum(smooth, 0) / (0.01 * max(float(np.percentile(smooth, 99)), 1e-9)))
    body = core = largest(logs > otsu(logs))
    air, inside = _Air(0.0, None), float(np.median(smooth[core])) if core.any() else 0.0
    peaks = ndimage.maximum_filter(smooth, [2 * round(PEAK_MM / s) + 1 for s in spacing_mm])
    for _ in range(3):
        air = _air_before(smooth, body, spacing_mm[2])
        if air.spread is None or air.tissue >= inside:
            return core, _Air(0.0, None)
        body = largest(smooth > np.maximum(air.tissue, (air.level + peaks) / 2))
    return body, air


def _air_before(smooth: Floats, body: Bools, step_mm: float) -> _Air:
    first = np.where(body.any(axis=2), body.argmax(axis=2), body.shape[2])
    before = (np.arange(body.shape[2]) < (first - round(8 / step_mm))[..., None]) & (smooth > 0)
    air = smooth[before]
    return _Air(0.0, None) if air.size < 0.01 * smooth.size else _air_of(air)


def _air_of(values: Floats) -> _Air:
    middle = float(np.median(values))
    return _Air(middle, 1.4826 * float(np.median(np.abs(values - middle))))


def _refined(fine: Floats, depth: Floats, spacing_mm: Spacing, look_mm: tuple[float, float], air: _Air) -> Floats:
    """The skin near a rough one. look_mm: one of `LOOKS_MM`.

    The rough one where no tissue stands out of the noise. A look that goes behind it only is believed from `SKIN_MM`
    on: less would be the step from skin to brighter fat.
    """
    from scipy import ndimage

    step, (beside_mm, from_mm) = spacing_mm[2], look_mm
    offsets = np.arange(-round(REFINE_MM / step), round(REFINE_MM / step) + 1)
    place = np.rint(np.nan_to_num(depth) / step).astype(np.intp)[..., None] + offsets
    inside = np.isfinite(depth)[..., None] & (place >= 0) & (place < fine.shape[2])
    profile = _beside(fine, place, inside, (beside_mm / spacing_mm[0], beside_mm / spacing_mm[1]))
    quarter = len(offsets) // 4
    before = profile[..., :quarter][inside[..., :quarter]]
    local = _air_of(before) if before.size else air
    tissue = inside & (profile > local.tissue) & (offsets >= round(from_mm / step))
    start = tissue.argmax(axis=2)[..., None]
    reach = max(1, round(SKIN_MM / step))
    peaks = ndimage.maximum_filter1d(profile, 2 * reach + 1, axis=2, origin=-reach)
    level = (1 - RISE) * local.level + RISE * np.take_along_axis(peaks, start, 2)
    risen = (profile >= level) & (np.arange(len(offsets)) >= start)
    at = np.take_along_axis(place, risen.argmax(axis=2)[..., None], 2)[..., 0]
    moved = at * step - depth
    return np.where(tissue.any(axis=2) & ((from_mm < 0) | (moved > SKIN_MM)), at * step, depth)


def _beside(fine: Floats, place: npt.NDArray[np.intp], inside: Bools, sds: tuple[float, float]) -> Floats:
    """Values at the places (columns, offsets), averaged over neighbouring columns by a Gaussian (SD in columns)."""
    from scipy import ndimage

    values = np.where(inside, np.take_along_axis(fine, np.clip(place, 0, fine.shape[2] - 1), 2), 0)
    weight = ndimage.gaussian_filter(inside.astype(np.float32), (*sds, 0), mode="nearest")
    mean: Floats = ndimage.gaussian_filter(values, (*sds, 0), mode="nearest") / np.maximum(weight, 1e-3)
    return mean


def _brightest(fine: Floats, depth: Floats, step_mm: float) -> Floats:
    """Of the first 6 mm behind the skin; NaN where there is none."""
    first = np.rint(np.nan_to_num(depth) / step_mm).astype(np.intp)
    places = np.clip(first[..., None] + np.arange(max(2, round(6 / step_mm))), 0, fine.shape[2] - 1)
    return np.where(np.isfinite(depth), np.take_along_axis(fine, places, 2).max(axis=2), np.nan)

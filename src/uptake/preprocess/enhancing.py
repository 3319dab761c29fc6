"""Where contrast agent shows: places that a registration leaves out, so that they follow their surroundings.

A tumour is brighter after contrast than what is as bright before it, and mutual information rises when a
registration makes such rare pairs fewer: it shrinks the tumour (Rohlfing et al., IEEE TMI 22 (2003) 730, who keep
volumes instead; that would also keep what the motion did to them).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from uptake.preprocess.mutual import Samples, knee_of
from uptake.volume import Volume

Float32 = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

RISE = 0.08
"""Log ratio of the phases above that of the whole body from which a place counts as enhancing: about 8 %."""

MOST = 0.12
"""Of the places, which may count as enhancing: the brightest, where more do (before their neighbours are added).

A dense gland that enhances all over must not be left out whole, or nothing tells how it moved.
"""

COARSEST_MM = 4.8
"""mm. With places further apart, one more all around a large tumour leaves too little to follow."""

SMOOTHING_MM, AROUND_MM = 2.0, 2.5
"""mm. SD of the Gaussian over the phases, and over the rise: an edge not yet in place rises on one side only."""

EDGE = 0.5
"""The most that one place may rise or fall, so that edges which are not yet in place count for little."""


@dataclass(frozen=True, eq=False)
class Rise:
    """Both phases as log(1 + intensity / knee), smoothed, the second at the gain of the first; spacing in mm."""

    fixed: Float32
    moving: Float32
    spacing_mm: tuple[float, float, float]

    @classmethod
    def of(cls, fixed: Volume, moving: Volume, mask: Mask) -> Self:
        """The gain is the median ratio of the phases over `mask` (i, j, k) where the first is not dark."""
        from scipy import ndimage

        knee, every = knee_of(fixed.array, mask), np.s_[::2, ::2, ::2]
        bright = mask[every] & (fixed.array[every] > knee)
        ratio = float(np.median(moving.array[every][bright] / fixed.array[every][bright])) if bright.any() else 1.0
        sigma = [SMOOTHING_MM / s for s in fixed.grid.spacing_mm]
        still, moved = (
            ndimage.gaussian_filter(np.log1p(np.maximum(v.array, 0) / np.float32(k), dtype=np.float32), sigma)
            for v, k in ((fixed, knee), (moving, knee * ratio if ratio > 0 else knee))
        )
        return cls(still, moved, fixed.grid.spacing_mm)

    def shows(self, samples: Samples, displacement_mm: Floats) -> Mask:
        """Which of the n places enhance, or lie next to one that does, the second phase looked at (3, n) mm away.

        None where these would be all, or where the raster is coarser than COARSEST_MM.
        """
        from scipy import ndimage

        index = (samples.points_mm + displacement_mm) / np.asarray(self.spacing_mm)[:, None]
        after = ndimage.map_coordinates(self.moving, index, order=1, mode="nearest")
        before = self.fixed[np.ix_(*samples.axes)].ravel()[samples.where]
        lit = np.minimum(before, after) > np.log(2)  # above the knee in both: neither air nor noise
        change = samples.spread(np.clip(after - before, -EDGE, EDGE) * lit)
        steps = [s * (a[1] - a[0]) if len(a) > 1 else s for s, a in zip(self.spacing_mm, samples.axes, strict=True)]
        mean, weight = (
            ndimage.gaussian_filter(raster, [AROUND_MM / s for s in steps], mode="constant")
            for raster in (change, samples.spread(np.ones(len(samples.where))))
        )
        inside = weight > 0
        rise = np.divide(mean, weight, out=np.zeros_like(mean), where=inside)
        least = max(RISE, float(np.quantile(rise.ravel()[samples.where], 1 - MOST)))
        found = ndimage.maximum_filter(rise > least, 3).ravel()[samples.where]
        return np.asarray(found & ~found.all() & (max(steps) <= COARSEST_MM))

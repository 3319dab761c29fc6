"""Mutual information of two phases on a raster of places, and how it changes with where the second is looked at.

Mattes et al., IEEE TMI 22 (2003) 120: the fixed phase is binned, the moving one spread over four bins by a cubic
B-spline, so that the measure has a derivative.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from uptake.volume import Array, Shape, Volume

Float32 = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

KNEE = 0.1
"""Of the body's 95th percentile. Intensities are compared as logarithms above it and in proportion below."""

PADDING = 2
"""Bins at either end that the spline's tails fall into."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Places of the fixed phase inside a mask, on a raster, ready to be compared with the moving phase.

    axes: per array axis the voxel indices of the raster; shape: how many. where: flat raster indices of the n places.
    points_mm: (3, n), index times spacing. centre_mm: middle of the whole grid. fixed_bins: the fixed phase's bin at
    each place, of so many `bins`.
    moving: the smoothed second phase in units of bins, its spacing in mm.
    """

    axes: tuple[npt.NDArray[np.intp], ...]
    shape: Shape
    where: npt.NDArray[np.intp]
    points_mm: Floats
    centre_mm: Floats
    fixed_bins: npt.NDArray[np.intp]
    bins: int
    moving: Float32
    spacing_mm: tuple[float, float, float]

    @classmethod
    def of(cls, fixed: Volume, moving: Volume, mask: Mask, raster_mm: float, smoothing_mm: float, bins: int) -> Self:
        """The raster over `mask` every `raster_mm`, both phases smoothed by a Gaussian of SD `smoothing_mm`."""
        spacing = fixed.grid.spacing_mm
        axes = tuple(
            np.arange(0, n, max(1, round(raster_mm / s))) for n, s in zip(fixed.grid.shape, spacing, strict=True)
        )
        inside = mask[np.ix_(*axes)]
        where = np.flatnonzero(inside)
        index = np.stack([axis[i] for axis, i in zip(axes, np.unravel_index(where, inside.shape), strict=True)])
        still = _binned(fixed.array, mask, spacing, smoothing_mm, bins)[tuple(index)]
        return cls(
            axes=axes,
            shape=inside.shape,
            where=where,
            points_mm=index * np.asarray(spacing)[:, None],
            centre_mm=(np.asarray(fixed.grid.shape) - 1) / 2 * spacing,
            fixed_bins=np.rint(still).astype(np.intp),
            bins=bins,
            moving=_binned(moving.array, mask, spacing, smoothing_mm, bins),
            spacing_mm=spacing,
        )

    def information(self, displacement_mm: Floats) -> tuple[float, Floats]:
        """Mutual information (nats) with the moving phase looked at `displacement_mm` (3, n) away.

        Second comes its derivative by each of those numbers, (3, n).
        """
        values, slopes = self._look(self.points_mm + displacement_mm)
        base = np.clip(values.astype(np.intp), 1, self.bins - 3)
        t = values - base
        weights = ((1 - t) ** 3 / 6, (3 * t**3 - 6 * t**2 + 4) / 6, (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6, t**3 / 6)
        changes = (-((1 - t) ** 2) / 2, 1.5 * t**2 - 2 * t, -1.5 * t**2 + t + 0.5, t**2 / 2)
        cells = self.fixed_bins * self.bins + base - 1
        joint = np.zeros(self.bins * self.bins)
        for k, weight in enumerate(weights):
            joint += np.bincount(cells + k, weight, self.bins * self.bins)
        joint /= len(values)
        table = joint.reshape(self.bins, self.bins)
        ratio = _log_ratio(table, table.sum(axis=0)[None, :])
        information = float(np.sum(table * _log_ratio(table, table.sum(axis=0) * table.sum(axis=1)[:, None])))
        flat = ratio.ravel()
        by_value = sum(change * flat[cells + k] for k, change in enumerate(changes)) / len(values)
        return information, by_value * slopes

    def kept(self, which: Mask) -> Self:
        """Only those of the n places."""
        return replace(
            self, where=self.where[which], points_mm=self.points_mm[:, which], fixed_bins=self.fixed_bins[which]
        )

    def spread(self, values: Floats) -> Floats:
        """Values at the places (n,) as an array of the raster, 0 elsewhere."""
        raster = np.zeros(self.shape)
        raster.ravel()[self.where] = values
        return raster

    def _look(self, points_mm: Floats) -> tuple[Floats, Floats]:
        """Linear interpolation of the moving phase at (3, n) points: (n,) values and (3, n) their slopes per mm.

        Beyond the outermost voxel centres the outermost value holds, and there is no slope across the edge.
        """
        low, share, free = [], [], []
        for place, spacing, size in zip(points_mm, self.spacing_mm, self.moving.shape, strict=True):
            index = np.clip(place / spacing, 0, size - 1)
            below = np.minimum(index.astype(np.intp), size - 2)
            low.append(below)
            share.append(index - below)
            free.append((place >= 0) & (place <= (size - 1) * spacing))
        (i, j, k), (a, b, c) = low, share
        corner = [[[self.moving[i + x, j + y, k + z] for z in (0, 1)] for y in (0, 1)] for x in (0, 1)]
        edges = [[near + c * (far - near) for near, far in side] for side in corner]  # along k
        faces = [near + b * (far - near) for near, far in edges]
        by_i = faces[1] - faces[0]
        by_j = (1 - a) * (edges[0][1] - edges[0][0]) + a * (edges[1][1] - edges[1][0])
        ends = [[far - near for near, far in side] for side in corner]
        by_k = (1 - a) * ((1 - b) * ends[0][0] + b * ends[0][1]) + a * ((1 - b) * ends[1][0] + b * ends[1][1])
        slopes = [by * ok / s for by, ok, s in zip((by_i, by_j, by_k), free, self.spacing_mm, strict=True)]
        return faces[0] + a * by_i, np.stack(slopes)


def knee_of(array: Array, mask: Mask) -> float:
    """Intensity of a phase at the knee; 1 where the mask holds nothing bright."""
    bright = float(np.percentile(array[::2, ::2, ::2][mask[::2, ::2, ::2]], 95)) if mask[::2, ::2, ::2].any() else 0.0
    return KNEE * bright if bright > 0 else 1.0


def _binned(array: Array, mask: Mask, spacing: tuple[float, ...], smoothing_mm: float, bins: int) -> Float32:
    """Smoothed compressed intensities on a scale of bins: PADDING at the lowest, bins - 1 - PADDING at the highest.

    The range is that between the 0.1st and the 99.9th percentile inside the mask; what lies beyond is clipped.
    """
    from scipy import ndimage

    logs = np.log1p(np.maximum(array, 0) / np.float32(knee_of(array, mask)), dtype=np.float32)
    smooth = ndimage.gaussian_filter(logs, [smoothing_mm / s for s in spacing])
    low, high = np.percentile(smooth[mask], (0.1, 99.9))
    scale = (bins - 1 - 2 * PADDING) / max(high - low, 1e-6)
    return np.asarray(np.clip((smooth - low) * scale, 0, bins - 1 - 2 * PADDING) + PADDING, dtype=np.float32)


def _log_ratio(table: Floats, other: Floats) -> Floats:
    """log(table / other), 0 where the table is 0."""
    return np.log(np.divide(table, other, out=np.ones_like(table), where=table > 0))

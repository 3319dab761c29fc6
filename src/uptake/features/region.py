"""The part of an image that features are extracted from."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from uptake.features import _kernels
from uptake.features.settings import Features
from uptake.study import Code, Refusal, SettingsError
from uptake.volume import Array, Grid, Volume

Bool = npt.NDArray[np.bool_]
Float = npt.NDArray[np.float64]
Box = tuple[slice, slice, slice]
Result = TypeVar("Result")
_MOST_DIFFERENT = 1_000_000


@dataclass(frozen=True, eq=False)
class Region:
    """An image and its two IBSI masks, cut to the bounding box of the morphological mask.

    whole: the intensities of the whole image, shape ``(i, j, k)``; box: where in it the region lies.
    image, morphological, intensity: shape of the box, i running along memory. Morphology uses the morphological
    mask, intensities are taken from the intensity mask, which re-segmentation may have thinned out; both have at
    least one voxel.
    frame: 3 x 3 upper triangular with a positive diagonal, voxel steps along i, j, k -> mm in a right-angled frame
    whose first axis is i and whose first plane is (i, j): distances are the patient's, however oblique the grid.
    settings: those of the extraction.
    """

    whole: Array
    box: Box
    image: Array
    morphological: Bool
    intensity: Bool
    frame: Float
    settings: Features

    @cached_property
    def values(self) -> Float:
        """Intensities inside the intensity mask, shape (n,), i running fastest and k slowest."""
        return self._inside.astype(np.float64)

    @cached_property
    def distribution(self) -> tuple[Float, Float]:
        """Intensities in rising order and how often each is there, shape (n,) both; real numbers may be repeated."""
        if self.steps is None:
            return np.sort(self.values), np.ones(self.values.shape)
        counts = np.bincount(self.steps)
        present = np.flatnonzero(counts)
        return (present + int(self._inside.min())).astype(np.float64), counts[present].astype(np.float64)

    @cached_property
    def steps(self) -> npt.NDArray[np.int64] | None:
        """`values` above the lowest one where the image is of whole numbers within a million of each other."""
        x = self._inside
        low, high = x.min(), x.max()
        if x.dtype.kind not in "iu" or int(high) - int(low) >= _MOST_DIFFERENT:
            return None
        steps: npt.NDArray[np.int64] = np.subtract(x, low, dtype=np.int64)
        return steps

    @cached_property
    def _inside(self) -> Array:
        found: Array = self.image.T[self.intensity.T]
        return found


def once(function: Callable[[Region], Result]) -> Callable[[Region], Result]:
    """Remember what a function gives for a region as long as the region lives: families share it."""
    known: WeakKeyDictionary[Region, Result] = WeakKeyDictionary()

    @wraps(function)
    def remembering(region: Region) -> Result:
        if region not in known:
            known[region] = function(region)
        return known[region]

    return remembering


def region_of(volume: Volume, mask: Volume, settings: Features) -> Region:
    """Cut image and mask to the mask's bounding box and re-segment by range and outliers (IBSI 5PSJ).

    Only the box is copied. Raises Refusal: MASK_GRID, EMPTY_MASK (also when no intensity lies within
    `settings.resegment_range`), NON_FINITE (a voxel inside the mask); SettingsError for a mask that is neither of
    bool nor of zeros and ones.
    """
    if not volume.grid.same_as(mask.grid):
        raise Refusal(
            Code.MASK_GRID,
            found=f"an image of {_words(volume.grid)} and a mask of {_words(mask.grid)}",
            allowed="a mask on the grid of its image",
            remedy="resample the mask to the image's grid, or give the image that it was drawn on",
        )
    box = bounding_box(mask.array)
    inside = _as_bool(mask.array[box])
    image = np.asfortranarray(volume.array[box])
    _check_finite(image, inside)
    intensity = _resegmented(image, inside, settings)
    return Region(volume.array, box, image, inside, intensity, frame_of(volume.grid), settings)


def bounding_box(mask: Array) -> Box:
    """The smallest box with all non-zero voxels of a mask; raises Refusal EMPTY_MASK where there is none."""
    order = sorted(range(3), key=lambda axis: -abs(mask.strides[axis]))  # along memory
    along = mask.transpose(order)
    ends = _kernels.extent(np.ascontiguousarray(along if mask.dtype in (np.bool_, np.uint8) else along != 0))
    if not ends:
        raise Refusal(
            Code.EMPTY_MASK,
            found="a mask without a voxel",
            allowed="at least one voxel",
            remedy="check which mask was given, or leave the case out",
        )
    first, second, third = (slice(*ends[2 * order.index(axis) :][:2]) for axis in range(3))
    return first, second, third


def frame_of(grid: Grid) -> Float:
    """Voxel steps -> mm in the image's own right-angled frame, shape (3, 3): a diagonal of spacings on most grids."""
    axes = grid.affine[:3, :3]
    products = axes.T @ axes
    (i, a, b), (_, j, c), (_, _, k) = products.tolist()
    # Right-angled, as well as an affine in single precision can be.
    if abs(a) < 1e-5 * math.sqrt(i * j) and abs(b) < 1e-5 * math.sqrt(i * k) and abs(c) < 1e-5 * math.sqrt(j * k):
        return np.diag(grid.spacing_mm)
    return np.asarray(np.linalg.cholesky(products).T, dtype=np.float64)


def _as_bool(mask: Array) -> Bool:
    if mask.dtype == np.bool_:
        return np.asfortranarray(mask)
    inside = np.asfortranarray(mask != 0)
    if not np.array_equal(mask, inside):
        raise SettingsError("a mask for features is of bool or of zeros and ones; choose one label of this one first")
    return inside


def _check_finite(image: Array, inside: Bool) -> None:
    if image.dtype.kind != "f":
        return
    wrong = int(np.count_nonzero(~np.isfinite(image[inside])))
    if wrong:
        raise Refusal(
            Code.NON_FINITE,
            found=f"{wrong} of {int(inside.sum())} voxels inside the mask are not finite",
            allowed="finite intensities inside the mask",
            remedy="repair the image, or take these voxels out of the mask",
        )


def _resegmented(image: Array, inside: Bool, settings: Features) -> Bool:
    low, high = _limits(image, inside, settings)
    if (low, high) == (-np.inf, np.inf):
        return inside
    kept: Bool = inside & (image >= low) & (image <= high)
    if not kept.any():
        raise Refusal(
            Code.EMPTY_MASK,
            found=f"no voxel inside the mask has an intensity from {low:g} to {high:g}",
            allowed="at least one voxel after re-segmentation",
            remedy="widen resegment_range, or raise resegment_outliers",
        )
    return kept


def _limits(image: Array, inside: Bool, settings: Features) -> tuple[float, float]:
    """The intensities that stay: of the range and, by IBSI's 7ACA, of those near the mean of the whole mask."""
    low, high = settings.resegment_range or (-np.inf, np.inf)
    if settings.resegment_outliers:
        x = image.T[inside.T].astype(np.float64)
        mean, reach = float(x.mean()), settings.resegment_outliers * float(x.std())
        low, high = max(low, mean - reach), min(high, mean + reach)
    return low, high


def _words(grid: Grid) -> str:
    spacing = " x ".join(f"{mm:.4g}" for mm in grid.spacing_mm)
    origin = ", ".join(f"{mm:.4g}" for mm in grid.origin)
    return f"{' x '.join(map(str, grid.shape))} voxels of {spacing} mm from ({origin})"

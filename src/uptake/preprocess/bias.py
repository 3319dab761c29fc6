"""Bias field: the smooth brightness that coils add, estimated by N4 and divided out.

One field shared by all phases leaves PE and SER as they are, since it cancels in a ratio; a field per phase is what
the published images were made with, and changes both. FTV is computed on raw intensities either way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from uptake.preprocess.foreground import foreground
from uptake.preprocess.n4 import Schedule, evaluate, log_field_lattice
from uptake.preprocess.splines import positions
from uptake.study import Code, Refusal, SettingsError, Study
from uptake.volume import Array, Volume

Engine = Literal["uptake", "simpleitk"]
Region = Literal["body", "breast"]
Mask = npt.NDArray[np.bool_]
Field = npt.NDArray[np.float32]
Samples = npt.NDArray[np.intp]
Sizes = tuple[int, ...]

FEWEST_SAMPLES = 4
"""An axis is never shrunk to fewer voxels than this (one of fewer voxels is not shrunk)."""


@dataclass(frozen=True)
class Bias:
    """How the bias field is estimated."""

    shared: Annotated[
        bool, "one field for all phases, so that PE and SER stay as they are; false: one per phase, as published"
    ] = True
    reference: Annotated[int, "index of the phase that a shared field is estimated on; 0 is the pre-contrast one"] = 0
    engine: Annotated[
        Engine, "uptake (separable, the same to 0.1 %) or simpleitk (the reference implementation, 50 times slower)"
    ] = "uptake"
    region: Annotated[
        Region, "body: all that is no air; breast: the breast mask, chest wall left out. The voxels to learn from"
    ] = "body"
    shrink: Annotated[int, "voxels; every so many along each axis are used for the estimate"] = 4
    levels: Annotated[int, "mesh sizes, each half the one before"] = 4
    iterations: Annotated[int, "most iterations per level"] = 50
    convergence_threshold: Annotated[
        float, "a level ends when the field's change, as a coefficient of variation, is at most this"
    ] = 1e-3
    fwhm: Annotated[float, "log intensity; full width at half maximum of the field's assumed histogram"] = 0.15
    wiener_noise: Annotated[float, "power of the noise in the histogram's Wiener deconvolution"] = 0.01
    histogram_bins: Annotated[int, "bins of the log intensity histogram"] = 200
    control_points: Annotated[int, "B-spline control points per axis at the coarsest level, at least 4"] = 4

    def __post_init__(self) -> None:
        if self.engine not in get_args(Engine):
            raise SettingsError(f"engine is one of {get_args(Engine)}, not {self.engine!r}")
        if self.region not in get_args(Region):
            raise SettingsError(f"region is one of {get_args(Region)}, not {self.region!r}")
        least = {"reference": 0, "shrink": 1, "levels": 1, "iterations": 1, "histogram_bins": 2, "control_points": 4}
        for name, smallest in least.items():
            if getattr(self, name) < smallest:
                raise SettingsError(f"{name} is at least {smallest}, not {getattr(self, name)}")
        for name in ("convergence_threshold", "fwhm", "wiener_noise"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise SettingsError(f"{name} is a positive number, not {getattr(self, name)}")


def estimate_bias(
    image: Array, mask: Mask | None, spacing_mm: tuple[float, float, float], settings: Bias | None = None
) -> Field:
    """The multiplicative bias field of `image` on its own grid, float32, positive; image / field is corrected.

    image: intensities ``(i, j, k)``, any real type. mask: the voxels to learn from, same shape; None: the body by
    `foreground`. Voxels of 0 and below have no logarithm and are left out. The field is defined everywhere, also
    outside the mask, where the spline extrapolates. Its scale is N4's, which fixes no mean: typical values inside the
    mask lie around 1, and the z-score takes the rest out.
    An image that is constant inside the mask gives a field of one; a single slice a field of that slice.
    Raises ValueError where mask and image differ in shape or are not three-dimensional; Refusal (non-finite-voxels),
    (all-zero-voxels) where no voxel is positive, (empty-mask) where nothing of the mask is left after shrinking.
    Source: Tustison et al., IEEE TMI 29 (2010) 1310; shrinking as SimpleITK's.
    """
    settings = settings or Bias()
    mask = _checked_mask(image, mask, spacing_mm)
    taken = [_samples(n, settings.shrink) for n in image.shape]
    grid = np.ix_(*taken)
    small = image[grid].astype(np.float32)
    small_mask = mask[grid] & (small > 0)
    if not small_mask.any():
        raise _empty_mask(f"no voxel of the mask is positive on the grid shrunk by {settings.shrink}")
    if np.ptp(small[small_mask]) == 0:
        return np.ones(image.shape, dtype=np.float32)
    if settings.engine == "simpleitk":
        log_field = _simpleitk(small, small_mask, image.shape, taken, settings)
    else:
        log_field = _own(small, small_mask, image.shape, taken, settings)
    # In the image's own memory order, so that dividing by it is quick.
    return np.exp(log_field, out=np.empty_like(image, dtype=np.float32))


def estimate_fields(study: Study, settings: Bias | None = None, mask: Volume | None = None) -> tuple[Volume, ...]:
    """The bias fields of a study: one for all phases, or one per phase, as the settings say.

    mask: the voxels to learn from, on the study's grid; None: the body, found in each image that is estimated on. The
    region breast needs one. Raises SettingsError where there is no reference phase of that index; ValueError for a mask
    on another grid and for one that is missing; and what `estimate_bias` raises.
    """
    settings = settings or Bias()
    if mask is not None and not mask.grid.same_as(study.grid):
        raise ValueError("the mask lies on another grid than the study")
    if mask is None and settings.region == "breast":
        raise ValueError("the region breast needs the breast mask")
    if settings.shared and settings.reference >= len(study.phases):
        raise SettingsError(f"reference phase {settings.reference} of a study with {len(study.phases)} phases")
    sources = (study.volumes[settings.reference],) if settings.shared else study.volumes
    where = None if mask is None else mask.array
    return tuple(
        source.with_array(estimate_bias(source.array, where, source.grid.spacing_mm, settings)) for source in sources
    )


def correct(study: Study, fields: tuple[Volume, ...]) -> Study:
    """Every phase divided by its field, everywhere, float32; with one field, all phases by that one.

    Raises ValueError where the number of fields is neither one nor that of the phases, or a field lies elsewhere.
    """
    per_phase = fields_per_phase(study, fields)
    return study.with_volumes(
        tuple(corrected(volume, field) for volume, field in zip(study.volumes, per_phase, strict=True))
    )


def corrected(volume: Volume, field: Volume) -> Volume:
    """One image divided by its field, float32."""
    return volume.with_array(np.divide(volume.array, field.array, dtype=np.float32))


def fields_per_phase(study: Study, fields: tuple[Volume, ...]) -> tuple[Volume, ...]:
    """One field for each phase of the study, a shared one repeated. Raises ValueError where they do not fit."""
    if len(fields) not in (1, len(study.phases)):
        raise ValueError(f"{len(fields)} bias fields for {len(study.phases)} phases: one, or one per phase")
    if not all(field.grid.same_as(study.grid) for field in fields):
        raise ValueError("a bias field lies on another grid than the study")
    return fields * len(study.phases) if len(fields) == 1 else fields


def _checked_mask(image: Array, mask: Mask | None, spacing_mm: tuple[float, float, float]) -> Mask:
    if image.ndim != 3:
        raise ValueError(f"an image has three axes, not the shape {image.shape}")
    if mask is not None and mask.shape != image.shape:
        raise ValueError(f"mask {mask.shape} does not fit image {image.shape}")
    if not np.isfinite(image).all():
        raise Refusal(
            Code.NON_FINITE,
            found="voxels that are infinite or not a number",
            allowed="finite intensities",
            remedy="look at the images of this study; they cannot be bias-corrected",
        )
    if not (image > 0).any():
        raise Refusal(
            Code.ALL_ZERO,
            found="no voxel above zero",
            allowed="an image with positive intensities",
            remedy="look at the images of this study; they cannot be bias-corrected",
        )
    if mask is None:
        body = foreground(image, spacing_mm)
        return body if body.any() else np.ones(image.shape, dtype=np.bool_)
    if not mask.any():
        raise _empty_mask("a mask without any voxel")
    return np.asarray(mask, dtype=np.bool_)


def _samples(size: int, shrink: int) -> Samples:
    """Indices of the voxels that the shrunk image takes along an axis: evenly spaced, centred, as SimpleITK's."""
    step = max(1, min(shrink, size // FEWEST_SAMPLES))
    count = size // step
    first = (size - 1 - step * (count - 1) + 1) // 2
    return first + step * np.arange(count)


def _step(samples: Samples) -> int:
    return int(samples[1] - samples[0]) if len(samples) > 1 else 1


def _own(small: Field, mask: Mask, shape: Sizes, taken: list[Samples], settings: Bias) -> Field:
    """Our N4: the log field on the whole grid, each sample's value where that sample lies."""
    schedule = Schedule(
        levels=settings.levels,
        iterations=settings.iterations,
        convergence_threshold=settings.convergence_threshold,
        fwhm=settings.fwhm,
        wiener_noise=settings.wiener_noise,
        bins=settings.histogram_bins,
        control_points=settings.control_points,
    )
    lattice = log_field_lattice(small, mask, schedule)
    i, j, k = (positions((np.arange(n) - at[0]) / _step(at), len(at)) for n, at in zip(shape, taken, strict=True))
    return evaluate(lattice, (i, j, k))


def _simpleitk(small: Field, mask: Mask, shape: Sizes, taken: list[Samples], settings: Bias) -> Field:
    """SimpleITK's N4: the log field on the whole grid, each sample's value where that sample lies.

    SimpleITK stretches the field over any image it is asked for. Asked for the whole image, as is usual, it moves
    the field by up to half a shrink step (up to 4 % of brightness on a real study); asked for the span of the samples,
    it does not. Axes of one voxel are dropped, since its spline has no extent there.
    """
    import SimpleITK

    sitk: Any = SimpleITK  # half of it is untyped
    kept = [axis for axis, n in enumerate(shape) if n > 1]
    if len(kept) < 2:
        raise ValueError(f"SimpleITK's N4 needs at least two axes of more than one voxel, not the shape {shape}")
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations([settings.iterations] * settings.levels)
    n4.SetConvergenceThreshold(settings.convergence_threshold)
    n4.SetBiasFieldFullWidthAtHalfMaximum(settings.fwhm)
    n4.SetWienerFilterNoise(settings.wiener_noise)
    n4.SetNumberOfHistogramBins(settings.histogram_bins)
    n4.SetNumberOfControlPoints([settings.control_points] * len(kept))
    n4.Execute(
        sitk.GetImageFromArray(np.ascontiguousarray(small.squeeze().T)),
        sitk.GetImageFromArray(np.ascontiguousarray(mask.squeeze().T).astype(np.uint8)),
    )
    spans = [int(at[-1] - at[0]) + 1 for at in taken]
    field = n4.GetLogBiasFieldAsImage(sitk.Image([spans[axis] for axis in kept], sitk.sitkFloat32))
    beyond = [(int(at[0]), n - 1 - int(at[-1])) for n, at in zip(shape, taken, strict=True)]
    return np.pad(sitk.GetArrayFromImage(field).T.reshape(spans).astype(np.float32), beyond, mode="edge")


def _empty_mask(found: str) -> Refusal:
    return Refusal(
        Code.EMPTY_MASK,
        found=found,
        allowed="a mask with voxels of positive intensity to learn the bias field from",
        remedy="give another mask, or none, or a smaller shrink factor",
    )

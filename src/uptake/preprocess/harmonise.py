"""Harmonised images: bias-corrected, on cubic voxels, z-scored over the phases together."""

from __future__ import annotations

from dataclasses import dataclass

from uptake.preprocess.bias import corrected, fields_per_phase
from uptake.preprocess.normalise import Statistics, ZScore, zscore
from uptake.preprocess.resample import Resample, isotropic_grid, resample, resample_mask
from uptake.preprocess.rescale import Rescale, to_int16
from uptake.study import Study
from uptake.volume import Volume


@dataclass(frozen=True)
class Harmonised:
    """A study in comparable intensities, and what they were normalised with."""

    study: Study
    statistics: Statistics


def harmonise(
    study: Study,
    fields: tuple[Volume, ...],
    resampling: Resample | None = None,
    normalisation: ZScore | None = None,
    breast: Volume | None = None,
    rescaling: Rescale | None = None,
) -> Harmonised:
    """Every phase divided by its bias field, resampled to cubic voxels, z-scored with one mean and SD; float32.

    fields: one, or one per phase, on the study's grid. breast: a mask on the study's grid, needed where the z-score is
    taken over the breast; it is resampled as the images are. One corrected phase is held at a time beside the results.
    rescaling: whether each phase is stretched to 0-32767 first, as published.
    Raises ValueError where the fields do not fit the study; Refusal where the z-score does.
    """
    resampling = resampling or Resample()
    grid = isotropic_grid(study.grid, resampling.spacing_mm, resampling.placement)
    pairs = zip(study.volumes, fields_per_phase(study, fields), strict=True)
    flat = (bias_free(volume, field, rescaling) for volume, field in pairs)
    resampled = tuple(resample(volume, grid, resampling) for volume in flat)
    inside = resample_mask(breast, grid) if breast and normalisation and normalisation.region == "breast" else None
    normalised, statistics = zscore(resampled, normalisation, inside)
    return Harmonised(study.with_volumes(normalised), statistics)


def bias_free(volume: Volume, field: Volume, rescaling: Rescale | None = None) -> Volume:
    """One phase divided by its bias field, and stretched where that is asked for."""
    made = corrected(volume, field)
    return to_int16(made) if rescaling and rescaling.phases == "int16" else made

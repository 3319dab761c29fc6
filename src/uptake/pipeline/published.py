"""The images of a case once more, under the names of the published release."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from uptake.preprocess.bias import fields_per_phase
from uptake.preprocess.harmonise import Harmonised, bias_free
from uptake.preprocess.rescale import Rescale
from uptake.study import SettingsError, Study
from uptake.volume import Volume

Names = Literal["no", "ispy1"]

CORRECTED = "images_bias-corrected_nifti/{case}/{case}_DCE_{phase:04d}_N3.nii.gz"
ZSCORED = "images_bias-corrected_resampled_zscored_nifti/{case}/{case}_DCE_{phase:04d}_N3_zscored.nii.gz"
"""As in the release of the I-SPY 1 data descriptor (TCIA, 10.7937/TCIA.XC7A-QT2044); N3 is its word, not ours."""


@dataclass(frozen=True)
class Published:
    """Whether images are also written under published names, below ``published/`` of the case folder."""

    names: Annotated[
        Names, "no; ispy1: bias-corrected images on the acquired grid and z-scored ones, named as in the release"
    ] = "no"

    def __post_init__(self) -> None:
        if self.names not in get_args(Names):
            raise SettingsError(f"published.names is one of {', '.join(get_args(Names))}, not {self.names!r}")


def published(
    study: Study, fields: tuple[Volume, ...], made: Harmonised, rescale: Rescale, settings: Published
) -> tuple[tuple[str, Volume], ...]:
    """Published file names with their images: bias-corrected phases, then z-scored ones. None unless asked for."""
    if settings.names == "no":
        return ()
    pairs = zip(study.volumes, fields_per_phase(study, fields), strict=True)
    flat = [bias_free(volume, field, rescale) for volume, field in pairs]
    return tuple(
        (pattern.format(case=study.case_id, phase=n), volume)
        for pattern, volumes in ((CORRECTED, flat), (ZSCORED, made.study.volumes))
        for n, volume in enumerate(volumes)
    )

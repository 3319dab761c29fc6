"""Every family of features, in the order of the IBSI reference manual. A new one is a file and a line here."""

from __future__ import annotations

from uptake.features import (
    glcm,
    gldzm,
    glrlm,
    glszm,
    histogram,
    local_intensity,
    morphology,
    ngldm,
    ngtdm,
    statistics,
    volume_histogram,
)
from uptake.features.definition import Family

FAMILIES: tuple[Family, ...] = (
    morphology.FAMILY,
    local_intensity.FAMILY,
    statistics.FAMILY,
    histogram.FAMILY,
    volume_histogram.FAMILY,
    glcm.FAMILY,
    glrlm.FAMILY,
    glszm.FAMILY,
    gldzm.FAMILY,
    ngtdm.FAMILY,
    ngldm.FAMILY,
)

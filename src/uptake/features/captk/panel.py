"""The panel: every column of CaPTk 1.8.1 in its published order, as it computed them or as they are meant."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from uptake.features.captk import glcm, glrlm, glszm, histogram, intensity, lbp, morphologic, ngtdm, volumetric
from uptake.features.captk.parameters import PAPER, CaptkParameters, FamilyName
from uptake.features.captk.roi import Roi, roi_of
from uptake.features.definition import Undefined, Value
from uptake.features.table import Feature, FeatureTable
from uptake.study import SettingsError
from uptake.volume import Grid, Volume

PanelName = Literal["captk", "captk-corrected"]
Compute = Callable[[Roi, CaptkParameters], Mapping[str, Value]]


@dataclass(frozen=True)
class Panel(FeatureTable):
    """Features under the names of a published table: ask for one by its name; they have no IBSI tags."""

    def __getitem__(self, name: str) -> Feature:
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(name)

    def wide(self) -> dict[str, float]:
        """Values by column name, in the published order: one case's row of a wide table."""
        return {row.name: row.value for row in self.rows}


@dataclass(frozen=True)
class Column:
    """A column of the panel: its full name, the family, the name in it, and the unit."""

    name: str
    family: FamilyName
    feature: str
    unit: str


@dataclass(frozen=True)
class PanelFamily:
    """A family: the middle of its columns' names, names and units, and both ways to compute it."""

    middle: Callable[[CaptkParameters], str]
    units: Callable[[CaptkParameters], Mapping[str, str]]
    captk: Compute
    corrected: Compute


FAMILIES: Mapping[FamilyName, PanelFamily] = {
    "Intensity": PanelFamily(lambda _: "Intensity", intensity.units, intensity.captk, intensity.corrected),
    "Histogram": PanelFamily(
        lambda p: f"Histogram_Bins-{p.histogram_bins}_Bins-{p.histogram_bins}",  # twice: CaPTk appends it twice
        histogram.units,
        histogram.captk,
        histogram.corrected,
    ),
    "Volumetric": PanelFamily(lambda _: "Volumetric", volumetric.units, volumetric.captk, volumetric.captk),
    "Morphologic": PanelFamily(lambda _: "Morphologic", morphologic.units, morphologic.captk, morphologic.corrected),
    "GLCM": PanelFamily(
        lambda p: f"GLCM_Bins-{p.glcm_bins}_Radius-{p.glcm_radius}", glcm.units, glcm.captk, glcm.corrected
    ),
    "GLRLM": PanelFamily(
        lambda p: f"GLRLM_Bins-{p.glrlm_bins}_Radius-{p.glrlm_radius}", glrlm.units, glrlm.captk, glrlm.corrected
    ),
    "GLSZM": PanelFamily(
        lambda p: f"GLSZM_Bins-{p.glszm_bins}_Radius-{p.glszm_radius}", glszm.units, glszm.captk, glszm.corrected
    ),
    "NGTDM": PanelFamily(lambda _: "NGTDM", ngtdm.units, ngtdm.captk, ngtdm.corrected),
    "LBP": PanelFamily(lambda p: f"LBP_Radius-{p.lbp_radius}_Bins-{p.ngtdm_bins}", lbp.units, lbp.captk, lbp.corrected),
}
"""Every family in the order of CaPTk's columns. A new one is a file and a line here."""


def columns(parameters: CaptkParameters = PAPER) -> tuple[Column, ...]:
    """All columns in the published order: families as CaPTk writes them, names in each byte by byte."""
    found = []
    for name in parameters.chosen:
        family = FAMILIES[name]
        before = f"{parameters.modality}_{parameters.label}_{family.middle(parameters)}_"
        found += [
            Column(before + feature, name, feature, unit) for feature, unit in sorted(family.units(parameters).items())
        ]
    return tuple(found)


def captk_panel(volume: Volume, mask: Volume, parameters: CaptkParameters = PAPER, panel: PanelName = "captk") -> Panel:
    """The columns of CaPTk 1.8.1 for one image inside one mask, 370 with the parameters of the paper.

    volume: intensities ``(i, j, k)``, taken as single precision; mask: bool (or zeros and ones) on the same grid.
    panel: `captk` computes what CaPTk did, defects included, as the module of each family says them;
    `captk-corrected` what the names say, with the definitions of the IBSI where it has them. Values of the two panels
    must not be mixed: they share names only.
    A value is NaN where its definition has none, with the reason, also where CaPTk wrote ``inf``; at radius 3 that
    always holds for LBP, whose code is undefined behaviour.
    Raises Refusal MASK_GRID, EMPTY_MASK, NON_FINITE; SettingsError where the image is not on the grid that
    `parameters.resampling_mm` names.
    Source: CaPTk 1.8.1 (https://github.com/CBICA/CaPTk) on ITK 4.13; Chitalia et al., Sci Data 2022;9:440.
    """
    _check_grid(volume.grid, parameters)
    roi = roi_of(volume, mask)
    values: dict[FamilyName, Mapping[str, Value]] = {}
    for name in parameters.chosen:
        family = FAMILIES[name]
        values[name] = (family.captk if panel == "captk" else family.corrected)(roi, parameters)
    return Panel(tuple(_feature(column, values[column.family][column.feature]) for column in columns(parameters)))


def _check_grid(grid: Grid, parameters: CaptkParameters) -> None:
    wanted = parameters.resampling_mm
    if wanted and max(abs(mm - wanted) for mm in grid.spacing_mm) > 1e-3:
        found = " x ".join(f"{mm:.4g}" for mm in grid.spacing_mm)
        raise SettingsError(
            f"resampling_mm {wanted:g}: the image has voxels of {found} mm; resample image and mask first, "
            "or choose 0 to take the grid as it is"
        )


def _feature(column: Column, value: Value) -> Feature:
    number, reason = (math.nan, value.reason) if isinstance(value, Undefined) else (float(value), "")
    return Feature(column.name, number, column.unit, column.family, "", "", "", reason)

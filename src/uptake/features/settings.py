"""Settings of feature extraction."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Annotated, Literal, get_args

from uptake.features.filters.named import filter_of
from uptake.study import SettingsError

FamilyName = Literal[
    "morphology",
    "local_intensity",
    "statistics",
    "intensity_histogram",
    "intensity_volume_histogram",
    "glcm",
    "glrlm",
    "glszm",
    "gldzm",
    "ngtdm",
    "ngldm",
]
FAMILY_NAMES: tuple[FamilyName, ...] = get_args(FamilyName)
Aggregation = Literal[
    "2D averaged", "2D slice-merged", "2.5D direction-merged", "2.5D merged", "3D averaged", "3D merged"
]
AGGREGATIONS: tuple[Aggregation, ...] = get_args(Aggregation)
MOST_DISTANCE = 5
PanelName = Literal["ibsi", "captk", "captk-corrected"]
PANEL_NAMES: tuple[PanelName, ...] = get_args(PanelName)
FIXED = ("fixed-bin-number", "fixed-bin-size")


@dataclass(frozen=True)
class Features:
    """Which features are extracted, and from which voxels.

    Re-segmentation (IBSI 5PSJ) takes voxels out of the intensity mask; the morphological mask stays whole.
    """

    families: Annotated[tuple[FamilyName, ...], "families of features to extract"] = FAMILY_NAMES
    spacing_mm: Annotated[
        tuple[float, ...],
        "mm along i, j, k; image and mask are interpolated to it first, 0 keeps an axis as it is; empty: none",
    ] = ()
    interpolation: Annotated[
        Literal["linear", "cubic-spline"], "how intensities are interpolated; the mask is linearly, inside from 0.5 on"
    ] = "linear"
    round_intensities: Annotated[bool, "interpolated intensities are whole numbers, as in CT"] = False
    filter: Annotated[
        str,
        "a filter with its settings, as in laplacian-of-gaussian sigma_mm=3: features are of its response map, "
        "re-segmentation stays that of the image; empty: none",
    ] = ""
    resegment_range: Annotated[
        tuple[float, ...],
        "intensity units; lowest and highest intensity that stays in the intensity mask, both inclusive; empty: all",
    ] = ()
    resegment_outliers: Annotated[
        float,
        "standard deviations from the mean beyond which voxels leave the intensity mask (IBSI advises 3); 0: none",
    ] = 0.0
    discretisation: Annotated[
        Literal["fixed-bin-number", "fixed-bin-size"], "how intensities become grey levels for histogram and texture"
    ] = "fixed-bin-number"
    bins: Annotated[int, "grey levels from the lowest to the highest intensity, for fixed-bin-number"] = 64
    bin_width: Annotated[
        float,
        "intensity units; width of a grey level, for fixed-bin-size: from resegment_range or the lowest intensity",
    ] = 25.0
    aggregations: Annotated[
        tuple[Aggregation, ...],
        "how texture matrices of slices (array axis k) and directions are combined; families without directions "
        "know only 2D, 2.5D and 3D",
    ] = ("3D averaged", "3D merged")
    autocorrelation: Annotated[
        bool, "Moran's I and Geary's C as well, which in a large region take longer than all else together"
    ] = True
    distance: Annotated[
        int, "voxels; Chebyshev distance of neighbours in co-occurrence, tone difference and dependence matrices"
    ] = 1
    alpha: Annotated[int, "grey levels; largest difference of voxels that depend on each other (NGLDM)"] = 0
    ivh_discretisation: Annotated[
        Literal["fixed-bin-number", "fixed-bin-size", "none"],
        "the same for the intensity-volume histogram: IBSI advises fixed-bin-number for arbitrary units as in MR",
    ] = "fixed-bin-number"
    ivh_bins: Annotated[int, "bins of the intensity-volume histogram, for fixed-bin-number"] = 1000
    ivh_bin_width: Annotated[
        float, "intensity units; width of a bin of the intensity-volume histogram, for fixed-bin-size"
    ] = 1.0

    panels: Annotated[
        tuple[PanelName, ...],
        "which tables a cohort has; all settings above are of ibsi, CaPTk's have the parameters of the published table",
    ] = ("ibsi", "captk")
    captk_image: Annotated[
        Literal["harmonised", "acquired"],
        "image of CaPTk's panels in a cohort: harmonised, as the paper's text says, or as acquired, as its table is",
    ] = "harmonised"

    def __post_init__(self) -> None:
        self._check_panels()
        self._check_families()
        self._check_interpolation()
        self._check_range()
        self._check_bins()
        self._check_texture()

    def _check_panels(self) -> None:
        if set(self.panels) - set(PANEL_NAMES) or not self.panels:
            raise SettingsError(f"panels {list(self.panels)}: allowed are one or more of {', '.join(PANEL_NAMES)}")
        if {"captk", "captk-corrected"} <= set(self.panels):
            raise SettingsError(
                "panels captk and captk-corrected give their columns the same names: choose one of them"
            )
        if self.captk_image not in ("harmonised", "acquired"):
            raise SettingsError(f"captk_image {self.captk_image!r}: allowed are harmonised, acquired")

    def _check_families(self) -> None:
        unknown = sorted(set(self.families) - set(FAMILY_NAMES))
        if unknown or not self.families:
            raise SettingsError(f"families {list(self.families)}: allowed are one or more of {', '.join(FAMILY_NAMES)}")

    def _check_range(self) -> None:
        limits = self.resegment_range
        if limits and not (len(limits) == 2 and limits[0] <= limits[1]):
            raise SettingsError(
                f"resegment_range {list(limits)}: allowed is nothing, or a lowest and a highest intensity"
            )

        if not 0 <= self.resegment_outliers < inf:
            raise SettingsError(f"resegment_outliers {self.resegment_outliers}: allowed is 0 or more")

    def _check_interpolation(self) -> None:
        if self.filter:
            filter_of(self.filter)
        if self.spacing_mm and not (len(self.spacing_mm) == 3 and all(0 <= mm < inf for mm in self.spacing_mm)):
            raise SettingsError(
                f"spacing_mm {list(self.spacing_mm)}: allowed is nothing, or three spacings of 0 or more"
            )
        if self.interpolation not in ("linear", "cubic-spline"):
            raise SettingsError(f"interpolation {self.interpolation!r}: allowed are linear, cubic-spline")

    def _check_bins(self) -> None:
        for field, ways in (("discretisation", FIXED), ("ivh_discretisation", (*FIXED, "none"))):
            if getattr(self, field) not in ways:
                raise SettingsError(f"{field} {getattr(self, field)!r}: allowed are {', '.join(ways)}")
        for field in ("bins", "ivh_bins"):
            if getattr(self, field) < 1:
                raise SettingsError(f"{field} {getattr(self, field)}: allowed is 1 or more")
        for field in ("bin_width", "ivh_bin_width"):
            if not 0 < getattr(self, field) < inf:
                raise SettingsError(f"{field} {getattr(self, field)}: allowed is a finite width above 0")

    def _check_texture(self) -> None:
        if set(self.aggregations) - set(AGGREGATIONS) or not self.aggregations:
            raise SettingsError(
                f"aggregations {list(self.aggregations)}: allowed are one or more of {', '.join(AGGREGATIONS)}"
            )
        if not 1 <= self.distance <= MOST_DISTANCE:
            raise SettingsError(f"distance {self.distance}: allowed are 1 to {MOST_DISTANCE} voxels")
        if self.alpha < 0:
            raise SettingsError(f"alpha {self.alpha}: allowed is 0 or more")

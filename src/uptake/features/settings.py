"""Settings of feature extraction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from uptake.study import SettingsError

FamilyName = Literal["morphology", "statistics"]
FAMILY_NAMES: tuple[FamilyName, ...] = get_args(FamilyName)


@dataclass(frozen=True)
class Features:
    """Which features are extracted, and from which voxels.

    Re-segmentation (IBSI 5PSJ) takes voxels out of the intensity mask; the morphological mask stays whole.
    """

    families: Annotated[tuple[FamilyName, ...], "families of features to extract"] = FAMILY_NAMES
    resegment_range: Annotated[
        tuple[float, ...],
        "intensity units; lowest and highest intensity that stays in the intensity mask, both inclusive; empty: all",
    ] = ()

    def __post_init__(self) -> None:
        unknown = sorted(set(self.families) - set(FAMILY_NAMES))
        if unknown or not self.families:
            raise SettingsError(f"families {list(self.families)}: allowed are one or more of {', '.join(FAMILY_NAMES)}")
        limits = self.resegment_range
        if limits and not (len(limits) == 2 and limits[0] <= limits[1]):
            raise SettingsError(
                f"resegment_range {list(limits)}: allowed is nothing, or a lowest and a highest intensity"
            )

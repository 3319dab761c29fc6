"""What kind of phantom is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from uptake.phantom.defects import DEFECTS
from uptake.phantom.foci import Kind
from uptake.phantom.frames import Size, Vendor, View
from uptake.phantom.tissues import Background
from uptake.study import SettingsError

ANY = "any"
ChestBand = Literal["any", "none"]
FIELDS_T = (1.5, 3.0)


@dataclass(frozen=True)
class PhantomSettings:
    """What kind of study is made. How it is written as DICOM is another matter (`uptake.io.dicom.write`)."""

    view: Annotated[View, "sagittal: one breast; axial: both, one of them with a lesion"] = "sagittal"
    size: Annotated[
        Size, "full: as I-SPY 1 acquired; half: every second row and column; small: a sixteenth per slice, for tests"
    ] = "full"
    vendor: Annotated[Vendor, "ge, siemens or philips: sequence, spacing, slices, grey levels"] = "ge"
    field_t: Annotated[float, "T; 1.5 or 3: relaxation times and relaxivity"] = 1.5
    snr: Annotated[float, "ratio; mean of gland before contrast over the SD of the noise"] = 40.0
    motion_mm: Annotated[float, "mm; SD of the displacement between phases along each axis, 0-10"] = 0.0
    lesion: Annotated[Kind | Literal["any"], "any, mass, multifocal, nonmass or rim"] = "any"
    background: Annotated[
        Background | Literal["any"], "any, minimal, mild, moderate or marked enhancement of gland"
    ] = "any"
    chest_band: Annotated[ChestBand, "any or none: a saturation band over the chest, as many protocols have"] = "any"
    defects: Annotated[tuple[str, ...], "what goes wrong: see uptake.phantom.DEFECTS"] = ()
    phases: Annotated[int, "phases in all, the first before contrast: 3-6"] = 3
    pe_threshold_percent: Annotated[float, "percent; PE threshold that the study records"] = 70.0
    minimum_neighbours: Annotated[int, "of 26; neighbour count that the study records"] = 4

    def __post_init__(self) -> None:
        object.__setattr__(self, "defects", tuple(self.defects))
        self._check_names()
        if not 2 <= self.snr <= 1e6:
            raise SettingsError(f"phantom.snr must be in [2, 1000000], not {self.snr}")
        if not 0 <= self.motion_mm <= 10:
            raise SettingsError(f"phantom.motion_mm must be in [0, 10], not {self.motion_mm}")
        if self.phases not in range(3, 7):
            raise SettingsError(f"phantom.phases must be 3, 4, 5 or 6, not {self.phases}")
        if not 0 < self.pe_threshold_percent <= 1000:
            raise SettingsError(f"phantom.pe_threshold_percent must be in (0, 1000], not {self.pe_threshold_percent}")
        if self.minimum_neighbours not in range(27):
            raise SettingsError(f"phantom.minimum_neighbours must be in 0-26, not {self.minimum_neighbours}")

    def _check_names(self) -> None:
        allowed = {
            "view": get_args(View),
            "size": get_args(Size),
            "vendor": get_args(Vendor),
            "field_t": FIELDS_T,
            "lesion": (ANY, *get_args(Kind)),
            "background": (ANY, *get_args(Background)),
            "chest_band": get_args(ChestBand),
        }
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise SettingsError(
                    f"phantom.{name} must be one of {', '.join(map(str, values))}, not {getattr(self, name)!r}"
                )
        unknown = sorted(set(self.defects) - set(DEFECTS))
        if unknown:
            raise SettingsError(f"phantom.defects must be of {', '.join(DEFECTS)}, not {', '.join(unknown)}")

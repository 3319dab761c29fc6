"""Stretching each phase to the range of int16, as the published images were: only to reproduce them.

Each phase by its own minimum and maximum, so that the ratio between phases, and with it PE and SER, is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

import numpy as np

from uptake.study import SettingsError
from uptake.volume import Volume

Phases = Literal["no", "int16"]

INT16_MAXIMUM = 32767


@dataclass(frozen=True)
class Rescale:
    """Whether corrected phases are stretched before they are resampled."""

    phases: Annotated[
        Phases,
        "no; int16: each corrected phase to whole numbers 0-32767 on its own, as published (PE and SER are lost)",
    ] = "no"

    def __post_init__(self) -> None:
        if self.phases not in get_args(Phases):
            raise SettingsError(f"rescale.phases is one of {', '.join(get_args(Phases))}, not {self.phases!r}")


def to_int16(volume: Volume) -> Volume:
    """Intensities from 0 at the volume's minimum to 32767 at its maximum, rounded, int16; a constant one becomes 0."""
    low, high = float(volume.array.min()), float(volume.array.max())
    if not high > low:
        return volume.with_array(np.zeros(volume.grid.shape, dtype=np.int16))
    scaled = (volume.array - np.float32(low)) * np.float32(INT16_MAXIMUM / (high - low))
    return volume.with_array(np.clip(np.rint(scaled), 0, INT16_MAXIMUM).astype(np.int16))

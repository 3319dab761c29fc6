"""How a vendor's scanner was set: sequence, k-space, clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uptake.phantom.frames import Size, Vendor, View
from uptake.phantom.scanner import Acquired, Window
from uptake.phantom.signal import Sequence

SEQUENCES: dict[Vendor, tuple[float, float, float]] = {
    "ge": (8.4, 4.2, 20.0),
    "siemens": (11.0, 4.8, 25.0),
    "philips": (9.0, 4.4, 20.0),
}
"""Repetition and echo time in ms, flip angle in degrees: ISPY1_1001 for GE; the others within ACRIN 6657's protocol
(TR at most 20 ms, TE 4.5 ms, flip angle at most 45 degrees)."""
LEVELS: dict[Vendor, tuple[float, float]] = {"ge": (70.0, 260.0), "siemens": (120.0, 420.0), "philips": (200.0, 900.0)}
"""Grey level of gland before contrast: GE from the two studies at hand (85 and 60) upwards; the mean intensities of
the published cohort span a factor of 100."""


@dataclass(frozen=True)
class Clock:
    """Times in s: of each phase's start, of a phase, from injection to the bolus at the breast; which phases are used.

    The injection comes with the start of the first phase after it. indices: the pre, early and late phase.
    """

    starts_s: tuple[float, ...]
    length_s: float
    arrival_s: float
    indices: tuple[int, int, int]

    @property
    def centres_s(self) -> tuple[float, ...]:
        """Middle of each phase after the injection."""
        return tuple(start - self.starts_s[1] + self.length_s / 2 for start in self.starts_s)

    def moments_s(self, phase: int) -> tuple[float, ...]:
        """When after the bolus' arrival a phase is rendered: three moments while contrast arrives, else its middle."""
        start = self.starts_s[phase] - self.starts_s[1] - self.arrival_s
        parts = (0.125, 0.5, 0.875) if start < 0 < start + self.length_s else (0.5,)
        return tuple(start + part * self.length_s for part in parts)


def draw_clock(phases: int, rng: np.random.Generator) -> Clock:
    """Three phases as in the GE protocol of I-SPY 1, more of them shorter; whole seconds."""
    if phases == 3:
        length, pause = float(rng.integers(270, 301)), float(rng.integers(60, 101))
    else:
        length, pause = {4: 160.0, 5: 95.0, 6: 95.0}[phases], float(rng.integers(0, 4))
    starts = (0.0, *(pause + length * n for n in range(1, phases)))
    early = {3: 1, 4: 1, 5: 2, 6: 2}[phases]  # nearest to 150 s, as UCSF chose; the late one is the last
    return Clock(starts, length, float(rng.integers(12, 25)), (0, early, phases - 1))


def sequence_of(vendor: Vendor, field_t: float) -> Sequence:
    """The vendor's spoiled gradient echo at a field."""
    return Sequence(*SEQUENCES[vendor], field_t)


def acquired_of(view: View, size: Size) -> Acquired:
    """What is acquired of k-space.

    Fitted to the noise of the two studies at hand: in air the magnitudes of neighbours correlate by 0.22-0.23 along
    the columns, 0.39-0.41 along the rows, 0.09-0.17 across slices. Of a half or a small phantom, whose voxels
    are large as they are, nearly everything is acquired.
    """
    if size != "full":
        return Acquired((Window(0.8, 1.2),) * 3, 1 if view == "sagittal" else 0)
    read, phase, slices = Window(0.4, 0.97), Window(0.34, 0.72), Window(0.5, 1.05)
    return Acquired((read, phase, slices), 1) if view == "sagittal" else Acquired((phase, read, slices), 0)

"""From contrast agent to signal: relaxivity, T2* and the spoiled gradient echo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uptake.phantom.frames import Float

RELAXIVITY = {1.5: 4.1, 3.0: 3.7}
"""r1 of gadopentetate in plasma at 37 degrees, per mM and s, by field in T: Rohrer et al., Invest Radiol 40:715
(2005)."""
TRANSVERSE_RELAXIVITY = 5.0
"""r2*, per mM and s: r2 of gadopentetate at 1.5 T (4.6, same source) and a little for susceptibility."""


@dataclass(frozen=True)
class Sequence:
    """A spoiled gradient echo: repetition and echo time in ms, flip angle in degrees, field in T (1.5 or 3)."""

    repetition_time_ms: float
    echo_time_ms: float
    flip_angle_deg: float
    field_t: float


def spoiled_gradient_echo(rate_per_s: Float, sequence: Sequence) -> Float:
    """Signal for M0 = 1 before T2* decay: sin a (1 - E1) / (1 - cos a E1), E1 = exp(-TR R1); rates in 1/s.

    The steady state of ideal spoiling (Haase et al., J Magn Reson 67:258, 1986). Small angles: M0 sin a.
    """
    angle = np.deg2rad(sequence.flip_angle_deg)
    e1 = np.exp(rate_per_s * np.float32(-sequence.repetition_time_ms / 1000))
    return np.asarray(np.float32(np.sin(angle)) * (1 - e1) / (1 - np.float32(np.cos(angle)) * e1), dtype=np.float32)


def relative_signal(t1_ms: float, concentration_mm: Float, sequence: Sequence) -> Float:
    """Signal with contrast agent over signal without: 1 / T1 + r1 C in the steady state, times exp(-TE r2* C)."""
    before = np.array(1000 / t1_ms, dtype=np.float32)
    after = before + np.float32(RELAXIVITY[sequence.field_t]) * concentration_mm
    decay = np.exp(np.float32(-sequence.echo_time_ms / 1000 * TRANSVERSE_RELAXIVITY) * concentration_mm)
    rise = spoiled_gradient_echo(after, sequence) / spoiled_gradient_echo(before, sequence)
    return np.asarray(rise * decay, dtype=np.float32)

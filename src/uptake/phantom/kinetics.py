"""How contrast agent comes and goes: Parker's arterial input and the extended Tofts model, by convolution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uptake.phantom.frames import Float

Array = npt.NDArray[np.float64]

HAEMATOCRIT = 0.42
STEP_S = 0.5
KEP_PER_MIN = (1e-3, 20.0)
KEP_NODES = 400


def arterial_blood_mm(time_s: npt.ArrayLike) -> Array:
    """Concentration in arterial blood in mM, `time_s` after the bolus arrives; 0 before.

    The population mean of Parker et al., Magn Reson Med 56:993 (2006), table 1, for 0.1 mmol per kg: two Gaussians
    and an exponential under a sigmoid; it peaks at 6.1 mM after 10.5 s.
    """
    t = np.asarray(time_s, dtype=np.float64) / 60
    total = np.zeros_like(t)
    for area, centre, width in ((0.809, 0.17046, 0.0563), (0.330, 0.365, 0.132)):
        total += area / (width * np.sqrt(2 * np.pi)) * np.exp(-((t - centre) ** 2) / (2 * width**2))
    with np.errstate(over="ignore"):
        total += 1.050 * np.exp(-0.1685 * t) / (1 + np.exp(-38.078 * (t - 0.483)))
    return np.where(t < 0, 0.0, total)


def plasma_mm(time_s: npt.ArrayLike) -> Array:
    """Concentration in arterial plasma in mM: that in blood over 1 - haematocrit (0.42)."""
    return arterial_blood_mm(time_s) / (1 - HAEMATOCRIT)


def washed(time_s: Array, input_mm: Array, kep_per_min: Array) -> Array:
    """The input convolved with ``exp(-kep t)``, in mM min, shape (times, keps); times equally spaced.

    Exact for an input that is linear between the times (the recursion of Flouri et al., Magn Reson Med 76:998, 2016).
    """
    x = kep_per_min * float(time_s[1] - time_s[0]) / 60
    decay = np.exp(-x)
    # Integrals over one step of a constant and of a ramp against the exponential.
    level = -np.expm1(-x) / kep_per_min
    ramp = (x - 1 + decay) / (x * kep_per_min)
    result = np.zeros((time_s.size, kep_per_min.size))
    for n in range(1, time_s.size):
        result[n] = result[n - 1] * decay + input_mm[n - 1] * (level - ramp) + input_mm[n] * ramp
    return result


@dataclass(frozen=True, eq=False)
class Bolus:
    """Parker's input and its convolution, tabulated over time (every 0.5 s) and kep.

    There are 400 logarithmic kep from 0.001 to 20 per minute; linear interpolation between them is good to 1e-4.
    """

    table: Array
    log_kep: Array

    def concentration_mm(self, time_s: float, ktrans: Float, kep: Float, vp: float) -> Float:
        """Tissue concentration in mM at `time_s` after arrival (extended Tofts): vp Cp + Ktrans (Cp * exp(-kep t)).

        ktrans, kep: per minute. vp: fraction. Tofts et al., J Magn Reson Imaging 10:223 (1999).
        """
        if time_s <= 0:
            return np.zeros_like(ktrans)
        n = int(time_s // STEP_S)
        weight = time_s / STEP_S - n
        line = (1 - weight) * self.table[n] + weight * self.table[n + 1]
        washed_in = np.interp(np.log(kep), self.log_kep, line)
        return np.asarray(vp * float(plasma_mm(time_s)) + ktrans * washed_in, dtype=np.float32)


def bolus_until(end_s: float) -> Bolus:
    """The table up to a time after arrival in s."""
    fine = np.arange(0.0, max(end_s, STEP_S) + 2 * STEP_S, STEP_S)
    kep = np.geomspace(*KEP_PER_MIN, KEP_NODES)
    return Bolus(washed(fine, plasma_mm(fine), kep), np.log(kep))

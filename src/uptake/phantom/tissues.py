"""What each tissue is: signal before contrast, T1, and how it takes up contrast agent, per patient and per voxel.

Signals before contrast are set relative to gland, as measured on studies of ACRIN 6657/I-SPY 1, and stand for proton
density and T2*; T1 by field from Rakow-Penner 2006, Edden 2010, Stanisz 2005. Transfer constants are chosen so that
enhancement is as measured there: PE medians of 90-120 % in tumour, 5-15 % in most glands (the published ranges for
breast, fitted to the first 150 s, give far more).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from uptake.phantom.anatomy import Tissue

Background = Literal["minimal", "mild", "moderate", "marked"]

BACKGROUNDS: dict[Background, tuple[float, tuple[float, float]]] = {
    "minimal": (0.4, (0.0015, 0.0035)),
    "mild": (0.35, (0.004, 0.008)),
    "moderate": (0.17, (0.010, 0.018)),
    "marked": (0.08, (0.024, 0.036)),
}
"""How often (BI-RADS categories of background parenchymal enhancement), and the range of gland's Ktrans per minute."""

T1_MS: dict[float, dict[Tissue, float]] = {
    1.5: {
        Tissue.FAT: 1266, Tissue.GLAND: 1266, Tissue.SKIN: 720, Tissue.MUSCLE: 1008, Tissue.LUNG: 1200,
        Tissue.LESION: 1150, Tissue.CORE: 1500, Tissue.VESSEL: 1441, Tissue.HEART: 1200, Tissue.NODE: 1050,
        Tissue.DUCT: 1400, Tissue.RIB: 1266,
    },
    3.0: {
        Tissue.FAT: 1680, Tissue.GLAND: 1680, Tissue.SKIN: 850, Tissue.MUSCLE: 1411, Tissue.LUNG: 1400,
        Tissue.LESION: 1500, Tissue.CORE: 1900, Tissue.VESSEL: 1930, Tissue.HEART: 1550, Tissue.NODE: 1400,
        Tissue.DUCT: 1800, Tissue.RIB: 1680,
    },
}  # fmt: skip
"""In ms by field in T. Fat's is that of the water in it: its lipid is suppressed and takes up nothing that shows."""


@dataclass(frozen=True)
class Kinetics:
    """A tissue in one patient.

    signal: before contrast, gland is 1. ktrans, kep: per minute. vp: fraction. delay_s: after the bolus arrives at
    the breast. spread: SD over the voxels of the logarithm of signal, Ktrans and kep. inert: part of the signal that
    takes up nothing (lipid that suppression left over). upwards: how much less Ktrans spreads up than down.
    hot: how fast its logarithm rises where its texture is above 2 SD (one voxel in forty), per SD.
    """

    signal: float
    ktrans: float
    kep: float
    vp: float
    delay_s: float = 5.0
    spread: tuple[float, float, float] = (0.0, 0.0, 0.0)
    inert: float = 0.0
    upwards: float = 1.0
    hot: float = 0.0


@dataclass(frozen=True)
class Patient:
    """The tissues of one patient, and how much her gland enhances; `inside`: a tumour's Ktrans there over the mean."""

    tissues: dict[Tissue, Kinetics]
    background: Background
    t1_scale: float
    inside: float


def draw_patient(background: Background | Literal["any"], rng: np.random.Generator) -> Patient:
    """One patient's tissues; `background` "any" draws it as often as it occurs."""
    names = list(BACKGROUNDS)
    drawn = names[int(rng.choice(len(names), p=[BACKGROUNDS[name][0] for name in names]))]
    level: Background = drawn if background == "any" else background
    low, high = BACKGROUNDS[level][1]
    share, uniform = float(rng.random()), rng.uniform
    gland = Kinetics(
        1.0, low * (high / low) ** share, float(uniform(0.02, 0.06)), 0.003, float(uniform(10, 25)), (0.07, 0.6, 0.2)
    )
    tumour = Kinetics(
        float(uniform(0.85, 1.15)),
        float(0.125 * np.exp(0.16 * rng.standard_normal())),
        float(0.26 * np.exp(0.14 * rng.standard_normal())),
        float(uniform(0.005, 0.03)),
        3.0,
        (0.06, 0.37, 0.48),
        upwards=0.25,
        hot=0.5,
    )
    skin = Kinetics(float(uniform(0.5, 0.95)), float(uniform(0.006, 0.014)), 0.1, 0.02, 8.0, (0.22, 0.3, 0.0))
    muscle = Kinetics(float(uniform(0.45, 0.6)), float(uniform(0.012, 0.025)), 0.15, 0.015, 7.0, (0.2, 0.2, 0.0))
    fat = Kinetics(float(uniform(0.09, 0.16)), float(uniform(0.012, 0.03)), 0.12, 0.01, 10.0, (0.15, 0.3, 0.0))
    node = Kinetics(float(uniform(0.7, 0.95)), float(uniform(0.05, 0.12)), float(uniform(0.2, 0.4)), 0.03, 6.0)
    core = replace(tumour, signal=float(uniform(0.6, 0.95)), ktrans=float(uniform(0.0005, 0.02)), kep=0.05, hot=0)
    inert = float(uniform(0.45, 0.6))
    tissues = {
        Tissue.FAT: replace(fat, inert=inert),
        Tissue.RIB: replace(fat, inert=inert),
        Tissue.GLAND: gland,
        Tissue.DUCT: replace(gland, signal=float(uniform(0.7, 1.0)), spread=(0.0, 0.0, 0.0)),
        Tissue.SKIN: skin,
        Tissue.MUSCLE: muscle,
        Tissue.LUNG: Kinetics(0.05, 0.02, 0.3, 0.03, 3.0),
        Tissue.HEART: Kinetics(float(uniform(0.22, 0.36)), 0.25, 0.6, 0.2, 0.0, (0.3, 0.2, 0.0)),
        Tissue.NODE: node,
        Tissue.VESSEL: Kinetics(float(uniform(0.4, 0.7)), 1e-4, 0.1, float(uniform(0.3, 0.5)), 0.0),
        Tissue.LESION: tumour,
        Tissue.CORE: replace(core, vp=0.001, spread=(0.08, 0.5, 0.2)),
    }
    return Patient(tissues, level, float(np.exp(0.05 * rng.standard_normal())), float(uniform(0.67, 1.0)))

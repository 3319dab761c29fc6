"""Signals: what each tissue shows before contrast, how it enhances, coil shading and noise.

Enhancement is set by what is measured on real studies: the relative enhancement of the early phase and the SER.
Between the phases a voxel follows ``a (1 - exp(-t / 40 s)) + b t`` after the arrival of the contrast agent, with a
and b such that early and late phase are exactly as drawn. PE median 90-120 % and SER about 0.65-1.3 in the lesion,
PE 5-15 % in gland, fat at 0.23-0.29 of gland: percentiles of ACRIN 6657/I-SPY 1 studies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from uptake.phantom.anatomy import Tissue
from uptake.phantom.frames import Float, Frame, smooth_field
from uptake.phantom.lesion import Occupancy

WASH_IN_S = 40.0


@dataclass(frozen=True, eq=False)
class Signals:
    """Noise-free signal as a sum: ``base + c1 early + c2 late``, with c1 and c2 the same for all voxels of a phase.

    early, late: rise of the signal from before contrast to the early and the late phase.
    """

    base: Float
    early: Float
    late: Float


@dataclass(frozen=True)
class Kinetics:
    """Medians of a tissue: signal relative to gland, relative enhancement of the early phase (1 = 100 %), SER.

    spread: SD of the logarithm of the enhancement and of the SER over the voxels.
    """

    signal: float
    enhancement: float
    ser: float
    spread: tuple[float, float] = (0.0, 0.0)


def draw_kinetics(rng: np.random.Generator) -> dict[Tissue, Kinetics]:
    """The medians of one patient."""
    uniform = rng.uniform
    return {
        Tissue.FAT: Kinetics(uniform(0.23, 0.29), uniform(0.02, 0.15), 0.8),
        Tissue.GLAND: Kinetics(1.0, uniform(0.05, 0.15), uniform(0.5, 0.7), (0.5, 0.15)),
        Tissue.SKIN: Kinetics(uniform(0.4, 0.55), uniform(0.2, 0.4), 0.8),
        Tissue.MUSCLE: Kinetics(uniform(0.45, 0.55), uniform(0.1, 0.25), 0.7),
        Tissue.LUNG: Kinetics(0.04, 0.0, 1.0),
        Tissue.LESION: Kinetics(uniform(0.95, 1.15), uniform(0.95, 1.15), uniform(0.9, 1.1), (0.16, 0.17)),
        Tissue.CORE: Kinetics(uniform(0.85, 1.0), uniform(0.05, 0.25), 0.6),
    }


def healthy(
    frame: Frame, shares: dict[Tissue, Float], kinetics: dict[Tissue, Kinetics], rng: np.random.Generator
) -> Signals:
    """The breast without a lesion, in units of gland."""
    total = [np.zeros(frame.grid.shape, dtype=np.float32) for _ in range(3)]
    for tissue, share in shares.items():
        if tissue is Tissue.AIR:
            continue
        for whole, part in zip(total, _tissue(frame, kinetics[tissue], rng), strict=True):
            np.add(whole, share * part, out=whole)
    return Signals(*total)


def with_lesion(
    frame: Frame, body: Signals, lesion: Occupancy, kinetics: dict[Tissue, Kinetics], rng: np.random.Generator
) -> Signals:
    """The breast with the lesion in place of what was there; `frame` covers the lesion's part of the grid."""
    rim, core = _tissue(frame, kinetics[Tissue.LESION], rng), _tissue(frame, kinetics[Tissue.CORE], rng)
    parts = []
    for whole, outer, inner in zip((body.base, body.early, body.late), rim, core, strict=True):
        mixed = whole.copy()
        mixed[lesion.where] = (
            (1 - lesion.lesion) * whole[lesion.where] + (lesion.lesion - lesion.core) * outer + lesion.core * inner
        )
        parts.append(mixed)
    return Signals(*parts)


def coil_bias(frame: Frame, centre_mm: tuple[float, float, float], reach_mm: float, rng: np.random.Generator) -> Float:
    """Multiplicative shading, float32: the exponential of a random quadratic, about 0.85-1.25 over `reach_mm`."""
    lines = zip((frame.x, frame.y, frame.z), centre_mm, strict=True)
    u = [(line - np.float32(c)) / np.float32(reach_mm) for line, c in lines]
    linear, square = rng.uniform(-0.1, 0.1, 3), rng.uniform(-0.08, 0.08, 3)
    total = np.zeros(frame.grid.shape, dtype=np.float32)
    for line, a, b in zip(u, linear, square, strict=True):
        total += np.float32(a) * line + np.float32(b) * line**2
    return np.exp(np.clip(total, -0.7, 0.7))


def weights(time_s: float, early_s: float, late_s: float) -> tuple[float, float]:
    """(c1, c2) of a phase `time_s` after the contrast arrived: (1, 0) at `early_s`, (0, 1) at `late_s`, 0 before."""
    if time_s <= 0:
        return 0.0, 0.0
    basis = [[1 - np.exp(-t / WASH_IN_S), t] for t in (early_s, late_s)]
    c1, c2 = np.linalg.solve(np.array(basis).T, [1 - np.exp(-time_s / WASH_IN_S), time_s])
    return float(c1), float(c2)


def with_noise(clean: Float, sigma: float, rng: np.random.Generator) -> Float:
    """Magnitude of two coils that share the signal, each with complex Gaussian noise of SD `sigma`.

    Far above the noise the SD is `sigma`; in air mean / SD is 2.7, as in the real studies (a Rayleigh
    magnitude would give 1.91).
    """
    shared = clean * np.float32(np.sqrt(0.5))
    total = np.zeros_like(clean)
    for signal in (shared, None, shared, None):
        part = rng.standard_normal(clean.shape, dtype=np.float32) * np.float32(sigma)
        if signal is not None:
            part += signal
        total += part**2
    return np.sqrt(total)


def _tissue(frame: Frame, kinetics: Kinetics, rng: np.random.Generator) -> Iterator[Float]:
    """Signal before contrast, then its rise to the early and to the late phase, per voxel."""
    signal: Float = np.full(1, kinetics.signal, dtype=np.float32)
    rise: Float = np.full(1, kinetics.enhancement, dtype=np.float32)
    ser: Float = np.full(1, kinetics.ser, dtype=np.float32)
    if any(kinetics.spread):
        signal = signal * np.exp(np.float32(0.06) * smooth_field(frame, 5.0, rng))
        rise = rise * np.exp(np.float32(kinetics.spread[0]) * smooth_field(frame, 6.0, rng))
        ser = ser * np.exp(np.float32(kinetics.spread[1]) * smooth_field(frame, 6.0, rng))
    yield signal
    yield signal * rise
    yield signal * rise / ser

"""From shares of tissues to signal at a moment, and to the maps of the transfer constants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uptake.phantom.anatomy import Tissue
from uptake.phantom.frames import Float, Frame
from uptake.phantom.kinetics import Bolus, bolus_until
from uptake.phantom.model import Model, Shares, Textures
from uptake.phantom.signal import Sequence, relative_signal
from uptake.phantom.tissues import T1_MS, Kinetics

Index = npt.NDArray[np.intp]

RIM_MM = 7.0
"""Over this depth the perfusion of a lesion's edge falls to that of its inside."""
HOT_SD = np.float32(2)
FAILED = 4.0
"""Of the lipid that suppression leaves over, so many times more per SD of its field above 1.6."""
SLOW = 0.45
"""Ktrans of a lesion's slow parts over that of the others."""


@dataclass(frozen=True, eq=False)
class Rendered:
    """Signal at each moment (gland before contrast is 1), and Ktrans (1/min), ve, vp weighted with the shares."""

    moments: tuple[Float, ...]
    ktrans: Float
    ve: Float
    vp: Float


@dataclass(frozen=True, eq=False)
class _Logs:
    """Textures on a grid, ravelled: SD 1 around 0."""

    signal: Float
    ktrans: Float
    kep: Float
    residue: Float


@dataclass(frozen=True, eq=False)
class _Voxels:
    """A tissue in the voxels that have it."""

    signal: Float
    inert: Float
    ktrans: Float
    kep: Float
    vp: float


def render(frame: Frame, shares: Shares, model: Model, sequence: Sequence, moments_s: tuple[float, ...]) -> Rendered:
    """The signal at moments (s after the bolus arrives at the breast; before it: 0 or less) without coil and noise.

    Per voxel and tissue: extended Tofts, relaxivity, spoiled gradient echo; then the tissues' signals are added with
    their shares.
    """
    logs = _logs(frame, model.textures)
    rim = _rim(shares, model.patient.inside)
    bolus = bolus_until(max(moments_s, default=0.0))
    moments = [np.zeros(frame.grid.shape, dtype=np.float32) for _ in moments_s]
    maps = [np.zeros(frame.grid.shape, dtype=np.float32) for _ in ("ktrans", "ve", "vp")]
    for tissue, share in shares.tissues.items():
        if tissue is Tissue.AIR:
            continue
        kinetics = model.patient.tissues[tissue]
        where = np.flatnonzero(share > 0)
        part = share.reshape(-1)[where]
        voxels = _voxels(kinetics, logs, where, rim if tissue is Tissue.LESION else None)
        t1_ms = T1_MS[sequence.field_t][tissue] * model.patient.t1_scale
        delayed = tuple(moment - kinetics.delay_s for moment in moments_s)
        signals = _signals(t1_ms, voxels, sequence, bolus, delayed)
        for moment, signal in zip(moments, signals, strict=True):
            moment.reshape(-1)[where] += part * signal
        values = (voxels.ktrans, voxels.ktrans / voxels.kep, np.full_like(part, voxels.vp))
        for total, value in zip(maps, values, strict=True):
            total.reshape(-1)[where] += part * value
    return Rendered(tuple(moments), maps[0], maps[1], maps[2])


def _signals(
    t1_ms: float, voxels: _Voxels, sequence: Sequence, bolus: Bolus, moments_s: tuple[float, ...]
) -> Iterator[Float]:
    water = voxels.signal - voxels.inert
    for moment in moments_s:
        contrast = bolus.concentration_mm(moment, voxels.ktrans, voxels.kep, voxels.vp)
        yield voxels.inert + water * relative_signal(t1_ms, contrast, sequence)


def _voxels(kinetics: Kinetics, logs: _Logs, where: Index, rim: Float | None) -> _Voxels:
    spread = kinetics.spread
    signal = np.float32(kinetics.signal) * _lognormal(logs.signal, where, spread[0])
    ktrans = np.float32(kinetics.ktrans) * _lognormal(logs.ktrans, where, spread[1], kinetics.upwards)
    if kinetics.hot:
        ktrans *= np.exp(np.float32(kinetics.hot) * np.clip(logs.ktrans[where] - HOT_SD, 0, 2))
    kep = np.float32(kinetics.kep) * _lognormal(logs.kep, where, spread[2])
    if rim is not None:
        # The growing edge is better perfused than the inside.
        factor = rim.reshape(-1)[where]
        ktrans, kep = ktrans * factor, kep * np.sqrt(factor)
    inert = np.zeros_like(signal)
    if kinetics.inert:
        left = np.float32(kinetics.inert * kinetics.signal)
        inert = left * _lognormal(logs.residue, where, 0.35)
        inert += left * np.float32(FAILED) * np.clip(logs.residue[where] - np.float32(1.6), 0, 2)
        signal = signal - left + inert
    # Nothing leaves a voxel faster than its interstitium allows: ve is at most 1.
    return _Voxels(signal, inert, ktrans, np.maximum(kep, ktrans), kinetics.vp)


def _lognormal(log: Float, where: Index, spread: float, upwards: float = 1.0) -> Float:
    if not spread:
        return np.ones(where.size, dtype=np.float32)
    there = log[where]
    # Bounded, for tissue has no limitless extremes: 1 SD becomes 0.93, 3 SD 1.9.
    bounded = there / np.sqrt(1 + there**2 / 6)
    if upwards != 1:
        bounded *= np.where(bounded > 0, np.float32(upwards), np.float32(1))
    return np.asarray(np.exp(np.float32(spread) * bounded), dtype=np.float32)


def _logs(frame: Frame, textures: Textures) -> _Logs:
    fine = textures.signal[1].on(frame)
    fields = (textures.ktrans[0].on(frame), textures.ktrans[1].on(frame), fine)
    whole = float(np.sqrt(np.sum(np.square(textures.grain))))
    ktrans = np.zeros_like(fine)
    for weight, field in zip(textures.grain, fields, strict=True):
        ktrans += np.float32(weight / whole) * field
    signal = np.float32(0.75) * textures.signal[0].on(frame) + np.float32(0.66) * fine
    kep, residue = textures.kep.on(frame), textures.residue.on(frame)
    return _Logs(signal.reshape(-1), ktrans.reshape(-1), kep.reshape(-1), residue.reshape(-1))


def _rim(shares: Shares, inside: float) -> Float:
    """Of Ktrans: 1.06 at the lesion's edge, falling to `inside` over `RIM_MM`, less in slow parts; on the grid."""
    found = shares.lesion
    rim = np.ones(shares.lesion_whole.shape, dtype=np.float32)
    rim[found.where] = np.float32(1.06) - np.float32(1.06 - inside) * np.clip(found.depth_mm / RIM_MM, 0, 1)
    rim[found.where] *= 1 - np.float32(1 - SLOW) * found.slow
    return rim

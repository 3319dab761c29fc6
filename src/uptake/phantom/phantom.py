"""`make`: a synthetic breast DCE-MRI study of which everything is known.

A simple breast (half-ellipsoid with skin, fat, gland and chest wall) with an irregular mass, satellites and known
kinetics. It is made to test and to demonstrate with, and looks only roughly like a patient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Literal, get_args

import numpy as np
import numpy.typing as npt

from uptake.phantom import signal
from uptake.phantom.anatomy import Breast, Tissue, draw_breast, fractions
from uptake.phantom.frames import Float, Frame, Size, View, frame_of, view_grid
from uptake.phantom.lesion import Occupancy, draw_foci, occupancy, spread
from uptake.study import Acquisition, Box, Phase, Recorded, SettingsError, Study
from uptake.volume import DCM2NIIX, Array, Grid, Volume

Int16 = npt.NDArray[np.int16]

STV_REACH_MM = 20.0
VOI_MARGIN_MM = 12.0
SETTING = "setting of the phantom"


@dataclass(frozen=True)
class PhantomSettings:
    """What kind of study is made. How it is written as DICOM is another matter (`uptake.io.dicom.write`)."""

    view: Annotated[View, "sagittal: one breast; axial: both, one of them with a lesion"] = "sagittal"
    size: Annotated[Size, "full: as I-SPY 1 acquired; small: a sixteenth of it per slice, for tests"] = "full"
    snr: Annotated[float, "ratio; mean of gland before contrast over the SD of the noise"] = 40.0
    phases: Annotated[int, "phases in all, the first before contrast: 3-6"] = 3
    pe_threshold_percent: Annotated[float, "percent; PE threshold that the study records"] = 70.0
    minimum_neighbours: Annotated[int, "of 26; neighbour count that the study records"] = 4

    def __post_init__(self) -> None:
        for name, allowed in (("view", get_args(View)), ("size", get_args(Size))):
            if getattr(self, name) not in allowed:
                raise SettingsError(f"phantom.{name} must be one of {', '.join(allowed)}, not {getattr(self, name)!r}")
        if not 2 <= self.snr <= 1e6:
            raise SettingsError(f"phantom.snr must be in [2, 1000000], not {self.snr}")
        if self.phases not in range(3, 7):
            raise SettingsError(f"phantom.phases must be 3, 4, 5 or 6, not {self.phases}")
        if not 0 < self.pe_threshold_percent <= 1000:
            raise SettingsError(f"phantom.pe_threshold_percent must be in (0, 1000], not {self.pe_threshold_percent}")
        if self.minimum_neighbours not in range(27):
            raise SettingsError(f"phantom.minimum_neighbours must be in 0-26, not {self.minimum_neighbours}")


@dataclass(frozen=True, eq=False)
class Phantom:
    """A study and its truth, all on the study's grid.

    study: noisy int16 phases; its acquisition records VOI, thresholds and phases as UCSF's objects do.
    clean: the same phases without noise, float32, coil shading included.
    lesion: mass and every satellite (share >= 0.5). stv: the mass with its core and the satellites within 20 mm.
    stv_occupancy: share of each voxel in the STV, 0-1. tissue: labels of `Tissue`, uint8. bias: coil shading.
    sigma: SD of the noise in grey levels.
    """

    seed: int
    settings: PhantomSettings
    study: Study
    clean: Study
    voi: Box
    lesion: Volume
    stv: Volume
    stv_occupancy: Volume
    tissue: Volume
    bias: Volume
    sigma: float


@dataclass(frozen=True)
class Clock:
    """Times in s: when each phase starts, how long one takes, and which three are pre, early and late."""

    starts_s: tuple[float, ...]
    length_s: float
    indices: tuple[int, int, int]

    @property
    def centres_s(self) -> tuple[float, ...]:
        """Middle of each phase after the start of the first post-contrast one, when contrast arrives."""
        return tuple(start - self.starts_s[1] + self.length_s / 2 for start in self.starts_s)


def make(*, seed: int, case_id: str = "PHANTOM-0001", **settings: object) -> Phantom:
    """A phantom study with its truth: equal seeds and settings give equal bytes.

    seed: any integer >= 0. settings: fields of `PhantomSettings`. Anatomy, lesion and kinetics depend on the seed
    and the view alone, so that two SNRs or numbers of phases show the same patient.
    Raises `SettingsError` for a setting that is unknown or out of range, and for a negative seed.
    """
    names = [field.name for field in fields(PhantomSettings)]
    unknown = sorted(set(settings) - set(names))
    if unknown:
        raise SettingsError(f"unknown setting of the phantom: {', '.join(unknown)}; known: {', '.join(names)}")
    if seed < 0:
        raise SettingsError(f"the phantom's seed must be 0 or more, not {seed}")
    return _made(seed, case_id, PhantomSettings(**settings))  # type: ignore[arg-type]


def _made(seed: int, case_id: str, settings: PhantomSettings) -> Phantom:
    plan = _stream(seed, "plan")
    side = int(plan.choice((-1, 1)))
    frame = frame_of(view_grid(settings.view, settings.size, side, plan))
    breasts = tuple(draw_breast(s, plan) for s in ((side, -side) if settings.view == "axial" else (side,)))
    foci = draw_foci(breasts[0], plan)
    lesion = occupancy(frame.grid, foci, STV_REACH_MM, _stream(seed, "lesion"))
    shares = fractions(frame, breasts, _stream(seed, "anatomy"))
    bias = _bias(frame, breasts, _stream(seed, "bias"))
    signals = _signals(frame, shares, lesion, seed)
    level = float(plan.uniform(250, 450))
    clock = _clock(settings.phases, plan)
    clean = [level * bias * rise for rise in _phases(signals, clock)]
    gland = shares[Tissue.GLAND] >= 0.9
    sigma = float(clean[0][gland].mean(dtype=np.float64)) / settings.snr
    voi = _voi(frame.grid, lesion)
    acquisition = _acquisition(settings, clock, voi, side)
    whole, stv = (spread(part, lesion.where, frame.grid.shape) for part in (lesion.lesion, lesion.stv))
    return Phantom(
        seed=seed,
        settings=settings,
        study=_study(case_id, _noisy(clean, sigma, seed), frame.grid, clock, acquisition),
        clean=_study(case_id, clean, frame.grid, clock, acquisition),
        voi=voi,
        lesion=Volume(whole >= 0.5, frame.grid),
        stv=Volume(stv >= 0.5, frame.grid),
        stv_occupancy=Volume(stv, frame.grid),
        tissue=Volume(_labels(shares, lesion), frame.grid),
        bias=Volume(bias, frame.grid),
        sigma=sigma,
    )


def _stream(seed: int, name: Literal["plan", "lesion", "anatomy", "bias", "kinetics", "noise"]) -> np.random.Generator:
    """Independent random numbers per part, so that a change in one part leaves the others as they were."""
    return np.random.default_rng([seed, *name.encode()])


def _signals(frame: Frame, shares: dict[Tissue, Float], lesion: Occupancy, seed: int) -> signal.Signals:
    rng = _stream(seed, "kinetics")
    kinetics = signal.draw_kinetics(rng)
    body = signal.healthy(frame, shares, kinetics, rng)
    corner = frame.grid.affine.copy()
    corner[:3, 3] = frame.grid.to_world([part.start for part in lesion.where])
    part = frame_of(Grid((lesion.lesion.shape[0], lesion.lesion.shape[1], lesion.lesion.shape[2]), corner))
    return signal.with_lesion(part, body, lesion, kinetics, rng)


def _phases(signals: signal.Signals, clock: Clock) -> list[Float]:
    centres, (_, early, late) = clock.centres_s, clock.indices
    result = []
    for centre in centres:
        c1, c2 = signal.weights(centre, centres[early], centres[late])
        result.append(signals.base + np.float32(c1) * signals.early + np.float32(c2) * signals.late)
    return result


def _noisy(clean: list[Float], sigma: float, seed: int) -> list[Int16]:
    rng = _stream(seed, "noise")
    noisy = (signal.with_noise(phase, sigma, rng) for phase in clean)
    return [np.clip(np.rint(phase), 0, 32767).astype(np.int16) for phase in noisy]


def _bias(frame: Frame, breasts: tuple[Breast, ...], rng: np.random.Generator) -> Float:
    x = float(np.mean([breast.centre_mm[0] for breast in breasts]))
    reach = float(max(breasts[0].half_axes_mm)) * (1 if len(breasts) == 1 else 2)
    return signal.coil_bias(frame, (x, 40.0, breasts[0].centre_mm[1]), reach, rng)


def _clock(phases: int, rng: np.random.Generator) -> Clock:
    """Three phases as in the GE protocol of I-SPY 1, more of them shorter; whole seconds."""
    if phases == 3:
        length, pause = float(rng.integers(270, 301)), float(rng.integers(60, 101))
    else:
        length, pause = {4: 160.0, 5: 95.0, 6: 95.0}[phases], float(rng.integers(0, 4))
    starts = (0.0, *(pause + length * n for n in range(1, phases)))
    early = {3: 1, 4: 1, 5: 2, 6: 2}[phases]  # nearest to 150 s, as UCSF chose; the late one is the last
    return Clock(starts, length, (0, early, phases - 1))


def _acquisition(settings: PhantomSettings, clock: Clock, voi: Box, side: int) -> Acquisition:
    recorded = Recorded(
        voi=voi,
        pe_threshold_percent=settings.pe_threshold_percent,
        minimum_neighbours=settings.minimum_neighbours,
        phase_indices=clock.indices,
        phase_times_s=clock.centres_s,
        temporal_resolution_s=clock.length_s,
        sources=dict.fromkeys(("voi", "pe_threshold_percent", "minimum_neighbours", "phase_indices"), SETTING),
    )
    laterality = "B" if settings.view == "axial" else ("L" if side < 0 else "R")
    return Acquisition(
        field_strength_t=1.5,
        sequence="3D SPGR",
        repetition_time_ms=8.4,
        echo_time_ms=4.2,
        flip_angle_deg=20.0,
        temporal_resolution_s=clock.length_s,
        laterality=laterality,
        visit="T1",
        layout=DCM2NIIX,
        decisions=("synthetic: a phantom, no patient",),
        recorded=recorded,
    )


def _study(case_id: str, arrays: Sequence[Array], grid: Grid, clock: Clock, acquisition: Acquisition) -> Study:
    phases = tuple(Phase(Volume(array, grid), start) for array, start in zip(arrays, clock.starts_s, strict=True))
    return Study(case_id, phases, acquisition)


def _labels(shares: dict[Tissue, Float], lesion: Occupancy) -> npt.NDArray[np.uint8]:
    order = sorted(shares)
    labels = np.zeros(shares[Tissue.AIR].shape, dtype=np.uint8)
    best = shares[order[0]].copy()
    for tissue in order[1:]:
        labels[shares[tissue] > best] = tissue
        np.maximum(best, shares[tissue], out=best)
    part = labels[lesion.where]
    part[lesion.lesion >= 0.5] = Tissue.LESION
    part[lesion.core >= 0.5] = Tissue.CORE
    return labels


def _voi(grid: Grid, lesion: Occupancy) -> Box:
    """The lesion with 12 mm around it, cut to the volume, as (column, row, slice)."""
    touched = lesion.lesion > 0
    start, end = [], []
    for axis, (part, spacing) in enumerate(zip(lesion.where, grid.spacing_mm, strict=True)):
        index = np.flatnonzero(touched.any(axis=tuple(a for a in range(3) if a != axis))) + part.start
        margin = int(np.ceil(VOI_MARGIN_MM / spacing))
        start.append(max(int(index[0]) - margin, 0))
        end.append(min(int(index[-1]) + margin, grid.shape[axis] - 1))
    rows = grid.shape[1]
    return Box((start[0], rows - 1 - end[1], start[2]), (end[0], rows - 1 - start[1], end[2]))

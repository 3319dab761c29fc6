"""`make`: a synthetic breast DCE-MRI study of which everything is known.

A patient is drawn as a continuous model (`model`), looked at on the acquired grid by supersampling, enhanced by
Parker's input and the extended Tofts model, and scanned: spoiled gradient echo, coils, k-space, noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from uptake.phantom import movement
from uptake.phantom.anatomy import Tissue
from uptake.phantom.defects import Scene, misordered, spoiled
from uptake.phantom.fields import Region, region_of
from uptake.phantom.foci import longest_diameter_mm
from uptake.phantom.frames import Float, Frame, frame_of, view_grid
from uptake.phantom.model import Model, Shares, draw_model, labels, shares_on, stream
from uptake.phantom.outline import Breast, chest_y_mm, draw_breast
from uptake.phantom.protocol import LEVELS, Clock, acquired_of, draw_clock, sequence_of
from uptake.phantom.rendering import Rendered, render
from uptake.phantom.scanner import (
    Acquired,
    Band,
    Coils,
    Elements,
    Filter,
    coils,
    draw_band,
    draw_elements,
    draw_filter,
    passed,
    sampled_magnitude,
    saturation,
    with_noise,
)
from uptake.phantom.settings import PhantomSettings
from uptake.phantom.signal import Sequence as Gradient
from uptake.study import Acquisition, Box, Phase, Recorded, SettingsError, Study
from uptake.volume import DCM2NIIX, Array, Grid, Volume, bounding_slices

Int16 = npt.NDArray[np.int16]

VOI_MARGIN_MM = 12.0
SETTING = "setting of the phantom"


@dataclass(frozen=True, eq=False)
class Phantom:
    """A study and its truth, all on the study's grid.

    study: noisy int16 phases; its acquisition records VOI, thresholds and phases as UCSF's objects do.
    clean: the same phases without noise, motion and defects, float32, coil shading and k-space as in the study.
    lesion: primary and every satellite (share >= 0.5). stv: the primary with its core and the satellites within 20 mm.
    lesion_occupancy, stv_occupancy: share of each voxel in them, 0-1. tissue: labels of `Tissue`, uint8.
    ktrans (per minute), ve, vp (fractions): weighted with the shares of the tissues. bias: coil shading.
    displacement_mm: for each phase x, y and z in RAS+ mm: what is now at p came from p minus this; () without motion.
    sigma: SD of the noise in grey levels. lesion_kind, background: as drawn. longest_diameter_mm: of all foci.
    """

    seed: int
    settings: PhantomSettings
    study: Study
    clean: Study
    voi: Box
    lesion: Volume
    stv: Volume
    lesion_occupancy: Volume
    stv_occupancy: Volume
    tissue: Volume
    ktrans: Volume
    ve: Volume
    vp: Volume
    bias: Volume
    displacement_mm: tuple[tuple[Volume, Volume, Volume], ...]
    sigma: float
    lesion_kind: str
    background: str
    longest_diameter_mm: float


@dataclass(frozen=True, eq=False)
class _Plan:
    """What the seed decides before anything is rendered."""

    frame: Frame
    region: Region
    breasts: tuple[Breast, ...]
    side: int
    clock: Clock
    level: float
    sequence: Gradient
    acquired: Acquired
    elements: Elements
    band: Band | None
    filter: Filter


def make(*, seed: int, case_id: str = "PHANTOM-0001", **settings: object) -> Phantom:
    """A phantom study with its truth: equal seeds and settings give equal bytes.

    seed: any integer >= 0. settings: fields of `PhantomSettings`. Anatomy, lesion and kinetics depend on the seed,
    the view, the size and the vendor's geometry alone, so that two SNRs or numbers of phases show the same patient.
    Raises `SettingsError` for a setting that is unknown or out of range, and for a negative seed.
    """
    names = [field.name for field in fields(PhantomSettings)]
    unknown = sorted(set(settings) - set(names))
    if unknown:
        raise SettingsError(f"unknown setting of the phantom: {', '.join(unknown)}; known: {', '.join(names)}")
    if seed < 0:
        raise SettingsError(f"the phantom's seed must be 0 or more, not {seed}")
    return _made(seed, case_id, PhantomSettings(**settings))  # type: ignore[arg-type]


def truth_on(phantom: Phantom, grid: Grid) -> Mapping[str, Volume]:
    """The truth on another grid (1 mm, say) whose axes run along x, y and z: rendered anew, not resampled.

    Names: stv, lesion (bool), stv_occupancy, lesion_occupancy, tissue, ktrans, ve, vp, bias.
    """
    plan, model = _drawn(phantom.seed, phantom.settings)
    frame = frame_of(grid)
    shares = shares_on(grid, model)
    rendered = render(frame, shares, model, plan.sequence, ())
    return {name: Volume(array, grid) for name, array in _truths(shares, rendered, coils(frame, plan.elements)).items()}


def _made(seed: int, case_id: str, settings: PhantomSettings) -> Phantom:
    plan, model = _drawn(seed, settings)
    grid, clock = plan.frame.grid, plan.clock
    shares = shares_on(grid, model)
    moments = [clock.moments_s(n) for n in range(settings.phases)]
    rendered = render(plan.frame, shares, model, plan.sequence, tuple(time for phase in moments for time in phase))
    shading = coils(plan.frame, plan.elements)
    objects = _by_phase(rendered.moments, [len(phase) for phase in moments])
    clean = _scanned(objects, plan, shading)
    sigma = _signal(clean[0], shares.tissues[Tissue.GLAND]) / settings.snr
    truths = _truths(shares, rendered, shading)
    voi = _voi(grid, truths["lesion"])
    displacements = _displacements(seed, settings, plan)
    images = _scanned(_displaced(objects, plan, displacements), plan, shading) if displacements else clean
    images = spoiled(list(images), settings.defects, _scene(plan, model), stream(seed, "defects"))
    acquisition = _acquisition(settings, plan, voi)
    noisy = misordered(_noisy(images, shading, sigma, plan, seed), settings.defects)
    clean = [image * _passed(plan) for image in clean]
    return Phantom(
        seed=seed,
        settings=settings,
        study=_study(case_id, noisy, grid, clock, acquisition),
        clean=_study(case_id, clean, grid, clock, acquisition),
        voi=voi,
        displacement_mm=tuple(_three(d, grid) for d in displacements),
        sigma=sigma,
        lesion_kind=model.lesion.kind,
        background=model.patient.background,
        longest_diameter_mm=longest_diameter_mm(truths["lesion"], grid),
        **{name: Volume(array, grid) for name, array in truths.items()},
    )


@lru_cache(maxsize=1)
def _drawn(seed: int, settings: PhantomSettings) -> tuple[_Plan, Model]:
    """Kept for the truth on a second grid, which is asked for next."""
    plan = _plan(seed, settings)
    # Large voxels show no more of the gland than a coarse lattice has.
    finest_mm = 3.0 if settings.size == "small" else 2.0
    return plan, draw_model(seed, plan.region, plan.breasts, finest_mm, settings.lesion, settings.background)


def _plan(seed: int, settings: PhantomSettings) -> _Plan:
    rng = stream(seed, "plan")
    side = int(rng.choice((-1, 1)))
    frame = frame_of(view_grid(settings.view, settings.size, side, rng, settings.vendor))
    sides = (side, -side) if settings.view == "axial" else (side,)
    breasts = tuple(draw_breast(s, rng) for s in sides)
    low, high = LEVELS[settings.vendor]
    level = low * (high / low) ** float(rng.random())
    clock = draw_clock(settings.phases, rng)
    coil = stream(seed, "coil")
    x, z = breasts[0].centre_mm
    elements, band = _elements(breasts, coil), draw_band((float(chest_y_mm(x, z)), z), coil)
    return _Plan(
        frame,
        region_of(frame, 12.0),
        breasts,
        side,
        clock,
        level,
        sequence_of(settings.vendor, settings.field_t),
        acquired_of(settings.view, settings.size),
        elements,
        band if settings.chest_band == "any" else None,
        draw_filter(coil),
    )


def _elements(breasts: tuple[Breast, ...], rng: np.random.Generator) -> Elements:
    x = float(np.mean([breast.centre_mm[0] for breast in breasts]))
    z = breasts[0].centre_mm[1]
    y = float(chest_y_mm(breasts[0].centre_mm[0], z)) + 0.5 * breasts[0].half_axes_mm[1]
    return draw_elements((x, y, z), 75.0 if len(breasts) == 1 else 150.0, rng)


def _by_phase(moments: Sequence[Float], counts: Sequence[int]) -> list[list[Float]]:
    ends = np.cumsum(counts)
    return [list(moments[end - count : end]) for end, count in zip(ends, counts, strict=True)]


def _scanned(objects: Sequence[Sequence[Float]], plan: _Plan, shading: Coils) -> list[Float]:
    """Every phase as the coils see it and k-space has it, in grey levels, noise-free."""
    seen = np.float32(plan.level) * shading.bias * saturation(plan.frame, plan.band)
    return [sampled_magnitude([seen * moment for moment in phase], plan.acquired) for phase in objects]


def _displacements(seed: int, settings: PhantomSettings, plan: _Plan) -> list[movement.Displacement]:
    if not settings.motion_mm:
        return []
    rng = stream(seed, "motion")
    still = np.zeros(plan.frame.grid.shape, dtype=np.float32)
    after = range(1, settings.phases)
    drawn = [movement.draw_displacement(plan.frame, plan.region, settings.motion_mm, rng) for _ in after]
    return [(still, still, still), *drawn]


def _displaced(
    objects: Sequence[Sequence[Float]], plan: _Plan, displacements: Sequence[movement.Displacement]
) -> list[list[Float]]:
    pairs = list(zip(objects, displacements, strict=True))[1:]
    return [list(objects[0]), *([movement.moved(one, plan.frame, d) for one in phase] for phase, d in pairs)]


def _signal(clean: Float, gland: Float) -> float:
    """Mean signal where it is gland that fills voxels, by 90 % or, in a fatty breast on a coarse grid, by the most."""
    return float(clean[gland >= min(0.9, float(gland.max()))].mean(dtype=np.float64))


def _noisy(images: Sequence[Float], shading: Coils, sigma: float, plan: _Plan, seed: int) -> list[Int16]:
    rng = stream(seed, "noise")
    noisy = (with_noise(image, shading.share, sigma, plan.acquired, rng) for image in images)
    return [np.clip(np.rint(image * _passed(plan)), 0, 32767).astype(np.int16) for image in noisy]


def _passed(plan: _Plan) -> Float:
    return passed(plan.frame.grid.shape, plan.filter, 1 - plan.acquired.phase_axis)


def _scene(plan: _Plan, model: Model) -> Scene:
    x, y, z = (float(c) for c in model.lesion.foci[0].balls[0].centre_mm)
    return Scene(plan.frame, plan.breasts[0], plan.acquired.phase_axis, (x, y, z))


def _truths(shares: Shares, rendered: Rendered, shading: Coils) -> dict[str, Any]:
    """The truth's arrays by name of field."""
    return {
        "lesion": shares.lesion_whole >= 0.5,
        "stv": shares.stv_whole >= 0.5,
        "lesion_occupancy": shares.lesion_whole,
        "stv_occupancy": shares.stv_whole,
        "tissue": labels(shares.tissues),
        "ktrans": rendered.ktrans,
        "ve": rendered.ve,
        "vp": rendered.vp,
        "bias": shading.bias,
    }


def _three(displacement: movement.Displacement, grid: Grid) -> tuple[Volume, Volume, Volume]:
    x, y, z = (Volume(part, grid) for part in displacement)
    return x, y, z


def _acquisition(settings: PhantomSettings, plan: _Plan, voi: Box) -> Acquisition:
    clock, sequence = plan.clock, plan.sequence
    recorded = Recorded(
        voi=voi,
        pe_threshold_percent=settings.pe_threshold_percent,
        minimum_neighbours=settings.minimum_neighbours,
        phase_indices=clock.indices,
        phase_times_s=clock.centres_s,
        temporal_resolution_s=clock.length_s,
        sources=dict.fromkeys(("voi", "pe_threshold_percent", "minimum_neighbours", "phase_indices"), SETTING),
    )
    laterality = "B" if settings.view == "axial" else ("L" if plan.side < 0 else "R")
    return Acquisition(
        field_strength_t=settings.field_t,
        sequence="3D SPGR",
        repetition_time_ms=sequence.repetition_time_ms,
        echo_time_ms=sequence.echo_time_ms,
        flip_angle_deg=sequence.flip_angle_deg,
        temporal_resolution_s=clock.length_s,
        laterality=laterality,
        visit="T1",
        layout=DCM2NIIX,
        decisions=("synthetic: a phantom, no patient",),
        recorded=recorded,
    )


def _study(case_id: str, arrays: Sequence[Array], grid: Grid, clock: Clock, acquisition: Acquisition) -> Study:
    starts = clock.starts_s[: len(arrays)]
    return Study(case_id, tuple(Phase(Volume(a, grid), s) for a, s in zip(arrays, starts, strict=True)), acquisition)


def _voi(grid: Grid, lesion: npt.NDArray[np.bool_]) -> Box:
    """The lesion with 12 mm around it, cut to the volume, as (column, row, slice)."""
    parts = bounding_slices(lesion)
    start, end = [], []
    for part, spacing, size in zip(parts, grid.spacing_mm, grid.shape, strict=True):
        margin = int(np.ceil(VOI_MARGIN_MM / spacing))
        start.append(max(part.start - margin, 0))
        end.append(min(part.stop - 1 + margin, size - 1))
    rows = grid.shape[1]
    return Box((start[0], rows - 1 - end[1], start[2]), (end[0], rows - 1 - start[1], end[2]))

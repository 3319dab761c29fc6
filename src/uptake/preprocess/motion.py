"""Motion between phases: measured always, corrected only when asked for.

Phases are corrected, never PE or SER maps: those are computed anew from what was corrected. An FTV from corrected
phases is no longer the one that UCSF counts, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

import numpy as np
import numpy.typing as npt

from uptake.preprocess.foreground import foreground
from uptake.preprocess.register import Plan, Registered, register
from uptake.preprocess.skin import Skin, find_skin, skin_shift_mm
from uptake.study import SettingsError, Study
from uptake.volume import Volume

Correction = Literal["no", "rigid", "bspline"]

FEWEST_PROFILES = 20
"""Comparable places on the skin; with fewer, motion counts as not measurable."""

MARGIN_MM = 5.0
"""mm. Around the body; phases are aligned on it and the air next to it."""


@dataclass(frozen=True)
class Motion:
    """Whether phases are brought onto the pre-contrast one, and how finely."""

    correct: Annotated[
        Correction,
        "no: phases stay as acquired, as UCSF's counts need it; rigid; bspline: rigid, then free-form deformation",
    ] = "no"
    grid_mm: Annotated[float, "mm; between control points of the finest mesh, bspline only"] = 35.0
    levels: Annotated[int, "meshes, each with half the spacing of the one before, bspline only"] = 3
    bins: Annotated[int, "histogram bins of the mutual information"] = 50

    def __post_init__(self) -> None:
        if self.correct not in get_args(Correction):
            raise SettingsError(f"motion.correct is one of {', '.join(get_args(Correction))}, not {self.correct!r}")
        if not 10 <= self.grid_mm <= 200:
            raise SettingsError(f"motion.grid_mm must be in [10, 200], not {self.grid_mm}")
        for name, least, most in (("levels", 1, 5), ("bins", 8, 256)):
            if not least <= getattr(self, name) <= most:
                raise SettingsError(f"motion.{name} must be in {least}-{most}, not {getattr(self, name)}")


@dataclass(frozen=True)
class Shift:
    """How far the skin lies from that of the reference phase, mm, over all comparable places; None: too few."""

    median_mm: float | None
    p95_mm: float | None
    profiles: int


@dataclass(frozen=True)
class PhaseMotion:
    """One delivered phase: its index, the skin's distance as acquired, and after a correction what came of it.

    jacobian_min: smallest volume change in the body (not positive: folded); None without a correction.
    """

    phase: int
    acquired: Shift
    corrected: Shift | None = None
    jacobian_min: float | None = None


@dataclass(frozen=True)
class MotionNumbers:
    """What ``motion.json`` says. reference: the phase that all others are compared with or brought onto."""

    reference: int
    correction: Correction
    phases: tuple[PhaseMotion, ...]


@dataclass(frozen=True, eq=False)
class Aligned:
    """What is known of the motion, and the corrected phases where a correction was asked for.

    phases: every phase, the first as it was; empty where nothing was corrected. jacobians: one per corrected phase.
    """

    numbers: MotionNumbers
    phases: tuple[Volume, ...] = ()
    jacobians: tuple[Volume, ...] = ()


def align(study: Study, settings: Motion | None = None) -> Aligned:
    """The motion of every phase against the first, and the phases brought onto it where `settings` ask for that.

    The first phase keeps its raw intensities; corrected ones are float32. A study of one phase has no motion.
    Where no skin can be followed (no body, no air before it, a single line of voxels) the shift is None.
    Raises Refusal (motion-not-correctable) where a correction is asked for and impossible.
    """
    settings = settings or Motion()
    first, *others = study.volumes
    skin = find_skin(first)
    acquired = [_shift(skin, first, other) for other in others]
    if settings.correct == "no":
        measured = tuple(PhaseMotion(n, shift) for n, shift in enumerate(acquired, start=1))
        return Aligned(MotionNumbers(0, "no", measured))
    body = foreground(first.array, first.grid.spacing_mm)
    made = [brought_onto(first, other, body, settings) for other in others]
    phases = tuple(
        PhaseMotion(n, shift, _shift(skin, first, one.volume), float(one.jacobian.array[body].min()))
        for n, (shift, one) in enumerate(zip(acquired, made, strict=True), start=1)
    )
    corrected = (first, *(one.volume for one in made))
    return Aligned(MotionNumbers(0, settings.correct, phases), corrected, tuple(one.jacobian for one in made))


def brought_onto(first: Volume, other: Volume, body: npt.NDArray[np.bool_], settings: Motion) -> Registered:
    """`other` brought onto `first` as `settings` say, compared on the body (a mask on their grid) and its margin."""
    from scipy import ndimage

    mask = body
    for axis, s in enumerate(first.grid.spacing_mm):
        mask = ndimage.maximum_filter1d(mask, 2 * round(MARGIN_MM / s) + 1, axis=axis)
    plan = Plan(settings.correct == "bspline", settings.grid_mm, settings.levels, settings.bins)
    return register(first, other, mask, plan)


def applied(study: Study, motion: Aligned) -> Study:
    """The study with its corrected phases, or as it is where none was corrected."""
    return study.with_volumes(motion.phases) if motion.phases else study


def _shift(skin: Skin, first: Volume, other: Volume) -> Shift:
    found = np.abs(skin_shift_mm(skin, first, other))
    if found.size < FEWEST_PROFILES:
        return Shift(None, None, int(found.size))
    median, p95 = np.percentile(found, (50, 95))
    return Shift(float(median), float(p95), int(found.size))

"""Which phases are early and late: from the study's own objects, else by time.

Phase times count to the middle of the acquisition (start + half the temporal resolution), which for linear
k-space ordering is the centre of k-space. Source: UCSF's breast DCE-MRI FTV extension for 3D Slicer.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

from uptake.study import Code, Refusal, SettingsError, Study


@dataclass(frozen=True)
class Timing:
    """How early and late phase are chosen where the study does not say."""

    early_s: Annotated[float, "s after the start of the first post-contrast phase: target of the early phase"] = 150.0
    late_s: Annotated[float, "s after the start of the first post-contrast phase: target of the late phase"] = 450.0
    phases: Annotated[tuple[int, ...], "pre, early, late as positions in time order from 0; empty: found"] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.early_s < self.late_s:
            raise SettingsError(f"early_s and late_s must satisfy 0 <= early < late, not {self.early_s}, {self.late_s}")
        if self.phases and (len(self.phases) != 3 or not 0 <= self.phases[0] < self.phases[1] < self.phases[2]):
            raise SettingsError(f"phases must be three increasing positions, not {list(self.phases)}")


@dataclass(frozen=True)
class PhaseChoice:
    """Positions of the pre-contrast, early and late phase in time order, and where the choice came from."""

    pre: int
    early: int
    late: int
    source: str

    @property
    def indices(self) -> tuple[int, int, int]:
        """(pre, early, late)."""
        return self.pre, self.early, self.late


def choose_phases(study: Study, settings: Timing) -> PhaseChoice:
    """Early and late phase of `study`.

    In order: the user's setting; what the study's own objects record; the only two post-contrast phases;
    the phases nearest to `early_s` and `late_s` after the start of the first post-contrast phase, where a map's name
    (PE2) may settle the early one alone.
    Refuses when the study has fewer than two post-contrast phases, when a named phase does not exist, or
    when more than two post-contrast phases have no times.
    """
    count = len(study.phases)
    recorded = study.acquisition.recorded
    if count < 3:
        raise _too_few(count)
    if settings.phases:
        return _checked(settings.phases[0], settings.phases[1], settings.phases[2], "setting timing.phases", count)
    if recorded.phase_indices is not None:
        words = f"recorded in the study ({recorded.sources.get('phase_indices', 'derived object')})"
        return _checked(*recorded.phase_indices, words, count)
    if count == 3:
        return PhaseChoice(0, 1, 2, "the only two post-contrast phases")
    return _by_time(study, settings)


def phase_centres_s(study: Study) -> tuple[float, ...] | None:
    """Middle of every phase in s after the start of the first post-contrast one; None without times."""
    starts = [phase.time_s for phase in study.phases]
    known = [start for start in starts if start is not None]
    if len(known) < len(starts) or len(known) < 2:
        return None
    length = study.acquisition.temporal_resolution_s or statistics.median(
        b - a for a, b in pairwise(known[1:] or known)
    )
    return tuple(start - known[1] + length / 2 for start in known)


def _by_time(study: Study, settings: Timing) -> PhaseChoice:
    centres = phase_centres_s(study)
    if centres is None:
        raise Refusal(
            Code.NO_TIMES,
            found=f"{len(study.phases) - 1} post-contrast phases without times",
            allowed="two post-contrast phases, or times, or phases recorded in the study's own objects",
            remedy="name them with the setting timing.phases = [pre, early, late]",
        )
    known = study.acquisition.recorded.early_phase_index
    posts = range(1, len(centres))
    early = known or min(posts[:-1], key=lambda p: (abs(centres[p] - settings.early_s), p))
    late = min(posts[early:], key=lambda p: (abs(centres[p] - settings.late_s), p), default=early)
    which = f"early recorded in the study, late nearest to {settings.late_s:g} s"
    if known is None:
        which = f"nearest to {settings.early_s:g} s and {settings.late_s:g} s"
    words = (
        f"{which} after the start of the first post-contrast phase "
        f"(centres {centres[early]:.0f} s and {centres[late]:.0f} s)"
    )
    return _checked(0, early, late, words, len(centres))


def _checked(pre: int, early: int, late: int, source: str, count: int) -> PhaseChoice:
    if not 0 <= pre < early < late < count:
        raise Refusal(
            Code.PHASES,
            found=f"pre, early, late = {pre}, {early}, {late} ({source}) in a study of {count} phases",
            allowed="three increasing positions below the number of phases",
            remedy="name them with the setting timing.phases = [pre, early, late]",
        )
    return PhaseChoice(pre, early, late, source)


def _too_few(count: int) -> Refusal:
    return Refusal(
        Code.FEW_PHASES,
        found=f"{count} phase{'s' if count != 1 else ''}",
        allowed="one pre-contrast and at least two post-contrast phases",
        remedy="give all phases of the study",
    )

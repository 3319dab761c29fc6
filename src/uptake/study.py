"""What a study is, and what can be wrong with one.

The error tree::

    UptakeError
      Refusal            input that is known to be unusable: code, what was found, what was allowed, what to do
      SettingsError      a setting or argument that makes no sense (exit code 2)
      CohortError        a folder that is no cohort, or one another run is working on
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from uptake.volume import DCM2NIIX, Grid, Layout, Shape, Volume


class UptakeError(Exception):
    """Any error that uptake explains."""


class SettingsError(UptakeError):
    """A setting that is unknown, of the wrong type or out of range."""


def require(fits: bool, name: str, allowed: str, got: object) -> None:
    """Raise SettingsError, saying what a setting must be and what it is, unless it `fits`."""
    if not fits:
        raise SettingsError(f"{name} must be {allowed}, not {got}")


class CohortError(UptakeError):
    """A cohort folder that cannot be used as asked."""


class Code(StrEnum):
    """Why something was refused. The value is what stands in ``refusals.csv``."""

    NOT_DICOM = "not-dicom"
    NOT_MR = "not-mr"
    UNREADABLE = "unreadable-file"
    UNSAFE_ARCHIVE = "unsafe-archive"
    NO_STUDY = "no-study"
    MISSING_SLICE = "missing-slice"
    SLICE_GAP = "unequal-slice-gap"
    GEOMETRY = "phases-differ-in-geometry"
    FEW_PHASES = "too-few-phases"
    SEVERAL_SERIES = "several-candidate-series"
    TWO_PATIENTS = "two-patients-in-one-series"
    RESCALE = "rescale-unsupported"
    TRANSFER_SYNTAX = "transfer-syntax-unsupported"
    ALL_ZERO = "all-zero-voxels"
    NON_FINITE = "non-finite-voxels"
    NO_ORIENTATION = "no-coordinate-system"
    NO_TIMES = "no-phase-times"
    PHASES = "phases-not-told-apart"
    OMIT_REGION = "omit-region-not-understood"
    VOI = "voi-unusable"
    CASE_ID = "case-id-collision"
    MASK_GRID = "mask-on-another-grid"
    EMPTY_MASK = "empty-mask"
    MOTION = "motion-not-correctable"
    CLINICAL = "clinical-table-unusable"
    INDEX = "imaging-index-unusable"
    FOLDS = "folds-unusable"
    LABELS = "labels-unusable"
    MODEL = "model-unusable"
    DIVERGED = "training-diverged"
    NO_SPACE = "output-not-writable"
    PATIENT_DATA = "patient-data-in-release"
    RELEASE = "release-unusable"
    NETWORK = "archive-not-reached"
    WORKER_DIED = "worker-died"
    FAILED = "internal-failure"


class Refusal(UptakeError):
    """Input that cannot be used, said so that a person can act on it.

    code: one of `Code`. found: what was there. allowed: what would have been accepted. remedy: what to do.
    No text holds an absolute path, a date or a clock time.
    """

    def __init__(self, code: Code, *, found: str, allowed: str, remedy: str) -> None:
        super().__init__(code, found, allowed, remedy)
        self.code, self.found, self.allowed, self.remedy = code, found, allowed, remedy

    def __str__(self) -> str:
        return f"{self.code}: {self.found}; allowed: {self.allowed}; do: {self.remedy}"

    def __reduce__(self) -> tuple[object, ...]:
        return _refusal, (self.code, self.found, self.allowed, self.remedy)


def _refusal(code: Code, found: str, allowed: str, remedy: str) -> Refusal:
    return Refusal(code, found=found, allowed=allowed, remedy=remedy)


@dataclass(frozen=True)
class Phase:
    """One time point: raw or harmonised intensities, and when.

    time_s: seconds from the start of the first phase to the start of this one, or None where no file says.
    """

    volume: Volume
    time_s: float | None


@dataclass(frozen=True)
class Box:
    """Voxels ``start`` to ``end``, both inclusive, as (column, row, slice), zero-based, slices along the normal."""

    start: Shape
    end: Shape

    def __post_init__(self) -> None:
        if any(a < 0 or b < a for a, b in zip(self.start, self.end, strict=True)):
            raise ValueError(f"a box runs from start to end, not {self.start} to {self.end}")


@dataclass(frozen=True)
class Recorded:
    """What the study's own derived objects (UCSF private group 0117, SEG, names) say of its FTV.

    Every value may be absent. `sources` maps a field's name to the object it was read from, in words.
    ftv_pe_voxels, ftv_ser_inclusive_voxels: what UCSF's software counted, the latter with SER >= 0.9.
    `early_phase_index` stands alone where the objects name the early phase but not the late one (a PE2 map).
    """

    voi: Box | None = None
    omit: tuple[Box, ...] = ()
    omit_unknown: tuple[str, ...] = ()
    pe_threshold_percent: float | None = None
    background_threshold: float | None = None
    background_fraction: float | None = None
    minimum_neighbours: int | None = None
    phase_indices: tuple[int, int, int] | None = None
    early_phase_index: int | None = None
    phase_times_s: tuple[float, ...] | None = None
    temporal_resolution_s: float | None = None
    ftv_pe_voxels: int | None = None
    ftv_ser_inclusive_voxels: int | None = None
    sources: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LeftOut:
    """An object beside the DCE phases: what it was, how many files, why it was not used."""

    what: str
    files: int
    reason: str


@dataclass(frozen=True)
class PhaseProtocol:
    """What one phase was acquired with; a value that differs inside the phase, or is not known, is None."""

    repetition_time_ms: float | None = None
    echo_time_ms: float | None = None
    flip_angle_deg: float | None = None


@dataclass(frozen=True)
class Acquisition:
    """How a study was made, and how its phases were told apart. Every scanner field may be None.

    phase_protocols: one per phase, or empty where no file says.
    """

    manufacturer: str | None = None
    model: str | None = None
    field_strength_t: float | None = None
    sequence: str | None = None
    repetition_time_ms: float | None = None
    echo_time_ms: float | None = None
    flip_angle_deg: float | None = None
    slice_thickness_mm: float | None = None
    temporal_resolution_s: float | None = None
    laterality: str | None = None
    visit: str | None = None
    study_uid: str | None = None
    series_uids: tuple[str, ...] = ()
    phase_protocols: tuple[PhaseProtocol, ...] = ()
    layout: Layout = DCM2NIIX
    decisions: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    recorded: Recorded = field(default_factory=Recorded)


@dataclass(frozen=True)
class Study:
    """A patient's visit: its phases in time order on one grid, the first one before contrast."""

    case_id: str
    phases: tuple[Phase, ...]
    acquisition: Acquisition = field(default_factory=Acquisition)

    def __post_init__(self) -> None:
        if not self.phases:
            raise ValueError("a study has at least one phase")
        if not all(phase.volume.grid.same_as(self.grid) for phase in self.phases):
            raise ValueError("all phases of a study lie on one grid")
        times = [phase.time_s for phase in self.phases]
        known = [time for time in times if time is not None]
        if known and len(known) < len(times):
            raise ValueError("the times of all phases are known, or of none")
        if any(b <= a for a, b in itertools.pairwise(known)):
            raise ValueError(f"phase times increase, not {times}")

    @property
    def grid(self) -> Grid:
        """The grid of every phase."""
        return self.phases[0].volume.grid

    @property
    def volumes(self) -> tuple[Volume, ...]:
        """The phases' volumes in time order."""
        return tuple(phase.volume for phase in self.phases)

    def with_volumes(self, volumes: tuple[Volume, ...]) -> Study:
        """The same study with other voxels (a corrected or resampled one)."""
        phases = tuple(Phase(new, old.time_s) for new, old in zip(volumes, self.phases, strict=True))
        return Study(self.case_id, phases, self.acquisition)


@dataclass(frozen=True)
class Case:
    """A study with its named masks and what was done to it, in words.

    Every mask lies on the acquired grid of `study` or on the grid of `harmonised`.
    """

    study: Study
    harmonised: Study | None = None
    masks: Mapping[str, Volume] = field(default_factory=dict)
    history: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        grids = [self.study.grid] + ([self.harmonised.grid] if self.harmonised else [])
        for name, mask in self.masks.items():
            if not mask.is_mask:
                raise ValueError(f"mask {name!r} is not of bool")
            if not any(mask.grid.same_as(grid) for grid in grids):
                raise ValueError(f"mask {name!r} lies on a grid that the case does not know")


@dataclass(frozen=True)
class Outcome:
    """What became of a patient: whether the event happened, after how long, with which covariates."""

    event: bool
    time_days: float
    covariates: Mapping[str, float | str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.event, bool):
            raise ValueError("event is True or False")
        if not self.time_days > 0:
            raise ValueError(f"time is positive, not {self.time_days}")

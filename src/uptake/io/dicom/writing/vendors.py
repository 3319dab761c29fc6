"""How each vendor lays out a dynamic series: which images, in which order, with which tags. No file is touched here.

What is imitated (I-SPY 1 and public test series):

* GE: one series, one block of instance numbers per phase, times that drift by 1-3 s inside a phase, two acquisition
  numbers for three phases, TriggerTime 0, no temporal position, file names in no order. Other GE systems tell the
  phases apart by a temporal position, by TriggerTime alone, or by nothing but the order of instances (`GeTimes`).
* Siemens: one series per phase, a subtraction series and a localizer beside them; on request a subtraction after
  each phase, with a series number between those of the phases.
* Philips: one series, time running fastest, temporal position and trigger time in ms, one acquisition time for all,
  a rescale slope and intercept of its own for every image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from uptake.study import Study
from uptake.volume import Array, Grid, Layout

Vendor = Literal["ge", "siemens", "philips"]
GeTimes = Literal["clock", "temporal-position", "trigger-time", "none"]
Vector = npt.NDArray[np.float64]

DAY = datetime(2000, 1, 1)  # noqa: DTZ001 (no patient, no place: a date that shifts nothing)
FIRST_PHASE = timedelta(hours=10, minutes=10, seconds=3)
"""Every phantom is scanned at 10:10:03 on 1 January 2000."""

LPS_FROM_RAS = np.diag((-1.0, -1.0, 1.0))


@dataclass(frozen=True)
class Series:
    """What all images of a series share. `folder` is where its files go; `tags` are DICOM keywords and values."""

    number: int
    description: str
    image_type: tuple[str, ...]
    folder: str
    tags: Mapping[str, Any] = field(default_factory=dict)
    three_d: bool = True


@dataclass(frozen=True, eq=False)
class Plane:
    """Where one image lies, DICOM LPS mm: orientation (row then column cosines), centre of its first pixel, spacing."""

    orientation: Vector
    position: Vector
    spacing_mm: tuple[float, float]
    step_mm: float


@dataclass(frozen=True, eq=False)
class Picture:
    """One image to write: stored pixels (rows, columns), slope and intercept to real values, times and tags.

    place: 0-based position along the slice normal. phase: 0-based, None for images outside the time course.
    tags: DICOM keywords and values of this image; a value of None leaves the attribute out.
    """

    series: Series
    plane: Plane
    instance: int
    place: int
    pixels: Array
    time_s: float
    tags: Mapping[str, Any] = field(default_factory=dict)
    phase: int | None = None
    scale: tuple[float, float] | None = None
    file: str = ""


def ge(study: Study, rng: np.random.Generator, times: GeTimes = "clock") -> list[Picture]:
    """GE's images: one series, a block of instance numbers per phase; `times` says what tells the phases apart."""
    _check(study)
    series = Series(4, "Dynamic-3dfgre", ("ORIGINAL", "PRIMARY", "OTHER"), "dce", GE_SERIES_TAGS[times])
    planes, starts = planes_of(study.grid, study.acquisition.layout), _starts(study)
    names = rng.permutation(len(planes) * len(study.phases))
    result: list[Picture] = []
    for phase, images in enumerate(_stacks(study)):
        drift = 1 + int(rng.integers(1, 4)) if phase else 1
        tags = _ge_tags(times, phase, starts)
        for n, (plane, pixels) in enumerate(zip(planes, images, strict=True)):
            time_s = starts[phase] + (drift * n // len(planes) if times == "clock" else 0)
            if times == "trigger-time":
                time_s = starts[0]
            file = f"{names[len(result)]:06d}.dcm"
            result.append(Picture(series, plane, len(result) + 1, n, pixels, time_s, tags, phase, file=file))
    return result


def siemens(study: Study, rng: np.random.Generator, between: bool = False) -> list[Picture]:
    """Siemens' images: a localizer, one series per phase, and a subtraction at the end or one after each phase."""
    _check(study)
    word = "tra" if study.acquisition.laterality == "B" else "sag"
    name = f"t1_fl3d_{word}_fatsat"
    planes = planes_of(study.grid, study.acquisition.layout)
    result = _localizer(study)
    fraction = 0.0025 * int(rng.integers(0, 400))  # of a second: Siemens counts finer than seconds
    number = 5
    for phase, (start, images) in enumerate(zip(_starts(study), _stacks(study), strict=True)):
        when = "pre" if phase == 0 else f"post{phase}"
        series = Series(number, f"{name}_{when}", ("ORIGINAL", "PRIMARY", "M", "ND"), f"{number:04d}")
        time_s = start + fraction
        result += [
            Picture(series, plane, n + 1, n, pixels, time_s, {"AcquisitionNumber": 1}, phase, file=f"{n + 1:04d}.dcm")
            for n, (plane, pixels) in enumerate(zip(planes, images.astype(np.uint16), strict=True))
        ]
        number += 1
        if phase and (between or phase == len(study.phases) - 1):
            derived = Series(number, f"{name}_SUB", ("DERIVED", "SECONDARY", "M", "ND", "SUB"), f"{number:04d}")
            result += subtraction(study, derived, phase if between else 1)
            number += 1
    return result


def philips(study: Study, rng: np.random.Generator) -> list[Picture]:
    """Philips' images: one series, time running fastest, each image with a rescale slope of its own."""
    _check(study)
    image_type = ("ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE")
    count = len(study.phases)
    series = Series(501, "dyn_3D_FFE_fatsat", image_type, "DICOM", {"NumberOfTemporalPositions": count})
    starts, stacks = _starts(study), _stacks(study)
    result: list[Picture] = []
    for n, plane in enumerate(planes_of(study.grid, study.acquisition.layout)):
        for phase in range(count):
            # Powers of two and whole intercepts: real values come back exactly, in float32 as well.
            slope, intercept = float(rng.choice((0.125, 0.25, 0.5))), -float(rng.integers(0, 3))
            stored = np.rint((stacks[phase][n] - intercept) / slope).astype(np.uint16)
            tags = {
                "TemporalPositionIdentifier": phase + 1,
                "TriggerTime": f"{1000 * starts[phase]:g}",
                "AcquisitionNumber": 5,
            }
            number = len(result) + 1
            file = f"IM_{number:04d}.dcm"
            result.append(Picture(series, plane, number, n, stored, 0.0, tags, phase, (slope, intercept), file=file))
    return result


def subtraction(study: Study, series: Series, phase: int = 1) -> list[Picture]:
    """A post-contrast minus the pre-contrast phase, negative values cut to 0, as a derived series."""
    volumes = (study.volumes[0], study.volumes[phase])
    before, after = (stack(volume.array, study.acquisition.layout).astype(np.int32) for volume in volumes)
    planes, time_s = planes_of(study.grid, study.acquisition.layout), _starts(study)[phase]
    return [
        Picture(series, plane, n + 1, n, np.maximum(b - a, 0).astype(np.uint16), time_s, file=f"{n + 1:04d}.dcm")
        for n, (plane, a, b) in enumerate(zip(planes, before, after, strict=True))
    ]


def stack(array: Array, layout: Layout) -> Array:
    """An array (i, j, k) as DICOM images (slice along the normal, row, column)."""
    back = array[tuple(slice(None, None, -1) if flip else slice(None) for flip in layout.flipped)]
    return back.transpose([layout.axes.index(axis) for axis in (2, 1, 0)])


def planes_of(grid: Grid, layout: Layout) -> list[Plane]:
    """The plane of every slice along the normal. `ValueError` where the slices run against it."""
    shape = layout.dicom_shape(grid.shape)
    column, row, through = (_direction(grid, layout, axis) for axis in range(3))
    if np.dot(np.cross(column, row), through) <= 0:
        raise ValueError("slices must be counted along the normal of the image plane")
    index = [size - 1 if flip else 0 for size, flip in zip(grid.shape, layout.flipped, strict=True)]
    first = LPS_FROM_RAS @ grid.to_world(index)
    spacing = [float(np.linalg.norm(vector)) for vector in (row, column)]
    orientation = np.concatenate([column / spacing[1], row / spacing[0]])
    step = float(np.linalg.norm(through))
    return [Plane(orientation, first + n * through, (spacing[0], spacing[1]), step) for n in range(shape[2])]


def clock(time_s: float) -> str:
    """A DICOM TM of `time_s` after the start of the first phase."""
    at = DAY + FIRST_PHASE + timedelta(seconds=time_s)
    return at.strftime("%H%M%S") + (f".{at.microsecond:06d}" if at.microsecond else "")


def _direction(grid: Grid, layout: Layout, dicom_axis: int) -> Vector:
    a = layout.axes.index(dicom_axis)
    sign = -1.0 if layout.flipped[a] else 1.0
    return np.asarray(LPS_FROM_RAS @ grid.affine[:3, a] * sign, dtype=np.float64)


def _starts(study: Study) -> list[float]:
    return [float(phase.time_s) for phase in study.phases if phase.time_s is not None]


def _stacks(study: Study) -> list[Array]:
    return [stack(volume.array, study.acquisition.layout) for volume in study.volumes]


GE_SERIES_TAGS: Mapping[GeTimes, Mapping[str, Any]] = {
    "clock": {"TriggerTime": "0"},
    "temporal-position": {},
    "trigger-time": {},
    "none": {"AcquisitionTime": None, "ContentTime": None},
}


def _check(study: Study) -> None:
    """The phases must be integer arrays with known times."""
    if any(phase.time_s is None or phase.volume.array.dtype.kind not in "iu" for phase in study.phases):
        raise ValueError("only integer phases with known times can be written as DICOM")


def _ge_tags(times: GeTimes, phase: int, starts: list[float]) -> Mapping[str, Any]:
    """What tells an image's phase apart, or does not: two acquisition numbers for three phases do not."""
    if times == "temporal-position":
        return {"TemporalPositionIdentifier": phase + 1, "NumberOfTemporalPositions": len(starts)}
    if times == "trigger-time":
        return {"TriggerTime": f"{1000 * starts[phase]:g}", "AcquisitionNumber": 1}
    return {"AcquisitionNumber": 1 if times == "none" else (0 if phase == 0 else 2)}


def _localizer(study: Study) -> list[Picture]:
    """Three crossing low-resolution images through the middle of the volume."""
    series = Series(1, "localizer", ("ORIGINAL", "PRIMARY", "M", "ND"), "0001", three_d=False)
    middle = LPS_FROM_RAS @ study.grid.to_world((np.asarray(study.grid.shape) - 1) / 2)
    cosines = ((1, 0, 0, 0, 1, 0), (0, 1, 0, 0, 0, -1), (1, 0, 0, 0, 0, -1))
    size, spacing = 32, 10.0
    result = []
    for n, cosine in enumerate(cosines):
        orientation = np.array(cosine, dtype=np.float64)
        position = middle - (orientation[:3] + orientation[3:]) * spacing * (size - 1) / 2
        plane = Plane(orientation, position, (spacing, spacing), 10.0)
        pixels = np.full((size, size), 100 * (n + 1), dtype=np.uint16)
        result.append(Picture(series, plane, n + 1, n, pixels, -300.0, file=f"{n + 1:04d}.dcm"))
    return result

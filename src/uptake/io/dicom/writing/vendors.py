"""How each vendor lays out a dynamic series: which images, in which order, with which tags. No file is touched here.

What is imitated (I-SPY 1 and public test series):

* GE: one series, one block of instance numbers per phase, times that drift by 1-3 s inside a phase, two acquisition
  numbers for three phases, TriggerTime 0, no temporal position, file names in no order.
* Siemens: one series per phase, a subtraction series and a localizer beside them.
* Philips: one series, time running fastest, temporal position and trigger time in ms, one acquisition time for all,
  a rescale slope and intercept of its own for every image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from uptake.study import Study
from uptake.volume import Array, Grid, Layout

Vendor = Literal["ge", "siemens", "philips"]
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


def pictures(study: Study, vendor: Vendor, rng: np.random.Generator) -> list[Picture]:
    """The original images of a study in a vendor's habit, plus those that this vendor always adds.

    The phases must be integer arrays with known times: `ValueError` otherwise.
    """
    if any(phase.time_s is None or phase.volume.array.dtype.kind not in "iu" for phase in study.phases):
        raise ValueError("only integer phases with known times can be written as DICOM")
    return HABITS[vendor](study, rng)


def subtraction(study: Study, series: Series) -> list[Picture]:
    """The first post-contrast minus the pre-contrast phase, negative values cut to 0, as a derived series."""
    before, after = (stack(v.array, study.acquisition.layout).astype(np.int32) for v in study.volumes[:2])
    planes, time_s = planes_of(study.grid, study.acquisition.layout), _starts(study)[1]
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


def _ge(study: Study, rng: np.random.Generator) -> list[Picture]:
    series = Series(4, "Dynamic-3dfgre", ("ORIGINAL", "PRIMARY", "OTHER"), "dce", {"TriggerTime": "0"})
    planes = planes_of(study.grid, study.acquisition.layout)
    names = rng.permutation(len(planes) * len(study.phases))
    result: list[Picture] = []
    for phase, (start, images) in enumerate(zip(_starts(study), _stacks(study), strict=True)):
        drift = int(rng.integers(1, 4)) if phase else 0
        for n, (plane, pixels) in enumerate(zip(planes, images, strict=True)):
            time_s = start + (drift + 1) * n // len(planes)
            tags = {"AcquisitionNumber": 0 if phase == 0 else 2}
            file = f"{names[len(result)]:06d}.dcm"
            result.append(Picture(series, plane, len(result) + 1, n, pixels, time_s, tags, phase, file=file))
    return result


def _siemens(study: Study, rng: np.random.Generator) -> list[Picture]:
    plane_word = "tra" if study.acquisition.laterality == "B" else "sag"
    name = f"t1_fl3d_{plane_word}_fatsat"
    planes = planes_of(study.grid, study.acquisition.layout)
    result = _localizer(study)
    fraction = 0.0025 * int(rng.integers(0, 400))  # of a second: Siemens counts finer than seconds
    for phase, (start, images) in enumerate(zip(_starts(study), _stacks(study), strict=True)):
        number = 5 + phase
        when = "pre" if phase == 0 else f"post{phase}"
        series = Series(number, f"{name}_{when}", ("ORIGINAL", "PRIMARY", "M", "ND"), f"{number:04d}")
        time_s = start + fraction
        result += [
            Picture(series, plane, n + 1, n, pixels, time_s, {"AcquisitionNumber": 1}, phase, file=f"{n + 1:04d}.dcm")
            for n, (plane, pixels) in enumerate(zip(planes, images.astype(np.uint16), strict=True))
        ]
    number = 5 + len(study.phases)
    derived = Series(number, f"{name}_SUB", ("DERIVED", "SECONDARY", "M", "ND", "SUB"), f"{number:04d}")
    return result + subtraction(study, derived)


def _philips(study: Study, rng: np.random.Generator) -> list[Picture]:
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
            result.append(
                Picture(
                    series, plane, number, n, stored, 0.0, tags, phase, (slope, intercept), file=f"IM_{number:04d}.dcm"
                )
            )
    return result


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


HABITS: Mapping[Vendor, Callable[[Study, np.random.Generator], list[Picture]]] = {
    "ge": _ge,
    "siemens": _siemens,
    "philips": _philips,
}

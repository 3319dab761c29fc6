"""What is kept of a DICOM file: the few header values that every choice rests on, light enough for thousands of files.

Lengths are millimetres in DICOM's LPS, times seconds of the day.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from uptake.io.dicom.sources import FileRef

UCSF_CREATOR: Final = "UCSF BIRP PRIVATE CREATOR 011710xx"
"""The private creator of group 0117 in the objects that UCSF derived from a study."""

ENHANCED_CLASSES: Final = ("1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.4.4")
"""Enhanced MR Image Storage, Legacy Converted Enhanced MR Image Storage."""
MR_CLASSES: Final = ("1.2.840.10008.5.1.4.1.1.4", *ENHANCED_CLASSES)

Vector = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Protocol:
    """How an image was made; every field may be unknown. Equal for all images of a series."""

    manufacturer: str | None = None
    model: str | None = None
    field_strength_t: float | None = None
    sequence: str | None = None
    acquisition_type: str | None = None
    scan_options: tuple[str, ...] = ()
    repetition_time_ms: float | None = None
    echo_time_ms: float | None = None
    flip_angle_deg: float | None = None
    slice_thickness_mm: float | None = None
    temporal_resolution_s: float | None = None
    laterality: str | None = None


@dataclass(frozen=True, slots=True)
class Plane:
    """Where an image lies, LPS: unit vectors along its columns' index and its rows' index, first pixel, pixel size.

    orientation: six numbers, along a row then down a column. position: centre of the first pixel.
    spacing: between rows, between columns (as PixelSpacing). size: columns, rows.
    """

    orientation: Vector
    position: Vector
    spacing: Vector
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Moment:
    """Everything that may tell when an image was taken; each may be absent. Seconds are seconds of the day."""

    temporal_position: int | None = None
    trigger_s: float | None = None
    acquisition_s: float | None = None
    content_s: float | None = None
    acquisition_number: int | None = None
    instance_number: int | None = None


@dataclass(frozen=True, slots=True)
class Pixels:
    """How the stored values lie in the file. slope or intercept: None absent, NaN not a number.

    start, length: bytes of the value of PixelData; length None where it is encapsulated.
    """

    transfer_syntax: str
    start: int
    length: int | None
    frames: int
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    slope: float | None
    intercept: float | None
    modality_lut: bool


@dataclass(frozen=True, slots=True)
class Header:
    """One image, or one object that is none. `frame` counts the images of a multi-frame object."""

    file: FileRef
    sop_uid: str
    sop_class: str
    study_uid: str
    series_uid: str
    patient_id: str
    visit: str | None
    study_date: str | None
    modality: str
    series_number: int | None
    description: str
    image_type: tuple[str, ...]
    derived_from: bool
    ucsf: bool
    protocol: Protocol
    plane: Plane | None
    moment: Moment
    pixels: Pixels | None
    truncated: bool
    frame: int = 0


def plane(
    orientation: Vector | None, position: Vector | None, spacing: Vector | None, size: tuple[int | None, int | None]
) -> Plane | None:
    """A plane, or None where a part is absent or the two directions are not perpendicular unit vectors."""
    columns, rows = size
    if orientation is None or position is None or spacing is None or not columns or not rows or min(spacing) <= 0:
        return None
    along, down = orientation[:3], orientation[3:]
    norms = math.hypot(*along), math.hypot(*down)
    dot = sum(a * b for a, b in zip(along, down, strict=True))
    if abs(norms[0] - 1) > 0.01 or abs(norms[1] - 1) > 0.01 or abs(dot) > 0.01:
        return None
    return Plane(orientation, position, spacing, (columns, rows))

"""Bytes to headers: what is read of every file when it is scanned.

Only the values that are needed are converted, from their raw bytes, so that a scan costs about a millisecond a file
and a malformed value that nobody needs does no harm.
"""

from __future__ import annotations

import functools
import io
import math
import re
import struct
import zlib
from collections.abc import Hashable
from typing import TypeVar, cast

import pydicom
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
)

from uptake.io.dicom.headers import MR_CLASSES, UCSF_CREATOR, Header, Moment, Pixels, Plane, Protocol, Vector, plane
from uptake.io.dicom.lenient import MALFORMED, quiet
from uptake.io.dicom.sources import FileRef
from uptake.study import Code, Refusal

CLAIMING_SUFFIXES = (".dcm", ".ima", ".dicom", ".dic")
MAX_INFLATED_BYTES = 2**30
UNDEFINED_LENGTH = 0xFFFFFFFF
PIXEL_DATA = ((0x7FE0, 0x0008), (0x7FE0, 0x0009), (0x7FE0, 0x0010))

T = TypeVar("T", bound=Hashable)


def claims_dicom(name: str, head: bytes) -> bool:
    """Whether a file says of itself that it is DICOM: by its name or by the preamble."""
    return name.lower().endswith(CLAIMING_SUFFIXES) or head[128:132] == b"DICM"


def looks_like_dicom(name: str, head: bytes) -> bool:
    """Whether a file is worth parsing: it claims to be DICOM, or begins with a data element of group 2 or 8."""
    base = re.split(r"[/\\]", name)[-1]
    if base.startswith("._") or base.upper() == "DICOMDIR":
        return False
    return claims_dicom(name, head) or _begins_with_element(head)


def parse(file: FileRef, data: bytes) -> Header | None:
    """The header of one file; None where it neither is nor claims to be DICOM, and for a DICOMDIR.

    Raises `Refusal`: NOT_DICOM for a file that is DICOM only by its name, UNREADABLE for DICOM that cannot be parsed
    or ends before it says to which study and series it belongs.
    """
    claims = claims_dicom(file.name, data)
    if claims and data[128:132] != b"DICM" and not _begins_with_element(data):
        raise _not_dicom(file, data)
    try:
        _check_inflated(data)
        stream = io.BytesIO(data)
        with quiet():
            dataset = pydicom.dcmread(stream, stop_before_pixels=True, force=True, specific_tags=[*TAGS])
        header = _header(file, dataset, data, stream.tell())
    except MALFORMED as error:
        if not claims:
            return None
        raise _unreadable(file, f"cannot be parsed ({type(error).__name__})") from error
    if header.sop_class == MediaStorageDirectoryStorage:
        return None
    if not (header.sop_uid and header.study_uid and header.series_uid):
        if not claims:
            return None
        raise _unreadable(file, "ends before its study, series and instance UIDs, or has none")
    return header


def seconds_of_day(text: str | None) -> float | None:
    """Seconds since midnight of a DICOM time (TM) or the time in a date and time (DT); None where it is none."""
    if text is None:
        return None
    digits = re.sub(r"[&+-]\d{4}$", "", text.strip()).replace(":", "")
    whole = digits.split(".")[0]
    if len(whole) >= 12:
        digits, whole = digits[8:], whole[8:]
    if not re.fullmatch(r"\d{4}(\d\d(\.\d*)?)?", digits):
        return None
    return int(whole[:2]) * 3600.0 + int(whole[2:4]) * 60.0 + float(digits[4:] or 0)


_KEYWORDS = """
    TransferSyntaxUID SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID PatientID StudyDate
    ClinicalTrialTimePointID Modality SeriesNumber SeriesDescription ImageType DerivationDescription
    SourceImageSequence Manufacturer ManufacturerModelName MagneticFieldStrength SequenceName PulseSequenceName
    ScanningSequence MRAcquisitionType ScanOptions RepetitionTime EchoTime FlipAngle SliceThickness
    TemporalResolution NumberOfTemporalPositions Laterality ImageLaterality ImageOrientationPatient
    ImagePositionPatient PixelSpacing Rows Columns NumberOfFrames SamplesPerPixel BitsAllocated BitsStored HighBit
    PixelRepresentation RescaleSlope RescaleIntercept ModalityLUTSequence TemporalPositionIdentifier TriggerTime
    AcquisitionTime AcquisitionDateTime ContentTime AcquisitionNumber InstanceNumber
"""
_TAG = {keyword: pydicom.datadict.tag_for_keyword(keyword) or 0 for keyword in _KEYWORDS.split()}
_UCSF_CREATOR_TAG, _GE_CREATOR_TAG = 0x01170010, 0x00190010
_GE_DURATION_TAG, _GE_SEQUENCE_TAG = 0x0019105A, 0x0019109C
TAGS = tuple(
    map(Tag, (*_TAG.values(), _UCSF_CREATOR_TAG, _GE_CREATOR_TAG, _GE_DURATION_TAG, _GE_SEQUENCE_TAG))
)  # as pydicom wants them: it would convert whole numbers again for every file


class _Raw:
    """Values of a data set as they stand in the file, converted one by one when asked for."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.elements = {int(tag): element for tag, element in dataset.items()}
        self.order = "<" if dataset.original_encoding[1] is not False else ">"

    def has(self, keyword: str) -> bool:
        return _TAG[keyword] in self.elements

    def bytes(self, tag: int) -> bytes:
        element = self.elements.get(tag)
        value = element.value if element is not None else b""
        return value if isinstance(value, bytes) else b""

    def text(self, keyword: str | int) -> str | None:
        raw = self.bytes(_TAG[keyword] if isinstance(keyword, str) else keyword)
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            text = raw.decode("latin-1")
        return text.strip(" \0\r\n\t") or None

    def texts(self, keyword: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in (self.text(keyword) or "").split("\\") if part.strip())

    def number(self, keyword: str) -> float | None:
        text = self.text(keyword)
        return None if text is None else _number(text)

    def whole(self, keyword: str) -> int | None:
        number = self.number(keyword)
        return int(number) if number is not None and math.isfinite(number) else None

    def vector(self, keyword: str, length: int) -> Vector | None:
        numbers = tuple(_number(text) for text in self.texts(keyword))
        return numbers if len(numbers) == length and all(map(math.isfinite, numbers)) else None

    def unsigned(self, keyword: str) -> int | None:
        raw = self.bytes(_TAG[keyword])
        return int(struct.unpack(self.order + "H", raw[:2])[0]) if len(raw) >= 2 else None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _header(file: FileRef, dataset: Dataset, data: bytes, pixel_element: int) -> Header:
    raw = _Raw(dataset)
    syntax = _transfer_syntax(dataset)
    pixels = _pixels(raw, syntax, data, pixel_element)
    size = raw.unsigned("Columns"), raw.unsigned("Rows")
    is_image = raw.text("SOPClassUID") in MR_CLASSES or None not in size
    return Header(
        file=file,
        sop_uid=raw.text("SOPInstanceUID") or "",
        sop_class=_shared(raw.text("SOPClassUID") or ""),
        study_uid=_shared(raw.text("StudyInstanceUID") or ""),
        series_uid=_shared(raw.text("SeriesInstanceUID") or ""),
        patient_id=_shared(raw.text("PatientID") or ""),
        visit=raw.text("ClinicalTrialTimePointID"),
        study_date=raw.text("StudyDate"),
        modality=_shared(raw.text("Modality") or ""),
        series_number=raw.whole("SeriesNumber"),
        description=_shared(raw.text("SeriesDescription") or ""),
        image_type=_shared(raw.texts("ImageType")),
        derived_from=raw.has("DerivationDescription") or raw.has("SourceImageSequence"),
        ucsf=raw.text(_UCSF_CREATOR_TAG) == UCSF_CREATOR,
        protocol=_protocol(raw),
        plane=_plane(raw),
        moment=_moment(raw),
        pixels=_shared(pixels),
        truncated=is_image and _is_cut(pixels, size, data),
    )


@functools.lru_cache(maxsize=512)
def _kept(value: Hashable) -> Hashable:
    return value


def _shared(value: T) -> T:
    """One object for equal values: most of what headers say is the same in thousands of them."""
    return cast("T", _kept(value))


def _protocol(raw: _Raw) -> Protocol:
    field = raw.number("MagneticFieldStrength")
    ge = raw.text(_GE_CREATOR_TAG) == "GEMS_ACQU_01"
    resolution = raw.number("TemporalResolution")
    return _shared(
        Protocol(
            manufacturer=raw.text("Manufacturer"),
            model=raw.text("ManufacturerModelName"),
            field_strength_t=_tesla(field),
            sequence=raw.text("SequenceName")
            or raw.text("PulseSequenceName")
            or (raw.text(_GE_SEQUENCE_TAG) if ge else None)
            or raw.text("ScanningSequence"),
            acquisition_type=raw.text("MRAcquisitionType"),
            scan_options=raw.texts("ScanOptions"),
            repetition_time_ms=_known(raw.number("RepetitionTime")),
            echo_time_ms=_known(raw.number("EchoTime")),
            flip_angle_deg=_known(raw.number("FlipAngle")),
            slice_thickness_mm=_known(raw.number("SliceThickness")),
            temporal_resolution_s=_resolution_s(resolution) or (_ge_duration_s(raw) if ge else None),
            laterality=raw.text("ImageLaterality") or raw.text("Laterality"),
        )
    )


def _known(number: float | None) -> float | None:
    """None for a value that is absent, zero or not a number: an echo time of 0 is not known."""
    return number if number is not None and math.isfinite(number) and number > 0 else None


def _tesla(field: float | None) -> float | None:
    known = _known(field)
    return known / 10_000 if known is not None and known >= 1000 else known


def _resolution_s(value: float | None) -> float | None:
    """Seconds: the standard says milliseconds for (0020,0110), old files hold seconds; none lasts 1000 s."""
    known = _known(value)
    return known / 1000 if known is not None and known >= 1000 else known


def _ge_duration_s(raw: _Raw) -> float | None:
    value = raw.bytes(_GE_DURATION_TAG)
    microseconds = struct.unpack(raw.order + "f", value)[0] if len(value) == 4 else _number(value.decode("latin-1"))
    known = _known(microseconds)
    phases = raw.whole("NumberOfTemporalPositions") or 1
    return None if known is None else known / 1e6 / phases


def _plane(raw: _Raw) -> Plane | None:
    orientation, spacing = _shared(raw.vector("ImageOrientationPatient", 6)), _shared(raw.vector("PixelSpacing", 2))
    size = raw.unsigned("Columns"), raw.unsigned("Rows")
    return plane(orientation, raw.vector("ImagePositionPatient", 3), spacing, size)


def _moment(raw: _Raw) -> Moment:
    trigger_ms = raw.number("TriggerTime")
    acquisition = seconds_of_day(raw.text("AcquisitionTime"))
    return Moment(
        temporal_position=raw.whole("TemporalPositionIdentifier"),
        trigger_s=trigger_ms / 1000 if trigger_ms is not None and math.isfinite(trigger_ms) else None,
        acquisition_s=acquisition if acquisition is not None else seconds_of_day(raw.text("AcquisitionDateTime")),
        content_s=seconds_of_day(raw.text("ContentTime")),
        acquisition_number=raw.whole("AcquisitionNumber"),
        instance_number=raw.whole("InstanceNumber"),
    )


def _transfer_syntax(dataset: Dataset) -> str:
    meta = getattr(dataset, "file_meta", None)
    if meta is not None and "TransferSyntaxUID" in meta:
        return str(meta.TransferSyntaxUID)
    implicit, little = dataset.original_encoding
    if implicit:
        return str(ImplicitVRLittleEndian)
    return str(ExplicitVRLittleEndian if little else ExplicitVRBigEndian)


def _pixels(raw: _Raw, syntax: str, data: bytes, element: int) -> Pixels | None:
    """The layout of PixelData, whose data element begins at `element`; None where the data set ends without one."""
    start, length = 0, None
    if syntax != DeflatedExplicitVRLittleEndian:
        found = _pixel_value(data, element, raw.dataset.original_encoding[0] is True, raw.order)
        if found is None:
            return None
        start, declared = found
        length = None if declared == UNDEFINED_LENGTH else declared
    allocated = raw.unsigned("BitsAllocated") or 16
    stored = raw.unsigned("BitsStored") or allocated
    high = raw.unsigned("HighBit")
    return Pixels(
        transfer_syntax=syntax,
        start=start,
        length=length,
        frames=raw.whole("NumberOfFrames") or 1,
        samples=raw.unsigned("SamplesPerPixel") or 1,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=stored - 1 if high is None else high,
        signed=raw.unsigned("PixelRepresentation") == 1,
        slope=raw.number("RescaleSlope"),
        intercept=raw.number("RescaleIntercept"),
        modality_lut=raw.has("ModalityLUTSequence"),
    )


def _pixel_value(data: bytes, element: int, implicit: bool, order: str) -> tuple[int, int] | None:
    """Where the value of the data element at `element` starts and how long it says it is."""
    header = data[element : element + 12]
    if len(header) < 12:
        return None
    group, number = struct.unpack(order + "HH", header[:4])
    if (group, number) not in PIXEL_DATA:
        return None
    if implicit:
        return element + 8, struct.unpack(order + "I", header[4:8])[0]
    return element + 12, struct.unpack(order + "I", header[8:12])[0]


def _is_cut(pixels: Pixels | None, size: tuple[int | None, int | None], data: bytes) -> bool:
    """Whether the file of an image ends before its pixels do, or holds fewer than rows and columns say."""
    if pixels is None:
        return True
    if pixels.start == 0:
        return False
    if pixels.length is None:
        return not _items_complete(data, pixels.start)
    columns, rows = size
    needed = (columns or 0) * (rows or 0) * pixels.frames * pixels.samples * pixels.bits_allocated // 8
    return pixels.start + pixels.length > len(data) or pixels.length < needed


def _items_complete(data: bytes, position: int) -> bool:
    """Whether the items of encapsulated PixelData run to their delimiter."""
    while position + 8 <= len(data):
        tag, length = data[position : position + 4], struct.unpack("<I", data[position + 4 : position + 8])[0]
        if tag == b"\xfe\xff\xdd\xe0":
            return True
        if tag != b"\xfe\xff\x00\xe0":
            return False
        position += 8 + length
    return False


def _begins_with_element(data: bytes) -> bool:
    """Whether the bytes begin with a data element of group 2 or 8, little endian, explicit or implicit VR."""
    if len(data) < 8:
        return False
    group, number, length = struct.unpack("<HHI", data[:8])
    return group in (2, 8) and number <= 0x1000 and (bool(re.match(rb"[A-Z]{2}", data[4:6])) or length <= 256)


def _check_inflated(data: bytes) -> None:
    """Refuses a deflated data set that would not stop growing, before a library inflates it whole."""
    if data[128:132] != b"DICM" or len(data) < 144:
        return
    start = 144 + int(struct.unpack("<I", data[140:144])[0])
    if DeflatedExplicitVRLittleEndian.encode() not in data[132:start]:
        return
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    inflating.decompress(data[start:], MAX_INFLATED_BYTES)
    if inflating.unconsumed_tail:
        raise ValueError("a deflated data set beyond the limit")


def _not_dicom(file: FileRef, data: bytes) -> Refusal:
    return Refusal(
        Code.NOT_DICOM,
        found=f"{file.name} is named as DICOM but " + ("holds no DICOM data" if data else "is empty"),
        allowed="files in DICOM format, or other names for other files",
        remedy="remove or rename the file, or export it again",
    )


def _unreadable(file: FileRef, found: str) -> Refusal:
    return Refusal(
        Code.UNREADABLE,
        found=f"{file.name} {found}",
        allowed="whole DICOM files",
        remedy="copy or download the file again",
    )

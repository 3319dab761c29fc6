"""Enhanced multi-frame MR: one object with many images, each described in functional groups."""

from __future__ import annotations

import dataclasses
import io
import math

import pydicom
from pydicom.dataset import Dataset

from uptake.io.dicom.headers import Header, Moment, Pixels, Protocol, Vector, plane
from uptake.io.dicom.lenient import MALFORMED, quiet
from uptake.io.dicom.parse import seconds_of_day


def expand(header: Header, data: bytes) -> tuple[Header, ...]:
    """One header per frame of an enhanced object; none where its functional groups are not understood."""
    try:
        with quiet():
            dataset = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True, force=True)
            shared = dataset.get("SharedFunctionalGroupsSequence") or [Dataset()]
            frames = dataset.get("PerFrameFunctionalGroupsSequence") or []
            groups = [_Groups(frame, shared[0]) for frame in frames]
            return tuple(_frame(header, group, number, dataset) for number, group in enumerate(groups))
    except MALFORMED:
        return ()


class _Groups:
    """Functional groups of one frame: its own, else those shared by all."""

    def __init__(self, frame: Dataset, shared: Dataset) -> None:
        self.places = (frame, shared)

    def item(self, *sequences: str) -> Dataset:
        for place in self.places:
            for sequence in sequences:
                for item in place.get(sequence) or ():
                    return Dataset(item)
        return Dataset()

    def number(self, sequence: str, keyword: str) -> float | None:
        return _float(self.item(sequence).get(keyword))

    def vector(self, sequence: str, keyword: str) -> Vector | None:
        value = self.item(sequence).get(keyword)
        return None if value is None else tuple(float(part) for part in value)


def _frame(header: Header, groups: _Groups, number: int, dataset: Dataset) -> Header:
    columns_rows = (dataset.get("Columns"), dataset.get("Rows"))
    frame_type = groups.item("MRImageFrameTypeSequence").get("FrameType")
    return dataclasses.replace(
        header,
        frame=number,
        image_type=tuple(frame_type) if frame_type else header.image_type,
        derived_from=bool(groups.item("DerivationImageSequence")),
        protocol=_protocol(header.protocol, groups),
        plane=plane(
            groups.vector("PlaneOrientationSequence", "ImageOrientationPatient"),
            groups.vector("PlanePositionSequence", "ImagePositionPatient"),
            groups.vector("PixelMeasuresSequence", "PixelSpacing"),
            columns_rows,
        ),
        moment=_moment(header, groups, number),
        pixels=_pixels(header.pixels, groups),
    )


def _protocol(protocol: Protocol, groups: _Groups) -> Protocol:
    timing = "MRTimingAndRelatedParametersSequence"
    return dataclasses.replace(
        protocol,
        repetition_time_ms=groups.number(timing, "RepetitionTime") or protocol.repetition_time_ms,
        echo_time_ms=groups.number("MREchoSequence", "EffectiveEchoTime") or protocol.echo_time_ms,
        flip_angle_deg=groups.number(timing, "FlipAngle") or protocol.flip_angle_deg,
        slice_thickness_mm=groups.number("PixelMeasuresSequence", "SliceThickness") or protocol.slice_thickness_mm,
        laterality=groups.item("FrameAnatomySequence").get("FrameLaterality") or protocol.laterality,
    )


def _moment(header: Header, groups: _Groups, number: int) -> Moment:
    content = groups.item("FrameContentSequence")
    temporal = groups.item("TemporalPositionSequence")
    delay_ms = groups.number("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime")
    offset_s = _float(temporal.get("TemporalPositionTimeOffset"))
    acquired = seconds_of_day(_text(content.get("FrameAcquisitionDateTime")))
    return Moment(
        temporal_position=_whole(content.get("TemporalPositionIndex")),
        trigger_s=offset_s if offset_s is not None else None if delay_ms is None else delay_ms / 1000,
        acquisition_s=acquired if acquired is not None else header.moment.acquisition_s,
        content_s=header.moment.content_s,
        acquisition_number=_whole(content.get("FrameAcquisitionNumber")) or header.moment.acquisition_number,
        instance_number=(header.moment.instance_number or 0) * 100_000 + number,
    )


def _pixels(pixels: Pixels | None, groups: _Groups) -> Pixels | None:
    transformation = groups.item("PixelValueTransformationSequence")
    if pixels is None or not transformation:
        return pixels
    return dataclasses.replace(
        pixels,
        slope=_rescale_number(transformation.get("RescaleSlope")),
        intercept=_rescale_number(transformation.get("RescaleIntercept")),
    )


def _rescale_number(value: object) -> float | None:
    if value is None or value == "":
        return None
    number = _float(value)
    return math.nan if number is None else number


def _float(value: object) -> float | None:
    if isinstance(value, (int, float)):
        return float(value)
    try:
        return float(str(value)) if value is not None else None
    except ValueError:
        return None


def _whole(value: object) -> int | None:
    number = _float(value)
    return None if number is None else int(number)


def _text(value: object) -> str | None:
    return None if value is None else str(value)

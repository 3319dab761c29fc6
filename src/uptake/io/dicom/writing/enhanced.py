"""Several images of one series as one enhanced multi-frame MR object, with its functional groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedMRImageStorage

from uptake.io.dicom.writing.header import decimal, decimals
from uptake.io.dicom.writing.vendors import DAY, Picture, clock
from uptake.study import Study

Dimensions = tuple[str, ...]

PIXEL_MODULE = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "SliceLocation")
PER_FRAME = (
    "SpacingBetweenSlices",
    "TriggerTime",
    "TemporalPositionIdentifier",
    "NumberOfTemporalPositions",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "RepetitionTime",
    "EchoTime",
    "FlipAngle",
    "ScanningSequence",
    "SequenceVariant",
    "ScanOptions",
)
"""Classic attributes that the enhanced object keeps in its functional groups, or not at all."""


def multi_frame(images: Sequence[Picture], header: Dataset, study: Study) -> Dataset:
    """The images of one series, in the order given, as the frames of one object without its pixels.

    header: the classic header of the first image, whose patient, study and equipment are taken over.
    """
    header.SOPClassUID = EnhancedMRImageStorage
    for keyword in (*PIXEL_MODULE, *PER_FRAME):
        if keyword in header:
            delattr(header, keyword)
    header.NumberOfFrames = len(images)
    header.AcquisitionDateTime = _moment(_start_s(images[0], study))
    header.ContentQualification = "RESEARCH"
    header.AcquisitionContrast = "T1"
    header.ComplexImageComponent = "MAGNITUDE"
    header.VolumetricProperties = "VOLUME"
    header.VolumeBasedCalculationTechnique = "NONE"
    header.PresentationLUTShape = "IDENTITY"
    header.LossyImageCompression = "00"
    header.DimensionOrganizationSequence = [_item(DimensionOrganizationUID=header.SeriesInstanceUID)]
    order = _slowest_first(images)
    header.DimensionIndexSequence = [_dimension(header, keyword) for keyword in order]
    header.SharedFunctionalGroupsSequence = [_shared(images[0], study)]
    header.PerFrameFunctionalGroupsSequence = [_frame(image, images[0], study, order) for image in images]
    return header


def _shared(image: Picture, study: Study) -> Dataset:
    plane, acquisition = image.plane, study.acquisition
    timing = _item(
        RepetitionTime=decimal(acquisition.repetition_time_ms or 0), FlipAngle=decimal(acquisition.flip_angle_deg or 0)
    )
    measures = _item(
        SliceThickness=decimal(plane.step_mm),
        SpacingBetweenSlices=decimal(plane.step_mm),
        PixelSpacing=decimals(plane.spacing_mm),
    )
    return _item(
        MRTimingAndRelatedParametersSequence=[timing],
        MREchoSequence=[_item(EffectiveEchoTime=float(acquisition.echo_time_ms or 0))],
        MRImageFrameTypeSequence=[_item(FrameType=list(image.series.image_type[:4]), AcquisitionContrast="T1")],
        PixelMeasuresSequence=[measures],
        PlaneOrientationSequence=[_item(ImageOrientationPatient=decimals(plane.orientation))],
    )


def _frame(image: Picture, first: Picture, study: Study, order: Dimensions) -> Dataset:
    phase = (image.phase or 0) - (first.phase or 0) + 1
    start_s = _start_s(image, study)
    slope, intercept = image.scale or (1.0, 0.0)
    index = {"StackID": 1, "InStackPositionNumber": image.place + 1, "TemporalPositionIndex": phase}
    content = _item(
        FrameAcquisitionDateTime=_moment(start_s),
        FrameReferenceDateTime=_moment(start_s),
        StackID="1",
        InStackPositionNumber=image.place + 1,
        TemporalPositionIndex=phase,
        DimensionIndexValues=[index[keyword] for keyword in order],
    )
    return _item(
        FrameContentSequence=[content],
        PlanePositionSequence=[_item(ImagePositionPatient=decimals(image.plane.position))],
        PixelValueTransformationSequence=[
            _item(RescaleIntercept=decimal(intercept), RescaleSlope=decimal(slope), RescaleType="US")
        ],
        TemporalPositionSequence=[_item(TemporalPositionTimeOffset=start_s)],
    )


def _slowest_first(images: Sequence[Picture]) -> Dimensions:
    """The dimensions in the order of the frames: readers sort by them, the first one slowest."""
    if len(images) > 1 and images[0].phase != images[1].phase:
        return ("StackID", "InStackPositionNumber", "TemporalPositionIndex")
    return ("TemporalPositionIndex", "StackID", "InStackPositionNumber")


def _dimension(header: Dataset, keyword: str) -> Dataset:
    return _item(
        DimensionOrganizationUID=header.SeriesInstanceUID,
        DimensionIndexPointer=tag_for_keyword(keyword),
        FunctionalGroupPointer=tag_for_keyword("FrameContentSequence"),
    )


def _start_s(image: Picture, study: Study) -> float:
    """When the image's phase started. A vendor's own acquisition time may say less."""
    return float(study.phases[image.phase or 0].time_s or 0.0)


def _moment(time_s: float) -> str:
    return f"{DAY:%Y%m%d}{clock(time_s)}"


def _item(**attributes: Any) -> Dataset:  # noqa: ANN401 (any DICOM value)
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item

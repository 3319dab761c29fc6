"""The header that every written image has: a made-up patient, study, scanner, and the plane it lies in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage

from uptake.io.dicom.writing.vendors import DAY, Picture, Vendor, clock
from uptake.study import Study

SCANNERS: dict[Vendor, tuple[str, str, str]] = {
    "ge": ("GE MEDICAL SYSTEMS", "GENESIS_SIGNA", "DISCOVERY MR750"),
    "siemens": ("SIEMENS", "Sonata", "TrioTim"),
    "philips": ("Philips Medical Systems", "Intera", "Achieva"),
}
"""Manufacturer, a model of 1.5 T and one of 3 T."""
GE_ACQUISITION = "GEMS_ACQU_01"
STUDY_START_S = -600.0


@dataclass(frozen=True)
class Identity:
    """Where UIDs come from: all of them follow from these parts."""

    parts: tuple[str, ...]

    def uid(self, *more: object) -> str:
        """A UID below 2.25 (derived from a UUID's worth of hash), the same for the same parts."""
        digest = hashlib.sha256("/".join((*self.parts, *map(str, more))).encode()).digest()
        return f"2.25.{int.from_bytes(digest[:16])}"


def classic_header(image: Picture, study: Study, vendor: Vendor, identity: Identity) -> Dataset:
    """Everything about one image but its pixels. Names and dates are made up."""
    dataset = Dataset()
    _set_patient_and_study(dataset, study, identity)
    _set_series(dataset, image, identity)
    _set_scanner(dataset, study, vendor)
    _set_protocol(dataset, image, study)
    _set_plane(dataset, image)
    if image.scale is not None:
        dataset.RescaleSlope, dataset.RescaleIntercept = (decimal(value) for value in image.scale)
        dataset.RescaleType = "US"
    for keyword, value in {**image.series.tags, **image.tags}.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    if vendor == "ge" and image.phase is not None and study.acquisition.temporal_resolution_s is not None:
        block = dataset.private_block(0x0019, GE_ACQUISITION, create=True)
        block.add_new(0x5A, "FL", 1e6 * study.acquisition.temporal_resolution_s)
    return dataset


def decimal(value: float) -> str:
    """A number as a DICOM DS: at most 16 characters, no negative zero."""
    return f"{value + 0.0:.10g}"


def decimals(values: Iterable[float]) -> list[str]:
    """Numbers as a DICOM DS of several values, to a millionth."""
    return [decimal(round(float(value), 6)) for value in values]


def _set_patient_and_study(dataset: Dataset, study: Study, identity: Identity) -> None:
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.PatientName = dataset.PatientID = dataset.ClinicalTrialSubjectID = study.case_id
    dataset.PatientBirthDate = dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
    dataset.PatientSex = "O"
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "synthetic, no patient"
    dataset.ClinicalTrialSponsorName = "uptake"
    dataset.ClinicalTrialProtocolID = "PHANTOM"
    dataset.ClinicalTrialProtocolName = "synthetic breast DCE-MRI"
    dataset.ClinicalTrialTimePointID = study.acquisition.visit or "T1"
    dataset.StudyInstanceUID = identity.uid("study")
    dataset.StudyID = "1"
    dataset.StudyDescription = "PHANTOM BREAST"
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = f"{DAY:%Y%m%d}"
    dataset.StudyTime = clock(STUDY_START_S)


def _set_series(dataset: Dataset, image: Picture, identity: Identity) -> None:
    series = image.series
    dataset.SOPClassUID = MRImageStorage
    dataset.SOPInstanceUID = identity.uid("image", series.number, image.instance)
    dataset.SeriesInstanceUID = identity.uid("series", series.number)
    dataset.FrameOfReferenceUID = identity.uid("frame of reference")
    dataset.PositionReferenceIndicator = ""
    dataset.Modality = "MR"
    dataset.ImageType = list(series.image_type)
    dataset.SeriesNumber = series.number
    dataset.SeriesDescription = dataset.ProtocolName = series.description
    dataset.SeriesTime = clock(0.0)
    dataset.AcquisitionTime = dataset.ContentTime = clock(image.time_s)
    dataset.InstanceNumber = image.instance


def _set_scanner(dataset: Dataset, study: Study, vendor: Vendor) -> None:
    manufacturer, *models = SCANNERS[vendor]
    dataset.Manufacturer = manufacturer
    dataset.ManufacturerModelName = models[(study.acquisition.field_strength_t or 0) > 2]
    dataset.DeviceSerialNumber, dataset.SoftwareVersions = "0", "phantom"


def _set_protocol(dataset: Dataset, image: Picture, study: Study) -> None:
    acquisition = study.acquisition
    dataset.BodyPartExamined = "BREAST"
    dataset.PatientPosition = "FFP"
    dataset.Laterality = acquisition.laterality if acquisition.laterality in ("L", "R") else ""
    dataset.ScanningSequence, dataset.SequenceVariant = "GR", "SP"
    dataset.ScanOptions = "FS"
    dataset.MRAcquisitionType = "3D" if image.series.three_d else "2D"
    for keyword, value in (
        ("RepetitionTime", acquisition.repetition_time_ms),
        ("EchoTime", acquisition.echo_time_ms),
        ("FlipAngle", acquisition.flip_angle_deg),
        ("MagneticFieldStrength", acquisition.field_strength_t),
    ):
        setattr(dataset, keyword, None if value is None else decimal(value))


def _set_plane(dataset: Dataset, image: Picture) -> None:
    plane = image.plane
    dataset.ImageOrientationPatient = decimals(plane.orientation)
    dataset.ImagePositionPatient = decimals(plane.position)
    dataset.PixelSpacing = decimals(plane.spacing_mm)
    dataset.SliceThickness = dataset.SpacingBetweenSlices = decimal(plane.step_mm)
    dataset.SliceLocation = decimal(round(image.place * plane.step_mm, 6))

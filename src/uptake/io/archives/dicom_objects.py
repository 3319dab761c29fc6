"""DICOM SEG of every mask on the source's grid, and its measurements as a TID 1500 report, written by highdicom.

Both are built from headers that hold the release's names alone: highdicom copies patient and study from the images it
is given, so it never sees a source's own. What was written is read back and compared before it counts as written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from uptake.io.archives.case import DicomIdentity, Item, ReleasedCase, ReleasedMask, SourceImage
from uptake.io.dicom.headers import ENHANCED_CLASSES
from uptake.io.dicom.lenient import quiet
from uptake.io.dicom.seg import seg_volume
from uptake.io.files import writable, write_bytes_whole
from uptake.study import Code, Refusal, SettingsError
from uptake.volume import Array, Grid, Volume

ROOT = "DICOM"
MAKER, MODEL = "uptake", "uptake"
WRITER = "Highdicom open-source contributors"
"""What highdicom says of itself in every object it makes, a source too if it made that one."""
SEG_SERIES, REPORT_SERIES = 9000, 9100
NO_TIME = "000000"
KEPT_MOMENTS = ("StudyDate", "StudyTime", "ContentDate", "ContentTime", "PatientBirthDate")
"""Dates and times that the standard asks for: shifted, empty, or midnight."""
RELATIVE_TOLERANCE = 1e-9


def write(root: Path, case: ReleasedCase) -> tuple[Item, ...]:
    """Write a SEG per mask that is not empty and one report of all; none for a case without DICOM images.

    Raises `SettingsError` where highdicom is not installed, `Refusal` where what was written does not read back equal.
    """
    found = [mask for mask in case.masks if mask.acquired.array.any()]
    if not case.images or not found:
        return ()
    images = _sources(case)
    series = tuple(sorted({image.series_uid for image in case.images}))
    items, segmentations = [], []
    for number, mask in enumerate(found):
        name = f"{ROOT}/{case.case_id}/{case.case_id}_{mask.kind.name}_SEG.dcm"
        segmentation = _written(_segmentation(case, images, mask, number), root / name)
        _check_equal(segmentation, mask, name)
        segmentations.append((mask, segmentation))
        shape, spacing = mask.acquired.grid.shape, mask.acquired.grid.spacing_mm
        items.append(
            Item(name, f"DICOM SEG: {mask.kind.meaning}", "0 and 1", shape, spacing, mask.kind.name, "", series)
        )
    name = f"{ROOT}/{case.case_id}/{case.case_id}_measurements_SR.dcm"
    report = _written(_report(case, images, segmentations), root / name)
    _check_measurements(report, found, name)
    items.append(Item(name, "DICOM SR (TID 1500): volumes and longest diameters", "cm3, mm", source_series=series))
    return tuple(items)


def read(root: Path, case_id: str, grid: Grid | None = None) -> dict[str, Volume]:
    """The masks of a case by name, from its SEG objects, on `grid`, which is that of its acquired images."""
    folder = root / ROOT / case_id
    if grid is None:
        raise ValueError("a SEG is read onto the grid of an image")
    return {
        path.name.removeprefix(f"{case_id}_").removesuffix("_SEG.dcm"): seg_volume(pydicom.dcmread(path), grid)
        for path in sorted(folder.glob("*_SEG.dcm"))
    }


def read_measurements(path: Path) -> dict[str, dict[str, float]]:
    """The numbers of a report: tracking identifier -> name of the measurement -> value."""
    return _measurements(pydicom.dcmread(path))


def _highdicom() -> Any:  # noqa: ANN401 (typed in parts)
    try:
        import highdicom
    except ModuleNotFoundError as missing:
        raise SettingsError("DICOM SEG and SR need the extra 'release': pip install 'uptake[release]'") from missing
    return highdicom


def _step_mm(images: tuple[SourceImage, ...]) -> float:
    """Distance of the slices, which is what a reader needs as their thickness: a true one may exceed it."""
    return float(np.linalg.norm(np.subtract(images[-1].position, images[0].position)) / max(len(images) - 1, 1))


def _sources(case: ReleasedCase) -> list[Dataset]:
    """The source images as highdicom takes them: one dataset each, or one for the frames of a multi-frame object."""
    images = [_dataset(image, case.identity, _step_mm(case.images)) for image in case.images]
    return [_multi_frame(images)] if _is_multi_frame(case) else images


def _is_multi_frame(case: ReleasedCase) -> bool:
    return case.images[0].sop_class in ENHANCED_CLASSES


def _multi_frame(images: list[Dataset]) -> Dataset:
    """The frames of one phase as an object of their own, numbered from 1: `_true_frames` puts that right."""
    whole, shared, frames = images[0], Dataset(), [Dataset() for _ in images]
    shared.PlaneOrientationSequence = [_moved(whole, "ImageOrientationPatient")]
    shared.PixelMeasuresSequence = [_moved(whole, "PixelSpacing", "SliceThickness", "SpacingBetweenSlices")]
    for frame, image in zip(frames, images, strict=True):
        frame.PlanePositionSequence = [_moved(image, "ImagePositionPatient")]
    whole.NumberOfFrames = len(frames)
    whole.SharedFunctionalGroupsSequence, whole.PerFrameFunctionalGroupsSequence = [shared], frames
    return whole


def _moved(image: Dataset, *keywords: str) -> Dataset:
    """Attributes taken out of a dataset into an item of a functional group."""
    item = Dataset()
    for keyword in keywords:
        setattr(item, keyword, image[keyword].value)
        del image[keyword]
    return item


def _true_frames(made: Dataset, case: ReleasedCase) -> None:
    """Refer to the frames by their numbers in the source's object, which holds those of other phases as well."""
    for groups in made.PerFrameFunctionalGroupsSequence:
        for derivation in groups.get("DerivationImageSequence", ()):
            for source in derivation.SourceImageSequence:
                source.ReferencedFrameNumber = case.images[source.ReferencedFrameNumber - 1].frame + 1


def _dataset(image: SourceImage, identity: DicomIdentity, step_mm: float) -> Dataset:
    """A header with what highdicom asks of a source image and nothing else."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID, made.SOPInstanceUID = image.sop_class, image.sop_uid
    made.StudyInstanceUID, made.SeriesInstanceUID = identity.study_uid, image.series_uid
    made.FrameOfReferenceUID, made.PositionReferenceIndicator = identity.frame_of_reference_uid, ""
    made.PatientID, made.PatientName, made.PatientBirthDate = identity.patient_id, "", ""
    made.PatientSex = identity.patient_sex
    made.StudyDate, made.StudyTime, made.StudyID, made.AccessionNumber = identity.study_date, "", "", ""
    made.ReferringPhysicianName, made.Modality = "", "MR"
    made.Columns, made.Rows = image.size
    made.BitsAllocated, made.SamplesPerPixel = 16, 1
    made.SliceThickness = made.SpacingBetweenSlices = _decimal(step_mm)
    made.PixelSpacing = [_decimal(value) for value in image.spacing]
    made.ImageOrientationPatient = [_decimal(value) for value in image.orientation]
    made.ImagePositionPatient = [_decimal(value) for value in image.position]
    return made


def _decimal(value: float) -> str:
    """A DS: the shortest decimal of at most 16 characters that is nearest."""
    return next(text for digits in range(17, 0, -1) if len(text := f"{value + 0.0:.{digits}g}") <= 16)


def _segmentation(case: ReleasedCase, images: list[Dataset], mask: ReleasedMask, number: int) -> Dataset:
    highdicom = _highdicom()
    with quiet():
        made = highdicom.seg.Segmentation(
            source_images=images,
            pixel_array=_frames(mask.acquired.array, case),
            segmentation_type="BINARY",
            segment_descriptions=[_description(case, mask)],
            series_instance_uid=case.identity.uids[f"{mask.kind.name} series"],
            series_number=SEG_SERIES + number,
            sop_instance_uid=case.identity.uids[f"{mask.kind.name} instance"],
            instance_number=1,
            manufacturer=MAKER,
            manufacturer_model_name=MODEL,
            software_versions=case.version,
            device_serial_number="0",
            content_label=mask.kind.label.upper().replace(" ", "_"),
            content_description=mask.kind.meaning[:64],
        )
    if _is_multi_frame(case):
        _true_frames(made, case)
    made.SeriesDescription = mask.kind.label
    return _without_moment(made, case.identity)


def _description(case: ReleasedCase, mask: ReleasedMask) -> Any:  # noqa: ANN401 (highdicom is imported lazily)
    """What the one segment is: a neoplasm of the breast on its side, drawn by a reader or by which algorithm."""
    highdicom, codes = _highdicom(), _codes()
    algorithm = None
    if mask.kind.made != "MANUAL":
        family = codes("123110", "DCM", "Image Processing")
        algorithm = highdicom.AlgorithmIdentificationSequence(name=mask.kind.name, family=family, version=case.version)
    region, sides = codes("76752008", "SCT", "Breast"), {"L": ("7771000", "Left"), "R": ("24028007", "Right")}
    description = highdicom.seg.SegmentDescription(
        segment_number=1,
        segment_label=mask.kind.label,
        segmented_property_category=codes("49755003", "SCT", "Morphologically Abnormal Structure"),
        segmented_property_type=codes("108369006", "SCT", "Neoplasm"),
        algorithm_type=mask.kind.made,
        algorithm_identification=algorithm,
        tracking_uid=case.identity.uids[f"{mask.kind.name} tracking"],
        tracking_id=f"{case.case_id} {mask.kind.name}",
        anatomic_regions=[region],
    )
    if case.identity.laterality in sides:
        code, word = sides[case.identity.laterality]
        description.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [codes(code, "SCT", word)]
    return description


def _frames(array: Array, case: ReleasedCase) -> Array:
    """A mask (i, j, k) as (slice, row, column), the slices in the order of the source images."""
    steps = tuple(slice(None, None, -1 if flipped else 1) for flipped in case.layout.flipped)
    back = np.argsort(case.layout.axes)
    return np.ascontiguousarray(array[steps].transpose(back).transpose(2, 1, 0)).astype(np.uint8)


def _report(case: ReleasedCase, images: list[Dataset], segmentations: list[tuple[ReleasedMask, Dataset]]) -> Dataset:
    highdicom, codes = _highdicom(), _codes()
    sr = highdicom.sr
    observer = sr.ObserverContext(
        observer_type=codes("121007", "DCM", "Device"),
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=case.identity.uids["observer"], name="uptake", model_name=case.version
        ),
    )
    groups = [_group(sr, codes, case, mask, seg) for mask, seg in segmentations]
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=codes("43648-8", "LN", "MR Breast"),
        imaging_measurements=groups,
        title=codes("126000", "DCM", "Imaging Measurement Report"),
    )
    with quiet():
        made = sr.Comprehensive3DSR(
            evidence=[*images, *(seg for _, seg in segmentations)],
            content=content[0],
            series_instance_uid=case.identity.uids["report series"],
            series_number=REPORT_SERIES,
            sop_instance_uid=case.identity.uids["report instance"],
            instance_number=1,
            manufacturer=MAKER,
            is_complete=True,
            is_final=True,
        )
    made.SeriesDescription = "Measurements"
    return _without_moment(made, case.identity)


def _group(sr: Any, codes: Callable[..., Any], case: ReleasedCase, mask: ReleasedMask, seg: Dataset) -> Any:  # noqa: ANN401
    values = [(codes("118565006", "SCT", "Volume"), mask.cc, codes("cm3", "UCUM", "cubic centimeter"))]
    if mask.longest_diameter_mm is not None:
        values.append(
            (codes("103339001", "SCT", "Long Axis"), mask.longest_diameter_mm, codes("mm", "UCUM", "millimeter"))
        )
    source = case.images[0]
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(
            uid=case.identity.uids[f"{mask.kind.name} tracking"], identifier=f"{case.case_id} {mask.kind.name}"
        ),
        referenced_segment=sr.ReferencedSegment(
            sop_class_uid=seg.SOPClassUID,
            sop_instance_uid=seg.SOPInstanceUID,
            segment_number=1,
            source_series=sr.SourceSeriesForSegmentation(source.series_uid),
        ),
        finding_type=codes("108369006", "SCT", "Neoplasm"),
        finding_sites=[sr.FindingSite(codes("76752008", "SCT", "Breast"))],
        measurements=[sr.Measurement(name, float(value), unit) for name, value, unit in values],
    )


def _codes() -> Callable[[str, str, str], Any]:
    coded: Callable[[str, str, str], Any] = _highdicom().sr.CodedConcept
    return coded


def _without_moment(made: Dataset, identity: DicomIdentity) -> Dataset:
    """The same object made at no particular moment: dates are the shifted study's, times are midnight, UIDs derived."""
    made.ContentDate, made.ContentTime = identity.study_date or "19000101", NO_TIME
    made.pop("TimezoneOffsetFromUTC", None)
    known = {made.SOPInstanceUID, made.SeriesInstanceUID, identity.study_uid, *identity.uids.values()}

    def stable(dataset: Dataset, element: pydicom.DataElement) -> None:
        if element.tag in DIMENSION_UIDS and element.value not in known:
            element.value = _derived(made.SOPInstanceUID)
        if element.VR in ("DA", "TM", "DT") and element.keyword not in KEPT_MOMENTS:
            del dataset[element.tag]

    made.walk(stable)
    return made


DIMENSION_UIDS = tuple(
    pydicom.datadict.tag_for_keyword(keyword)
    for keyword in ("DimensionOrganizationUID", "SynchronizationFrameOfReferenceUID")
)


def _derived(uid: str) -> str:
    return f"2.25.{int.from_bytes(hashlib.sha256(f'dimension {uid}'.encode()).digest()[:16], 'big')}"


def _written(made: Dataset, path: Path) -> Dataset:
    """Write an object whole, and what a reader gets of it."""
    with writable(path), quiet():
        buffer = pydicom.filebase.DicomBytesIO()
        pydicom.dcmwrite(buffer, made, enforce_file_format=True)
        write_bytes_whole(path, buffer.getvalue())
        return pydicom.dcmread(path)


def _check_equal(segmentation: Dataset, mask: ReleasedMask, name: str) -> None:
    again = seg_volume(segmentation, mask.acquired.grid)
    wrong = int(np.count_nonzero(again.array != mask.acquired.array))
    if wrong:
        raise _not_equal(name, f"{wrong} voxels differ from the mask")


def _check_measurements(report: Dataset, masks: list[ReleasedMask], name: str) -> None:
    found = _measurements(report)
    for mask in masks:
        values = next((v for key, v in found.items() if key.endswith(f" {mask.kind.name}")), {})
        if abs(values.get("Volume", -1.0) - mask.cc) > RELATIVE_TOLERANCE * mask.cc:
            raise _not_equal(name, f"the volume of {mask.kind.name} is not the one that was written")


def _measurements(report: Dataset) -> dict[str, dict[str, float]]:
    """By content items, so that reading needs no highdicom."""
    found: dict[str, dict[str, float]] = {}
    for item in _items(report):
        children = list(item.get("ContentSequence", ()))
        names = [c.TextValue for c in children if c.ValueType == "TEXT" and _meaning(c) == "Tracking Identifier"]
        if names:
            found[names[0]] = {
                _meaning(c): float(c.MeasuredValueSequence[0].NumericValue) for c in children if c.ValueType == "NUM"
            }
    return found


def _items(dataset: Dataset) -> list[Dataset]:
    children = list(dataset.get("ContentSequence", ()))
    return [*children, *(inner for child in children for inner in _items(child))]


def _meaning(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeMeaning)


def _not_equal(name: str, found: str) -> Refusal:
    return Refusal(
        Code.RELEASE,
        found=f"{name}, read back: {found}",
        allowed="DICOM objects that hold exactly what was written",
        remedy="report this with the versions of uptake, pydicom and highdicom",
    )

"""A maker of tiny DICOM series: a few slices whose values tell phase and slice, with whatever tags."""

from __future__ import annotations

import copy
import itertools
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from uptake.io.dicom.read import Dicom, read_study
from uptake.io.dicom.scan import StudySource, scan
from uptake.study import Refusal, Study

MR = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
UCSF = "UCSF BIRP PRIVATE CREATOR 011710xx"
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
COLUMNS, ROWS = 4, 5


def uid(*parts: object) -> str:
    return str(generate_uid(entropy_srcs=[str(part) for part in parts]))


def stored_value(phase: int, index: int) -> int:
    """What the first pixel of a slice holds: 1000 per phase, 10 per slice along the normal."""
    return 1000 * (phase + 1) + 10 * index


class Maker:
    """Makes series as lists of data sets, to be changed by a test before they are written and read."""

    columns, rows = COLUMNS, ROWS

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written = itertools.count()

    def series(
        self,
        phases: int = 3,
        slices: int = 6,
        *,
        number: int = 4,
        description: str = "Dynamic",
        first_phase: int = 0,
        orientation: Sequence[float] = SAGITTAL,
        step: float = 2.0,
        origin: float = -11.0,
        **tags: Any,
    ) -> list[Dataset]:
        """Phases of slices, slices fastest, two minutes apart; `tags` are set on (or with None removed from) each."""
        made = [
            self.image(
                phase,
                index,
                number=number,
                description=description,
                orientation=orientation,
                offset=origin + step * index,
                instance=1 + phase * slices + index,
            )
            for phase in range(first_phase, first_phase + phases)
            for index in range(slices)
        ]
        for dataset in made:
            put(dataset, **tags)
        return made

    def image(
        self,
        phase: int,
        index: int,
        *,
        number: int,
        description: str,
        orientation: Sequence[float],
        offset: float,
        instance: int,
    ) -> Dataset:
        dataset = Dataset()
        dataset.SOPClassUID = MR
        dataset.SOPInstanceUID = uid("image", number, description, instance)
        dataset.StudyInstanceUID = uid("study")
        dataset.SeriesInstanceUID = uid("series", number, description)
        dataset.PatientID = "BREAST-01"
        dataset.PatientName = "Nobody"
        dataset.StudyDate = "19990101"
        dataset.Modality = "MR"
        dataset.Manufacturer = "Phantom Works"
        dataset.SeriesNumber = number
        dataset.SeriesDescription = description
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
        dataset.AcquisitionTime = f"10{2 * phase:02d}00"
        dataset.InstanceNumber = instance
        dataset.RepetitionTime, dataset.EchoTime, dataset.FlipAngle = 8.4, 4.2, 20
        dataset.SliceThickness = 2
        dataset.ImageOrientationPatient = list(orientation)
        along, down = np.array(orientation[:3]), np.array(orientation[3:])
        position = offset * np.cross(along, down) + 7 * along - 9 * down
        dataset.ImagePositionPatient = [round(float(value), 6) for value in position]
        dataset.PixelSpacing = [0.75, 0.5]
        dataset.Rows, dataset.Columns = ROWS, COLUMNS
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
        pixels = stored_value(phase, index) + np.arange(ROWS * COLUMNS, dtype=np.int16)
        dataset.PixelData = pixels.tobytes()
        return dataset

    def write(self, *series: Sequence[Dataset], syntax: str = ExplicitVRLittleEndian, to: str = "study") -> Path:
        """Writes data sets under names that tell nothing."""
        folder = self.folder / to
        folder.mkdir(exist_ok=True, parents=True)
        for dataset in itertools.chain(*series):
            save(dataset, folder / f"{next(self.written):05d}.dcm", syntax)
        return folder

    def source(self, *series: Sequence[Dataset]) -> StudySource:
        """The one study that data sets make."""
        found = scan([self.write(*series, to=f"study{next(self.written)}")])
        assert not found.refused
        (source,) = found.studies
        return source

    def read(self, *series: Sequence[Dataset], named: str = "") -> Study:
        return read_study(self.source(*series), "case", Dicom(named))

    def refusal(self, *series: Sequence[Dataset], named: str = "") -> Refusal:
        """The refusal of the one study that data sets make."""
        with pytest.raises(Refusal) as caught:
            self.read(*series, named=named)
        return caught.value

    def enhanced(self, images: Sequence[Dataset], temporal: bool = True) -> Dataset:
        """One multi-frame object of all images, in their order, geometry shared where it can be."""
        whole = Dataset()
        for element in images[0]:
            if element.keyword not in PER_FRAME:
                whole.add(copy.deepcopy(element))
        whole.SOPClassUID = ENHANCED_MR
        whole.SOPInstanceUID = uid("enhanced", images[0].SOPInstanceUID)
        whole.NumberOfFrames = len(images)
        whole.PixelData = b"".join(image.PixelData for image in images)
        whole.SharedFunctionalGroupsSequence = Items([_shared(images[0])])
        times = sorted({image.AcquisitionTime for image in images})
        whole.PerFrameFunctionalGroupsSequence = Items(
            [_frame(image, times.index(image.AcquisitionTime) + 1 if temporal else None) for image in images]
        )
        return whole


PER_FRAME = (
    *("AcquisitionTime", "ImageOrientationPatient", "ImagePositionPatient", "PixelSpacing", "SliceThickness"),
    *("RepetitionTime", "EchoTime", "FlipAngle", "PixelData", "RescaleSlope", "RescaleIntercept"),
)


def _shared(image: Dataset) -> Dataset:
    shared = Dataset()
    shared.PlaneOrientationSequence = Items([put(Dataset(), ImageOrientationPatient=image.ImageOrientationPatient)])
    measures = put(Dataset(), PixelSpacing=image.PixelSpacing, SliceThickness=image.SliceThickness)
    shared.PixelMeasuresSequence = Items([measures])
    timing = put(Dataset(), RepetitionTime=image.RepetitionTime, FlipAngle=image.FlipAngle)
    shared.MRTimingAndRelatedParametersSequence = Items([timing])
    shared.MREchoSequence = Items([put(Dataset(), EffectiveEchoTime=float(image.EchoTime))])
    return shared


def _frame(image: Dataset, temporal: int | None) -> Dataset:
    frame = Dataset()
    frame.PlanePositionSequence = Items([put(Dataset(), ImagePositionPatient=image.ImagePositionPatient)])
    content = put(Dataset(), FrameAcquisitionDateTime=f"19990101{image.AcquisitionTime}")
    if temporal is not None:
        content.TemporalPositionIndex = temporal
    frame.FrameContentSequence = Items([content])
    if "RescaleSlope" in image:
        values = put(Dataset(), RescaleSlope=image.RescaleSlope, RescaleIntercept=image.RescaleIntercept)
        frame.PixelValueTransformationSequence = Items([values])
    return frame


def put(dataset: Dataset, **tags: Any) -> Dataset:
    """Sets elements; None removes one."""
    for keyword, value in tags.items():
        if value is not None:
            setattr(dataset, keyword, value)
        elif keyword in dataset:
            delattr(dataset, keyword)
    return dataset


def save(dataset: Dataset, path: Path, syntax: str = ExplicitVRLittleEndian) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    meta.ImplementationClassUID = uid("implementation")
    dataset.file_meta = meta
    dataset.save_as(path, enforce_file_format=True)


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    """Makes and reads tiny series."""
    return Maker(tmp_path)


@pytest.fixture
def change() -> Callable[..., Dataset]:
    """Sets and removes elements of a data set."""
    return put


@pytest.fixture(scope="session")
def vendor_dicom(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small real series of GE, Siemens, Philips and Hitachi, classic, enhanced and compressed."""
    folder = tmp_path_factory.mktemp("mr_vendor")
    for archive in sorted((shared_data / "mr_vendor").glob("*.zip")):
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(folder / archive.stem)
    return folder


@pytest.fixture(scope="session")
def dcm2niix() -> Path:
    """The converter whose voxels and affine must be met."""
    module = pytest.importorskip("dcm2niix", reason="the dcm2niix wheel is not installed")
    return Path(module.bin)

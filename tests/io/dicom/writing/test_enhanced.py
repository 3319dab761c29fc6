"""The multi-frame object: every frame says where and when it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import EnhancedMRImageStorage

from uptake.io.dicom.write import Habit, write_study
from uptake.phantom import Phantom, make


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return make(seed=31, size="small")


def objects(phantom: Phantom, folder: Path, vendor: str) -> list[pydicom.Dataset]:
    write_study(phantom.study, folder, Habit(vendor=vendor, frames="enhanced"), seed=2)  # type: ignore[arg-type]
    return [pydicom.dcmread(path) for path in sorted(folder.rglob("frames.dcm"))]


@pytest.mark.parametrize(("vendor", "files", "frames"), [("ge", 1, 72), ("philips", 1, 72), ("siemens", 3, 24)])
def test_one_object_holds_one_series(phantom: Phantom, vendor: str, files: int, frames: int, tmp_path: Path) -> None:
    found = objects(phantom, tmp_path, vendor)
    assert [int(item.NumberOfFrames) for item in found] == [frames] * files
    assert {item.SOPClassUID for item in found} == {EnhancedMRImageStorage}
    assert all(len(item.PerFrameFunctionalGroupsSequence) == frames for item in found)


@pytest.mark.parametrize("vendor", ["ge", "philips"])
def test_every_frame_says_its_phase_place_time_and_rescale(phantom: Phantom, vendor: str, tmp_path: Path) -> None:
    (item,) = objects(phantom, tmp_path, vendor)
    shared = item.SharedFunctionalGroupsSequence[0]
    along, down = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float).reshape(2, 3)
    groups = item.PerFrameFunctionalGroupsSequence
    places = [
        np.dot(np.cross(along, down), np.array(g.PlanePositionSequence[0].ImagePositionPatient, float)) for g in groups
    ]
    lowest, step = min(places), float(shared.PixelMeasuresSequence[0].SpacingBetweenSlices)
    for frame, place, group in zip(item.pixel_array, places, groups, strict=True):
        content, scale = group.FrameContentSequence[0], group.PixelValueTransformationSequence[0]
        k, phase = round((place - lowest) / step), int(content.TemporalPositionIndex) - 1
        assert content.InStackPositionNumber == k + 1
        assert group.TemporalPositionSequence[0].TemporalPositionTimeOffset == phantom.study.phases[phase].time_s
        values = frame * float(scale.RescaleSlope) + float(scale.RescaleIntercept)
        np.testing.assert_array_equal(values[::-1].T, phantom.study.volumes[phase].array[:, :, k])


@pytest.mark.parametrize(("vendor", "last"), [("ge", "InStackPositionNumber"), ("philips", "TemporalPositionIndex")])
def test_the_last_dimension_runs_fastest(phantom: Phantom, vendor: str, last: str, tmp_path: Path) -> None:
    (item,) = objects(phantom, tmp_path, vendor)
    names = [pydicom.datadict.keyword_for_tag(d.DimensionIndexPointer) for d in item.DimensionIndexSequence]
    assert names[-1] == last
    values = [tuple(g.FrameContentSequence[0].DimensionIndexValues) for g in item.PerFrameFunctionalGroupsSequence]
    assert values == sorted(values)
    assert len(set(values)) == 72


def test_what_varies_stands_in_no_frame_free_attribute(phantom: Phantom, tmp_path: Path) -> None:
    (item,) = objects(phantom, tmp_path, "philips")
    for keyword in (
        "ImagePositionPatient",
        "TriggerTime",
        "TemporalPositionIdentifier",
        "RescaleSlope",
        "PixelSpacing",
    ):
        assert keyword not in item

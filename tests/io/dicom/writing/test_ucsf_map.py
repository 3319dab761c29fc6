"""The SER map with its private group, held against the published objects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest

from uptake.io.dicom.write import Habit, write_study
from uptake.io.dicom.writing.ucsf_map import CREATOR, UcsfMap, UcsfResult
from uptake.phantom import Phantom, make

RESULTS = (
    UcsfResult(0.0, 3.0, 181, 8.555078125, "FTVpe(PEearly>70%)"),
    UcsfResult(0.8999999762, 3.0, 169, 7.98, "FTVser"),
)


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return make(seed=21, size="small")


def map_images(phantom: Phantom, folder: Path, vendor: str = "ge") -> list[pydicom.Dataset]:
    stored = phantom.lesion.with_array(phantom.lesion.array.astype(np.int16) * 987)
    write_study(phantom.study, folder, Habit(vendor=vendor), 3, UcsfMap(stored, RESULTS))  # type: ignore[arg-type]
    images = [pydicom.dcmread(path) for path in (folder / "ser_ucsf").glob("*.dcm")]
    return sorted(images, key=lambda image: int(image.InstanceNumber))


def group(dataset: pydicom.Dataset, path: str = "") -> Iterator[tuple[str, str]]:
    """Every element of group 0117 as (path, VR), sequences entered."""
    for element in dataset:
        if element.tag.group != 0x0117:
            continue
        here = f"{path}/{element.tag.element:04X}"
        yield here, element.VR
        if element.VR == "SQ":
            for item in element.value:
                yield from group(item, here)


def test_the_private_group_has_the_elements_of_a_published_object(
    phantom: Phantom, ispy1_dicom: Path, tmp_path: Path
) -> None:
    published = pydicom.dcmread(next((ispy1_dicom / "ser_ucsf").glob("*.dcm")), stop_before_pixels=True)
    assert set(group(map_images(phantom, tmp_path)[0])) == set(group(published))


def test_the_group_says_what_the_study_records(phantom: Phantom, tmp_path: Path) -> None:
    image = map_images(phantom, tmp_path)[0]
    block = image.private_block(0x0117, CREATOR)
    recorded = phantom.study.acquisition.recorded
    parameters = {
        item.private_block(0x0117, CREATOR)[0x14].value: item.private_block(0x0117, CREATOR)[0x19].value
        for item in block[0x10].value
    }
    assert parameters == {"PE_threshold": 70, "minimum_neighbor_count": 4}
    assert recorded.voi is not None
    assert tuple(block[0xA1].value) == recorded.voi.start
    assert tuple(block[0xA2].value) == recorded.voi.end
    assert list(block[0x35].value) == [0, 1, 2]
    assert [float(value) for value in block[0x34].value] == pytest.approx(recorded.phase_times_s)
    results = [item.private_block(0x0117, CREATOR) for item in block[0xB0].value]
    assert [int(result[0xB3].value) for result in results] == [181, 169]
    assert float(results[0][0xB4].value) == 8.555078125


def test_the_injection_is_at_the_start_of_the_first_phase_with_contrast(phantom: Phantom, tmp_path: Path) -> None:
    block = map_images(phantom, tmp_path)[0].private_block(0x0117, CREATOR)
    times = {
        int(image.InstanceNumber): image.AcquisitionTime
        for image in map(pydicom.dcmread, (tmp_path / "dce").glob("*.dcm"))
    }
    assert block[0x33].value == times[phantom.study.grid.shape[2] + 1]


@pytest.mark.parametrize("view", ["sagittal", "axial"])
def test_the_box_in_millimetres_encloses_the_voxels_of_the_voi(view: str, tmp_path: Path) -> None:
    """As published: centre and half axes reach from the outer edge of the first voxel to that of the last."""
    phantom = make(seed=22, size="small", view=view)
    images = map_images(phantom, tmp_path)
    block = images[0].private_block(0x0117, CREATOR)
    region = block[0x20].value[0].private_block(0x0117, CREATOR)
    centre, *half = (np.array(region[0x42 + n].value, float)[:3] for n in range(4))
    rows, columns = (float(value) for value in images[0].PixelSpacing)
    for corner, sign in ((block[0xA1].value, -0.5), (block[0xA2].value, 0.5)):
        column, row, place = (float(value) for value in corner)
        along, down = np.array(images[0].ImageOrientationPatient, float).reshape(2, 3)
        origin = np.array(images[int(place)].ImagePositionPatient, float)
        step = np.cross(along, down) * float(images[0].SpacingBetweenSlices)
        point = origin + along * columns * (column + sign) + down * rows * (row + sign) + step * sign
        np.testing.assert_allclose(np.abs(point - centre), np.abs(sum(half)), atol=1e-3)
    assert int(region[0x41].value) == 1


def test_the_half_axes_have_the_signs_of_the_published_ones(ispy1_dicom: Path, tmp_path: Path) -> None:
    """Along the columns, against the rows, against the normal."""
    published = pydicom.dcmread(next((ispy1_dicom / "ser_ucsf").glob("*.dcm")), stop_before_pixels=True)
    ours = map_images(make(seed=22, size="small"), tmp_path)[0]
    directions = []
    for image in (published, ours):
        region = image.private_block(0x0117, CREATOR)[0x20].value[0].private_block(0x0117, CREATOR)
        directions.append([np.sign(np.round(np.array(region[0x43 + n].value, float), 3)).tolist() for n in range(3)])
    assert directions[0] == directions[1]


def test_the_map_lies_on_the_images_of_the_study_in_thousandths(phantom: Phantom, tmp_path: Path) -> None:
    images = map_images(phantom, tmp_path)
    array = np.stack([image.pixel_array[::-1].T for image in images], axis=2)
    np.testing.assert_array_equal(array, phantom.lesion.array * 987)
    assert {(float(image.RescaleSlope), float(image.RescaleIntercept)) for image in images} == {(0.001, 0)}
    assert {tuple(image.ImageType) for image in images} == {("DERIVED", "PRIMARY", "DCE", "SER")}


@pytest.mark.parametrize(("vendor", "number"), [("ge", 41000), ("siemens", 51000), ("philips", 51000)])
def test_the_series_number_follows_from_the_dynamic_series(
    phantom: Phantom, vendor: str, number: int, tmp_path: Path
) -> None:
    """Sref 10000 + 1000, with Sref the number of the series, or its hundreds at Philips."""
    assert {int(image.SeriesNumber) for image in map_images(phantom, tmp_path, vendor)} == {number}

"""Each vendor's habits, as they stand in the files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from uptake.io.dicom.write import Habit, write_study
from uptake.io.dicom.writing.vendors import clock, planes_of, stack
from uptake.phantom import Phantom, make
from uptake.volume import DCM2NIIX, Grid, Layout

Images = list[tuple[Path, pydicom.Dataset]]


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return make(seed=13, size="small")


def images(phantom: Phantom, folder: Path, vendor: str, **more: object) -> Images:
    write_study(phantom.study, folder, Habit(vendor=vendor, **more), seed=2)  # type: ignore[arg-type]
    return [(path, pydicom.dcmread(path)) for path in sorted(folder.rglob("*.dcm"))]


def seconds(time: str) -> float:
    return int(time[:2]) * 3600 + int(time[2:4]) * 60 + float(time[4:])


@pytest.fixture(scope="module")
def ge(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> list[pydicom.Dataset]:
    found = images(phantom, tmp_path_factory.mktemp("ge"), "ge")
    return sorted((image for _, image in found), key=lambda image: int(image.InstanceNumber))


@pytest.fixture(scope="module")
def siemens(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> list[pydicom.Dataset]:
    return [image for _, image in images(phantom, tmp_path_factory.mktemp("siemens"), "siemens")]


@pytest.fixture(scope="module")
def philips(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> list[pydicom.Dataset]:
    found = images(phantom, tmp_path_factory.mktemp("philips"), "philips")
    return sorted((image for _, image in found), key=lambda image: int(image.InstanceNumber))


def test_ge_writes_one_series_in_blocks_of_one_phase(ge: list[pydicom.Dataset]) -> None:
    assert len({image.SeriesInstanceUID for image in ge}) == 1
    assert [int(image.InstanceNumber) for image in ge] == list(range(1, 73))
    positions = [tuple(image.ImagePositionPatient) for image in ge]
    assert len(set(positions[:24])) == 24
    assert positions[:24] == positions[24:48] == positions[48:]


def test_ge_tells_its_three_phases_apart_by_time_alone(ge: list[pydicom.Dataset]) -> None:
    assert {float(image.TriggerTime) for image in ge} == {0}
    assert not any("TemporalPositionIdentifier" in image for image in ge)
    assert [int(image.AcquisitionNumber) for image in ge] == [0] * 24 + [2] * 48


def test_the_times_of_ge_drift_by_one_to_three_seconds_inside_a_phase_with_contrast(
    phantom: Phantom, ge: list[pydicom.Dataset]
) -> None:
    start = seconds(ge[0].AcquisitionTime)
    for phase, expected in enumerate(phantom.study.phases):
        times = [seconds(image.AcquisitionTime) - start for image in ge[24 * phase : 24 * (phase + 1)]]
        assert times[0] == expected.time_s
        assert times == sorted(times)
        assert (times[-1] - times[0] in (1, 2, 3)) if phase else (times[-1] == times[0])
    assert all(image.ContentTime == image.AcquisitionTime for image in ge)


def test_the_file_names_of_ge_are_in_no_order(phantom: Phantom, tmp_path: Path) -> None:
    numbers = [int(image.InstanceNumber) for _, image in images(phantom, tmp_path, "ge")]
    assert numbers != sorted(numbers)
    assert abs(float(np.corrcoef(numbers, range(72))[0, 1])) < 0.5


def test_ge_writes_its_private_acquisition_duration_in_microseconds(
    phantom: Phantom, ge: list[pydicom.Dataset]
) -> None:
    element = ge[0].private_block(0x0019, "GEMS_ACQU_01")[0x5A]
    assert element.VR == "FL"
    assert element.value == pytest.approx(1e6 * (phantom.study.acquisition.temporal_resolution_s or 0))


def test_ge_writes_no_rescale(ge: list[pydicom.Dataset]) -> None:
    assert not any("RescaleSlope" in image for image in ge)
    assert {int(image.PixelRepresentation) for image in ge} == {1}


def ge_images(phantom: Phantom, folder: Path, times: str) -> list[pydicom.Dataset]:
    found = [image for _, image in images(phantom, folder, "ge", ge_times=times)]
    return sorted(found, key=lambda image: int(image.InstanceNumber))


def test_newer_ge_systems_number_the_phases(phantom: Phantom, tmp_path: Path) -> None:
    found = ge_images(phantom, tmp_path, "temporal-position")
    assert [int(image.TemporalPositionIdentifier) for image in found] == [1] * 24 + [2] * 24 + [3] * 24
    assert {int(image.NumberOfTemporalPositions) for image in found} == {3}
    assert not any("TriggerTime" in image for image in found)
    assert len({image.AcquisitionTime for image in found}) == 3


def test_some_ge_systems_tell_the_phases_apart_by_trigger_time_alone(phantom: Phantom, tmp_path: Path) -> None:
    found = ge_images(phantom, tmp_path, "trigger-time")
    starts = [float(image.TriggerTime) / 1000 for image in found[::24]]
    assert starts == [phase.time_s for phase in phantom.study.phases]
    assert len({image.AcquisitionTime for image in found}) == 1
    assert not any("TemporalPositionIdentifier" in image for image in found)


def test_old_ge_systems_tell_the_phases_apart_by_nothing_but_the_order(phantom: Phantom, tmp_path: Path) -> None:
    found = ge_images(phantom, tmp_path, "none")
    for keyword in ("AcquisitionTime", "ContentTime", "TriggerTime", "TemporalPositionIdentifier"):
        assert not any(keyword in image for image in found)
    assert {int(image.AcquisitionNumber) for image in found} == {1}
    positions = [tuple(image.ImagePositionPatient) for image in found]
    assert positions[:24] == positions[24:48] == positions[48:]


def test_siemens_writes_one_series_per_phase(phantom: Phantom, siemens: list[pydicom.Dataset]) -> None:
    phases = [[image for image in siemens if int(image.SeriesNumber) == number] for number in (5, 6, 7)]
    starts = []
    for series in phases:
        assert len(series) == 24
        assert len({image.SeriesInstanceUID for image in series}) == 1
        assert {image.MRAcquisitionType for image in series} == {"3D"}
        (time,) = {image.AcquisitionTime for image in series}
        starts.append(seconds(time))
    assert [start - starts[0] for start in starts] == pytest.approx([phase.time_s for phase in phantom.study.phases])


def test_siemens_adds_a_subtraction_that_is_marked_derived(phantom: Phantom, siemens: list[pydicom.Dataset]) -> None:
    series = [image for image in siemens if image.ImageType[:2] == ["DERIVED", "SECONDARY"]]
    assert {image.SeriesDescription for image in series} == {"t1_fl3d_sag_fatsat_SUB"}
    pixels = np.stack([image.pixel_array for image in sorted(series, key=lambda image: int(image.InstanceNumber))])
    before, after = (stack(volume.array, DCM2NIIX).astype(int) for volume in phantom.study.volumes[:2])
    np.testing.assert_array_equal(pixels, np.maximum(after - before, 0))


def test_siemens_puts_subtractions_between_the_phases_on_request(phantom: Phantom, tmp_path: Path) -> None:
    found = [image for _, image in images(phantom, tmp_path, "siemens", derived_series=True)]
    kinds = {int(image.SeriesNumber): image.ImageType[0] for image in found if int(image.SeriesNumber) > 1}
    assert kinds == {5: "ORIGINAL", 6: "ORIGINAL", 7: "DERIVED", 8: "ORIGINAL", 9: "DERIVED"}
    late = sorted((i for i in found if int(i.SeriesNumber) == 9), key=lambda image: int(image.InstanceNumber))
    before, after = (stack(phantom.study.volumes[n].array, DCM2NIIX).astype(int) for n in (0, 2))
    np.testing.assert_array_equal(np.stack([image.pixel_array for image in late]), np.maximum(after - before, 0))


def test_siemens_adds_a_localizer_of_three_crossing_planes(siemens: list[pydicom.Dataset]) -> None:
    series = [image for image in siemens if image.SeriesDescription == "localizer"]
    assert {image.MRAcquisitionType for image in series} == {"2D"}
    assert len({tuple(image.ImageOrientationPatient) for image in series}) == 3


def test_philips_runs_through_time_fastest(phantom: Phantom, philips: list[pydicom.Dataset]) -> None:
    assert len({image.SeriesInstanceUID for image in philips}) == 1
    assert [int(image.TemporalPositionIdentifier) for image in philips] == [1, 2, 3] * 24
    assert {int(image.NumberOfTemporalPositions) for image in philips} == {3}
    times = [float(image.TriggerTime) / 1000 for image in philips[:3]]
    assert times == [phase.time_s for phase in phantom.study.phases]
    assert len({image.AcquisitionTime for image in philips}) == 1


def test_philips_rescales_every_image_its_own_way(philips: list[pydicom.Dataset]) -> None:
    pairs = {(float(image.RescaleSlope), float(image.RescaleIntercept)) for image in philips}
    assert len({slope for slope, _ in pairs}) == 3
    assert len({intercept for _, intercept in pairs}) == 3
    assert {int(image.PixelRepresentation) for image in philips} == {0}


@pytest.mark.parametrize("vendor", ["ge", "philips"])
def test_a_derived_series_is_added_on_request(phantom: Phantom, vendor: str, tmp_path: Path) -> None:
    found = [image for _, image in images(phantom, tmp_path, vendor, derived_series=True)]
    derived = [image for image in found if image.ImageType[0] == "DERIVED"]
    assert len(derived) == 24
    assert len({image.SeriesInstanceUID for image in found}) == 2


def test_an_axial_study_has_the_axial_cosines_and_both_sides(tmp_path: Path) -> None:
    found = images(make(seed=1, size="small", view="axial"), tmp_path, "ge")
    assert {tuple(image.ImageOrientationPatient) for _, image in found} == {(1, 0, 0, 0, 1, 0)}
    assert {(image.Rows, image.Columns, image.Laterality or "") for _, image in found} == {(72, 96, "")}


def test_a_sagittal_study_has_the_cosines_and_side_of_the_ge_studies(
    phantom: Phantom, ge: list[pydicom.Dataset]
) -> None:
    assert {tuple(image.ImageOrientationPatient) for image in ge} == {(0, 1, 0, 0, 0, -1)}
    left = float(ge[0].ImagePositionPatient[0]) > 0
    assert {image.Laterality for image in ge} == {"L" if left else "R"}


@pytest.mark.parametrize(
    ("vendor", "models"),
    [
        ("ge", ("GENESIS_SIGNA", "DISCOVERY MR750")),
        ("siemens", ("Sonata", "TrioTim")),
        ("philips", ("Intera", "Achieva")),
    ],
)
def test_the_model_fits_the_field_strength(
    phantom: Phantom, vendor: str, models: tuple[str, str], tmp_path: Path
) -> None:
    for field_t, model in zip((1.5, 3.0), models, strict=True):
        acquisition = replace(phantom.study.acquisition, field_strength_t=field_t)
        folder = tmp_path / str(field_t)
        write_study(replace(phantom.study, acquisition=acquisition), folder, Habit(vendor=vendor), seed=2)  # type: ignore[arg-type]
        image = pydicom.dcmread(next(folder.rglob("*.dcm")))
        assert (image.ManufacturerModelName, float(image.MagneticFieldStrength)) == (model, field_t)


def test_a_stack_undoes_any_layout() -> None:
    """(column 3, row 4, slice 5) stored as (slice, -column, -row)."""
    rows = np.arange(60).reshape(5, 4, 3)
    layout = Layout((2, 0, 1), (False, True, True))
    stored = rows.transpose(0, 2, 1)[:, ::-1, ::-1]
    np.testing.assert_array_equal(stack(stored, layout), rows)


def test_planes_step_along_the_normal_from_the_first_voxel() -> None:
    """Axial, 2 x 3 mm pixels, 5 mm steps; the first pixel is the top row of the lowest slice."""
    affine = np.diag((-2.0, 3.0, 5.0, 1.0))
    affine[:3, 3] = (10, -20, 30)
    planes = planes_of(Grid((4, 6, 2), affine), DCM2NIIX)
    # LPS of column 0, row 0: x = -10, y = -(-20 + 5 x 3) = 5.
    assert planes[0].position.tolist() == [-10, 5, 30]
    assert planes[1].position.tolist() == [-10, 5, 35]
    assert planes[0].orientation.tolist() == [1, 0, 0, 0, 1, 0]
    assert planes[0].spacing_mm == (3, 2)


@pytest.mark.parametrize(("time", "text"), [(0, "101003"), (378, "101621"), (0.25, "101003.250000"), (-600, "100003")])
def test_times_count_from_ten_past_ten(time: float, text: str) -> None:
    assert clock(time) == text

"""A written study is read back by pydicom by hand, by dcm2niix and by `read_study`: always the same voxels."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import dcm2niix
import nibabel as nib
import numpy as np
import pydicom
import pytest

from uptake.io.dicom.read import read_study
from uptake.io.dicom.scan import scan
from uptake.io.dicom.write import Habit, write_study
from uptake.io.dicom.writing.layouts import relaid
from uptake.io.dicom.writing.ucsf_map import UcsfMap
from uptake.phantom import Phantom, make
from uptake.study import Code, Phase, Refusal, SettingsError, Study
from uptake.volume import DCM2NIIX, Volume

VENDORS = ("ge", "siemens", "philips")
VIEWS = ("sagittal", "axial")


@pytest.fixture(scope="module", params=VIEWS)
def phantom(request: pytest.FixtureRequest) -> Phantom:
    return make(seed=11, size="small", view=request.param)


@pytest.fixture(scope="module")
def sagittal() -> Phantom:
    return make(seed=12, size="small")


def ucsf(phantom: Phantom) -> UcsfMap:
    lesion = phantom.lesion.array.astype(np.int16)
    return UcsfMap(phantom.study.volumes[0].with_array(lesion * 1234), ())


def written(study: Study, folder: Path, **habit: object) -> list[pydicom.Dataset]:
    write_study(study, folder, Habit(**habit), seed=5)  # type: ignore[arg-type]
    return [pydicom.dcmread(path) for path in sorted(folder.rglob("*.dcm"))]


def dynamic(images: list[pydicom.Dataset]) -> list[pydicom.Dataset]:
    return [image for image in images if image.ImageType[0] == "ORIGINAL" and image.SeriesDescription != "localizer"]


PHASE_OF: dict[str, Callable[[pydicom.Dataset, int], int]] = {
    "ge": lambda image, slices: (int(image.InstanceNumber) - 1) // slices,
    "siemens": lambda image, _: int(image.SeriesNumber) - 5,
    "philips": lambda image, _: int(image.TemporalPositionIdentifier) - 1,
}


def by_hand(images: list[pydicom.Dataset], vendor: str, count: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Phases as (column, row from below, slice along the normal), rescale applied, and the affine in RAS+ mm."""
    along, down = np.array(images[0].ImageOrientationPatient, float).reshape(2, 3)
    places = [float(np.dot(np.cross(along, down), np.array(image.ImagePositionPatient, float))) for image in images]
    positions = sorted({round(place, 3) for place in places})
    phases = [np.zeros((images[0].Columns, images[0].Rows, len(positions)), np.float64) for _ in range(count)]
    seen = set()
    for image, place in zip(images, places, strict=True):
        phase, k = PHASE_OF[vendor](image, len(positions)), positions.index(round(place, 3))
        values = image.pixel_array * float(image.get("RescaleSlope", 1)) + float(image.get("RescaleIntercept", 0))
        phases[phase][:, :, k] = values[::-1].T
        seen.add((phase, k))
    assert len(seen) == count * len(positions)
    return phases, affine_by_hand(images[int(np.argmin(places))], positions)


def affine_by_hand(first: pydicom.Dataset, positions: list[float]) -> np.ndarray:
    """PS3.3 C.7.6.2.1.1, rows counted from below, LPS turned to RAS."""
    along, down = np.array(first.ImageOrientationPatient, float).reshape(2, 3)
    rows, columns = np.array(first.PixelSpacing, float)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = along * columns, -down * rows
    affine[:3, 2] = np.cross(along, down) * (positions[1] - positions[0])
    affine[:3, 3] = np.array(first.ImagePositionPatient, float) + down * rows * (first.Rows - 1)
    return np.diag((-1, -1, 1, 1)) @ affine


@pytest.mark.parametrize(
    ("vendor", "compression"),
    [
        ("ge", "none"),
        ("siemens", "none"),
        ("philips", "none"),
        ("ge", "jpeg-2000"),
        ("siemens", "jpeg"),
        ("philips", "jpeg-ls"),
        ("philips", "rle"),
    ],
)
def test_every_voxel_comes_back_at_its_place(phantom: Phantom, vendor: str, compression: str, tmp_path: Path) -> None:
    images = dynamic(written(phantom.study, tmp_path, vendor=vendor, compression=compression))
    phases, affine = by_hand(images, vendor, 3)
    for array, volume in zip(phases, phantom.study.volumes, strict=True):
        np.testing.assert_array_equal(array, volume.array)
    np.testing.assert_allclose(affine, phantom.study.grid.affine, atol=1e-4)


@pytest.mark.parametrize("phases", [4, 6])
@pytest.mark.parametrize("vendor", VENDORS)
def test_more_than_three_phases_all_come_back(vendor: str, phases: int, tmp_path: Path) -> None:
    made = make(seed=4, size="small", phases=phases)
    images = dynamic(written(made.study, tmp_path, vendor=vendor))
    for array, volume in zip(by_hand(images, vendor, phases)[0], made.study.volumes, strict=True):
        np.testing.assert_array_equal(array, volume.array)


def converted(folder: Path, out: Path, *options: str) -> dict[str, nib.Nifti1Image]:
    """What dcm2niix makes of a folder, by series number."""
    out.mkdir()
    command = [dcm2niix.bin, *options, "-z", "n", "-b", "n", "-f", "%s", "-o", str(out), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {path.stem.split("_")[0]: nib.load(path) for path in sorted(out.glob("*.nii"))}


@pytest.mark.parametrize(("vendor", "series", "options"), [("ge", "4", ()), ("philips", "501", ("-m", "y"))])
def test_dcm2niix_makes_a_time_series_of_one_series(
    phantom: Phantom, vendor: str, series: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    """Philips' trigger times make dcm2niix split the phases, unless it is told to merge."""
    written(phantom.study, tmp_path / "in", vendor=vendor)
    image = converted(tmp_path / "in", tmp_path / "out", *options)[series]
    np.testing.assert_allclose(image.affine, phantom.study.grid.affine, atol=1e-4)
    assert image.shape == (*phantom.study.grid.shape, 3)
    for n, volume in enumerate(phantom.study.volumes):
        np.testing.assert_array_equal(np.asanyarray(image.dataobj)[..., n], volume.array)


def test_dcm2niix_turns_the_separate_series_of_siemens_to_ras(phantom: Phantom, tmp_path: Path) -> None:
    written(phantom.study, tmp_path / "in", vendor="siemens")
    images = converted(tmp_path / "in", tmp_path / "out")
    for number, volume in zip(("5", "6", "7"), phantom.study.volumes, strict=True):
        assert "".join(nib.aff2axcodes(images[number].affine)) == "RAS"
        expected = nib.as_closest_canonical(nib.Nifti1Image(volume.array, volume.grid.affine))
        np.testing.assert_array_equal(np.asanyarray(images[number].dataobj), np.asanyarray(expected.dataobj))
        np.testing.assert_allclose(images[number].affine, expected.affine, atol=1e-4)


def test_dcm2niix_reads_the_multi_frame_object_of_philips(phantom: Phantom, tmp_path: Path) -> None:
    written(phantom.study, tmp_path / "in", vendor="philips", frames="enhanced")
    image = converted(tmp_path / "in", tmp_path / "out")["501"]
    np.testing.assert_allclose(image.affine, phantom.study.grid.affine, atol=1e-4)
    for n, volume in enumerate(phantom.study.volumes):
        np.testing.assert_array_equal(np.asanyarray(image.dataobj)[..., n], volume.array)


@pytest.mark.parametrize("compression", ["rle", "jpeg", "jpeg-ls", "jpeg-2000"])
def test_dcm2niix_reads_compressed_files(sagittal: Phantom, compression: str, tmp_path: Path) -> None:
    written(sagittal.study, tmp_path / "in", compression=compression)
    image = converted(tmp_path / "in", tmp_path / "out")["4"]
    for n, volume in enumerate(sagittal.study.volumes):
        np.testing.assert_array_equal(np.asanyarray(image.dataobj)[..., n], volume.array)


@pytest.mark.parametrize(
    ("times", "rule", "known"),
    [
        ("temporal-position", "TemporalPositionIdentifier", True),
        ("trigger-time", "TriggerTime", True),
        ("none", "repeated positions in the order of instances", False),
    ],
)
def test_the_reader_and_dcm2niix_find_the_phases_of_every_ge_system(
    sagittal: Phantom, times: str, rule: str, known: bool, tmp_path: Path
) -> None:
    written(sagittal.study, tmp_path / "in", ge_times=times)
    study = read_study(scan([tmp_path / "in"]).studies[0], "CASE")
    assert any(said.endswith(f"told apart by {rule}") for said in study.acquisition.decisions)
    times_s = [phase.time_s for phase in sagittal.study.phases] if known else [None] * 3
    assert [phase.time_s for phase in study.phases] == times_s
    image = converted(tmp_path / "in", tmp_path / "out")["4"]
    for n, volume in enumerate(sagittal.study.volumes):
        np.testing.assert_array_equal(study.volumes[n].array, volume.array)
        np.testing.assert_array_equal(np.asanyarray(image.dataobj)[..., n], volume.array)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(
    ("frames", "compression"),
    [("classic", "none"), ("classic", "jpeg-2000"), ("enhanced", "none"), ("enhanced", "rle")],
)
def test_the_reader_finds_phases_times_and_what_was_recorded(
    phantom: Phantom, vendor: str, frames: str, compression: str, tmp_path: Path
) -> None:
    habit = Habit(vendor=vendor, frames=frames, compression=compression, derived_series=True)  # type: ignore[arg-type]
    write_study(phantom.study, tmp_path, habit, seed=5, ucsf=ucsf(phantom))
    found = scan([tmp_path])
    assert not found.refused
    study = read_study(found.studies[0], "CASE")
    assert [phase.time_s for phase in study.phases] == [phase.time_s for phase in phantom.study.phases]
    for read, volume in zip(study.volumes, phantom.study.volumes, strict=True):
        expected = relaid(volume, DCM2NIIX, study.acquisition.layout)
        assert read.grid.same_as(expected.grid)
        np.testing.assert_array_equal(read.array, expected.array)
    recorded, made = study.acquisition.recorded, phantom.study.acquisition.recorded
    for name in ("voi", "pe_threshold_percent", "minimum_neighbours", "phase_indices", "temporal_resolution_s"):
        assert getattr(recorded, name) == getattr(made, name)
    assert recorded.phase_times_s == pytest.approx(made.phase_times_s)


def test_without_the_ucsf_map_nothing_is_recorded(sagittal: Phantom, tmp_path: Path) -> None:
    write_study(sagittal.study, tmp_path, Habit(ucsf=False), seed=5, ucsf=ucsf(sagittal))
    recorded = read_study(scan([tmp_path]).studies[0], "CASE").acquisition.recorded
    assert recorded.voi is None
    assert recorded.pe_threshold_percent is None
    assert not (tmp_path / "ser_ucsf").exists()


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_missing_slice_is_missing_and_refused(sagittal: Phantom, vendor: str, tmp_path: Path) -> None:
    images = dynamic(written(sagittal.study, tmp_path, vendor=vendor, missing_slice=True))
    assert len(images) == 3 * 24 - 1
    with pytest.raises(Refusal) as refused:
        read_study(scan([tmp_path]).studies[0], "CASE")
    assert refused.value.code is Code.MISSING_SLICE


def tree(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("frames", ["classic", "enhanced"])
def test_equal_arguments_give_equal_bytes_and_another_seed_does_not(
    sagittal: Phantom, vendor: str, frames: str, tmp_path: Path
) -> None:
    habit = Habit(vendor=vendor, frames=frames)  # type: ignore[arg-type]
    for name, seed in (("one", 5), ("two", 5), ("other", 6)):
        write_study(sagittal.study, tmp_path / name, habit, seed, ucsf(sagittal))
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert tree(tmp_path / "one") != tree(tmp_path / "other")


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("frames", ["classic", "enhanced"])
def test_uids_are_unique_valid_and_shared_where_they_must_be(
    sagittal: Phantom, vendor: str, frames: str, tmp_path: Path
) -> None:
    images = written(sagittal.study, tmp_path, vendor=vendor, frames=frames)
    assert len({image.SOPInstanceUID for image in images}) == len(images)
    assert all(pydicom.uid.UID(image.SOPInstanceUID).is_valid for image in images)
    assert len({image.StudyInstanceUID for image in images}) == 1
    assert len({image.FrameOfReferenceUID for image in images}) == 1
    assert len({image.SeriesInstanceUID for image in images}) == len({image.SeriesNumber for image in images})


def test_no_image_says_that_it_shows_a_person(sagittal: Phantom, tmp_path: Path) -> None:
    for image in written(sagittal.study, tmp_path, vendor="siemens"):
        assert image.PatientID == image.PatientName == "PHANTOM-0001"
        assert image.PatientBirthDate == ""
        assert image.PatientIdentityRemoved == "YES"
        assert {str(element.value) for element in image if element.VR == "DA" and element.value} == {"20000101"}


@pytest.mark.parametrize(
    ("habit", "words"),
    [
        ({"vendor": "toshiba"}, "ge, siemens, philips"),
        ({"frames": "single"}, "classic, enhanced"),
        ({"compression": "zip"}, "none, rle, jpeg, jpeg-ls, jpeg-2000"),
        ({"ge_times": "sundial"}, "clock, temporal-position, trigger-time, none"),
        ({"ge_times": "none", "vendor": "siemens"}, "a habit of GE, not of siemens"),
        ({"ge_times": "none", "frames": "enhanced"}, "always holds times"),
    ],
)
def test_an_unknown_habit_is_refused_with_what_is_allowed(habit: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        Habit(**habit)  # type: ignore[arg-type]


def test_phases_without_times_or_whole_numbers_are_not_written(sagittal: Phantom, tmp_path: Path) -> None:
    timeless = Study("CASE", tuple(Phase(volume, None) for volume in sagittal.study.volumes))
    for study in (timeless, sagittal.clean):
        with pytest.raises(ValueError, match="integer phases with known times"):
            write_study(study, tmp_path, Habit(), seed=1)
    assert not list(tmp_path.iterdir())


def test_slices_against_the_normal_are_not_written(sagittal: Phantom, tmp_path: Path) -> None:
    grid = sagittal.study.grid
    mirrored = type(grid)(grid.shape, grid.affine @ np.diag((1, 1, -1, 1)))
    phases = tuple(Phase(Volume(p.volume.array, mirrored), p.time_s) for p in sagittal.study.phases)
    with pytest.raises(ValueError, match="along the normal"):
        write_study(Study("CASE", phases), tmp_path, Habit(), seed=1)


def test_a_file_in_the_place_of_the_folder_is_a_refusal(sagittal: Phantom, tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(Refusal) as refused:
        write_study(sagittal.study, tmp_path / "taken", Habit(), seed=1)
    assert refused.value.code is Code.NO_SPACE

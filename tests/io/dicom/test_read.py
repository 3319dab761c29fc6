"""A study from its files: what is kept, what is left out, and what is refused."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian

from uptake.io.dicom.read import Dicom, read_study
from uptake.io.dicom.scan import scan
from uptake.io.nifti import write_volume
from uptake.study import Code, Refusal
from uptake.volume import DCM2NIIX, Grid, Volume

REAL_TIMES = {"ISPY1_1001": (0, 378, 707), "UCSF-BR-06": (0, 407, 761)}


@pytest.fixture(params=["ispy1_dicom", "br06_dicom"])
def real(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue(request.param)
    return folder


def test_a_real_study_has_three_phases_at_the_times_its_files_say(real: Path) -> None:
    (source,) = scan([real]).studies
    study = read_study(source, source.patient_id)

    assert tuple(phase.time_s for phase in study.phases) == REAL_TIMES[source.patient_id]
    assert study.grid.shape == (256, 256, 60)
    assert study.grid.spacing_mm[2] == pytest.approx(2, abs=1e-6)
    assert study.acquisition.field_strength_t == 1.5
    assert study.acquisition.model == "GENESIS_SIGNA"
    assert study.acquisition.laterality == "L"
    assert study.acquisition.visit == "T1"
    assert study.acquisition.layout == DCM2NIIX


def test_what_is_recorded_never_names_a_date_a_clock_time_or_a_person(real: Path) -> None:
    (source,) = scan([real]).studies
    told = str(dataclasses.replace(read_study(source, "case").acquisition, study_uid=None, series_uids=()))
    (one,) = [pydicom.dcmread(file) for file in sorted(real.rglob("*.dcm"))[:1]]

    for secret in (one.StudyDate, one.SeriesTime, str(one.PatientName), one.AccessionNumber):
        assert str(secret) not in told


def test_blanking_the_pixels_of_ucsfs_maps_changes_nothing(real: Path, tmp_path: Path) -> None:
    for path in sorted(real.rglob("*.dcm")):
        dataset = pydicom.dcmread(path)
        if dataset.ImageType[0] == "DERIVED" and dataset.Modality == "MR":
            dataset.PixelData = bytes(len(dataset.PixelData))
        dataset.save_as(tmp_path / f"{path.parent.name}-{path.name}")
    (blank,), (full,) = scan([tmp_path]).studies, scan([real]).studies

    one, other = read_study(blank, "case"), read_study(full, "case")

    assert one.acquisition == other.acquisition
    assert all(np.array_equal(a.array, b.array) for a, b in zip(one.volumes, other.volumes, strict=True))


def test_real_headers_tell_what_ucsf_used(ispy1_dicom: Path) -> None:
    recorded = read_study(scan([ispy1_dicom]).studies[0], "case").acquisition.recorded

    assert recorded.voi is not None
    assert (recorded.voi.start, recorded.voi.end) == ((49, 100, 17), (150, 203, 50))
    assert (recorded.pe_threshold_percent, recorded.minimum_neighbours) == (70, 9)
    assert recorded.phase_indices == (0, 1, 2)


def test_headers_fill_the_acquisition(maker: Any) -> None:
    images = maker.series(
        MagneticFieldStrength="15000",
        SequenceName="fl3d",
        TemporalResolution="90000",
        ImageLaterality="R",
        ClinicalTrialTimePointID="T2",
        InstitutionName="St. Elsewhere",
    )
    acquisition = maker.read(images).acquisition

    assert acquisition.manufacturer == "Phantom Works"
    assert acquisition.field_strength_t == 1.5
    assert acquisition.sequence == "fl3d"
    assert acquisition.repetition_time_ms == 8.4
    assert acquisition.echo_time_ms == 4.2
    assert acquisition.flip_angle_deg == 20
    assert acquisition.slice_thickness_mm == 2
    assert acquisition.temporal_resolution_s == 90
    assert acquisition.laterality == "R"
    assert acquisition.visit == "T2"
    assert acquisition.series_uids == (images[0].SeriesInstanceUID,)
    assert "Elsewhere" not in str(acquisition)
    assert "Nobody" not in str(acquisition)


@pytest.mark.parametrize("value", ["0", "", None])
def test_a_temporal_resolution_of_zero_is_absent(maker: Any, value: str | None) -> None:
    assert maker.read(maker.series(TemporalResolution=value)).acquisition.temporal_resolution_s is None


@pytest.mark.parametrize(("creator", "seconds"), [("GEMS_ACQU_01", 90.5), ("SOMEBODY ELSE", None)])
def test_ges_private_duration_counts_only_under_ges_creator(maker: Any, creator: str, seconds: float | None) -> None:
    images = maker.series()
    for image in images:
        image.private_block(0x0019, creator, create=True).add_new(0x5A, "FL", 90.5e6)

    assert maker.read(images).acquisition.temporal_resolution_s == seconds


def test_everything_beside_the_dce_is_left_out_with_its_reason(maker: Any, change: Any) -> None:
    localizer = maker.series(1, number=1, description="scout", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    t2 = maker.series(1, number=2, description="T2 FSE", EchoTime=80.0, RepetitionTime=4000.0)
    report = [change(maker.series(1, slices=1, number=9, description="Report")[0], Modality="SR", PixelData=None)]
    report[0].SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    subtraction = maker.series(3, number=6, description="Dynamic_SUB")
    derived = maker.series(
        3, number=7, description="sum", ImageType=["DERIVED", "SECONDARY"], DerivationDescription="+"
    )

    acquisition = maker.read(maker.series(), localizer, t2, report, subtraction, derived).acquisition

    assert {left.what: (left.files, left.reason) for left in acquisition.left_out} == {
        "series 1 'scout' (MR)": (6, "a localizer (ImageType LOCALIZER)"),
        "series 2 'T2 FSE' (MR)": (6, "another series"),
        "series 9 'Report' (SR)": (1, "not an MR image (SR)"),
        "series 6 'Dynamic_SUB' (MR)": (18, "named as a subtraction"),
        "series 7 'sum' (MR)": (18, "derived from other images"),
    }


def test_a_time_series_of_another_modality_beside_an_mr_localizer_is_refused(maker: Any) -> None:
    localizer = maker.series(1, slices=3, number=1, description="localizer")

    refusal = maker.refusal(maker.series(Modality="CT"), localizer)

    assert refusal.code == Code.NOT_MR
    assert "CT (18 files), MR (3 files)" in refusal.found


def test_images_of_the_dces_own_series_in_other_planes_are_left_out_too(maker: Any, change: Any) -> None:
    images = maker.series()
    scout = [
        change(image, SeriesInstanceUID=images[0].SeriesInstanceUID)
        for image in maker.series(
            1,
            slices=2,
            number=4,
            description="x",
            orientation=(1, 0, 0, 0, 1, 0),
            SeriesDescription="Dynamic",
            AcquisitionTime="090000",
        )
    ]

    (left,) = maker.read(images, scout).acquisition.left_out

    assert (left.files, left.reason) == (2, "other planes than the rest of its series")


def test_pixels_of_what_is_left_out_are_never_needed(maker: Any) -> None:
    subtraction = maker.series(3, number=6, description="Dynamic_SUB")
    folder = maker.write(maker.series(), subtraction)
    for path in folder.glob("*.dcm"):
        if pydicom.dcmread(path, stop_before_pixels=True).SeriesNumber == 6:
            path.write_bytes(path.read_bytes()[:-20])

    (source,) = scan([folder]).studies

    assert len(read_study(source, "case").phases) == 3


def test_a_truncated_file_of_the_dce_is_refused_by_name(maker: Any) -> None:
    folder = maker.write(maker.series())
    (folder / "00007.dcm").write_bytes((folder / "00007.dcm").read_bytes()[:-4])

    with pytest.raises(Refusal, match=r"study/00007\.dcm ends before its pixels do") as caught:
        read_study(scan([folder]).studies[0], "case")
    assert caught.value.code == Code.UNREADABLE


def test_a_file_cut_inside_its_header_is_refused_where_its_series_is_the_dce(maker: Any) -> None:
    folder = maker.write(maker.series())
    whole = (folder / "00007.dcm").read_bytes()
    (folder / "00007.dcm").write_bytes(whole[: whole.index(b"\x20\x00\x32\x00") + 2])

    with pytest.raises(Refusal) as caught:
        read_study(scan([folder]).studies[0], "case")
    assert caught.value.code == Code.UNREADABLE


def test_a_truncated_file_explains_why_there_are_too_few_phases(maker: Any) -> None:
    folder = maker.write(maker.series(3, slices=2))
    for name in ("00000.dcm", "00001.dcm"):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[: whole.index(b"\x20\x00\x32\x00") + 2])

    with pytest.raises(Refusal) as caught:
        read_study(scan([folder]).studies[0], "case")
    assert caught.value.code == Code.UNREADABLE


def test_two_patients_in_one_series_are_refused(maker: Any) -> None:
    images = maker.series()
    images[4].PatientID = "BREAST-02"

    refusal = maker.refusal(images)

    assert refusal.code == Code.TWO_PATIENTS
    assert "BREAST" not in refusal.found


@pytest.mark.parametrize("tags", [{"Modality": "CT"}, {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}])
def test_a_study_without_any_mr_image_is_refused(maker: Any, tags: dict[str, str]) -> None:
    refusal = maker.refusal(maker.series(**tags))

    assert refusal.code == Code.NOT_MR
    assert "(18 files)" in refusal.found


@pytest.mark.parametrize(
    "tags",
    [
        {"ImageOrientationPatient": None},
        {"ImagePositionPatient": None},
        {"PixelSpacing": None},
        {"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]},
        {"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]},
    ],
)
@pytest.mark.parametrize("images", [slice(None), slice(3, 4)])
def test_images_without_a_coordinate_system_are_refused(
    maker: Any, change: Any, tags: dict[str, Any], images: slice
) -> None:
    series = maker.series()
    for image in series[images]:
        change(image, **tags)

    refusal = maker.refusal(series)

    assert refusal.code == Code.NO_ORIENTATION
    assert str(len(series[images])) in refusal.found


def test_one_uid_with_two_contents_is_refused(maker: Any) -> None:
    twin = maker.series()[3]
    twin.PixelData = bytes(len(twin.PixelData))

    refusal = maker.refusal(maker.series(), [twin])

    assert refusal.code == Code.UNREADABLE
    assert "1 images are there twice with different contents" in refusal.found


def test_a_file_that_changes_after_the_scan_is_refused(maker: Any) -> None:
    source = maker.source(maker.series())
    path = source.files[0].path
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")

    with pytest.raises(Refusal, match="has changed since the sources were scanned"):
        read_study(source, "case")


def test_a_file_that_vanishes_after_the_scan_is_refused(maker: Any) -> None:
    source = maker.source(maker.series())
    source.files[0].path.unlink()

    with pytest.raises(Refusal, match="cannot be read") as caught:
        read_study(source, "case")
    assert caught.value.code == Code.UNREADABLE


def test_the_slice_step_is_measured_and_not_the_thickness(maker: Any) -> None:
    study = maker.read(maker.series(step=1.1, SliceThickness=2.2, SpacingBetweenSlices=5.0))

    assert study.grid.spacing_mm == pytest.approx((0.5, 0.75, 1.1))
    assert study.acquisition.slice_thickness_mm == 2.2


def test_an_axial_study_lies_where_its_positions_say(maker: Any) -> None:
    study = maker.read(maker.series(orientation=(1, 0, 0, 0, 1, 0)))

    corner = study.grid.to_world((0, maker.rows - 1, 0))
    assert corner == pytest.approx((-7, 9, -11))
    assert study.volumes[0].array[0, maker.rows - 1, 0] == 1000
    assert study.grid.to_world((1, maker.rows - 2, 1)) - corner == pytest.approx((-0.5, -0.75, 2))
    assert study.volumes[0].array[1, maker.rows - 2, 1] == 1010 + 1 + maker.columns


def test_slices_are_counted_along_the_normal_whatever_their_instance_numbers(maker: Any) -> None:
    images = maker.series()
    for image in images:
        image.InstanceNumber = 100 - image.InstanceNumber

    study = maker.read(images)

    assert np.array_equal(study.volumes[0].array[0, -1, :], [1000, 1010, 1020, 1030, 1040, 1050])


def test_implicit_and_big_endian_files_read_the_same(maker: Any, tmp_path: Path) -> None:
    expected = maker.read(maker.series())
    for name, syntax in (("implicit", "1.2.840.10008.1.2"), ("deflated", "1.2.840.10008.1.2.1.99")):
        (source,) = scan([maker.write(maker.series(), syntax=syntax, to=name)]).studies
        study = read_study(source, "case")
        assert study.grid.same_as(expected.grid)
        assert all(np.array_equal(a.array, b.array) for a, b in zip(study.volumes, expected.volumes, strict=True))


def nifti_phases(folder: Path, count: int = 3, **shapes: tuple[int, int, int]) -> Path:
    for phase in range(count):
        shape = shapes.get(f"phase{phase}", (4, 5, 6))
        array = np.full(shape, 10 * phase + 1, np.int16)
        write_volume(Volume(array, Grid(shape, np.diag([1.0, 1, 2, 1]))), folder / f"CASE-7_{phase:04d}.nii.gz")
    return folder


def test_phases_as_nifti_make_a_study_without_times(tmp_path: Path) -> None:
    (source,) = scan([nifti_phases(tmp_path)]).studies
    study = read_study(source, source.patient_id)

    assert (source.kind, study.case_id) == ("nifti", "CASE-7")
    assert [int(volume.array[0, 0, 0]) for volume in study.volumes] == [1, 11, 21]
    assert [phase.time_s for phase in study.phases] == [None] * 3
    assert study.acquisition.decisions


def test_phases_as_nifti_on_two_grids_are_refused(tmp_path: Path) -> None:
    (source,) = scan([nifti_phases(tmp_path, phase1=(4, 5, 7))]).studies

    with pytest.raises(Refusal, match="phase 1 lies on another grid") as caught:
        read_study(source, "case")
    assert caught.value.code == Code.GEOMETRY


def test_two_phases_as_nifti_are_too_few(tmp_path: Path) -> None:
    (source,) = scan([nifti_phases(tmp_path, 2)]).studies

    with pytest.raises(Refusal) as caught:
        read_study(source, "case")
    assert caught.value.code == Code.FEW_PHASES


def test_phases_as_nifti_with_a_number_left_out_are_refused(tmp_path: Path) -> None:
    nifti_phases(tmp_path, 4)
    (tmp_path / "CASE-7_0001.nii.gz").unlink()
    (source,) = scan([tmp_path]).studies

    with pytest.raises(Refusal, match="0000, 0002, 0003") as caught:
        read_study(source, "case")
    assert caught.value.code == Code.PHASES


def test_an_empty_phase_as_nifti_is_refused(tmp_path: Path) -> None:
    nifti_phases(tmp_path)
    write_volume(
        Volume(np.zeros((4, 5, 6), np.int16), Grid((4, 5, 6), np.diag([1.0, 1, 2, 1]))), tmp_path / "CASE-7_0002.nii.gz"
    )
    (source,) = scan([tmp_path]).studies

    with pytest.raises(Refusal) as caught:
        read_study(source, "case")
    assert caught.value.code == Code.ALL_ZERO


def test_no_refusal_text_holds_a_path_or_a_date(maker: Any) -> None:
    refusal = maker.refusal(maker.series(2))

    assert not re.search(r"/|19990101|Nobody", str(refusal))
    assert ExplicitVRLittleEndian not in str(refusal)
    assert Dicom() == Dicom(series="")

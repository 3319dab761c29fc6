"""What a scan finds in folders, zips and files, and what it refuses by name."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from uptake.io.dicom.scan import scan
from uptake.io.nifti import write_volume
from uptake.study import Code
from uptake.volume import Grid, Volume


def zip_of(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, f"some/where/{file.relative_to(folder)}")
    return path


def codes(found: Any) -> list[tuple[str, Code]]:
    return [(refused.source, refused.refusal.code) for refused in found.refused]


def test_a_study_has_one_digest_wherever_it_lies_and_however_its_files_are_named(maker: Any, tmp_path: Path) -> None:
    images = maker.series()
    folder = maker.write(images, to="first")
    other = maker.write(images[::-1], to="second/deep/down")
    archive = zip_of(folder, tmp_path / "study.zip")

    digests = {scan([path]).studies[0].digest for path in (folder, tmp_path / "second", archive)}

    assert len(digests) == 1
    assert len(scan([folder]).studies[0].files) == 18
    assert other.is_dir()


def test_a_changed_file_changes_the_digest(maker: Any) -> None:
    images = maker.series()
    before = scan([maker.write(images, to="first")]).studies[0].digest
    images[0].PixelData = bytes(len(images[0].PixelData))

    assert scan([maker.write(images, to="second")]).studies[0].digest != before


def test_a_study_given_as_folder_and_zip_is_used_once(maker: Any, tmp_path: Path) -> None:
    folder = maker.write(maker.series())
    archive = zip_of(folder, tmp_path / "again.zip")

    found = scan([folder, archive])

    (source,) = found.studies
    assert len(source.files) == 18
    assert not source.conflicts
    assert not found.refused


def test_patients_and_visits_in_one_folder_come_apart_in_the_order_of_patient_and_date(maker: Any) -> None:
    def study(patient: str, date: str, visit: str | None) -> list[Any]:
        tags = {"PatientID": patient, "StudyDate": date, "ClinicalTrialTimePointID": visit}
        return [_renamed(image, f"{patient}{date}") for image in maker.series(StudyInstanceUID=f"1.{date}", **tags)]

    folder = maker.write(study("B", "19990301", None), study("A", "19990302", "T2"), study("A", "19990301", "T1"))

    studies = scan([folder]).studies

    assert [(s.patient_id, s.study_date, s.visit) for s in studies] == [
        ("A", "19990301", "T1"),
        ("A", "19990302", "T2"),
        ("B", "19990301", None),
    ]
    assert all(len(s.files) == 18 for s in studies)


def _renamed(image: Any, key: str) -> Any:
    image.SOPInstanceUID = f"1.2.{int(image.InstanceNumber)}.{abs(hash(key)) % 10**9}"
    image.SeriesInstanceUID = f"1.3.{abs(hash(key)) % 10**9}"
    return image


def test_two_patients_who_share_a_study_uid_but_no_series_are_two_studies(maker: Any) -> None:
    one = maker.series(number=4, PatientID="A")
    other = maker.series(number=5, PatientID="B")

    assert [(s.patient_id, len(s.files)) for s in scan([maker.write(one, other)]).studies] == [("A", 18), ("B", 18)]


def test_a_text_file_named_as_dicom_is_refused_and_stops_nothing(maker: Any) -> None:
    folder = maker.write(maker.series())
    (folder / "notes.dcm").write_text("this is no image, whatever its name says")

    found = scan([folder])

    assert codes(found) == [("study/notes.dcm", Code.NOT_DICOM)]
    assert len(found.studies) == 1


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.dcm", b"", Code.NOT_DICOM),
        ("a.DCM", b"hello", Code.NOT_DICOM),
        ("a.ima", b"hello", Code.NOT_DICOM),
        ("a", bytes(128) + b"DICM", Code.UNREADABLE),
        ("a", bytes(128) + b"DICM" + b"\xff" * 60, Code.UNREADABLE),
    ],
)
def test_a_file_that_claims_to_be_dicom_and_cannot_be_read_is_refused(
    tmp_path: Path, name: str, content: bytes, code: Code
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(content)

    assert codes(scan([tmp_path / "in"])) == [(f"in/{name}", code)]


def test_a_file_cut_before_its_uids_is_refused(maker: Any) -> None:
    folder = maker.write(maker.series())
    path = folder / "00003.dcm"
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"\x20\x00\x0d\x00")])

    found = scan([folder])

    assert codes(found) == [("study/00003.dcm", Code.UNREADABLE)]
    assert len(found.studies[0].files) == 17


@pytest.mark.parametrize(
    "name", ["table.csv", "README", "image.nii.gz", "DICOMDIR", "._00001.dcm", "report.pdf", "book.xlsx"]
)
def test_files_that_do_not_claim_to_be_dicom_are_passed_over(maker: Any, name: str) -> None:
    folder = maker.write(maker.series())
    (folder / name).write_bytes(b"PK\x03\x04 something else" * 20)

    found = scan([folder])

    assert not found.refused
    assert len(found.studies[0].files) == 18


def test_what_a_mac_adds_to_an_archive_is_passed_over(maker: Any, tmp_path: Path) -> None:
    archive = zip_of(maker.write(maker.series()), tmp_path / "a.zip")
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("__MACOSX/some/where/00001.dcm", b"resource fork")

    assert not scan([archive]).refused


def test_a_file_without_preamble_and_suffix_is_read(maker: Any) -> None:
    folder = maker.write(maker.series(), syntax="1.2.840.10008.1.2")
    for path in sorted(folder.iterdir()):
        whole = path.read_bytes()
        path.write_bytes(whole[whole.index(b"\x08\x00\x08\x00") :])
        path.rename(path.with_suffix(""))

    (source,) = scan([folder]).studies

    assert len(source.files) == 18
    assert {header.pixels.transfer_syntax for header in source.headers if header.pixels} == {"1.2.840.10008.1.2"}


def test_a_single_file_is_a_source(maker: Any) -> None:
    path = sorted(maker.write(maker.series()).iterdir())[0]

    assert len(scan([path]).studies[0].files) == 1


@pytest.mark.parametrize("content", [None, "empty", "text", "nothing"])
def test_a_source_that_yields_no_case_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "in"
    if content is not None:
        path.mkdir()
    if content == "text":
        (path / "notes.txt").write_text("no image")

    assert codes(scan([path])) == [("in", Code.NO_STUDY)]


def test_every_file_is_counted_as_it_is_seen(maker: Any, tmp_path: Path) -> None:
    folder = maker.write(maker.series(3, slices=2))
    (folder / "notes.txt").write_text("no image")
    archive = zip_of(folder, tmp_path / "a.zip")
    counts: list[int] = []

    scan([folder, archive], on_file=counts.append)

    assert counts == list(range(1, 15))


def test_a_file_inside_an_archive_is_refused_by_its_name_there(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("deep/notes.dcm", "this is no image")

    assert codes(scan([tmp_path / "a.zip"])) == [("a.zip/deep/notes.dcm", Code.NOT_DICOM)]


def nifti(folder: Path, case: str = "CASE-7", phases: int = 3, value: int = 1) -> None:
    folder.mkdir(exist_ok=True, parents=True)
    for phase in range(phases):
        array = np.full((2, 2, 2), value + phase, np.int16)
        write_volume(Volume(array, Grid((2, 2, 2), np.eye(4))), folder / f"{case}_{phase:04d}.nii.gz")


def test_phases_as_nifti_are_a_study_of_the_case_that_their_names_give(tmp_path: Path) -> None:
    nifti(tmp_path / "in" / "x", "CASE-7")
    nifti(tmp_path / "in" / "y", "CASE_8", value=5)

    found = scan([tmp_path / "in"])

    assert [(s.kind, s.patient_id, len(s.files), s.study_uid) for s in found.studies] == [
        ("nifti", "CASE-7", 3, None),
        ("nifti", "CASE_8", 3, None),
    ]
    assert not found.refused


def test_nifti_beside_dicom_is_left_out(maker: Any) -> None:
    folder = maker.write(maker.series())
    nifti(folder / "truth")

    found = scan([folder])

    assert [source.kind for source in found.studies] == ["dicom"]
    assert not found.refused


def test_the_order_of_phases_as_nifti_counts_in_their_digest(tmp_path: Path) -> None:
    nifti(tmp_path / "one")
    nifti(tmp_path / "two")
    (tmp_path / "two" / "CASE-7_0000.nii.gz").rename(tmp_path / "two" / "aside")
    (tmp_path / "two" / "CASE-7_0001.nii.gz").rename(tmp_path / "two" / "CASE-7_0000.nii.gz")
    (tmp_path / "two" / "aside").rename(tmp_path / "two" / "CASE-7_0001.nii.gz")

    assert scan([tmp_path / "one"]).studies[0].digest != scan([tmp_path / "two"]).studies[0].digest


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 1200), value=st.integers(0, 255), cut=st.integers(0, 1200))
def test_any_damage_to_a_file_is_read_or_refused_but_never_a_crash(
    maker: Any, place: int, value: int, cut: int
) -> None:
    path = maker.write(maker.series(1, slices=1), to=f"{next(maker.written)}")
    (file,) = path.iterdir()
    data = bytearray(file.read_bytes())
    data[place % len(data)] = value
    file.write_bytes(data[: len(data) - cut % len(data)])

    found = scan([path])

    assert len(found.studies) + len(found.refused) >= 1


def test_real_studies_are_found_the_same_in_their_zip_and_unpacked(ispy1_dicom: Path, shared_data: Path) -> None:
    (unpacked,), (packed,) = scan([ispy1_dicom]).studies, scan([shared_data / "ispy1" / "ISPY1_1001.zip"]).studies

    assert unpacked.digest == packed.digest
    assert (packed.patient_id, packed.visit, len(packed.files)) == ("ISPY1_1001", "T1", 240)

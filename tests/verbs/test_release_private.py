"""No patient data in a release: pseudonyms, shifted dates, the gate that searches every byte, clinical columns."""

from __future__ import annotations

import csv
import gzip
import re
import shutil
from pathlib import Path

import pydicom
import pytest

from uptake import verbs
from uptake.io.archives.manifest import read_manifest
from uptake.study import Code, Refusal
from uptake.verbs.releasing import verify_release

pytest.importorskip("highdicom", reason="the extra 'release' is not installed")
pytest.importorskip("ahocorasick_rs", reason="the extra 'release' is not installed")

ONE, TWO = "PHANTOM-0001", "PHANTOM-0002"
PLANTED = {
    "PatientName": "QUINTERELLA^MARGUERITA",
    "PatientID": "HX77-90412",
    "PatientBirthDate": "19610723",
    "OtherPatientIDs": "ZK4411",
    "AccessionNumber": "ACC5519034",
    "InstitutionName": "Hospital Nuestra Senora de Valdepinos",
    "InstitutionAddress": "Calle Ferraz 71",
    "ReferringPhysicianName": "Brandauer^Klothilde",
    "OperatorsName": "Odalys^Kim",
    "StationName": "TRAUNSEE2",
    "StudyDate": "20190317",
    "StudyTime": "143652.25",
    "StudyDescription": "MAMMA von Quinterella",
    "PatientComments": "seen after nurse Odalys called Tuckahoe",
    "DeviceSerialNumber": "SN8841773",
    "PatientIdentityRemoved": "NO",
}
WORDS = ("quinterella", "marguerita", "hx77-90412", "zk4411", "acc5519034", "valdepinos", "ferraz", "brandauer",
         "klothilde", "odalys", "traunsee", "tuckahoe", "8841773", "19610723", "20190317", "143652")  # fmt: skip


@pytest.fixture(scope="module")
def private(phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first phantom as if it came from a hospital: names, dates and identifiers in its headers and file names."""
    folder = tmp_path_factory.mktemp("private")
    source = folder / "Quinterella_Marguerita"
    for number, path in enumerate(sorted((phantoms / ONE).rglob("*.dcm"))):
        dataset = pydicom.dcmread(path)
        for keyword, value in PLANTED.items():
            setattr(dataset, keyword, value)
        dataset.private_block(0x0011, "HOSPITAL", create=True).add_new(0x01, "LO", "HX77-90412 Tuckahoe")
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"):
            setattr(dataset, keyword, "1.3.51.5145.7" + str(getattr(dataset, keyword))[4:40])
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        (source / f"{number}").mkdir(parents=True)
        dataset.save_as(source / f"{number}" / "IM.dcm")
    assert verbs.run(source, folder / "cohort", jobs=1).ok
    return folder


def every_byte(root: Path) -> bytes:
    """Names and contents of all files, packed ones unpacked, in lower case, but for UIDs of the release's own.

    Those are random numbers of 39 digits, which may hold any six of them.
    """
    parts = []
    for path in sorted(root.rglob("*")):
        parts.append(path.relative_to(root).as_posix().encode())
        if path.is_file():
            data = path.read_bytes()
            parts += [data, gzip.decompress(data)] if path.suffix == ".gz" else [data]
    return re.sub(rb"2\.25\.\d+", b"", b"\n".join(parts)).lower()


def test_a_source_that_says_who_it_is_gets_pseudonyms_and_nothing_of_it_is_left(private: Path) -> None:
    made = verbs.release(private / "cohort", private / "release", jobs=1)
    assert made.searched.kept == 0
    assert re.fullmatch(r"P-[A-Z2-7]{11}", made.cases[0])
    everything = every_byte(private / "release")
    assert [word for word in WORDS if word.encode() in everything] == []
    assert b"1.3.51.5145" not in everything
    assert (private / "cohort" / "release-key").is_file()
    assert {finding.status for finding in verify_release(private / "release")} == {"pass"}


def test_the_same_key_gives_the_same_pseudonym_in_a_later_release(private: Path) -> None:
    key = private / "cohort" / "release-key"
    first = verbs.release(private / "cohort", private / "a", jobs=1, layouts=("dicom",), key=key)
    second = verbs.release(private / "cohort", private / "b", jobs=1, layouts=("dicom",), key=private / "other")
    assert first.cases != second.cases
    assert verbs.release(private / "cohort", private / "c", jobs=1, layouts=("dicom",), key=key).cases == first.cases


def test_a_user_who_says_public_keeps_the_id_and_the_report_says_who_said_it(private: Path) -> None:
    made = verbs.release(private / "cohort", private / "public", jobs=1, public_source=True, layouts=("ispy1",))
    assert made.cases == ("HX77-90412",)
    assert made.searched.said == ("the user",)
    everything = every_byte(private / "public")
    names = [word for word in WORDS if word.encode() in everything]
    assert names == ["hx77-90412"]  # the PatientID, which is allowed; names, dates and institutions are not


def test_the_collection_named_by_a_star_is_that_of_every_source_without_its_own(private: Path, tmp_path: Path) -> None:
    toml = tmp_path / "release.toml"
    toml.write_text('[[collections]]\nname = "*"\ndoi = "10.1234/own"\nlicence = "CC0-1.0"\ncitation = "Ward 7"\n')
    made = verbs.release(private / "cohort", tmp_path / "r", jobs=1, metadata=toml, layouts=("bids",))
    stated = {(e.source_collection, e.source_doi, e.source_licence) for e in read_manifest(made.folder) if e.case_id}
    assert stated == {("other sources", "10.1234/own", "CC0-1.0")}
    assert "other sources: CC0-1.0, https://doi.org/10.1234/own. Ward 7" in (made.folder / "LICENSE.md").read_text()
    assert not any("are not stated" in note for note in made.notes)


def test_the_gate_fails_a_release_whose_metadata_name_the_patient(private: Path) -> None:
    (private / "release.toml").write_text('title = "Images of M. Quinterella"\n')
    with pytest.raises(Refusal) as refused:
        verbs.release(private / "cohort", private / "named", jobs=1, metadata=private / "release.toml")
    assert refused.value.code == Code.PATIENT_DATA
    assert "README.md" in refused.value.found
    assert "uinterella" not in refused.value.found
    assert not (private / "named").exists()
    assert list(private.glob(".named*")) == []
    made = verbs.release(private / "cohort", private / "named", jobs=1, metadata=private / "release.toml",
                         allow=("Quinterella",), layouts=("bids",))  # fmt: skip
    assert any("allowed by the person" in note for note in made.notes)


def test_clinical_codes_come_along_and_dates_names_and_free_text_stay_behind(
    approved_cohort: Path, tmp_path: Path
) -> None:
    table = tmp_path / "clinical.csv"
    table.write_text(
        "PatientID,age,HR Pos,visited,remark\n"
        "PHANTOM_1,41.5,1,2019-03-17,referred by Dr Brandauer from the practice in Tuckahoe\n"
        "PHANTOM-0002,63,0,2018-11-02,\n"
    )
    made = verbs.release(approved_cohort, tmp_path / "r", jobs=1, clinical=table, layouts=("ispy1",))
    with (made.folder / "tables/clinical.csv").open(newline="", encoding="utf-8") as handle:
        clinical = list(csv.DictReader(handle))
    assert [row["case_id"] for row in clinical] == [ONE, TWO]
    assert clinical[0] == {"case_id": ONE, "age": "41.5", "HR Pos": "1"}
    assert "Brandauer" not in every_byte(made.folder).decode("latin-1")


def test_a_dry_run_writes_nothing_not_even_a_key(private: Path, tmp_path: Path) -> None:
    shutil.copytree(private / "cohort", tmp_path / "cohort", ignore=shutil.ignore_patterns("release-key"))
    made = verbs.release(tmp_path / "cohort", tmp_path / "r", dry_run=True)
    assert len(made.cases) == 1
    assert not (tmp_path / "r").exists()
    assert not (tmp_path / "cohort" / "release-key").exists()

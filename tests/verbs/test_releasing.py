"""A cohort becomes a release: names, voxels, DICOM, no patient data; and a changed byte is found without the cohort."""

from __future__ import annotations

import csv
import gzip
import json
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import openpyxl
import pydicom
import pytest

from uptake import verbs
from uptake.io.archive import FORMATS
from uptake.io.archives.documents import READER_SCRIPT
from uptake.io.archives.manifest import read_manifest
from uptake.io.dicom.seg import read_seg
from uptake.io.nifti import read_grid, read_mask, read_volume
from uptake.io.store import locked
from uptake.study import Code, CohortError, Refusal, SettingsError
from uptake.verbs.releasing import verify_release

hd = pytest.importorskip("highdicom", reason="the extra 'release' is not installed")
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
def cohort(phantom_cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both phantoms through everything, the first one's STV approved by a reader."""
    folder = Path(shutil.copytree(phantom_cohort, tmp_path_factory.mktemp("release") / "cohort"))
    proposal = folder / "cases" / ONE / "masks" / "stv_proposal.nii.gz"
    assert not verbs.import_masks(folder, proposal, as_="reader", reader="r", cases=[ONE]).refused
    assert verbs.run((), folder, jobs=1).ok
    return folder


@pytest.fixture(scope="module")
def released(cohort: Path) -> Path:
    return verbs.release(cohort, cohort.parent / "release", jobs=1).folder


@pytest.fixture
def copy(released: Path, tmp_path: Path) -> Path:
    shutil.copytree(released, tmp_path / "copy")
    return tmp_path / "copy"


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


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def every_byte(root: Path) -> bytes:
    """Names and contents of all files, packed ones unpacked, in lower case."""
    parts = []
    for path in sorted(root.rglob("*")):
        parts.append(path.relative_to(root).as_posix().encode())
        if path.is_file():
            data = path.read_bytes()
            parts += [data, gzip.decompress(data)] if path.suffix == ".gz" else [data]
    return b"\n".join(parts).lower()


def test_folders_and_names_are_those_of_the_published_release(released: Path) -> None:
    root = released / "NIfTI-Files"
    for case in (ONE, TWO):
        for phase in range(3):
            assert (root / f"images_bias-corrected_nifti/{case}/{case}_DCE_{phase:04d}_N3.nii.gz").is_file()
            zscored = f"images_bias-corrected_resampled_zscored_nifti/{case}/{case}_DCE_{phase:04d}_N3_zscored.nii.gz"
            assert (root / zscored).is_file()
        assert set(np.unique(np.asarray(nibabel.load(root / f"masks_ftv/{case}.nii.gz").dataobj))) == {0, 255}
    assert (root / f"masks_stv_manual/{ONE}.nii.gz").is_file()
    assert not (root / f"masks_stv_manual/{TWO}.nii.gz").exists()
    assert (root / "masks_stv_resunet").is_dir()
    assert (root / "ISPY_DataPaper_features.xlsx").is_file()
    assert (root / "captk_parameter_file_ispy1.csv").is_file()


def test_images_and_masks_are_the_cohorts_own(cohort: Path, released: Path) -> None:
    case = cohort / "cases" / ONE
    native = read_volume(case / f"native/{ONE}_0001.nii.gz").array.astype(np.float64)
    field = read_volume(case / "maps/bias.nii.gz").array
    made = read_volume(released / f"NIfTI-Files/images_bias-corrected_nifti/{ONE}/{ONE}_DCE_0001_N3.nii.gz")
    np.testing.assert_allclose(made.array, native / field, rtol=1e-5)
    name = f"images_bias-corrected_resampled_zscored_nifti/{ONE}/{ONE}_DCE_0002_N3_zscored.nii.gz"
    harmonised = read_volume(case / f"harmonised/{ONE}_0002.nii.gz")
    assert np.array_equal(read_volume(released / "NIfTI-Files" / name).array, harmonised.array)
    for folder, mask in (("masks_ftv", "ftv"), ("masks_stv_manual", "stv"), ("masks_stv_proposal", "stv_proposal")):
        again = read_mask(released / f"NIfTI-Files/{folder}/{ONE}.nii.gz")
        assert np.array_equal(again.array, read_mask(case / f"masks/{mask}.nii.gz").array)


def test_a_seg_of_every_mask_lies_on_the_sources_grid_and_refers_to_its_images(
    cohort: Path, released: Path, phantoms: Path
) -> None:
    sources = {pydicom.dcmread(path).SOPInstanceUID: path for path in (phantoms / TWO).rglob("*.dcm")}
    for mask in ("ftv", "ftv_pe", "stv_proposal"):
        path = released / f"DICOM/{TWO}/{TWO}_{mask}_SEG.dcm"
        seg = pydicom.dcmread(path)
        cohort_mask = "stv_proposal_acquired" if mask == "stv_proposal" else mask
        expected = read_mask(cohort / f"cases/{TWO}/masks/{cohort_mask}.nii.gz")
        assert np.array_equal(read_seg(path, expected.grid).array, expected.array)
        for frame in seg.PerFrameFunctionalGroupsSequence:
            uid = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
            image = pydicom.dcmread(sources[uid], stop_before_pixels=True)
            position = frame.PlanePositionSequence[0].ImagePositionPatient
            assert np.allclose(position, image.ImagePositionPatient, atol=1e-4)
        assert seg.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].CodeValue == "108369006"


def _enhanced(source: Path, target: Path) -> Path:
    """A phantom's study, the DCE as one multi-frame object of all its phases as highdicom makes it."""
    images = {path: pydicom.dcmread(path) for path in sorted(source.rglob("*.dcm"))}
    original = [image for image in images.values() if "DERIVED" not in image.ImageType]
    target.mkdir()
    for path, image in images.items():
        if image not in original:
            shutil.copy(path, target)
        image.StudyID = image.AccessionNumber = image.ReferringPhysicianName = image.PatientBirthDate = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a phantom's name has one component
        whole = hd.legacy.LegacyConvertedEnhancedMRImage(original, hd.UID(), 7, hd.UID(), 1)
    whole.save_as(target / "enhanced.dcm")
    return target


def test_a_seg_of_a_multi_frame_source_is_that_of_its_images_and_refers_to_their_frames(
    released: Path, phantoms: Path, tmp_path: Path
) -> None:
    source = _enhanced(phantoms / ONE, tmp_path / "source")
    assert verbs.run(source, tmp_path / "cohort", jobs=1).ok
    verbs.release(tmp_path / "cohort", tmp_path / "r", jobs=1, layouts=("ispy1", "dicom"))
    frames = pydicom.dcmread(source / "enhanced.dcm", stop_before_pixels=True).PerFrameFunctionalGroupsSequence
    classic, multi = (pydicom.dcmread(root / f"DICOM/{ONE}/{ONE}_ftv_SEG.dcm") for root in (released, tmp_path / "r"))
    assert np.array_equal(multi.pixel_array, classic.pixel_array)
    for one, other in zip(
        classic.PerFrameFunctionalGroupsSequence, multi.PerFrameFunctionalGroupsSequence, strict=True
    ):
        assert one.PlanePositionSequence == other.PlanePositionSequence
        expected, referred = (f.DerivationImageSequence[0].SourceImageSequence[0] for f in (one, other))
        of_frame = frames[referred.ReferencedFrameNumber - 1].ConversionSourceAttributesSequence[0]
        assert of_frame.ReferencedSOPInstanceUID == expected.ReferencedSOPInstanceUID
    assert {finding.status for finding in verify_release(tmp_path / "r")} == {"pass"}


def test_highdicom_reads_the_same_voxels(released: Path) -> None:
    seg = hd.seg.segread(released / f"DICOM/{ONE}/{ONE}_ftv_SEG.dcm")
    voxels = int(rows(released / "tables/ftv.csv")[0]["ftv_ser_voxels"])
    assert int(seg.pixel_array.sum()) == voxels


def test_the_report_says_the_volume_of_every_mask(released: Path) -> None:
    report = hd.sr.srread(released / f"DICOM/{ONE}/{ONE}_measurements_SR.dcm")
    ftv = next(row for row in rows(released / "tables/ftv.csv") if row["case_id"] == ONE)
    groups = report.content.get_volumetric_roi_measurement_groups()
    said = {group.tracking_identifier: group.get_measurements()[0].value for group in groups}
    assert said[f"{ONE} ftv"] == pytest.approx(float(ftv["ftv_ser_cc"]), rel=1e-9)
    assert said[f"{ONE} ftv_pe"] == pytest.approx(float(ftv["ftv_pe_cc"]), rel=1e-9)
    assert len(said) == 4


def test_dicom_objects_hold_no_time_no_name_and_a_shifted_date(released: Path) -> None:
    for path in (released / "DICOM").rglob("*.dcm"):
        made = pydicom.dcmread(path)
        assert made.ContentTime == "000000"
        assert int(made.ContentDate[:4]) >= 2085
        assert str(made.PatientName) == made.StudyTime == made.AccessionNumber == ""
        assert made.ContentDate == made.StudyDate


def test_the_manifest_says_of_every_file_where_it_comes_from(released: Path, phantoms: Path) -> None:
    entries = read_manifest(released)
    series = {pydicom.dcmread(p, stop_before_pixels=True).SeriesInstanceUID for p in (phantoms / ONE).rglob("*.dcm")}
    mine = [entry for entry in entries if entry.case_id == ONE]
    assert len(mine) > 20
    assert all(set(entry.source_series_uids.split()) <= series for entry in mine)
    assert {entry.source_licence for entry in mine} == {"CC0-1.0"}
    assert all(entry.deidentification for entry in mine)
    assert len({entry.file for entry in entries}) == len(entries)


def test_every_column_of_every_table_is_in_the_dictionary_with_a_meaning(released: Path) -> None:
    known = {(row["table"], row["column"]) for row in rows(released / "data_dictionary.csv") if row["description"]}
    for path in (released / "tables").glob("*.csv"):
        assert {(path.stem, column) for column in rows(path)[0]} <= known


def test_the_workbook_holds_the_table_of_features_and_the_dictionary(released: Path) -> None:
    book = openpyxl.load_workbook(released / "NIfTI-Files/ISPY_DataPaper_features.xlsx", read_only=True)
    assert book.sheetnames == ["features", "dictionary"]
    assert [row[0].value for row in book["features"].rows][1:] == [ONE, TWO]
    book.close()


def test_the_parameter_file_holds_the_settings_that_the_cohorts_features_were_made_with(
    cohort: Path, tmp_path: Path
) -> None:
    shutil.copytree(cohort, tmp_path / "cohort")
    toml = tmp_path / "cohort/uptake.toml"
    toml.write_text(toml.read_text().replace("glcm_bins = 128", "glcm_bins = 64"))
    with pytest.raises(Refusal, match="not up to date"):
        verbs.release(tmp_path / "cohort", tmp_path / "r", jobs=1)
    assert verbs.run((), tmp_path / "cohort", jobs=1, cases=[ONE]).ok
    made = verbs.release(tmp_path / "cohort", tmp_path / "r", jobs=1, layouts=("ispy1",), cases=[ONE])
    written = rows(made.folder / "NIfTI-Files/captk_parameter_file_ispy1.csv")
    assert [row["Default"] for row in written if (row["FeatureName"], row["ParamName"]) == ("GLCM", "Bins")] == ["64"]


def test_every_form_of_the_release_holds_the_same_masks(released: Path) -> None:
    grid = read_grid(released / f"NIfTI-Files/images_bias-corrected_nifti/{ONE}/{ONE}_DCE_0000_N3.nii.gz")
    held = {name: form.read(released, ONE, grid) for name, form in FORMATS.items()}
    for mask in ("ftv", "ftv_pe", "stv_manual", "stv_proposal"):
        assert held["ispy1"][mask].array.any()
        assert np.array_equal(held["ispy1"][mask].array, held["bids"][mask.replace("_", "")].array)
    assert np.array_equal(held["ispy1"]["ftv"].array, held["dicom"]["ftv"].array)
    assert np.array_equal(held["ispy1"]["corrected_0002"].array, held["bids"]["corrected_0002"].array)


def test_bids_names_are_second_names_of_the_same_images(released: Path) -> None:
    image = released / "bids/sub-PHANTOM0001/anat/sub-PHANTOM0001_acq-DCE_run-1_desc-biascorrected_T1w.nii.gz"
    twin = released / f"NIfTI-Files/images_bias-corrected_nifti/{ONE}/{ONE}_DCE_0001_N3.nii.gz"
    assert image.read_bytes() == twin.read_bytes()
    assert json.loads((released / "bids/dataset_description.json").read_text())["DatasetType"] == "derivative"


def test_a_bids_mask_says_whether_a_person_drew_it_and_which_image_it_lies_on(released: Path) -> None:
    """Required by BIDS 1.10 for masks in a space of their own; `Manual` is a boolean there."""
    folder = released / "bids/sub-PHANTOM0001/anat"
    drawn = {"stvmanual": True, "stvproposal": False, "ftv": False}
    for name, manual in drawn.items():
        (path,) = folder.glob(f"*_label-{name}_mask.json")
        sidecar = json.loads(path.read_text())
        assert sidecar["Manual"] is manual
        like = released / "bids" / sidecar["SpatialReference"].removeprefix("bids::")
        mask = nibabel.load(path.with_name(path.name.replace(".json", ".nii.gz")))
        assert np.allclose(nibabel.load(like).affine, mask.affine)
        assert nibabel.load(like).shape == mask.shape


def test_metadata_for_catalogues_name_version_licence_and_checksums(released: Path) -> None:
    crate = json.loads((released / "ro-crate-metadata.json").read_text())
    files = {item["@id"] for item in crate["@graph"] if item["@type"] == "File"}
    assert {entry.file for entry in read_manifest(released)} - files <= {"ro-crate-metadata.json", "croissant.json"}
    croissant = json.loads((released / "croissant.json").read_text())
    assert croissant["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert json.loads((released / "datacite.json").read_text())["version"] == "1.0.0"
    assert "version: 1.0.0" in (released / "CITATION.cff").read_text()


def test_the_script_of_twenty_lines_reads_it_with_nibabel_and_pandas_alone(released: Path) -> None:
    assert (released / "read_release.py").read_text() == READER_SCRIPT
    code = [line for line in READER_SCRIPT.splitlines()[1:] if line.strip()]
    assert len(code) <= 22
    assert set(re.findall(r"^(?:import|from) (\w+)", READER_SCRIPT, re.MULTILINE)) == {
        "sys", "pathlib", "nibabel", "pandas",
    }  # fmt: skip
    done = subprocess.run([sys.executable, "read_release.py"], cwd=released, capture_output=True, text=True, check=True)
    ftv = next(row for row in rows(released / "tables/ftv.csv") if row["case_id"] == ONE)
    line = next(line for line in done.stdout.splitlines() if line.startswith(ONE) and " ftv " in line)
    assert float(line.split()[2]) == pytest.approx(float(ftv["ftv_ser_cc"]), abs=5e-4)


def test_equal_cohorts_and_keys_give_equal_bytes(cohort: Path, released: Path) -> None:
    again = verbs.release(cohort, cohort.parent / "again", jobs=1, layouts=("dicom",)).folder
    before = {entry.file: entry.sha256 for entry in read_manifest(released)}
    case_files = [entry for entry in read_manifest(again) if entry.case_id or entry.file.startswith("tables/")]
    assert len(case_files) > 10
    assert [entry.file for entry in case_files if before[entry.file] != entry.sha256] == []


def test_a_release_passes_its_own_check(released: Path) -> None:
    assert {finding.status for finding in verify_release(released)} == {"pass"}


def test_a_changed_byte_anywhere_is_caught(cohort: Path, tmp_path: Path) -> None:
    copy = verbs.release(cohort, tmp_path / "r", cases=[TWO], jobs=1, layouts=("ispy1", "dicom")).folder
    names = sorted(path for path in copy.rglob("*") if path.is_file())
    suffixes = {}
    for path in names:  # one file of every kind, and its first, middle and last byte in turn
        suffixes.setdefault((path.parent.name if path.parent == copy else path.suffix, path.suffix), path)
    assert len(suffixes) > 8
    for number, path in enumerate(suffixes.values()):
        before = path.read_bytes()
        at = (0, len(before) // 2, len(before) - 1)[number % 3]
        path.unlink()  # a hard link would change its twin as well
        path.write_bytes(before[:at] + bytes([before[at] ^ 1]) + before[at + 1 :])
        failed = [finding for finding in verify_release(copy) if finding.status == "fail"]
        assert failed, path
        path.write_bytes(before)
    assert {finding.status for finding in verify_release(copy)} == {"pass"}


@pytest.mark.parametrize("name", ["checksums.sha256", "manifest.csv", "README.md"])
def test_a_missing_file_is_caught(copy: Path, name: str) -> None:
    (copy / name).unlink()
    assert any(finding.status == "fail" for finding in verify_release(copy))


def test_an_added_file_is_caught(copy: Path) -> None:
    (copy / "NIfTI-Files" / "notes.txt").write_text("x")
    found = [finding for finding in verify_release(copy) if finding.status == "fail"]
    assert [finding.found for finding in found] == ["NIfTI-Files/notes.txt is not in the manifest"]


@pytest.mark.parametrize("name", ["bids/more", "NIfTI-Files/link"])
def test_an_added_folder_or_link_is_caught(copy: Path, name: str) -> None:
    if name.endswith("link"):
        (copy / name).symlink_to(copy / "tables")
    else:
        (copy / name).mkdir()
    found = {finding.check: finding for finding in verify_release(copy)}
    assert found["files"].found == f"{name} is not in the manifest"


def _edited(copy: Path, file: str, change: Callable[[np.ndarray], None]) -> list[str]:
    """The checks that fail when a mask is another one and every checksum is made to fit."""
    from uptake.io.archives.manifest import Entry, sha256_of, write_manifest
    from uptake.io.nifti import write_volume

    volume = read_volume(copy / file)
    array = volume.array.copy()
    change(array)
    (copy / file).unlink()
    write_volume(volume.with_array(array), copy / file)
    entries = [
        Entry(**{**vars(e), "sha256": sha256_of(copy / e.file), "bytes": (copy / e.file).stat().st_size})
        for e in read_manifest(copy)
    ]
    write_manifest(copy, entries)
    return [finding.check for finding in verify_release(copy) if finding.status == "fail"]


def test_a_mask_that_is_not_its_seg_is_caught_though_every_checksum_fits(copy: Path) -> None:
    def one_more(array: np.ndarray) -> None:
        array[tuple(np.argwhere(array == 0)[0])] = 255

    assert _edited(copy, f"NIfTI-Files/masks_ftv/{ONE}.nii.gz", one_more) == ["DICOM SEG and report", "counts"]


def test_other_values_in_a_mask_are_caught(copy: Path) -> None:
    def sevens(array: np.ndarray) -> None:
        array[array > 0] = 7

    assert "masks" in _edited(copy, f"NIfTI-Files/masks_ftv/{ONE}.nii.gz", sevens)


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


def test_clinical_codes_come_along_and_dates_names_and_free_text_stay_behind(cohort: Path, tmp_path: Path) -> None:
    table = tmp_path / "clinical.csv"
    table.write_text(
        "PatientID,age,HR Pos,visited,remark\n"
        "PHANTOM_1,41.5,1,2019-03-17,referred by Dr Brandauer from the practice in Tuckahoe\n"
        "PHANTOM-0002,63,0,2018-11-02,\n"
    )
    made = verbs.release(cohort, tmp_path / "r", jobs=1, clinical=table, layouts=("ispy1",))
    clinical = rows(made.folder / "tables/clinical.csv")
    assert [row["case_id"] for row in clinical] == [ONE, TWO]
    assert clinical[0] == {"case_id": ONE, "age": "41.5", "HR Pos": "1"}
    assert "Brandauer" not in every_byte(made.folder).decode("latin-1")


def test_a_correction_is_a_new_version_that_says_what_changed(released: Path, cohort: Path, tmp_path: Path) -> None:
    made = verbs.release(
        cohort,
        tmp_path / "r",
        jobs=1,
        previous=released,
        erratum="PHANTOM-0002 withdrawn",
        version="1.1.0",
        cases=[ONE],
    )
    errata = rows(made.folder / "errata.csv")
    assert {row["change"] for row in errata} == {"removed"}
    assert all(TWO in row["file"] or TWO.replace("-", "") in row["file"] for row in errata)
    assert "1.1.0: PHANTOM-0002 withdrawn" in (made.folder / "ERRATA.md").read_text()


def test_a_correction_without_a_new_version_number_is_refused(released: Path, cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"version 1\.0\.0 as well"):
        verbs.release(cohort, tmp_path / "r", previous=released, erratum="x")
    with pytest.raises(SettingsError, match="go together"):
        verbs.release(cohort, tmp_path / "r", previous=released)


def test_a_folder_that_is_not_empty_is_refused_and_nothing_in_it_changes(cohort: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(Refusal, match="not an empty folder"):
        verbs.release(cohort, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_what_a_killed_release_left_is_removed_and_other_folders_are_not(cohort: Path, tmp_path: Path) -> None:
    (tmp_path / ".r.partial-1f2e3d4c/DICOM").mkdir(parents=True)
    (tmp_path / ".r2.partial-1f2e3d4c").mkdir()
    verbs.release(cohort, tmp_path / "r", cases=[ONE], jobs=1, layouts=("bids",))
    assert sorted(path.name for path in tmp_path.iterdir()) == [".r2.partial-1f2e3d4c", "r"]


def test_a_cohort_at_work_is_not_released(cohort: Path, tmp_path: Path) -> None:
    with locked(cohort), pytest.raises(CohortError, match="another run is at work"):
        verbs.release(cohort, tmp_path / "r", jobs=1)
    assert list(tmp_path.iterdir()) == []


def test_a_release_inside_its_cohort_is_refused(cohort: Path) -> None:
    with pytest.raises(SettingsError, match="inside its cohort"):
        verbs.release(cohort, cohort / "release")


def test_a_key_inside_the_release_is_refused(cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="outside the release"):
        verbs.release(cohort, tmp_path / "r", key=tmp_path / "r/key")
    assert not (tmp_path / "r").exists()


def test_sources_that_are_gone_are_a_refusal_that_says_what_to_do(phantoms: Path, tmp_path: Path) -> None:
    shutil.copytree(phantoms / ONE, tmp_path / "source")
    assert verbs.run(tmp_path / "source", tmp_path / "cohort", jobs=1).ok
    (tmp_path / "source").rename(tmp_path / "moved")
    with pytest.raises(Refusal, match="not where the cohort found it") as refused:
        verbs.release(tmp_path / "cohort", tmp_path / "r")
    assert "--sources" in refused.value.remedy
    assert verbs.release(tmp_path / "cohort", tmp_path / "r", sources=(tmp_path / "moved",), jobs=1).cases == (ONE,)
    next((tmp_path / "moved").rglob("*.dcm")).unlink()
    with pytest.raises(Refusal, match="not those that the cases were made of"):
        verbs.release(tmp_path / "cohort", tmp_path / "r2", sources=(tmp_path / "moved",))


def test_phases_that_came_as_nifti_are_released_without_dicom_and_the_release_says_so(
    cohort: Path, tmp_path: Path
) -> None:
    native = cohort / "cases" / ONE / "native"
    shutil.copytree(native, tmp_path / "phases")
    made = verbs.run(tmp_path / "phases", tmp_path / "cohort", jobs=1, timing={"phases": [0, 1, 2]})
    assert made.ok
    result = verbs.release(tmp_path / "cohort", tmp_path / "r", jobs=1)
    assert any("no DICOM images" in note for note in result.notes)
    assert not (tmp_path / "r" / "DICOM").exists()
    assert {finding.status for finding in verify_release(tmp_path / "r")} == {"pass"}


def test_a_dry_run_writes_nothing_not_even_a_key(private: Path, tmp_path: Path) -> None:
    shutil.copytree(private / "cohort", tmp_path / "cohort", ignore=shutil.ignore_patterns("release-key"))
    made = verbs.release(tmp_path / "cohort", tmp_path / "r", dry_run=True)
    assert len(made.cases) == 1
    assert not (tmp_path / "r").exists()
    assert not (tmp_path / "cohort" / "release-key").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layouts": ("tiff",)}, "layouts are ispy1, bids, dicom"),
        ({"version": "one"}, "three numbers"),
        ({"cases": ["nobody"]}, "there is no case nobody"),
        ({"colour": 1}, "takes no 'colour'"),
    ],
)
def test_options_that_make_no_sense_are_named(
    cohort: Path, tmp_path: Path, options: dict[str, object], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        verbs.release(cohort, tmp_path / "r", **options)  # type: ignore[arg-type]
    assert not (tmp_path / "r").exists()

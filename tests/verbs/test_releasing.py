"""A cohort becomes a release: names, voxels, DICOM, tables, corrections; and what is refused."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
import warnings
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
from uptake.study import CohortError, Refusal, SettingsError
from uptake.verbs.releasing import verify_release

hd = pytest.importorskip("highdicom", reason="the extra 'release' is not installed")
pytest.importorskip("ahocorasick_rs", reason="the extra 'release' is not installed")

ONE, TWO = "PHANTOM-0001", "PHANTOM-0002"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


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


def test_images_and_masks_are_the_cohorts_own(approved_cohort: Path, released: Path) -> None:
    case = approved_cohort / "cases" / ONE
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
    approved_cohort: Path, released: Path, phantoms: Path
) -> None:
    sources = {pydicom.dcmread(path).SOPInstanceUID: path for path in (phantoms / TWO).rglob("*.dcm")}
    for mask in ("ftv", "ftv_pe", "stv_proposal"):
        path = released / f"DICOM/{TWO}/{TWO}_{mask}_SEG.dcm"
        seg = pydicom.dcmread(path)
        cohort_mask = "stv_proposal_acquired" if mask == "stv_proposal" else mask
        expected = read_mask(approved_cohort / f"cases/{TWO}/masks/{cohort_mask}.nii.gz")
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
    approved_cohort: Path, tmp_path: Path
) -> None:
    shutil.copytree(approved_cohort, tmp_path / "cohort")
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


def test_equal_cohorts_and_keys_give_equal_bytes(approved_cohort: Path, released: Path) -> None:
    again = verbs.release(approved_cohort, approved_cohort.parent / "again", jobs=1, layouts=("dicom",)).folder
    before = {entry.file: entry.sha256 for entry in read_manifest(released)}
    case_files = [entry for entry in read_manifest(again) if entry.case_id or entry.file.startswith("tables/")]
    assert len(case_files) > 10
    assert [entry.file for entry in case_files if before[entry.file] != entry.sha256] == []


def test_a_correction_is_a_new_version_that_says_what_changed(
    released: Path, approved_cohort: Path, tmp_path: Path
) -> None:
    made = verbs.release(
        approved_cohort,
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


def test_a_correction_without_a_new_version_number_is_refused(
    released: Path, approved_cohort: Path, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=r"version 1\.0\.0 as well"):
        verbs.release(approved_cohort, tmp_path / "r", previous=released, erratum="x")
    with pytest.raises(SettingsError, match="go together"):
        verbs.release(approved_cohort, tmp_path / "r", previous=released)


def test_a_folder_that_is_not_empty_is_refused_and_nothing_in_it_changes(approved_cohort: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(Refusal, match="not an empty folder"):
        verbs.release(approved_cohort, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_what_a_killed_release_left_is_removed_and_other_folders_are_not(approved_cohort: Path, tmp_path: Path) -> None:
    (tmp_path / ".r.partial-1f2e3d4c/DICOM").mkdir(parents=True)
    (tmp_path / ".r2.partial-1f2e3d4c").mkdir()
    verbs.release(approved_cohort, tmp_path / "r", cases=[ONE], jobs=1, layouts=("bids",))
    assert sorted(path.name for path in tmp_path.iterdir()) == [".r2.partial-1f2e3d4c", "r"]


def test_a_cohort_at_work_is_not_released(approved_cohort: Path, tmp_path: Path) -> None:
    with locked(approved_cohort), pytest.raises(CohortError, match="another run is at work"):
        verbs.release(approved_cohort, tmp_path / "r", jobs=1)
    assert list(tmp_path.iterdir()) == []


def test_a_release_inside_its_cohort_is_refused(approved_cohort: Path) -> None:
    with pytest.raises(SettingsError, match="inside its cohort"):
        verbs.release(approved_cohort, approved_cohort / "release")


def test_a_key_inside_the_release_is_refused(approved_cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="outside the release"):
        verbs.release(approved_cohort, tmp_path / "r", key=tmp_path / "r/key")
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
    approved_cohort: Path, tmp_path: Path
) -> None:
    native = approved_cohort / "cases" / ONE / "native"
    shutil.copytree(native, tmp_path / "phases")
    made = verbs.run(tmp_path / "phases", tmp_path / "cohort", jobs=1, timing={"phases": [0, 1, 2]})
    assert made.ok
    result = verbs.release(tmp_path / "cohort", tmp_path / "r", jobs=1)
    assert any("no DICOM images" in note for note in result.notes)
    assert not (tmp_path / "r" / "DICOM").exists()
    assert {finding.status for finding in verify_release(tmp_path / "r")} == {"pass"}


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
    approved_cohort: Path, tmp_path: Path, options: dict[str, object], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        verbs.release(approved_cohort, tmp_path / "r", **options)  # type: ignore[arg-type]
    assert not (tmp_path / "r").exists()

"""To the desktop and back: what other programs read, and what comes back on whichever grid it was drawn."""

from __future__ import annotations

import io
import warnings
import zipfile
from pathlib import Path

import httpx
import nibabel as nib
import numpy as np
import numpy.typing as npt
import pydicom
import pytest
import SimpleITK
from tests.review.conftest import GRIDS, Reader, ball, middle_mm, packed

from uptake.cohort import reading
from uptake.io import revisions
from uptake.review.handoff import export
from uptake.study import SettingsError
from uptake.verbs import import_masks


def upload(reader: Reader, case_id: str, name: str, data: bytes, seen: int = 0) -> httpx.Response:
    address, etag = f"/api/cases/{case_id}/import", {"if-match": f'"{seen}"'}
    return reader.client.post(address, params={"name": name}, content=data, headers=etag)


def nifti(array: npt.NDArray[np.generic], affine: npt.NDArray[np.float64]) -> bytes:
    data: bytes = nib.Nifti1Image(array.astype(np.uint8), affine).to_bytes()
    return data


def test_itk_snap_gets_image_mask_labels_and_the_command(reader: Reader) -> None:
    made = reader.save_ball("OBLIQUE", 5.0)
    answer = reader.client.get("/api/cases/OBLIQUE/handoff", params={"tool": "itk-snap"})
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    names = {name.removeprefix("OBLIQUE/") for name in archive.namelist()}
    assert names == {"pre.nii.gz", "early.nii.gz", "late.nii.gz", "stv.nii.gz", "labels.txt", "README.txt"}
    words = archive.read("OBLIQUE/README.txt").decode()
    assert "itksnap -g early.nii.gz -s stv.nii.gz -l labels.txt -o pre.nii.gz late.nii.gz" in words
    assert "revision 1 of AB" in words
    mask = archive.read("OBLIQUE/stv.nii.gz")
    answer = upload(reader, "OBLIQUE", "stv.nii.gz", mask, seen=1)
    assert answer.json()["sha256"] == made["sha256"], "equal voxels, equal bytes"
    late = upload(reader, "OBLIQUE", "stv.nii.gz", mask, seen=1)
    assert (late.status_code, late.json()["winner"]["revision"]) == (409, 2)
    blind = reader.client.post("/api/cases/OBLIQUE/import", params={"name": "stv.nii.gz"}, content=mask)
    assert blind.status_code == 428


def test_itk_reads_the_image_and_the_mask_on_one_grid(cohort: Path, tmp_path: Path) -> None:
    (folder,) = export(cohort, "slicer", ["OBLIQUE"], tmp_path / "out")
    image = SimpleITK.ReadImage(str(folder / "early.nii.gz"))
    mask = SimpleITK.ReadImage(str(folder / "stv.seg.nrrd"))
    assert image.GetSize() == mask.GetSize()
    for axis in range(3):
        index = [0, 0, 0]
        index[axis] = image.GetSize()[axis] - 1
        there, here = (np.array(i.TransformIndexToPhysicalPoint(index)) for i in (image, mask))
        assert np.abs(there - here).max() < 1e-2


@pytest.mark.parametrize("tool", ["itk-snap", "slicer"])
def test_what_was_handed_out_is_imported_from_its_folder(cohort: Path, tmp_path: Path, tool: str) -> None:
    export(cohort, tool, [], tmp_path / "out")
    taken = import_masks(cohort, tmp_path / "out", as_="reader", reader="AB")
    assert taken.imported == ("AXIAL", "OBLIQUE", "SAGITTAL")
    for case_id in GRIDS:
        found = reading.in_force(revisions.entries(cohort, case_id))
        assert found is not None
        assert (found.action, found.reader) == ("imported", "AB")
        proposal = nib.load(cohort / f"cases/{case_id}/masks/stv_proposal.nii.gz")
        kept = nib.load(cohort / f"cases/{case_id}/masks/stv.nii.gz")
        assert np.array_equal(kept.dataobj, proposal.dataobj)


def test_a_tool_or_case_that_is_none_is_wrong_usage(cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="itk-snap, slicer"):
        export(cohort, "paint", [], tmp_path)
    with pytest.raises(SettingsError, match="no case NOBODY"):
        export(cohort, "slicer", ["NOBODY"], tmp_path)


@pytest.mark.parametrize("case_id", GRIDS)
def test_a_mask_drawn_on_the_acquired_images_is_kept_exactly_there(reader: Reader, cohort: Path, case_id: str) -> None:
    native = nib.load(cohort / f"cases/{case_id}/native/{case_id}_0000.nii.gz")
    drawn = ball(GRIDS[case_id], middle_mm(GRIDS[case_id]), 6.0)
    answer = upload(reader, case_id, "drawn.nii", nifti(drawn, native.affine)).json()
    assert (answer["action"], answer["comment"], answer["revision"]) == ("imported", "uploaded from drawn.nii", 1)
    entry = revisions.entries(cohort, case_id)[0]
    isotropic, acquired = revisions.read_primary(cohort, entry)
    assert acquired is not None
    assert np.array_equal(acquired.array, drawn)
    found = isotropic.grid.to_world(np.argwhere(isotropic.array))
    assert np.abs(found.mean(axis=0) - middle_mm(GRIDS[case_id])).max() < 1.3, "half a voxel of the acquired grid"


def test_a_file_comes_back_as_a_draft_of_the_chain_not_approved(reader: Reader, cohort: Path) -> None:
    grid = reader.grid("AXIAL")
    labels = ball(grid, middle_mm(grid), 5.0).astype(np.uint8)
    labels[0, 0, 0] = 2
    assert upload(reader, "AXIAL", "stv.nii.gz", nifti(labels, grid.affine)).status_code == 200
    seen = reader.client.get("/api/cases/AXIAL").json()
    assert (seen["reader"]["state"], seen["reader"]["history"][0]["satellites_cc"]) == ("draft", pytest.approx(0.001))
    assert reading.in_force(revisions.entries(cohort, "AXIAL")) is None


def test_a_dicom_seg_comes_back(reader: Reader, cohort: Path, tmp_path: Path) -> None:
    highdicom = pytest.importorskip("highdicom", reason="highdicom has no wheel for this Python")
    drawn = ball(GRIDS["OBLIQUE"], middle_mm(GRIDS["OBLIQUE"]), 6.0)
    path = tmp_path / "seg.dcm"
    _write_seg(highdicom, drawn, path)
    answer = upload(reader, "OBLIQUE", "seg.dcm", path.read_bytes())
    assert answer.status_code == 200, answer.text
    acquired = revisions.read_primary(cohort, revisions.entries(cohort, "OBLIQUE")[0])[1]
    assert acquired is not None
    assert np.array_equal(acquired.array, drawn)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("mask.png", 415), ("", 415), ("mask.nii", 422), ("mask.nii.gz", 422), ("mask.nrrd", 422),
        ("mask.seg.nrrd", 422), ("mask.dcm", 422),
    ],
)  # fmt: skip
def test_junk_is_refused_whatever_it_is_called(reader: Reader, name: str, status: int) -> None:
    assert upload(reader, "AXIAL", name, b"junk" * 500).status_code == status
    assert upload(reader, "AXIAL", name, b"").status_code == status


def test_another_grid_an_empty_mask_and_unknown_labels_are_refused(reader: Reader, cohort: Path) -> None:
    grid = reader.grid("AXIAL")
    moved = grid.affine.copy()
    moved[0, 3] += 0.5
    one = np.zeros(grid.shape, np.uint8)
    one[3, 3, 3] = 1
    for array, affine, code in (
        (one, moved, "mask-on-another-grid"),
        (one[1:], grid.affine, "mask-on-another-grid"),
        (one * 0, grid.affine, "empty-mask"),
        (one * 2, grid.affine, "empty-mask"),
        (one * 3, grid.affine, "unreadable-file"),
    ):
        answer = upload(reader, "AXIAL", "stv.nii", nifti(array, affine))
        assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert revisions.entries(cohort) == ()


def test_a_nrrd_that_asks_for_too_much_or_for_another_file_is_refused(reader: Reader) -> None:
    huge = b"NRRD0004\ntype: unsigned char\ndimension: 3\nsizes: 99999 99999 99999\nencoding: gzip\n\n"
    assert upload(reader, "AXIAL", "x.nrrd", huge).status_code == 413
    other = b"NRRD0004\ntype: unsigned char\ndimension: 3\nsizes: 2 2 2\nencoding: raw\ndata file: /etc/passwd\n\n"
    assert upload(reader, "AXIAL", "x.nrrd", other).status_code == 422
    endless = b"NRRD0004\ntype: unsigned char\ndimension: 3\nsizes: " + b"9" * 5000 + b" 1 1\nencoding: raw\n\n"
    assert upload(reader, "AXIAL", "x.nrrd", endless).status_code == 422


@pytest.mark.parametrize(
    "header",
    [
        b"NRRD0004\r\ntype: double\r\ndimension: 3\r\nsizes: 9999 9999 9999\r\nencoding: raw\r\n\r\n\nsizes: 1 1 1\n\n",
        b"NRRD0004\ntype: double\ndimension: 3\nsizes: 9999 9999 9999\n# \x85sizes: 1 1 1\nencoding: raw\n\n",
    ],
    ids=["after the header", "in a comment"],
)
def test_a_size_that_a_nrrd_only_pretends_to_have_is_not_believed(reader: Reader, header: bytes) -> None:
    assert upload(reader, "AXIAL", "x.nrrd", header).status_code == 413


def test_an_import_beside_the_browser_leaves_the_draft_there(reader: Reader, cohort: Path, tmp_path: Path) -> None:
    export(cohort, "itk-snap", ["AXIAL"], tmp_path / "out")
    nothing = packed(np.zeros(reader.grid("AXIAL").shape, np.uint8))
    assert reader.put("/api/cases/AXIAL/draft", nothing, 0).status_code == 200
    assert import_masks(cohort, tmp_path / "out", as_="reader", reader="AB").imported == ("AXIAL",)
    seen = reader.client.get("/api/cases/AXIAL").json()
    assert (seen["draft"]["base"], seen["reader"]["revision"]) == (0, 1)


def _write_seg(highdicom, drawn: npt.NDArray[np.bool_], path: Path) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """A DICOM SEG of one segment on the slices of the oblique grid, written by another library."""
    grid, uids = GRIDS["OBLIQUE"], [pydicom.uid.generate_uid() for _ in range(3)]
    lps = np.diag((-1, -1, 1))
    sources = []
    for k in range(grid.shape[2]):
        image = pydicom.Dataset()
        image.file_meta = pydicom.dataset.FileMetaDataset()
        image.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        image.SOPClassUID, image.SOPInstanceUID = pydicom.uid.MRImageStorage, pydicom.uid.generate_uid()
        image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = uids
        image.PatientID, image.PatientName, image.PatientBirthDate, image.PatientSex = "OBLIQUE", "", "", ""
        image.StudyDate, image.StudyTime, image.AccessionNumber, image.StudyID = "", "", "", ""
        image.Modality, image.SeriesNumber, image.InstanceNumber, image.ReferringPhysicianName = "MR", 1, k + 1, ""
        image.Rows, image.Columns = grid.shape[1], grid.shape[0]
        image.PixelSpacing, image.SliceThickness = [grid.spacing_mm[1], grid.spacing_mm[0]], grid.spacing_mm[2]
        image.ImagePositionPatient = (lps @ grid.to_world((0, 0, k))).tolist()
        image.ImageOrientationPatient = (lps @ grid.direction[:, :2]).T.ravel().tolist()
        sources.append(image)
    code = pydicom.sr.codedict.codes.SCT
    described = highdicom.seg.SegmentDescription(
        1,
        "tumour",
        code.MorphologicallyAbnormalStructure,
        code.Neoplasm,
        highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seg = highdicom.seg.Segmentation(
            sources, drawn.transpose(2, 1, 0), highdicom.seg.SegmentationTypeValues.BINARY, [described],
            pydicom.uid.generate_uid(), 2, pydicom.uid.generate_uid(), 1, "maker", "model", "1", "1",
        )  # fmt: skip
        seg.save_as(path)

"""The two real studies against what UCSF published for them, and against dcm2niix."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

import uptake
from uptake.study import Box
from uptake.tumour.enhancement import stored_ser
from uptake.tumour.voi import region_of
from uptake.volume import DCM2NIIX, Array


@pytest.fixture(scope="module")
def cohort(ispy1_dicom: Path, br06_dicom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real") / "cohort"
    assert uptake.run([ispy1_dicom, br06_dicom], folder).ok
    return folder


def published_ser(folder: Path) -> Array:
    """UCSF's stored SER map as (i, j, k) in dcm2niix's order: columns, rows from the bottom, slices as numbered."""
    slices = sorted((pydicom.dcmread(p) for p in folder.iterdir()), key=lambda d: int(d.InstanceNumber))
    return np.stack([d.pixel_array for d in slices]).transpose(2, 1, 0)[:, ::-1]


def array(path: Path) -> Array:
    return np.asanyarray(nib.load(path).dataobj)


@pytest.mark.parametrize(
    ("case_id", "maps", "ftv_pe", "header", "paper", "cc"),
    [
        ("ISPY1_1001", "ser_ucsf", 17331, 7839, 7783, 21.156),
        ("UCSF-BR-06", "image_dce_ser", 41105, 30513, 30456, 40.643),
    ],
)
def test_ftv_and_ser_are_those_that_ucsf_published(  # noqa: PLR0917 (a row of expected numbers)
    cohort: Path,
    request: pytest.FixtureRequest,
    case_id: str,
    maps: str,
    ftv_pe: int,
    header: int,
    paper: int,
    cc: float,
) -> None:
    source = request.getfixturevalue("ispy1_dicom" if case_id == "ISPY1_1001" else "br06_dicom")
    case = cohort / "cases" / case_id
    numbers = json.loads((case / "ftv.json").read_text())
    published = published_ser(source / maps)
    mask = array(case / "masks/ftv_pe.nii.gz") > 0
    voi = Box(tuple(numbers["voi"]["start"]), tuple(numbers["voi"]["end"]))
    inside = region_of(voi, (), mask.shape, DCM2NIIX).inside  # type: ignore[arg-type]
    assert np.count_nonzero(mask ^ ((published != 0) & inside)) == 0
    assert np.array_equal(stored_ser(array(case / "maps/ser.nii.gz"))[mask], published[mask])
    counts = (numbers["ftv_pe_voxels"], numbers["ftv_ser_inclusive_voxels"], numbers["ftv_ser_voxels"])
    assert counts == (ftv_pe, header, paper)
    assert numbers["ftv_pe_cc"] == pytest.approx(cc, abs=5e-4)
    assert np.count_nonzero(array(case / "masks/ftv.nii.gz")) == paper


def test_ispy1_1001_comes_out_on_the_published_grid(cohort: Path) -> None:
    for path in (cohort / "cases/ISPY1_1001/harmonised").glob("*.nii.gz"):
        image = nib.load(path)
        assert image.shape == (200, 200, 120)
        assert image.header.get_zooms() == (1.0, 1.0, 1.0)
        assert np.allclose(image.affine[:3, 3], nib.load(cohort / "cases/ISPY1_1001/maps/pe.nii.gz").affine[:3, 3])


def test_the_pixels_of_ucsfs_map_are_not_an_input(cohort: Path, ispy1_dicom: Path, tmp_path: Path) -> None:
    """With every pixel of the SER map set to zero every mask, map and table is the same to the byte."""
    blanked = Path(shutil.copytree(ispy1_dicom, tmp_path / "dicom"))
    for path in (blanked / "ser_ucsf").iterdir():
        dataset = pydicom.dcmread(path)
        dataset.PixelData = bytes(len(dataset.PixelData))
        dataset.save_as(path)
    assert uptake.run(blanked, tmp_path / "cohort").ok
    mine, theirs = tmp_path / "cohort/cases/ISPY1_1001", cohort / "cases/ISPY1_1001"
    names = [p.relative_to(mine) for p in mine.rglob("*") if p.is_file() and p.name != "provenance.json"]
    assert len(names) > 15
    assert [str(n) for n in names if (mine / n).read_bytes() != (theirs / n).read_bytes()] == []


def test_without_ucsfs_map_the_voi_is_found_and_marked_automatic(ispy1_dicom: Path, tmp_path: Path) -> None:
    """The map's header gone, thresholds come from the settings and the page says that no person chose the VOI."""
    assert uptake.run(ispy1_dicom / "dce", tmp_path / "cohort", bias={"iterations": 2}).ok
    case = tmp_path / "cohort/cases/ISPY1_1001"
    numbers = json.loads((case / "ftv.json").read_text())
    assert numbers["voi"]["source"] == "automatic"
    assert numbers["pe_threshold_percent"]["source"] == "setting ftv"
    assert "automatic" in (case / "report.html").read_text().lower()
    assert "automatic" in (tmp_path / "cohort/report/index.html").read_text().lower()


def test_the_recorded_voi_given_by_hand_gives_the_same_ftv(ispy1_dicom: Path, tmp_path: Path) -> None:
    uptake.run(
        ispy1_dicom / "dce",
        tmp_path / "cohort",
        regions={"*": "49,100,17:150,203,50"},
        ftv={"minimum_neighbours": 9},
        bias={"iterations": 2},
    )
    numbers = json.loads((tmp_path / "cohort/cases/ISPY1_1001/ftv.json").read_text())
    assert (numbers["ftv_pe_voxels"], numbers["voi"]["source"]) == (17331, "user")

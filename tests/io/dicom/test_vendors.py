"""Small real series of several vendors: no breasts, but real habits and real compression."""

from __future__ import annotations

import hashlib
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest

from uptake.io.dicom.enhanced import expand
from uptake.io.dicom.geometry import affine_lps, along_normal_mm, arranged, grid_of, layout_of
from uptake.io.dicom.parse import parse
from uptake.io.dicom.pixels import read_phases
from uptake.io.dicom.read import read_study
from uptake.io.dicom.scan import scan
from uptake.io.dicom.sources import FileRef, files_below
from uptake.study import Code, Refusal, Study


def find(root: Path, *ends: str) -> Path:
    """The one folder below `root` whose path ends so."""
    (folder,) = [path for path in root.rglob("*") if path.is_dir() and path.parts[-len(ends) :] == ends]
    return folder


def read(folder: Path) -> Study:
    (source,) = scan([folder]).studies
    return read_study(source, "case")


def rule(study: Study) -> str:
    (said,) = [said for said in study.acquisition.decisions if "told apart" in said]
    return said.split("told apart by ")[1]


def by_dcm2niix(dcm2niix: Path, folder: Path, out: Path) -> tuple[Any, np.ndarray]:
    # -p n: the rescale of the standard, as here; by default dcm2niix takes Philips' private scaling.
    command = [dcm2niix, "-z", "n", "-b", "n", "-p", "n", "-o", out, folder]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = out.glob("*.nii")
    image: Any = nibabel.load(path)
    return image.affine, np.asanyarray(image.dataobj)


@pytest.mark.parametrize(
    ("ends", "by", "times"),
    [
        (("Magdeburg_2014", "fmri"), "TemporalPositionIdentifier", (0, 2, 4)),
        (("20180918GE", "mr_0004"), "repeated positions in the order of instances", (None,) * 10),
        (("Siemens", "XA10"), "TemporalPositionIdentifier", (0, 0.5, 1, 1.5)),
        (("philips", "fmri", "001"), "repeated positions in the order of instances", (None,) * 4),
        (("philips_enhanced", "fmri", "001"), "TemporalPositionIdentifier", (None,) * 4),
    ],
)
def test_time_series_are_told_apart_and_equal_dcm2niix(
    vendor_dicom: Path, dcm2niix: Path, tmp_path: Path, ends: tuple[str, ...], by: str, times: tuple[float | None, ...]
) -> None:
    folder = find(vendor_dicom, *ends)
    study = read(folder)
    affine, array = by_dcm2niix(dcm2niix, folder, tmp_path)

    assert rule(study) == by
    assert [phase.time_s for phase in study.phases] == [
        None if t is None else pytest.approx(t, abs=0.01) for t in times
    ]
    assert array.shape == (*study.grid.shape, len(times))
    assert np.abs(study.grid.affine - affine).max() < 1e-3
    for phase, volume in enumerate(study.volumes):
        assert np.allclose(volume.array, array[..., phase], rtol=1e-6, atol=1e-3)


def headers_of(folder: Path) -> list[Any]:
    """Parsed headers, frames of enhanced objects on their own, along the normal."""
    found = []
    for path in files_below(folder):
        data = path.read_bytes()
        header = parse(FileRef(path, (), path.name, digest(data)), data)
        assert header is not None
        found += expand(header, data) if header.plane is None else [header]
    return sorted(found, key=lambda header: along_normal_mm(header.plane))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


CODECS = ("compressed", "compressed_jpeg", "compressed_jpegls", "compressed_j2k")


@pytest.mark.parametrize("codec", CODECS)
def test_images_compressed_in_any_way_hold_the_same_intensities(vendor_dicom: Path, codec: str) -> None:
    compressed = headers_of(find(vendor_dicom, codec, "001"))
    run_length = headers_of(find(vendor_dicom, "compressed_rle", "001"))

    assert {header.pixels.length for header in compressed} == {None}
    assert [header.plane for header in compressed] == [header.plane for header in run_length]
    assert np.array_equal(read_phases([compressed])[0], read_phases([run_length])[0])


@pytest.mark.parametrize("codec", [*CODECS, "compressed_rle"])
def test_compressed_images_equal_dcm2niix(vendor_dicom: Path, dcm2niix: Path, tmp_path: Path, codec: str) -> None:
    folder = find(vendor_dicom, codec, "001")
    headers = headers_of(folder)
    affine, array = by_dcm2niix(dcm2niix, folder, tmp_path)
    shape = *headers[0].plane.size, len(headers)
    stack = affine_lps([header.plane for header in headers])
    layout = layout_of(stack, shape, rotated=True)

    assert np.array_equal(arranged(read_phases([headers])[0], layout), array)
    assert np.abs(grid_of(stack, shape, layout).affine - affine).max() < 1e-4


@pytest.mark.parametrize(
    "ends",
    [
        ("ge", "anatomical", "001"),
        ("ge", "fmri", "001_implicit"),
        ("philips", "anatomical", "001"),
        ("siemens", "anatomical", "001"),
        ("hitachi", "anatomical", "001"),
        ("siemens_multiframe", "anatomical", "001"),
        ("philips_enhanced", "anatomical", "001"),
    ],
)
def test_intensities_equal_those_of_pydicom(vendor_dicom: Path, ends: tuple[str, ...]) -> None:
    headers = headers_of(find(vendor_dicom, *ends))

    (array,) = read_phases([headers])

    for index, header in enumerate(headers):
        dataset = pydicom.dcmread(header.file.path)
        pixels = dataset.pixel_array[header.frame] if dataset.pixel_array.ndim == 3 else dataset.pixel_array
        slope = 1.0 if header.pixels.slope is None else header.pixels.slope
        assert np.allclose(array[:, :, index].T, pixels * slope + (header.pixels.intercept or 0), rtol=1e-6)


@pytest.mark.parametrize("ends", [("ge", "anatomical", "001"), ("siemens", "fmri", "001"), ("ge", "fmri", "001")])
def test_studies_without_three_phases_are_refused_with_what_they_have(
    vendor_dicom: Path, ends: tuple[str, ...]
) -> None:
    with pytest.raises(Refusal) as caught:
        read(find(vendor_dicom, *ends))
    assert caught.value.code == Code.FEW_PHASES


def test_all_vendors_in_one_folder_come_apart(vendor_dicom: Path) -> None:
    found = scan([vendor_dicom])

    assert not found.refused
    assert len({source.study_uid for source in found.studies}) == len(found.studies) == 18
    assert all(a.patient_id <= b.patient_id for a, b in pairwise(found.studies))

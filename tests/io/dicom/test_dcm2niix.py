"""The same voxels, in the same array order, on the same affine as dcm2niix writes them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from uptake.io.dicom.read import read_study
from uptake.io.dicom.scan import scan
from uptake.study import Study

AFFINE_MM = 1e-4


Phases = list[tuple[np.ndarray, np.ndarray]]


def converted(dcm2niix: Path, folder: Path, out: Path) -> Phases:
    """Affine and array of each phase that dcm2niix makes of a folder, in the order of series numbers."""
    out.mkdir(parents=True)
    subprocess.run([dcm2niix, "-z", "n", "-b", "n", "-f", "%4s", "-o", out, folder], check=True, capture_output=True)
    phases: Phases = []
    for path in sorted(out.glob("*.nii")):
        image: Any = nibabel.load(path)
        array = np.asanyarray(image.dataobj)
        phases += (
            [(image.affine, one) for one in np.moveaxis(np.atleast_3d(array), 3, 0)]
            if array.ndim == 4
            else [(image.affine, array)]
        )
    return phases


def read(folder: Path) -> Study:
    (source,) = scan([folder]).studies
    return read_study(source, "case")


def assert_same(study: Study, phases: Phases, tolerance_mm: float = AFFINE_MM) -> None:
    assert len(study.phases) == len(phases)
    for volume, (affine, array) in zip(study.volumes, phases, strict=True):
        assert np.array_equal(volume.array, array)
        assert np.abs(volume.grid.affine - affine).max() < tolerance_mm


@pytest.mark.parametrize("name", ["ispy1_dicom", "br06_dicom"])
def test_real_studies_in_one_series(request: pytest.FixtureRequest, dcm2niix: Path, tmp_path: Path, name: str) -> None:
    folder: Path = request.getfixturevalue(name)
    dce = next(path for path in sorted(folder.iterdir()) if len(list(path.iterdir())) == 180)

    phases = converted(dcm2niix, dce, tmp_path / "out")

    study = read(folder)
    assert study.acquisition.layout.words() == ("column", "-row", "slice")
    assert_same(study, phases)


@pytest.mark.parametrize("acquisition_type", ["3D", "2D"])
def test_a_real_study_split_into_a_series_per_phase(
    ispy1_dicom: Path, dcm2niix: Path, tmp_path: Path, acquisition_type: str
) -> None:
    folder = split(ispy1_dicom / "dce", tmp_path / "split", acquisition_type)

    phases = converted(dcm2niix, folder, tmp_path / "out")

    study = read(folder)
    turned = ("slice", "-column", "-row") if acquisition_type == "3D" else ("column", "-row", "slice")
    assert study.acquisition.layout.words() == turned
    assert len(study.acquisition.series_uids) == 3
    assert_same(study, phases)


def split(dce: Path, folder: Path, acquisition_type: str) -> Path:
    """A series of three phases as three series, as Siemens writes them."""
    folder.mkdir()
    for path in sorted(dce.iterdir()):
        dataset = pydicom.dcmread(path)
        phase = (int(dataset.InstanceNumber) - 1) // 60
        dataset.SeriesInstanceUID = f"{dataset.SeriesInstanceUID[:60]}.{phase}"
        dataset.SeriesNumber, dataset.AcquisitionNumber = 5 + phase, 1
        dataset.InstanceNumber = (int(dataset.InstanceNumber) - 1) % 60 + 1
        dataset.MRAcquisitionType = acquisition_type
        dataset.save_as(folder / path.name)
    return folder


ANGLES = st.floats(-180, 180)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(angles=st.tuples(ANGLES, st.floats(-90, 90), ANGLES), per_phase=st.booleans())
def test_any_orientation(
    maker: Any, dcm2niix: Path, tmp_path: Path, angles: tuple[float, float, float], per_phase: bool
) -> None:
    axes = turned(*angles)
    tags = {"MRAcquisitionType": "3D", "orientation": tuple(np.round(axes[:, :2].T.ravel(), 8))}
    if per_phase:
        images = [maker.series(1, number=4 + phase, first_phase=phase, **tags) for phase in range(3)]
    else:
        images = [maker.series(**tags)]
    folder = maker.write(*images, to=f"in{next(maker.written)}")

    study, phases = read(folder), converted(dcm2niix, folder, tmp_path / f"out{next(maker.written)}")

    # float32 in dcm2niix, and positions rounded to a micrometre here
    assert_same(study, phases, 1e-3)


def turned(a: float, b: float, c: float) -> np.ndarray:
    """A rotation by three angles in degrees."""
    result = np.eye(3)
    for angle, (i, j) in zip(np.radians((a, b, c)), ((0, 1), (0, 2), (1, 2)), strict=True):
        step = np.eye(3)
        step[[i, i, j, j], [i, j, i, j]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
        result = result @ step
    return result

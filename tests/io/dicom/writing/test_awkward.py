"""What archives do to a study, and that the reader is not fooled where another program is."""

from __future__ import annotations

import subprocess
from pathlib import Path

import dcm2niix
import numpy as np
import pydicom
import pytest

from uptake.io.dicom.read import read_study
from uptake.io.dicom.scan import scan
from uptake.io.dicom.write import Habit, write_study
from uptake.phantom import Phantom, make
from uptake.study import Code, Refusal, Study


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return make(seed=14, size="small")


def written(phantom: Phantom, folder: Path, **habit: object) -> list[pydicom.Dataset]:
    write_study(phantom.study, folder, Habit(**habit), seed=2)  # type: ignore[arg-type]
    return [pydicom.dcmread(path) for path in sorted(folder.rglob("*.dcm"))]


def read(folder: Path) -> Study:
    return read_study(scan([folder]).studies[0], "CASE")


@pytest.mark.parametrize("vendor", ["ge", "siemens", "philips"])
def test_attributes_that_vary_change_no_voxel_for_the_reader(phantom: Phantom, vendor: str, tmp_path: Path) -> None:
    plain = written(phantom, tmp_path / "plain", vendor=vendor)
    images = written(phantom, tmp_path / "varied", vendor=vendor, varying_tags=True)
    assert len(images) == len(plain)
    for keyword in ("EchoTime", "RepetitionTime", "AcquisitionNumber", "ImageOrientationPatient", "WindowCenter"):
        assert len({str(image.get(keyword)) for image in images}) > len({str(image.get(keyword)) for image in plain})
    for one, other in zip(read(tmp_path / "varied").volumes, read(tmp_path / "plain").volumes, strict=True):
        np.testing.assert_array_equal(one.array, other.array)
        assert one.grid.same_as(other.grid)


def test_dcm2niix_cuts_a_series_with_varying_echo_times_into_pieces(phantom: Phantom, tmp_path: Path) -> None:
    """As it does with real series: why the reader here has rules of its own."""
    written(phantom, tmp_path / "in", varying_tags=True)
    (tmp_path / "out").mkdir()
    command = [dcm2niix.bin, "-z", "n", "-b", "n", "-f", "%s", "-o", str(tmp_path / "out"), str(tmp_path / "in")]
    subprocess.run(command, capture_output=True, check=False)
    assert len(list((tmp_path / "out").glob("*.nii"))) > 1


def test_exchanged_phases_have_each_other_s_pixels_and_their_own_times(phantom: Phantom, tmp_path: Path) -> None:
    written(phantom, tmp_path, exchanged=True)
    study = read(tmp_path)
    pre, first, last = (volume.array for volume in phantom.study.volumes)
    for got, expected in zip(study.volumes, (first, pre, last), strict=True):
        np.testing.assert_array_equal(got.array, expected)
    assert [phase.time_s for phase in study.phases] == [phase.time_s for phase in phantom.study.phases]


@pytest.mark.parametrize("times", ["temporal-position", "trigger-time", "none"])
def test_a_slice_that_is_missing_is_refused_whatever_tells_the_phases_apart(
    phantom: Phantom, times: str, tmp_path: Path
) -> None:
    assert len(written(phantom, tmp_path, ge_times=times, missing_slice=True)) == 3 * phantom.study.grid.shape[2] - 1
    with pytest.raises(Refusal) as refused:
        read(tmp_path)
    assert refused.value.code is Code.MISSING_SLICE

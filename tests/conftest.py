"""Where the tests find real studies. Without them, the tests that need them are skipped with a reason."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real studies, tables and reference values, which is not part of the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real studies (shared/data beside the project) are not on this machine")
    return SHARED_DATA


@pytest.fixture(scope="session")
def ispy1_dicom(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked study ISPY1_1001: folders dce and ser_ucsf."""
    return _unpacked(shared_data / "ispy1" / "ISPY1_1001.zip", tmp_path_factory) / "ISPY1_1001"


@pytest.fixture(scope="session")
def br06_dicom(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked study UCSF-BR-06: DCE, PE and SER maps, one DICOM SEG."""
    return _unpacked(shared_data / "ucsf_pilot" / "UCSF-BR-06.zip", tmp_path_factory) / "UCSF-BR-06"


def _unpacked(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(archive.stem)
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    return folder

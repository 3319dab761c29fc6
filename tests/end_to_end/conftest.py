"""Small phantoms as DICOM, written once."""

from __future__ import annotations

from pathlib import Path

import pytest

from uptake import verbs


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small phantoms, PHANTOM-0001 and PHANTOM-0002, in GE's habit with UCSF's map, and their truth."""
    folder = tmp_path_factory.mktemp("phantoms")
    verbs.phantom(folder, cases=2, seed=7, size="small")
    return folder

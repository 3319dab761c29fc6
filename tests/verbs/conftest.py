"""A cohort and its release, for all tests of releases; made once, never changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from uptake import verbs


@pytest.fixture(scope="session")
def approved_cohort(phantom_cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both phantoms through everything, the first one's STV approved by a reader."""
    folder = Path(shutil.copytree(phantom_cohort, tmp_path_factory.mktemp("release") / "cohort"))
    proposal = folder / "cases" / "PHANTOM-0001" / "masks" / "stv_proposal.nii.gz"
    assert not verbs.import_masks(folder, proposal, as_="reader", reader="r", cases=["PHANTOM-0001"]).refused
    assert verbs.run((), folder, jobs=1).ok
    return folder


@pytest.fixture(scope="session")
def released(approved_cohort: Path) -> Path:
    return verbs.release(approved_cohort, approved_cohort.parent / "release", jobs=1).folder

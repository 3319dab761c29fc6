from __future__ import annotations

from pathlib import Path

import pytest

from uptake import verbs
from uptake.io.store import locked
from uptake.study import CohortError, Refusal


def phantoms(folder: Path) -> list[str]:
    return verbs.phantom(folder, cases=1, seed=3, size="small", jobs=1)


def test_two_calls_that_write_one_folder_do_not_meet(tmp_path: Path) -> None:
    folder = tmp_path / "phantoms"
    with locked(folder):
        with pytest.raises(CohortError, match="another run is at work"):
            phantoms(folder)
        assert [path.name for path in folder.iterdir()] == [".lock"]
    assert phantoms(folder) == ["PHANTOM-0001"]
    assert not list(folder.rglob("*.partial"))


def test_a_folder_of_somebody_else_gets_no_lock_either(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("mine")
    with pytest.raises(Refusal, match="holds other files"):
        phantoms(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.docx"]

"""The gate over a folder: every file once, whatever it is called, and in how many processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from uptake.io.archives.identifiers import Needle
from uptake.pipeline import searching
from uptake.pipeline.searching import Sought, search

pytest.importorskip("ahocorasick_rs", reason="the extra 'release' is not installed")

SOUGHT = Sought(frozenset({Needle("HX77-90412", "identifier", "PatientID")}), frozenset(), frozenset())


def leaks(root: Path, jobs: int = 1) -> list[str]:
    return [leak.file for leak in search(root, SOUGHT, jobs, lambda done, total: None)]


def test_a_second_link_to_a_file_is_searched_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("fine")
    (tmp_path / "HX77-90412.txt").hardlink_to(tmp_path / "a.txt")
    assert leaks(tmp_path) == ["HX77-90412.txt"]


def test_a_file_that_gets_the_inode_of_one_searched_before_is_searched(tmp_path: Path) -> None:
    for words in ("fine", "HX77-90412"):
        (tmp_path / "a.txt").unlink(missing_ok=True)
        (tmp_path / "a.txt").write_text(words)
        found = leaks(tmp_path)
    assert found == ["a.txt"]


def test_several_processes_find_what_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "AT_ONCE", 2)
    for number in range(5):
        (tmp_path / f"{number}.txt").write_text("HX77-90412" if number % 2 else "fine")
    assert leaks(tmp_path, jobs=2) == leaks(tmp_path) == ["1.txt", "3.txt"]


def test_the_name_of_an_empty_folder_is_searched(tmp_path: Path) -> None:
    (tmp_path / "HX77-90412").mkdir()
    assert leaks(tmp_path) == ["HX77-90412"]


def test_progress_counts_every_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("fine")
    (tmp_path / "b.txt").write_text("fine")
    said: list[tuple[int, int]] = []
    search(tmp_path, SOUGHT, 1, lambda done, total: said.append((done, total)))
    assert said == [(0, 2), (2, 2)]

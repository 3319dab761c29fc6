"""A release is checked without its cohort, and whatever was changed in it is found."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from uptake import verbs
from uptake.io.archives.manifest import read_manifest
from uptake.io.nifti import read_volume
from uptake.verbs.releasing import verify_release

pytest.importorskip("highdicom", reason="the extra 'release' is not installed")
pytest.importorskip("ahocorasick_rs", reason="the extra 'release' is not installed")

ONE, TWO = "PHANTOM-0001", "PHANTOM-0002"


@pytest.fixture
def copy(released: Path, tmp_path: Path) -> Path:
    shutil.copytree(released, tmp_path / "copy")
    return tmp_path / "copy"


def test_a_release_passes_its_own_check(released: Path) -> None:
    assert {finding.status for finding in verify_release(released)} == {"pass"}


def test_a_changed_byte_anywhere_is_caught(approved_cohort: Path, tmp_path: Path) -> None:
    copy = verbs.release(approved_cohort, tmp_path / "r", cases=[TWO], jobs=1, layouts=("ispy1", "dicom")).folder
    names = sorted(path for path in copy.rglob("*") if path.is_file())
    suffixes = {}
    for path in names:  # one file of every kind, and its first, middle and last byte in turn
        suffixes.setdefault((path.parent.name if path.parent == copy else path.suffix, path.suffix), path)
    assert len(suffixes) > 8
    for number, path in enumerate(suffixes.values()):
        before = path.read_bytes()
        at = (0, len(before) // 2, len(before) - 1)[number % 3]
        path.unlink()  # a hard link would change its twin as well
        path.write_bytes(before[:at] + bytes([before[at] ^ 1]) + before[at + 1 :])
        failed = [finding for finding in verify_release(copy) if finding.status == "fail"]
        assert failed, path
        path.write_bytes(before)
    assert {finding.status for finding in verify_release(copy)} == {"pass"}


@pytest.mark.parametrize("name", ["checksums.sha256", "manifest.csv", "README.md"])
def test_a_missing_file_is_caught(copy: Path, name: str) -> None:
    (copy / name).unlink()
    assert any(finding.status == "fail" for finding in verify_release(copy))


def test_an_added_file_is_caught(copy: Path) -> None:
    (copy / "NIfTI-Files" / "notes.txt").write_text("x")
    found = [finding for finding in verify_release(copy) if finding.status == "fail"]
    assert [finding.found for finding in found] == ["NIfTI-Files/notes.txt is not in the manifest"]


@pytest.mark.parametrize("name", ["bids/more", "NIfTI-Files/link"])
def test_an_added_folder_or_link_is_caught(copy: Path, name: str) -> None:
    if name.endswith("link"):
        (copy / name).symlink_to(copy / "tables")
    else:
        (copy / name).mkdir()
    found = {finding.check: finding for finding in verify_release(copy)}
    assert found["files"].found == f"{name} is not in the manifest"


def _edited(copy: Path, file: str, change: Callable[[np.ndarray], None]) -> list[str]:
    """The checks that fail when a mask is another one and every checksum is made to fit."""
    from uptake.io.archives.manifest import Entry, sha256_of, write_manifest
    from uptake.io.nifti import write_volume

    volume = read_volume(copy / file)
    array = volume.array.copy()
    change(array)
    (copy / file).unlink()
    write_volume(volume.with_array(array), copy / file)
    entries = [
        Entry(**{**vars(e), "sha256": sha256_of(copy / e.file), "bytes": (copy / e.file).stat().st_size})
        for e in read_manifest(copy)
    ]
    write_manifest(copy, entries)
    return [finding.check for finding in verify_release(copy) if finding.status == "fail"]


def test_a_mask_that_is_not_its_seg_is_caught_though_every_checksum_fits(copy: Path) -> None:
    def one_more(array: np.ndarray) -> None:
        array[tuple(np.argwhere(array == 0)[0])] = 255

    assert _edited(copy, f"NIfTI-Files/masks_ftv/{ONE}.nii.gz", one_more) == ["DICOM SEG and report", "counts"]


def test_other_values_in_a_mask_are_caught(copy: Path) -> None:
    def sevens(array: np.ndarray) -> None:
        array[array > 0] = 7

    assert "masks" in _edited(copy, f"NIfTI-Files/masks_ftv/{ONE}.nii.gz", sevens)

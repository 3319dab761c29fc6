"""Requests that cannot be met: regions, phases, masks and outputs that do not fit, commands without sense."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from uptake.study import Code

GOOD = "PHANTOM-0001"

Ended = Any
Command = Callable[..., Ended]


@pytest.fixture(scope="module")
def good(phantoms: Path) -> Path:
    """A study with nothing wrong."""
    return phantoms / GOOD


@pytest.fixture(scope="module")
def cohort(good: Path, uptake_command: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cohort made of it."""
    done = uptake_command("run", good, "--jobs", "1", cohort=tmp_path_factory.mktemp("made") / "cohort")
    assert done.exit_code == 0, done.output
    return Path(done.cohort)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A mounted disk of 600 kB: too small for the phases of one study."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_voi_outside_the_volume_is_refused(good: Path, tmp_path: Path, uptake_command: Command) -> None:
    done = uptake_command("run", good, "--jobs", "1", "--voi", "0,0,0:999,10,10", cohort=tmp_path / "cohort")
    assert done.exit_code == 1
    assert [(row["case_id"], row["code"]) for row in done.refusals] == [(GOOD, Code.VOI.value)]


@pytest.mark.parametrize(("shape", "code"), [((5, 6, 7), Code.MASK_GRID), (None, Code.EMPTY_MASK)])
def test_a_voi_mask_that_is_empty_or_on_another_grid_is_refused(
    shape: tuple[int, int, int] | None, code: Code, cohort: Path, good: Path, tmp_path: Path, uptake_command: Command
) -> None:
    native = nibabel.load(cohort / "cases" / GOOD / "native" / f"{GOOD}_0000.nii.gz")
    array = np.ones(shape) if shape else np.zeros(native.shape)
    mask = _mask(tmp_path, array, native.affine)
    done = uptake_command("run", good, "--jobs", "1", "--voi", mask, cohort=tmp_path / "cohort")
    assert done.exit_code == 1
    assert [(row["case_id"], row["code"]) for row in done.refusals] == [(GOOD, code.value)]


def test_a_phase_that_the_study_does_not_have_is_refused(good: Path, tmp_path: Path, uptake_command: Command) -> None:
    done = uptake_command("run", good, "--jobs", "1", "--set", "timing.phases=[0, 1, 7]", cohort=tmp_path / "cohort")
    assert done.exit_code == 1
    assert [(row["case_id"], row["code"]) for row in done.refusals] == [(GOOD, Code.PHASES.value)]


def test_an_output_folder_that_is_a_file_is_refused_and_the_file_is_left_alone(
    good: Path, tmp_path: Path, uptake_command: Command
) -> None:
    (tmp_path / "cohort").write_text("mine")
    done = uptake_command("run", good, "--jobs", "1", cohort=tmp_path / "cohort")
    assert done.exit_code == 1
    assert Code.NO_SPACE.value in done.output
    assert "Traceback" not in done.output
    assert (tmp_path / "cohort").read_text() == "mine"


def test_a_full_disk_loses_nothing_that_was_done_and_leaves_nothing_half(
    good: Path, small_disk: Path, tmp_path: Path, uptake_command: Command
) -> None:
    done = uptake_command("run", good, "--jobs", "1", cohort=small_disk / "cohort")
    assert done.exit_code == 1
    assert Code.NO_SPACE.value in done.output
    assert "Traceback" not in done.output
    assert not list(small_disk.rglob("*.partial"))
    for path in small_disk.rglob("*.nii.gz"):
        nibabel.load(path).get_fdata()
    shutil.copytree(small_disk / "cohort", tmp_path / "cohort")
    after = uptake_command("run", good, "--jobs", "1", cohort=tmp_path / "cohort")
    assert after.exit_code == 0
    assert after.refusals == []


def test_a_mask_on_another_grid_is_refused_by_import(cohort: Path, tmp_path: Path, uptake_command: Command) -> None:
    affine = nibabel.load(cohort / "cases" / GOOD / "native" / f"{GOOD}_0000.nii.gz").affine
    done = _import(uptake_command, cohort, _mask(tmp_path, np.ones((5, 6, 7)), affine))
    assert done.exit_code == 1
    assert Code.MASK_GRID.value in done.output
    assert not (cohort / "cases" / GOOD / "masks" / "stv.nii.gz").exists()


def test_an_empty_mask_is_refused_by_import(cohort: Path, tmp_path: Path, uptake_command: Command) -> None:
    native = nibabel.load(cohort / "cases" / GOOD / "native" / f"{GOOD}_0000.nii.gz")
    done = _import(uptake_command, cohort, _mask(tmp_path, np.zeros(native.shape), native.affine))
    assert done.exit_code == 1
    assert Code.EMPTY_MASK.value in done.output
    assert not (cohort / "cases" / GOOD / "masks" / "stv.nii.gz").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "no-such-folder"),
        ("run", "--set", "ftv.pe_treshold_percent=90"),
        ("run", "--set", "ftv.pe_threshold_percent=-5"),
        ("run", "--set", "nonsense"),
        ("run", "--no-such-option"),
        ("run", "--case", "NOBODY"),
        ("status", "no-such-cohort"),
    ],
)
def test_a_command_that_makes_no_sense_ends_with_2_and_says_why(
    arguments: tuple[str, ...], tmp_path: Path, uptake_command: Command
) -> None:
    verb, *rest = arguments
    done = uptake_command(verb, *rest, cohort=tmp_path / "cohort" if verb == "run" else None)
    assert done.exit_code == 2
    assert "Traceback" not in done.output
    assert done.output.strip()


def test_a_misspelt_setting_is_answered_with_the_nearest_right_one(tmp_path: Path, uptake_command: Command) -> None:
    done = uptake_command("run", "--set", "ftv.pe_treshold_percent=90", cohort=tmp_path / "cohort")
    assert "did you mean 'pe_threshold_percent'?" in done.output


def _import(uptake_command: Command, cohort: Path, mask: Path) -> Ended:
    return uptake_command("import", cohort, mask, "--as", "reader", "--case", GOOD)


def _mask(folder: Path, array: np.ndarray, affine: np.ndarray) -> Path:
    path = folder / f"{GOOD}.nii.gz"
    nibabel.save(nibabel.Nifti1Image(array.astype(np.uint8), affine), path)
    return path

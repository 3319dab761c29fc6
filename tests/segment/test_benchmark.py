"""`benchmarks/segmentation.py`: folds for the peers, equal budgets, its tables on a cohort of balls; without peers."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from uptake import verbs
from uptake.cohort.folds import Subject, plan_folds
from uptake.cohort.judging import Judged, figures
from uptake.io.store import open_cohort
from uptake.volume import Grid, Volume

SCRIPTS = Path(__file__).parents[2] / "benchmarks"
HALF_FOUND = (("A", 3.0), ("B", None))
SMALL = ["network=resunet", "filters=2", "patches_per_case=1"]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(SCRIPTS)
    import segmentation

    return segmentation


@pytest.fixture
def engines(script: ModuleType) -> ModuleType:
    import segmentation_engines

    return segmentation_engines


def test_a_peer_gets_every_inner_fold_in_order_and_never_a_test_case(script: ModuleType) -> None:
    folds = plan_folds([Subject(f"C{n}", f"P{n}") for n in range(9)], 3, 2)
    splits = script.nnunet_splits(folds)
    assert len(splits) == 6
    for number, split in enumerate(splits):
        test = folds.outer[number // 2].test
        assert sorted([*split["train"], *split["val"], *test]) == [f"C{n}" for n in range(9)]


def test_a_budget_holds_as_many_epochs_as_the_last_measured_one_fits_into_it(
    script: ModuleType, engines: ModuleType
) -> None:
    pace = engines.Done("ours", 2, 8, [48] * 3, 1, 14.0, 10.0, [(10.0, 8.0), (14.0, 10.0)])
    assert script.epochs_within(pace, 60.0, "wall", 2) == 15
    assert script.epochs_within(pace, 60.0, "processor", 1) == 30
    assert script.epochs_within(pace, 60.0, "processor", 2) == 60
    assert script.epochs_within(pace, 1.0, "wall", 1) == 1
    first = engines.Done("paper", 1, 8, [48] * 3, 1, 10.0, 8.0, [(10.0, 8.0)])
    assert script.epochs_within(first, 60.0, "wall", 1) == 6


def test_patches_of_another_size_are_compared_by_their_voxels(script: ModuleType, engines: ModuleType) -> None:
    done = engines.Done("nnunet", 1, 6, [96, 48, 48], 2_000_000, 60.0, 3.0, [(60.0, 3.0)])
    line = script.cost_line("peer", [done], threads=1)
    assert line == "| peer | 1 | 2.0 M | 96 x 48 x 48 | 1 | 2.00 | 4.00 | 1.0 | 0.1 |"


def test_gandlf_reads_three_channels_and_a_label_of_every_case(engines: ModuleType, tmp_path: Path) -> None:
    job = _job(engines, tmp_path, train=["A", "B"])
    lines = engines.gandlf_table(job, "train").read_text().splitlines()
    assert lines[0] == "SubjectID,Channel_0,Channel_1,Channel_2,Label"
    images, labels = tmp_path / "data/images", tmp_path / "data/labels"
    assert lines[2].split(",") == ["B", *(str(images / f"B_000{n}.nii.gz") for n in range(3)), f"{labels}/B.nii.gz"]


def test_gandlf_s_patch_fits_the_smallest_image_and_halves_four_times(engines: ModuleType, tmp_path: Path) -> None:
    job = _job(engines, tmp_path, train=["A", "B"], patch=48)
    for name, shape in (("A", (90, 100, 60)), ("B", (100, 90, 45))):
        path = tmp_path / f"data/labels/{name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(np.zeros(shape, np.uint8), np.eye(4)), path)
    assert engines.gandlf_patch(job) == [48, 48, 32]


def test_masks_of_all_methods_are_made_in_one_way_from_probabilities(script: ModuleType) -> None:
    grid = Grid((40, 8, 8), np.diag([2.0, 2, 2, 1]))
    probability = np.zeros(grid.shape)
    probability[2:6, 2:6, 2:6], probability[8, 2, 2], probability[38, 2, 2] = 0.5, 0.49, 0.9
    truth = Volume(np.ones(grid.shape, bool), grid)
    made = script.masked(probability, truth, None)
    assert made.array.sum() == 64  # neither what is below 0.5 nor what is farther than 20 mm
    voi = np.arange(40)[:, None, None] < np.full((1, 8, 8), 4)
    assert script.masked(probability, truth, voi).array.sum() == 32


def test_the_table_says_of_how_many_cases_hd95_is(script: ModuleType) -> None:
    rows = [Judged(name, "m", 0.5, far, 0.5 * (far is not None), 1, 2, -1, -50, True) for name, far in HALF_FOUND]
    (line,) = figures(rows, {})
    assert script.figure_line(line).startswith("| m | 0.500 (0.500 to 0.500) | 3.0 (3.0 to 3.0) [1 of 2] | 0.25 ")
    (missed,) = figures(rows[1:], {})
    assert script.figure_line(missed).startswith("| m | 0.500 (0.500 to 0.500) | none found | 0.00 ")


def test_the_tables_name_what_was_judged_and_a_second_call_trains_nothing(
    script: ModuleType,
    engines: ModuleType,
    cohort_of_balls: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("torch", reason="the extra 'torch' is not installed: make torch")
    shutil.copytree(cohort_of_balls, tmp_path / "cohort")
    verbs.train(tmp_path / "cohort", plan_only=True, outer=2, inner=2)
    trained: list[str] = []

    def here(job: Any, python: str) -> None:
        trained.append(Path(job.folder).name)
        done = engines.ours(job)
        Path(job.folder, "done.json").write_text(json.dumps(vars(done)))

    monkeypatch.setattr(script, "prepared", lambda folder, asked: open_cohort(folder / "cohort"))
    monkeypatch.setattr(script, "_run", here)
    asked = ["segmentation.py", str(tmp_path), "--methods", "ours", "gandlf", "--patch", "32", "--minutes", "0.001"]
    monkeypatch.setattr(sys, "argv", [*asked, "--outer", "2", "--at-once", "1", "--ours", *SMALL, "networks=1"])
    script.main()
    said = capsys.readouterr().out
    assert trained == ["pace", "0-0", "1-0"]
    assert "GaNDLF 0.1.5 is left out: name the Python of its environment with --gandlf." in said
    assert "5 phantoms" in said
    assert "| our recipe − FTV (PE rule) |" in said
    # the cohort's rule has a ball of radius 4 in one of radius 6: 257 and 925 voxels
    assert f"| FTV (PE rule) | {2 * 257 / (257 + 925):.3f}" in said
    script.main()
    assert trained == ["pace", "0-0", "1-0"]
    assert capsys.readouterr().out == said


def _job(engines: ModuleType, folder: Path, **changes: Any) -> Any:
    told = {
        "method": "gandlf", "data": str(folder / "data"), "folder": str(folder), "train": [], "validation": [],
        "test": [], "epochs": 2, "patches": 1, "patch": 32, "threads": 1, "seed": 0, "split": 0, "device": "cpu",
        "settings": {}, **changes,
    }  # fmt: skip
    return engines.Job(**told)

"""`uptake train` and `uptake predict` as a user starts them."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from uptake.cli import app
from uptake.io.store import CaseRecord, Cohort, Record
from uptake.study import SettingsError

RUNNER = CliRunner()


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Six cases that were made, of which training reads nothing but the records."""
    folder = tmp_path / "cohort"
    folder.mkdir()
    (folder / "uptake.toml").write_text("")
    for number in range(6):
        record = Record(key="k", settings={}, inputs={}, code="")
        Cohort(folder).write_record(CaseRecord(f"P{number}", results={"harmonised": record}))
    return folder


def test_plan_only_writes_the_folds_of_every_case_and_needs_no_masks(cohort: Path) -> None:
    done = RUNNER.invoke(app, ["train", str(cohort), "--plan-only", "--outer", "3", "--inner", "2"])
    assert done.exit_code == 0, done.output
    assert "6 cases in 3 outer folds" in done.output
    plain = json.loads((cohort / "folds.json").read_text())
    assert sorted(case for outer in plain["outer"] for case in outer["test"]) == [f"P{n}" for n in range(6)]


def test_a_dry_plan_writes_nothing_and_json_is_for_machines(cohort: Path) -> None:
    done = RUNNER.invoke(app, ["train", str(cohort), "--plan-only", "--dry-run", "--json"])
    assert done.exit_code == 0
    assert len(json.loads(done.stdout)["folds"]["outer"]) == 5
    assert not (cohort / "folds.json").exists()


def test_names_that_may_be_visits_of_one_patient_are_told(cohort: Path) -> None:
    record = Cohort(cohort).record("P0")
    for name in ("Q1_1", "Q1_2"):
        Cohort(cohort).write_record(dataclasses.replace(record, case_id=name))
    done = RUNNER.invoke(app, ["train", str(cohort), "--plan-only", "--dry-run"])
    assert "taken for different patients: Q1_1, Q1_2" in done.stderr
    assert "--patients FILE" in done.stderr
    plain = json.loads(RUNNER.invoke(app, ["train", str(cohort), "--plan-only", "--dry-run", "--json"]).stdout)
    assert plain["alike"] == [["Q1_1", "Q1_2"]]
    table = cohort / "patients.csv"
    owners = {f"P{n}": f"P{n}" for n in range(6)} | {"Q1_1": "Q1", "Q1_2": "Q1"}
    table.write_text("case_id,patient\n" + "".join(f"{case},{owner}\n" for case, owner in owners.items()))
    done = RUNNER.invoke(app, ["train", str(cohort), "--plan-only", "--dry-run", "--patients", str(table)])
    assert (done.exit_code, done.stderr) == (0, "")


def test_more_folds_than_patients_are_a_refusal(cohort: Path) -> None:
    done = RUNNER.invoke(app, ["train", str(cohort), "--plan-only", "--outer", "7"])
    assert done.exit_code != 0
    assert not (cohort / "folds.json").exists()


@pytest.mark.parametrize("words", [["train", "--plan-only", "--set", "seed=3"], ["predict", "--set", "jobs=2"]])
def test_a_setting_that_is_an_option_is_wrong_usage(cohort: Path, words: list[str]) -> None:
    done = RUNNER.invoke(app, [words[0], str(cohort), *words[1:]])
    assert isinstance(done.exception, SystemExit | SettingsError)
    assert done.exit_code != 0
    assert "is no setting here but an option: --" in str(done.exception) + done.output


def test_a_model_that_is_not_there_is_wrong_usage(cohort: Path) -> None:
    done = RUNNER.invoke(app, ["predict", str(cohort), "--model", "none"])
    assert done.exit_code != 0
    assert not list(cohort.rglob("stv_predicted*"))
    shutil.rmtree(cohort)

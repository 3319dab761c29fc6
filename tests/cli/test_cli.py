"""The command line as a user meets it: what is printed where, exit codes, JSON, dry runs.

Commands run in this process, through `main` and ``sys.argv``; some in a process of their own, as they are installed.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import shutil
import subprocess
import sys
import tomllib
from concurrent.futures.process import BrokenProcessPool
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import uptake as package
from uptake.cli import main
from uptake.verbs import machine

ONE, TWO = "PHANTOM-0001", "PHANTOM-0002"
PROMISED = {
    "run": {"--out", "--case", "--jobs", "--scheduler", "--voi", "--settings", "--set", "--dry-run", "--json"},
    "status": {"--case", "--json"},
    "import": {"--as", "--reader", "--case", "--dry-run", "--json"},
    "review": {"--port", "--no-browser", "--reader", "--host", "--export", "--to", "--audit", "--case", "--json"},
    "train": {"--labels", "--recipe", "--plan-only", "--folds", "--seed", "--device", "--case", "--jobs", "--json"},
    "predict": {"--model", "--backend", "--set", "--case", "--jobs", "--scheduler", "--dry-run", "--json"},
    "report": {"--case", "--jobs", "--dry-run", "--json"},
    "features": {
        "--panel",
        "--parameters",
        "--table",
        "--compare",
        "--label",
        "--csv",
        "--xlsx",
        "--settings",
        "--set",
        "--json",
    },
    "phantom": {
        "--to",
        "--cases",
        "--seed",
        "--vendor",
        "--view",
        "--field",
        "--snr",
        "--motion",
        "--defect",
        "--habit",
        "--size",
        "--jobs",
        "--scheduler",
        "--dry-run",
        "--json",
    },
    "demo": {"--to", "--cases", "--jobs", "--json"},
    "doctor": {"--out", "--json"},
    "config": {"--settings", "--set", "--origins", "--json"},
    "cohort": {"--index", "--include", "--to", "--rules", "--dry-run", "--json"},
    "verify": {"--case", "--readers", "--jobs", "--dry-run", "--json"},
    "release": {"--to", "--public-source", "--case", "--dry-run", "--json"},
    "fetch": {"--to", "--dry-run", "--json"},
}


@dataclass(frozen=True)
class Done:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """The last line of the results."""
        return self.out.rstrip("\n").rpartition("\n")[2]

    @property
    def json(self) -> Any:
        """The results, which must be JSON and nothing else."""
        return json.loads(self.out)


class Terminal(io.StringIO):
    """A stream that says that a person is watching."""

    def isatty(self) -> bool:
        return True


def uptake(*arguments: object, watched: bool = False) -> Done:
    """Run a command here. An error that the command line does not explain is raised: no user may see it."""
    out, err = io.StringIO(), Terminal() if watched else io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["uptake", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
    return Done(int(ended.value.code or 0), out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def first_run(phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """A cohort of two phantoms, and what the command that made it printed."""
    cohort = tmp_path_factory.mktemp("first") / "cohort"
    return cohort, uptake("run", phantoms, "--out", cohort, "--jobs", "1")


@pytest.fixture(scope="module")
def made(first_run: tuple[Path, Done]) -> Path:
    """The cohort, for tests that change nothing in it."""
    return first_run[0]


@pytest.fixture
def cohort(made: Path, tmp_path: Path) -> Path:
    """A copy of the cohort, for tests that change it."""
    return Path(shutil.copytree(made, tmp_path / "cohort"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the working directory."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="module")
def image_and_mask(made: Path) -> tuple[Path, Path]:
    case = made / "cases" / ONE
    return case / "native" / f"{ONE}_0001.nii.gz", case / "masks" / "stv_proposal_acquired.nii.gz"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_help_lists_every_verb_and_asking_for_nothing_shows_it() -> None:
    asked = uptake("--help")
    assert asked.code == 0
    listed = re.findall(r"^  (\w+)  ", asked.out.partition("Commands:")[2], re.MULTILINE)
    assert listed == list(PROMISED)
    nothing = uptake()
    assert nothing.code == 2
    assert "Commands:" in nothing.out + nothing.err


@pytest.mark.parametrize("verb", PROMISED)
def test_every_verb_has_help_with_the_options_that_are_promised(verb: str) -> None:
    asked = uptake(verb, "--help")
    assert asked.code == 0
    assert set(re.findall(r"--[a-z][a-z-]+", asked.out)) >= PROMISED[verb] | {"--help"}


def test_the_version_is_that_of_the_package() -> None:
    assert uptake("--version").out.split() == ["uptake", package.__version__]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["runn"], "run"),
        (["run", "--no-such-option"], "No such option"),
        (["run"], "cohort is no cohort folder"),
        (["run", "nowhere"], "there is no source nowhere"),
        (["run", "nowhere", "--jobs", "0"], "Invalid value for '--jobs'"),
        (["run", "nowhere", "--set", "ftv.pe_treshold_percent=90"], "did you mean 'pe_threshold_percent'?"),
        (["run", "nowhere", "--set", "ftw.pe_threshold_percent=90"], "did you mean 'ftv'?"),
        (["run", "nowhere", "--set", "ftv.pe_threshold_percent=high"], "must be a number, not 'high'"),
        (["run", "nowhere", "--set", "nonsense"], "section.name=value"),
        (["run", "nowhere", "--settings", "none.toml"], "there is no settings file none.toml"),
        (["run", "nowhere", "--voi", "nonsense"], "--voi takes a box c0,r0,s0:c1,r1,s1"),
        (["run", "nowhere", "--voi", "1,2:3,4"], "a box is written c0,r0,s0:c1,r1,s1"),
        (["run", "nowhere", "--voi", "5,5,5:1,9,9"], "a box runs from its first column"),
        (["run", "nowhere", "--dry-run"], "there is no source nowhere"),
        (["status"], "Missing argument"),
        (["status", "nowhere"], "nowhere is no cohort folder"),
        (["report", "nowhere"], "nowhere is no cohort folder"),
        (["report", "nowhere", "--dry-run"], "nowhere is no cohort folder"),
        (["import", "nowhere", "masks", "--as", "truth"], "nowhere is no cohort folder"),
        (["import", "nowhere", "masks"], "Missing option '--as'"),
        (["import", "nowhere", "masks", "--as", "guess"], "'guess' is not one of 'reader', 'truth', 'ftv'"),
        (["features", "image.nii", "mask.nii"], "'image.nii' does not exist"),
        (["features"], "needs an IMAGE and a MASK"),
        (["phantom"], "Missing option '--to'"),
        (["phantom", "--to", "out", "--vendor", "agfa"], "'agfa' is not one of 'ge', 'siemens', 'philips', 'mixed'"),
        (["phantom", "--to", "out", "--defect", "scratch"], "there is no defect scratch; there are ghosting"),
        (["phantom", "--to", "out", "--habit", "jpg"], "did you mean jpeg"),
        (["phantom", "--to", "out", "--habit", "missing-slice"], "is a defect, not a habit"),
        (["phantom", "--to", "out", "--habit", "no-times", "--vendor", "philips"], "a habit of GE, not of philips"),
        (["phantom", "--to", "out", "--field", "7"], "field_t"),
        (["phantom", "--to", "out", "--motion", "-1"], "motion_mm"),
        (["phantom", "--to", "out", "--snr", "-4"], "snr must be in"),
        (["phantom", "--to", "out", "--seed", "-1"], "seed must be 0 or more"),
        (["phantom", "--to", "out", "--cases", "10000"], "cases must be in 1-9999"),
        (["doctor", "nowhere"], "there is no source nowhere"),
        (["config", "nowhere"], "nowhere is no cohort folder"),
        (["config", "--settings", "."], "is not a TOML file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_ends_with_2_says_what_is_wrong_and_writes_nothing(
    arguments: list[str], words: str, here: Path
) -> None:
    done = uptake(*arguments)
    assert done.code == 2
    assert words in done.err
    assert done.out == ""
    assert contents(here) == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--out", "COHORT", "--case", "NOBODY"], f"there is no case NOBODY; there are {ONE}, {TWO}"),
        (["run", "--out", "COHORT", "--voi", "1,1,1:2,2,2"], "a VOI for several cases is given as CASE=VOI"),
        (["run", "--out", "COHORT", "--voi", "NOBODY=1,1,1:2,2,2"], "there is no case 'NOBODY'"),
        (["status", "COHORT", "--case", "NOBODY"], "there is no case NOBODY"),
        (["report", "COHORT", "--case", "NOBODY"], "there is no case NOBODY"),
        (["import", "COHORT", "nowhere", "--as", "truth"], "there is no file or folder nowhere"),
        (["import", "COHORT", ".", "--as", "truth"], "holds no mask named as a case"),
        (["import", "COHORT", "COHORT/uptake.toml", "--as", "truth"], "name it with --case"),
        (
            ["run", "--out", "COHORT", "--scheduler", "tcp://127.0.0.1:1", "--set", "ftv.ser_threshold=1"],
            "no Dask sched",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_of_a_cohort_ends_with_2_and_leaves_its_results(
    arguments: list[str], words: str, cohort: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uptake.pipeline.executors.ANSWER_WITHIN_S", 1)
    before = {name: data for name, data in contents(cohort).items() if name != "uptake.toml"}
    done = uptake(*[text.replace("COHORT", str(cohort)) for text in arguments])
    assert done.code == 2
    assert words in done.err
    assert done.out == ""
    assert {name: data for name, data in contents(cohort).items() if name != "uptake.toml"} == before


def test_a_run_prints_results_on_standard_output_and_progress_on_standard_error(first_run: tuple[Path, Done]) -> None:
    cohort, done = first_run
    assert done.code == 0
    assert done.out.splitlines() == [f"report: {cohort}/report/index.html", "2 of 2 cases made"]
    assert Path(done.out.splitlines()[0].removeprefix("report: ")).is_file()
    progress = done.err.splitlines()
    assert [line.split(":")[0] for line in progress] == [f"[1/2] {ONE}", f"[2/2] {TWO}"]
    assert all("made study" in line for line in progress)


def test_a_person_who_watches_gets_the_same_results_and_a_line_per_case(cohort: Path) -> None:
    (cohort / "cases" / TWO / "maps/pe.nii.gz").unlink()
    done = uptake("run", "--out", cohort, "--jobs", "1", watched=True)
    assert done.code == 0
    assert done.last == "2 of 2 cases made"
    assert f"{ONE}: nothing to do" in done.err
    assert f"{TWO}: made enhancement in" in done.err


def test_a_run_of_which_something_is_refused_ends_with_1_and_says_where_to_read_why(
    cohort: Path, phantoms: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    done = uptake("run", phantoms, tmp_path / "empty", "--out", cohort, "--jobs", "1")
    assert done.code == 1
    assert "no-study" in done.err
    where = re.fullmatch(r"2 of 2 cases made; 1 refused, why: (.+)", done.last)
    assert where
    with Path(where[1]).open(newline="") as handle:
        assert [row["code"] for row in csv.DictReader(handle)] == ["no-study"]
    told = uptake("run", tmp_path / "empty", "--out", cohort, "--json")
    assert told.code == 1
    assert [item["refusal"]["code"] for item in told.json["refused_sources"]] == ["no-study"]


def test_a_dry_run_says_what_would_be_refused_and_ends_with_1(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = uptake("run", tmp_path / "empty", "--out", tmp_path / "cohort", "--dry-run")
    assert done.code == 1
    assert "no-study" in done.err
    assert done.last == "0 of 0 cases have something to do; 1 sources would be refused, why: above"
    told = uptake("run", tmp_path / "empty", "--out", tmp_path / "cohort", "--dry-run", "--json")
    assert told.json["refused_sources"][0]["refusal"]["code"] == "no-study"
    assert not (tmp_path / "cohort").exists()


def test_a_dry_run_says_why_and_writes_nothing(made: Path, phantoms: Path, tmp_path: Path) -> None:
    before = contents(made)
    new = uptake("run", phantoms, "--out", tmp_path / "cohort", "--dry-run")
    assert new.code == 0
    assert re.search(r"^  study +to do +new$", new.out, re.MULTILINE)
    assert new.last == "2 of 2 cases have something to do"
    assert not (tmp_path / "cohort").exists()
    changed = uptake("run", "--out", made, "--dry-run", "--case", TWO, "--set", "ftv.ser_threshold=1.1", "--json")
    steps = {step["step"]: step for step in changed.json["cases"][TWO]}
    assert list(changed.json["cases"]) == [TWO]
    assert steps["study"]["state"] == "made"
    assert steps["ftv"]["reason"] == "setting ftv.ser_threshold was 0.9 and is now 1.1"
    assert contents(made) == before


def test_a_dry_run_tells_what_a_volume_of_interest_would_change_exactly_as_the_run_then_does(cohort: Path) -> None:
    asked = ("run", "--out", cohort, "--case", ONE, "--voi", "20,20,5:40,40,20", "--json")
    planned = {step["step"]: step["reason"] for step in uptake(*asked, "--dry-run").json["cases"][ONE]}
    assert planned["ftv"] == "roi changed"
    assert not (cohort / f"cases/{ONE}/voi_given.json").exists()
    (case,) = uptake(*asked, "--jobs", "1").json["cases"]
    assert case["done"] == [step for step, reason in planned.items() if reason]
    assert json.loads((cohort / f"cases/{ONE}/voi.json").read_text())["source"] == "user"
    again = {step["step"]: step["reason"] for step in uptake(*asked, "--dry-run").json["cases"][ONE]}
    assert set(again.values()) == {None}


def test_case_is_repeatable_and_leaves_the_others_alone(cohort: Path) -> None:
    for case in (ONE, TWO):
        (cohort / f"cases/{case}/report.html").unlink()
    both = uptake("status", cohort, "--case", ONE, "--case", TWO)
    assert both.last == "2 of 2 cases have something to do"
    one = uptake("report", cohort, "--case", ONE, "--jobs", "1")
    assert (one.code, one.last) == (0, "1 of 1 cases made")
    assert (cohort / f"cases/{ONE}/report.html").is_file()
    assert not (cohort / f"cases/{TWO}/report.html").exists()
    assert uptake("status", cohort).last == "1 of 2 cases have something to do"


def test_status_names_the_lost_file_the_awaited_reader_and_nothing_else(cohort: Path) -> None:
    (cohort / f"cases/{ONE}/maps/pe.nii.gz").unlink()
    done = uptake("status", cohort, "--case", ONE)
    assert done.code == 0
    assert re.search(r"^  enhancement +to do +missing or changed: maps/pe.nii.gz$", done.out, re.MULTILINE)
    assert re.search(r"^  reader +awaited +a reader", done.out, re.MULTILINE)
    steps = uptake("status", cohort, "--case", ONE, "--json").json[ONE]
    assert [step["step"] for step in steps if step["reason"]] == ["enhancement"]


def test_report_shows_what_it_would_do_and_does_nothing_more_than_that(cohort: Path) -> None:
    (cohort / f"cases/{ONE}/report.html").unlink()
    before = contents(cohort)
    asked = uptake("report", cohort, "--dry-run", "--json").json
    assert [step["step"] for step in asked[ONE] if step["reason"]] == ["report"]
    assert contents(cohort) == before
    done = uptake("report", cohort, "--jobs", "1", "--json").json
    assert {case["case_id"]: case["done"] for case in done["cases"]} == {ONE: ["report"], TWO: []}


def test_import_says_how_many_of_how_many_and_a_dry_run_of_it_writes_nothing(cohort: Path, phantoms: Path) -> None:
    before = contents(cohort)
    dry = uptake("import", cohort, phantoms / "truth", "--as", "truth", "--dry-run")
    assert (dry.code, dry.last) == (0, "2 of 2 masks would be imported")
    assert contents(cohort) == before
    done = uptake("import", cohort, phantoms / "truth", "--as", "truth", "--json")
    assert done.json == {"imported": [ONE, TWO], "refused": []}
    assert (cohort / f"cases/{TWO}/masks/stv_truth.nii.gz").is_file()
    one = uptake("import", cohort, phantoms / "truth", "--as", "truth", "--case", TWO)
    assert one.out.splitlines() == [f"{TWO}: imported as truth", "1 of 1 masks imported"]


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_a_mask_on_another_grid_is_refused_with_1_and_the_other_is_taken(
    dry: tuple[str, ...], cohort: Path, phantoms: Path, tmp_path: Path
) -> None:
    masks = Path(shutil.copytree(phantoms / "truth", tmp_path / "masks"))
    nib.save(nib.Nifti1Image(np.ones((3, 4, 5), np.uint8), np.eye(4)), masks / ONE / "stv.nii.gz")
    done = uptake("import", cohort, masks, "--as", "truth", *dry)
    assert done.code == 1
    assert f"{ONE}: refused: mask-on-another-grid" in done.err
    assert done.last.startswith("1 of 2 masks")
    assert done.last.endswith("imported; 1 refused, why: above")
    told = uptake("import", cohort, masks, "--as", "truth", "--json", *dry)
    assert told.code == 1
    assert [item["code"] for item in told.json["refused"]] == ["mask-on-another-grid"]


def test_features_of_one_image_and_mask_are_the_same_on_screen_as_json_and_as_a_table(
    image_and_mask: tuple[Path, Path], tmp_path: Path
) -> None:
    told = uptake("features", *image_and_mask, "--json").json
    written = uptake("features", *image_and_mask, "--csv", tmp_path / "features.csv")
    assert written.out == f"{len(told)} features in {tmp_path / 'features.csv'}\n"
    with (tmp_path / "features.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["ibsi_tag"] for row in rows] == [item["ibsi_tag"] for item in told]
    values = [float(row["value"]) for row in rows]
    assert [None if math.isnan(value) else value for value in values] == [item["value"] for item in told]
    assert [bool(row["reason"]) for row in rows] == [math.isnan(value) for value in values]
    shown = uptake("features", *image_and_mask).out.splitlines()
    assert [line.split()[0] for line in shown] == [item["ibsi"] for item in told]
    mean = next(item for item in told if item["ibsi_tag"] == "stat_mean")
    image, mask = (np.asanyarray(nib.load(path).dataobj) for path in image_and_mask)
    assert mean["value"] == pytest.approx(image[mask > 0].mean())


def test_features_take_their_settings_from_a_file_and_from_the_command(
    image_and_mask: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "mine.toml").write_text('[features]\nfamilies = ["statistics"]\n')
    few = uptake("features", *image_and_mask, "--settings", tmp_path / "mine.toml", "--json").json
    assert {item["family"] for item in few} == {"statistics"}
    none = uptake("features", *image_and_mask, "--set", 'features.families=["texture"]')
    assert none.code == 2
    assert "statistics" in none.err


def test_features_of_what_is_no_image_or_of_another_grid_end_with_1(image_and_mask: tuple[Path, Path]) -> None:
    image, mask = image_and_mask
    isotropic = mask.with_name("stv_proposal.nii.gz")
    for arguments, code in (((image, isotropic), "mask-on-another-grid"), ((__file__, mask), "unreadable-file")):
        done = uptake("features", *arguments)
        assert done.code == 1
        assert code in done.err
        assert done.out == ""


def test_the_settings_that_config_prints_are_a_settings_file_that_gives_them_again(tmp_path: Path) -> None:
    asked = uptake("config", "--set", "ftv.pe_threshold_percent=90")
    assert asked.code == 0
    assert tomllib.loads(asked.out)["ftv"]["pe_threshold_percent"] == 90
    (tmp_path / "mine.toml").write_text(asked.out)
    assert uptake("config", "--settings", tmp_path / "mine.toml").out == asked.out
    items = {f"{item['section']}.{item['name']}": item for item in uptake("config", "--json").json}
    assert items["ftv.pe_threshold_percent"]["value"] == items["ftv.pe_threshold_percent"]["default"] == 70


def test_config_tells_where_each_setting_comes_from(cohort: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("[ftv]\nser_threshold = 1.1\nminimum_neighbours = 5\n")
    given = ("--set", "ftv.minimum_neighbours=6")
    table = uptake("config", "--settings", tmp_path / "mine.toml", *given, "--origins").out.splitlines()
    found = {line.split()[0]: line.split(maxsplit=2)[1:] for line in table}
    assert found["ftv.ser_threshold"] == ["1.1", "mine.toml"]
    assert found["ftv.minimum_neighbours"] == ["6", "command line"]
    assert found["ftv.pe_threshold_percent"] == ["70.0", "default"]
    uptake("run", "--out", cohort, "--jobs", "1", "--set", "ftv.ser_threshold=1.1")
    origins = {item["name"]: item["origin"] for item in uptake("config", cohort, "--json").json}
    assert origins["ser_threshold"] == "cohort's uptake.toml"
    assert origins["pe_threshold_percent"] == "default"


def test_doctor_says_what_is_there_and_ends_with_1_where_something_will_not_do(
    phantoms: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subjects = [item["subject"] for item in uptake("doctor", phantoms, "--json").json]
    assert {"cores", "memory", "disk", "SimpleITK"} <= set(subjects)
    assert "needed" in uptake("doctor", phantoms).out
    monkeypatch.setattr(machine, "CASE_MEMORY_BYTES", 1e18)
    ill = uptake("doctor")
    assert ill.code == 1
    assert [line.split()[1] for line in ill.out.splitlines() if line.startswith("NO")] == ["memory"]


def test_phantoms_are_the_same_from_one_process_and_from_two(phantoms: Path, tmp_path: Path) -> None:
    asked = ("phantom", "--to", tmp_path / "out", "--cases", "2", "--seed", "2", "--size", "small")
    dry = uptake(*asked, "--dry-run")
    assert (dry.code, dry.last) == (0, f"2 phantoms would be written to {tmp_path / 'out'}")
    assert not (tmp_path / "out").exists()
    done = uptake(*asked, "--jobs", "2", "--json")
    assert (done.code, done.json) == (0, [ONE, TWO])
    assert contents(tmp_path / "out") == contents(phantoms)


def test_a_phantom_that_cannot_be_written_is_refused_with_1(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    done = uptake("phantom", "--to", tmp_path / "taken", "--size", "small")
    assert done.code == 1
    assert "output-not-writable" in done.err


def test_a_folder_with_other_things_is_refused_with_1_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "patients.csv").write_text("mine")
    for more in ((), ("--dry-run",)):
        done = uptake("phantom", "--to", tmp_path, "--size", "small", *more)
        assert done.code == 1
        assert "holds other files" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["patients.csv"]


def test_a_folder_of_phantoms_is_gone_on_with_and_none_is_made_twice(phantoms: Path, tmp_path: Path) -> None:
    there = Path(shutil.copytree(phantoms, tmp_path / "out"))
    (there / "truth.csv").unlink()
    stamps = {path: path.stat().st_mtime_ns for path in (there / ONE).rglob("*.dcm")}
    asked = ("phantom", "--to", there, "--seed", "2", "--size", "small", "--jobs", "1")
    assert f"{ONE}: is there" in uptake(*asked, "--cases", "2", "--dry-run").out
    assert uptake(*asked, "--cases", "2").code == 0
    assert {path: path.stat().st_mtime_ns for path in (there / ONE).rglob("*.dcm")} == stamps
    assert contents(there) == contents(phantoms)
    other = uptake(*asked, "--cases", "2", "--snr", "10")
    assert other.code == 1
    assert "snr 40.0 and not 10.0" in other.err


def test_a_process_that_is_killed_while_it_makes_a_phantom_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_: object, tasks: list[Any], jobs: int) -> list[tuple[Any, Exception]]:
        return [(tasks[0], BrokenProcessPool())]

    monkeypatch.setattr("uptake.pipeline.executors.in_pool", killed)
    done = uptake("phantom", "--to", tmp_path, "--cases", "2", "--size", "small", "--jobs", "2")
    assert done.code == 1
    assert "worker-died" in done.err
    assert ONE in done.err
    assert not (tmp_path / "truth.csv").exists()


def test_a_cluster_without_the_library_for_it_is_wrong_usage_that_names_the_extra(
    cohort: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    done = uptake("run", "--out", cohort, "--scheduler", "tcp://127.0.0.1:1", "--set", "ftv.ser_threshold=1")
    assert done.code == 2
    assert "uptake[cluster]" in done.err


def test_the_demonstration_goes_from_nothing_to_a_report(tmp_path: Path) -> None:
    done = uptake("demo", "--to", tmp_path / "demo", "--cases", "1", "--jobs", "1")
    assert done.code == 0
    assert done.last == "1 of 1 cases made"
    assert [line.split(": ")[0] for line in done.err.splitlines()] == [f"[1/1] {ONE}"] * 2
    assert (tmp_path / "demo/cohort/report/index.html").is_file()
    again = uptake("demo", "--to", tmp_path / "demo", "--cases", "1", "--jobs", "1", "--json")
    assert [case["done"] for case in again.json["cases"]] == [[]]


def test_an_error_of_the_program_is_not_dressed_up_as_one_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("uptake.verbs.doctor", broken)
    monkeypatch.setattr(sys, "argv", ["uptake", "doctor"])
    with pytest.raises(ZeroDivisionError, match="a bug"):
        main()


@pytest.mark.parametrize("command", [[Path(sys.executable).with_name("uptake")], [sys.executable, "-m", "uptake"]])
def test_the_installed_command_and_the_module_are_the_same_program(command: list[object], made: Path) -> None:
    def real(*arguments: object) -> subprocess.CompletedProcess[str]:
        whole = [str(part) for part in (*command, *arguments)]
        return subprocess.run(whole, capture_output=True, text=True, check=False, timeout=120)

    status = real("status", made)
    assert (status.returncode, status.stderr) == (0, "")
    assert status.stdout == uptake("status", made).out
    wrong = real("status", made / "nowhere")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "is no cohort folder" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    assert real("--version").stdout == f"uptake {package.__version__}\n"


def test_a_reader_who_has_seen_enough_causes_no_traceback(made: Path) -> None:
    pipe = f"'{sys.executable}' -m uptake status '{made}' | head -n 1"
    done = subprocess.run(["sh", "-c", pipe], capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout == f"{ONE}\n"
    assert done.stderr == ""

"""The verb `review` where it needs no server: hand-off, log, and what it refuses."""

from __future__ import annotations

import csv
import io
import sys
from contextlib import closing, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from tests.review.conftest import GRIDS, write_cohort

from uptake.cli import main
from uptake.cohort.reading import Entry
from uptake.io import revisions
from uptake.review import server


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = write_cohort(tmp_path_factory.mktemp("cli") / "cohort", {"AXIAL": GRIDS["AXIAL"]})
    with revisions.writing(made) as connection:
        revisions.append(connection, Entry("images rejected", "AXIAL", "AB", reason="moved"))
    return made


def review(*arguments: object) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["uptake", "review", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
    return int(ended.value.code or 0), out.getvalue(), err.getvalue()


def test_cases_are_written_for_a_desktop_program(cohort: Path, tmp_path: Path) -> None:
    code, out, _ = review(cohort, "--export", "itk-snap", "--to", tmp_path / "desk", "--case", "AXIAL")
    assert code == 0
    assert "README.txt" in out
    assert (tmp_path / "desk/AXIAL/labels.txt").is_file()


def test_the_log_is_written_as_a_table(cohort: Path, tmp_path: Path) -> None:
    code, out, _ = review(cohort, "--audit", tmp_path / "log.csv")
    assert (code, out.strip()) == (0, str(tmp_path / "log.csv"))
    with (tmp_path / "log.csv").open(newline="") as handle:
        (row,) = csv.DictReader(handle)
    assert (row["action"], row["reader"], row["reason"]) == ("images rejected", "AB", "moved")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "on this machine only"),  # noqa: S104 (refused)
        (["--export", "paint", "--to", "desk"], "itk-snap, slicer"),
        (["--export", "slicer"], "--to"),
        (["--case", "NOBODY"], "no case NOBODY"),
        (["--reader", "Consensus"], "reader's name"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(cohort: Path, arguments: list[str], words: str) -> None:
    code, out, err = review(cohort, "--no-browser", *arguments)
    assert (code, out) == (2, "")
    assert words in err


def test_a_folder_that_is_no_cohort_and_a_port_that_is_taken_are_said_so(cohort: Path, tmp_path: Path) -> None:
    assert "no cohort folder" in review(tmp_path, "--no-browser")[2]
    with closing(server.listen(0)) as taken:
        code, _, err = review(cohort, "--no-browser", "--port", taken.getsockname()[1])
    assert (code, "cannot be had" in err) == (2, True)


def test_without_the_extra_the_remedy_is_named(cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uptake.cli.reviewing.find_spec", lambda name: None)
    code, _, err = review(cohort, "--no-browser")
    assert (code, "uptake[review]" in err) == (2, True)


def test_the_usual_port_is_the_same_each_time_and_the_next_one_where_it_is_taken() -> None:
    with closing(server.listen(None)) as first, closing(server.listen(None)) as second:
        ports = [first.getsockname()[1], second.getsockname()[1]]
    assert server.PORT <= ports[0] < ports[1] < server.PORT + server.TRIES
    with closing(server.listen(None)) as again:
        assert again.getsockname()[1] == ports[0]


def test_a_network_disk_is_known_by_its_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Part:
        mountpoint, fstype = str(tmp_path.resolve()), "nfs4"

    monkeypatch.setattr("uptake.review.server.psutil.disk_partitions", lambda **_: [Part])
    assert server.network_disk(tmp_path / "cohort") == "nfs4"
    monkeypatch.setattr(Part, "fstype", "ext4")
    assert server.network_disk(tmp_path / "cohort") == ""

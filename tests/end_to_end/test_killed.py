"""A run that is killed at any moment loses the step in flight and nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import uptake

MOMENTS = [(results, delay) for results in (0, 1, 2, 4, 6) for delay in (0.0, 0.15)]
"""Ten moments: when so many results are recorded in both cases together, and so many seconds later."""


@pytest.fixture(scope="module")
def undisturbed(phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """SHA-256 of every file of a run that nobody disturbed, provenance apart."""
    folder = tmp_path_factory.mktemp("undisturbed") / "cohort"
    assert uptake.run(phantoms, folder, jobs=1).ok
    return contents(folder)


def contents(cohort: Path) -> dict[str, str]:
    files = (p for p in cohort.rglob("*") if p.is_file() and p.name not in ("provenance.json", ".lock"))
    return {str(p.relative_to(cohort)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def recorded(cohort: Path) -> dict[str, str]:
    """When each result was made: ``case/step`` -> start and key."""
    found = {}
    for path in cohort.glob("cases/*/provenance.json"):
        for step, result in json.loads(path.read_text())["results"].items():
            found[f"{path.parent.name}/{step}"] = f"{result['key']} {result['started']} {result['seconds']}"
    return found


def killed_run(source: Path, cohort: Path, results: int, delay: float) -> None:
    """Start ``uptake run`` in a process group of its own and kill the group at the asked moment."""
    command = [sys.executable, "-c", "from uptake.cli import main; main()", "run", str(source), "--out", str(cohort)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    running = subprocess.Popen(
        [*command, "--jobs", "2"],
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while running.poll() is None and (len(recorded(cohort)) < results or not (cohort / "uptake.toml").exists()):
        time.sleep(0.005)
    time.sleep(delay)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()


@pytest.mark.parametrize(("results", "delay"), MOMENTS)
def test_a_killed_run_started_again_ends_with_the_same_bytes(
    phantoms: Path, undisturbed: dict[str, str], tmp_path: Path, results: int, delay: float
) -> None:
    cohort = tmp_path / "cohort"
    killed_run(phantoms, cohort, results, delay)
    before = recorded(cohort)
    assert len(before) < 2 * 9, "the run ended before it could be killed"
    assert uptake.run(phantoms, cohort, jobs=1).ok
    after = recorded(cohort)
    assert {name: after[name] for name in before} == before, "a finished step was done again"
    assert contents(cohort) == undisturbed
    assert list(cohort.rglob("*.partial")) == []

"""A run that is killed at any moment loses the step in flight and nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import uptake

MOMENTS = (0, 1, 3, 6, 10)
"""When the run is killed, one time after the other: when so many results are recorded in both cases together."""
DELAYS_S = (0.0, 0.15)
"""And so many seconds later: ten moments in all."""


@pytest.fixture(scope="module")
def undisturbed(phantom_cohort: Path) -> dict[str, str]:
    """SHA-256 of every file of a run that nobody disturbed, provenance apart."""
    return contents(phantom_cohort)


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
    """Start ``uptake run`` as a group of processes, kill the first at the asked moment, and see the others end."""
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
    running.kill()
    running.wait()
    deadline = time.monotonic() + 60
    while group_lives(running.pid):
        assert time.monotonic() < deadline, "the workers of a killed run are still there"
        time.sleep(0.02)


def group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("delay", DELAYS_S)
def test_a_run_killed_again_and_again_ends_with_the_same_bytes(
    phantoms: Path, undisturbed: dict[str, str], tmp_path: Path, delay: float
) -> None:
    cohort = tmp_path / "cohort"
    before: dict[str, str] = {}
    for results in MOMENTS:
        killed_run(phantoms, cohort, results, delay)
        kept, before = before, recorded(cohort)
        assert {name: before[name] for name in kept} == kept, "a finished step was done again"
    assert len(before) < 2 * 13, "the run ended before it could be killed"
    assert uptake.run(phantoms, cohort, jobs=1).ok
    after = recorded(cohort)
    assert {name: after[name] for name in before} == before, "a finished step was done again"
    assert contents(cohort) == undisturbed
    assert list(cohort.rglob("*.partial")) == []

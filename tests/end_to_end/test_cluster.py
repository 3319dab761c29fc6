"""A cohort made on a Dask cluster of which a worker dies at work."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import uptake
from uptake import verbs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The DICOM files of four small phantoms."""
    folder = tmp_path_factory.mktemp("four")
    verbs.phantom(folder, cases=4, seed=11, size="small", jobs=1)
    return folder


def contents(cohort: Path) -> dict[str, str]:
    """SHA-256 of every file of a cohort, provenance apart."""
    files = (p for p in cohort.rglob("*") if p.is_file() and p.name not in ("provenance.json", ".lock"))
    return {str(p.relative_to(cohort)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def kill_a_worker_at_work(address: str, cohort: Path) -> int:
    """Wait until a case is begun, then kill a worker that has one; how many workers are left."""
    from distributed import Client

    with Client(address) as client:
        client.wait_for_workers(2)
        pids = client.run(os.getpid)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            busy = [worker for worker, tasks in client.processing().items() if tasks]
            if busy and any(cohort.glob("cases/*/provenance.json")):
                os.kill(pids[busy[0]], signal.SIGKILL)
                return len(pids) - 1
            time.sleep(0.02)
    raise TimeoutError("no worker began a case")


def test_a_worker_that_is_killed_at_work_costs_no_case_and_changes_no_byte(
    four: Path, cluster: str, tmp_path: Path
) -> None:
    cohort = tmp_path / "cohort"
    command = [sys.executable, "-m", "uptake", "run", str(four), "--out", str(cohort), "--scheduler", cluster]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert kill_a_worker_at_work(cluster, cohort) == 1
        assert len(list(cohort.glob("cases/*/report.html"))) < 4, "the run ended before the worker was killed"
        out, err = running.communicate(timeout=300)
    finally:
        running.kill()
    assert running.returncode == 0, err
    assert out.splitlines()[-1] == "4 of 4 cases made"
    assert uptake.run(four, tmp_path / "here", jobs=1).ok
    assert contents(cohort) == contents(tmp_path / "here")

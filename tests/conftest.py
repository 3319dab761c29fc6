"""What several layers' tests need: real studies (without them the tests skip with a reason), phantoms, a cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real studies, tables and reference values, which is not part of the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real studies (shared/data beside the project) are not on this machine")
    return SHARED_DATA


@pytest.fixture(scope="session")
def ispy1_dicom(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked study ISPY1_1001: folders dce and ser_ucsf."""
    return _unpacked(shared_data / "ispy1" / "ISPY1_1001.zip", tmp_path_factory) / "ISPY1_1001"


@pytest.fixture(scope="session")
def br06_dicom(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked study UCSF-BR-06: DCE, PE and SER maps, one DICOM SEG."""
    return _unpacked(shared_data / "ucsf_pilot" / "UCSF-BR-06.zip", tmp_path_factory) / "UCSF-BR-06"


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small phantoms, PHANTOM-0001 and PHANTOM-0002, in GE's habit with UCSF's map, and their truth."""
    from uptake import verbs  # only for who asks: it loads everything

    folder = tmp_path_factory.mktemp("phantoms")
    verbs.phantom(folder, cases=2, seed=2, size="small", jobs=1)
    return folder


@pytest.fixture(scope="session")
def phantom_cohort(phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cohort of both phantoms, run once with default settings. To be copied, never changed."""
    import uptake

    folder = tmp_path_factory.mktemp("phantom_cohort") / "cohort"
    assert uptake.run(phantoms, folder, jobs=1).ok
    return folder


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """A Dask scheduler and two worker processes on the loopback address; the address."""
    pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")
    file = tmp_path / "scheduler.json"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    flags = ["--scheduler-file", str(file), "--host", "127.0.0.1"]
    commands = [["scheduler", *flags, "--port", "0", "--dashboard-address", "127.0.0.1:0"]]
    commands += [["worker", "--scheduler-file", str(file), "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny",
                  "--dashboard-address", "127.0.0.1:0", "--local-directory", str(tmp_path)]] * 2  # fmt: skip
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_" + command[0], *command[1:]],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for command in commands
    ]
    try:
        yield _address(file)
    finally:
        for process in running:
            process.kill()
            process.wait()


def _address(file: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if file.is_file() and file.read_text():
            return str(json.loads(file.read_text())["address"])
        time.sleep(0.1)
    raise TimeoutError("the scheduler did not start")


def _unpacked(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(archive.stem)
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    return folder

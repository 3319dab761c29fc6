"""The same tasks in this process, in a pool of which one process is killed, and on a Dask cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from uptake.pipeline.executors import in_pool, in_process, on_dask


def square(number: int) -> int:
    return number * number


def square_or_die(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def fail(number: int) -> int:
    raise ValueError(f"no {number}")


def slow_square(task: tuple[int, str]) -> tuple[int, int]:
    """The square and the process that made it; says that it has begun, and waits so that it can be killed."""
    number, folder = task
    Path(folder, f"{number}.{os.getpid()}").touch()
    time.sleep(0.5)
    return number * number, os.getpid()


def test_tasks_run_one_after_the_other_here() -> None:
    assert list(in_process(square, [1, 2, 3])) == [(1, 1), (2, 4), (3, 9)]


def test_a_killed_process_costs_its_own_task_only() -> None:
    results = dict(in_pool(square_or_die, list(range(8)), jobs=2))
    assert isinstance(results.pop(3), BrokenProcessPool)
    assert results == {n: n * n for n in range(8) if n != 3}


def test_an_error_in_a_task_is_raised() -> None:
    with pytest.raises(ValueError, match="no 1"):
        list(in_pool(fail, [1], jobs=1))


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
    import json

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if file.is_file() and file.read_text():
            return str(json.loads(file.read_text())["address"])
        time.sleep(0.1)
    raise TimeoutError("the scheduler did not start")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_dask_worker_that_is_killed_loses_no_task(cluster: str, tmp_path: Path) -> None:
    tasks = [(n, str(tmp_path)) for n in range(6)]
    killed: set[int] = set()
    results = {}
    for (number, _), result in on_dask(slow_square, tasks, cluster):
        assert not isinstance(result, Exception)
        results[number] = result[0]
        if not killed:
            begun = {int(p.suffix[1:]) for p in tmp_path.glob("[0-9].*")}
            assert len(begun) == 2
            victim = max(begun)
            killed.add(victim)
            os.kill(victim, signal.SIGKILL)
    assert results == {n: n * n for n in range(6)}

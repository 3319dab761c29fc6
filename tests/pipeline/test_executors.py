"""The same tasks in this process, in a pool of which one process is killed, and on a Dask cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
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


def test_a_script_without_a_guard_is_not_run_again_by_the_pool(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import math\n"
        "from uptake.pipeline.executors import in_pool\n"
        "print('begun')\n"
        "print(sorted(dict(in_pool(math.sqrt, [1.0, 4.0], 2)).values()), __file__ is not None)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["begun", "[1.0, 2.0] True"]


def test_an_error_in_a_task_is_raised() -> None:
    with pytest.raises(ValueError, match="no 1"):
        list(in_pool(fail, [1], jobs=1))


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

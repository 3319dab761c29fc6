"""Where tasks run: in this process, in a pool of processes, on a Dask cluster. Nothing else schedules.

Each yields ``(task, result)`` as tasks end; a result is an exception where the process that ran the task died.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from uptake.study import SettingsError

Task = TypeVar("Task")
Result = TypeVar("Result")
ANSWER_WITHIN_S = 10
Ended = Iterator[tuple[Task, Result | Exception]]


def in_process(function: Callable[[Task], Result], tasks: Sequence[Task]) -> Ended[Task, Result]:
    """One task after the other, here."""
    for task in tasks:
        yield task, function(task)


def in_pool(function: Callable[[Task], Result], tasks: Sequence[Task], jobs: int) -> Ended[Task, Result]:
    """`jobs` processes. When one is killed, the tasks under way are tried again one by one to find the guilty one."""
    waiting = list(tasks)
    while waiting:
        suspects: list[Task] = []
        with _pool(jobs) as pool:
            running: dict[Future[Result], Task] = {}
            while (waiting or running) and not suspects:
                while waiting and len(running) < jobs:
                    task = waiting.pop(0)
                    running[_submitted(pool, function, task)] = task
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    task = running.pop(future)
                    if isinstance(future.exception(), BrokenProcessPool):
                        suspects.append(task)
                    else:
                        yield task, future.result()
            suspects += running.values()
        for task in suspects:
            yield task, _alone(function, task)


def on_dask(function: Callable[[Task], Result], tasks: Sequence[Task], address: str) -> Ended[Task, Result]:
    """The same tasks on the cluster of a Dask scheduler, whose workers see the same cohort folder.

    A task whose worker dies goes to another worker; one that takes several workers down is given up.
    Raises SettingsError where `distributed` is not installed or no scheduler answers.
    """
    try:
        from distributed import Client, KilledWorker, as_completed
    except ModuleNotFoundError as missing:
        raise SettingsError(
            "runs on a Dask cluster need the extra 'cluster': pip install 'uptake[cluster]'"
        ) from missing
    try:
        client = Client(address, timeout=ANSWER_WITHIN_S)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as silence:
        raise SettingsError(f"no Dask scheduler answers at {address}") from silence
    with client:
        futures = {client.submit(function, task, pure=False): task for task in tasks}
        for future in as_completed(futures):  # type: ignore[no-untyped-call]
            error = future.exception()
            if error is not None and not isinstance(error, KilledWorker):
                raise error
            yield futures[future], error if error is not None else future.result()


def _submitted(pool: ProcessPoolExecutor, function: Callable[[Task], Result], task: Task) -> Future[Result]:
    try:
        return pool.submit(function, task)
    except BrokenProcessPool as error:  # a worker died while none of its tasks was waited for
        broken: Future[Result] = Future()
        broken.set_exception(error)
        return broken


def _alone(function: Callable[[Task], Result], task: Task) -> Result | Exception:
    with _pool(1) as pool:
        try:
            return pool.submit(function, task).result()
        except BrokenProcessPool as error:
            return error


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of new processes: a fork of a process that has started threads (ITK, BLAS) can hang.

    A new process would first run the script it was started from, and with it the run itself, unless the script is
    guarded by ``if __name__ == "__main__"``. Our tasks need nothing of it, so it is hidden while processes start.
    """
    main = sys.modules["__main__"]
    hidden = {name: getattr(main, name, None) for name in ("__file__", "__spec__")}
    try:
        for name in hidden:
            setattr(main, name, None)
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(jobs, mp_context=spawn, initializer=_end_with_parent) as pool:
            yield pool
    finally:
        for name, value in hidden.items():
            setattr(main, name, value)


def _end_with_parent() -> None:
    """Let this process end when the one that started it is killed: else it would wait for work for ever."""
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()

"""The gate over a whole release: every file once, in as many processes as are given."""

from __future__ import annotations

import functools
import itertools
import math
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from uptake.io.archives.gate import Gate, Leak
from uptake.io.archives.identifiers import Needle
from uptake.pipeline import executors
from uptake.study import Code, Refusal

AT_ONCE = 50
"""Files that are searched between two words of progress."""
PARTS = 8
"""Into how many parts, at most, the files of one process of several are divided: what is sought goes along with each
part, so that many small ones would send it as often as there are files."""


@dataclass(frozen=True)
class Sought:
    """What may not be found in a release, and what may."""

    needles: frozenset[Needle]
    uids: frozenset[str]
    allowed: frozenset[str]


@dataclass(frozen=True)
class SearchTask:
    """Some files below `root`, each with whether its contents are searched too: of a second link only the name is."""

    root: Path
    files: tuple[tuple[str, bool], ...]
    sought: Sought


@functools.lru_cache(maxsize=1)
def gate_of(sought: Sought) -> Gate:
    """The gate, made once per process. Raises `SettingsError` where the extra 'release' is not installed."""
    return Gate(sought.needles, sought.uids, sought.allowed)


def search_files(task: SearchTask) -> tuple[Leak, ...]:
    """The leaks in the files of a task."""
    gate = gate_of(task.sought)
    found = (gate.search(task.root / name, name, contents=contents) for name, contents in task.files)
    return tuple(itertools.chain.from_iterable(found))


def search(root: Path, sought: Sought, jobs: int, on_searched: Callable[[int, int], None]) -> list[Leak]:
    """The leaks in every file below `root`. Raises `Refusal` WORKER_DIED where a process was killed."""
    files = list(_files(root))
    at_once = AT_ONCE if jobs == 1 else max(AT_ONCE, math.ceil(len(files) / (PARTS * jobs)))
    tasks = [SearchTask(root, tuple(files[n : n + at_once]), sought) for n in range(0, len(files), at_once)]
    count = min(jobs, len(tasks))
    ended = executors.in_pool(search_files, tasks, count) if count > 1 else executors.in_process(search_files, tasks)
    leaks: list[Leak] = []
    done = 0
    on_searched(0, len(files))
    for task, result in ended:
        if isinstance(result, Exception):
            raise _died()
        leaks += result
        done += len(task.files)
        on_searched(done, len(files))
    return sorted(leaks, key=lambda leak: (leak.file, leak.place, leak.what))


def _files(root: Path) -> Iterator[tuple[str, bool]]:
    """Every file and folder by its path inside the release; with contents where it is the first link to them."""
    seen: set[tuple[int, int]] = set()
    for path in sorted(root.rglob("*")):
        found = path.lstat()
        inode = (found.st_dev, found.st_ino)
        yield path.relative_to(root).as_posix(), stat.S_ISREG(found.st_mode) and inode not in seen
        seen.add(inode)


def _died() -> Refusal:
    return Refusal(
        Code.WORKER_DIED,
        found="the process that searched the release for patient data was killed, most often for lack of memory",
        allowed="a search of every byte",
        remedy="release again, with fewer --jobs",
    )

"""Runs the steps of one folder: orders, runs, keeps, records. It knows nothing of breasts."""

from __future__ import annotations

import hashlib
import platform
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from typing import Any

from uptake.io.store import Record, RefusalRecord, missing_files, remove_files
from uptake.pipeline.plan import Step, Todo, plan
from uptake.pipeline.settings import Settings
from uptake.study import Code, Refusal

ABSENT = "absent"
LIBRARIES = ("uptake", "numpy", "scipy", "SimpleITK", "pydicom")

Values = dict[str, Any]
Records = Mapping[str, Record]


def _nothing() -> None:
    """The value of an input that is not there."""


@dataclass(frozen=True)
class Input:
    """Something that comes from outside: its key, and how to get the value when a step asks for it."""

    key: str = ABSENT
    load: Callable[[], Any] = _nothing


@dataclass(frozen=True)
class Place:
    """Where the steps of one table work: the folder, what was made there before, and how to keep what is."""

    folder: Path
    records: Records
    keep: Callable[[Records], None]


@dataclass(frozen=True)
class Run:
    """What came of going through a table once."""

    done: tuple[str, ...]
    awaits: tuple[str, ...]
    refusal: RefusalRecord | None
    records: Records
    seconds: float


def file_key(*paths: Path) -> str:
    """The key of files from outside by content; `ABSENT` where the first is not there."""
    if not paths[0].is_file():
        return ABSENT
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()[:32]


def todo(steps: tuple[Step, ...], place: Place, settings: Settings, inputs: Mapping[str, Input]) -> tuple[Todo, ...]:
    """The plan as things stand on disk."""
    missing = {name: missing_files(place.folder, record) for name, record in place.records.items()}
    keys = {name: item.key for name, item in inputs.items()}
    return plan(steps, settings, keys, place.records, missing, metadata.version("uptake"))


def run_steps(
    steps: tuple[Step, ...],
    place: Place,
    settings: Settings,
    inputs: Mapping[str, Input],
    on_step: Callable[[str], None] = lambda _: None,
    *,
    threads: int = 1,
) -> Run:
    """Make what is missing, up to `threads` steps at once. What is wrong is recorded, never raised.

    Of several threads those that have nothing to compute write files: what needs a value doesn't wait for its file.

    After a refusal or failure, what does not need that step is still made: so it does not matter which of two steps
    ends first. The run gives the first refusal of the table.
    """
    started = time.perf_counter()
    work = _Work(place, settings, inputs, todo(steps, place, settings, inputs), dict(place.records))
    with ThreadPoolExecutor(threads) as pool:
        running: set[Future[Callable[[], None] | None]] = set()
        unkept: deque[Callable[[], None]] = deque()
        while True:
            for item in work.ready()[: threads - len(running)]:
                on_step(item.step.makes)
                work.begun.add(item.step.makes)
                running.add(pool.submit(work.make, item, at_once=threads == 1))
            while unkept and len(running) < threads:
                running.add(pool.submit(unkept.popleft()))
            if not running:
                break
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            unkept.extend(keep for future in ended if (keep := future.result()))
    work.forget_stale()
    done = tuple(t.step.makes for t in work.todos if t.step.makes in work.done)
    awaits = tuple(t.step.awaits for t in work.todos if t.awaited and t.key == ABSENT)
    refusal = next((work.refusals[t.step.makes] for t in work.todos if t.step.makes in work.refusals), None)
    return Run(done, awaits, refusal, work.records, time.perf_counter() - started)


@cache
def environment() -> Mapping[str, str]:
    """Versions of what computed a result, and where."""
    found = {name: metadata.version(name) for name in LIBRARIES}
    return {"python": platform.python_version(), "machine": platform.platform(), "host": platform.node(), **found}


@dataclass
class _Attempt:
    """Making one step's value and keeping it: when it began, what it took, what went wrong."""

    item: Todo
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    seconds: float = 0.0
    refusal: RefusalRecord | None = None
    trace: str = ""

    @contextmanager
    def recorded(self, folder: Path) -> Iterator[None]:
        """Takes the time of a part of the work, and what is raised in it."""
        clock = time.perf_counter()
        try:
            yield
        except Refusal as error:
            self.refusal = RefusalRecord(error.code.value, error.found, error.allowed, error.remedy)
        except Exception as error:  # noqa: BLE001 (one failing case stops nobody; the traceback is kept)
            self.refusal, self.trace = _failure(self.item.step.makes, error, folder), traceback.format_exc()
        self.seconds += time.perf_counter() - clock

    def record(self, files: Mapping[str, int]) -> Record:
        return Record(
            key=self.item.key,
            settings=self.item.settings,
            inputs=self.item.inputs,
            code=f"{metadata.version('uptake')}/{self.item.step.version}",
            files=files,
            refusal=self.refusal,
            traceback=self.trace,
            started=self.began.isoformat(timespec="seconds"),
            seconds=round(self.seconds, 3),
            environment=environment(),
        )


@dataclass
class _Work:
    """The values of a folder while its steps run: made, read back when asked for, dropped after their last use.

    Steps run beside each other; what they share here is touched by one at a time, under the lock.
    """

    place: Place
    settings: Settings
    inputs: Mapping[str, Input]
    todos: tuple[Todo, ...]
    records: dict[str, Record]
    values: Values = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    unkept: Values = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    refusals: dict[str, RefusalRecord] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        for item in self.todos:
            if not item.reason and item.record and item.record.refusal:
                self.refusals[item.step.makes] = item.record.refusal

    def ready(self) -> list[Todo]:
        """What can be begun: steps with a reason to run, none of whose needs is still to come or was refused."""
        absent: set[str] = set()
        found = []
        with self.lock:
            for item in self.todos:  # each stands after its needs
                name, waits = item.step.makes, not absent.isdisjoint(item.step.needs)
                if item.reason and not waits and name not in self.begun:
                    found.append(item)
                made = name in self.done or name in self.unkept
                if name in self.refusals or (item.reason and not made) or (waits and not item.step.form):
                    absent.add(name)
        return found

    def make(self, item: Todo, *, at_once: bool = True) -> Callable[[], None] | None:
        """Run one step. Gives what keeps and records its value, to be called once, unless that was done `at_once`.

        A refusal or failure is recorded in place of files.
        """
        attempt = _Attempt(item)
        with attempt.recorded(self.place.folder):
            self._compute(item)
        if attempt.refusal or at_once or not item.step.form:
            self._keep(attempt)
            return None
        return partial(self._keep, attempt)

    def forget_stale(self) -> None:
        """Files of what was refused, or needs what was: they no longer hold, so they go and none passes as current."""
        stale = [t for t in self.todos if t.reason and t.step.makes not in self.done and t.record]
        for item in stale:
            if item.record and item.record.key != item.key:
                remove_files(self.place.folder, item.record)
                if item.step.makes not in self.refusals:
                    del self.records[item.step.makes]
        if stale:
            self.place.keep(self.records)

    def _ended(self, name: str, record: Record) -> None:
        with self.lock:
            self.unkept.pop(name, None)
            self.records[name] = record
            if record.refusal:
                self.refusals[name] = record.refusal
            else:
                self.done.add(name)
            self._drop()
            self.place.keep(self.records)

    def _compute(self, item: Todo) -> None:
        with self.lock:
            arguments = self._arguments(item.step)
        value = item.step.how(*arguments)
        with self.lock:
            self.values[item.step.makes] = value
            self.unkept[item.step.makes] = value

    def _keep(self, attempt: _Attempt) -> None:
        step = attempt.item.step
        value = self.unkept.get(step.makes)
        files: Mapping[str, int] = {}
        with attempt.recorded(self.place.folder):
            if step.form and not attempt.refusal:
                names = step.form.write(self.place.folder, value)
                files = {name: (self.place.folder / name).stat().st_size for name in names}
        self._ended(step.makes, attempt.record(files))

    def _arguments(self, step: Step) -> list[Any]:
        return [*map(self._value, step.needs), *[getattr(self.settings, name) for name in step.settings]]

    def _value(self, name: str) -> Any:  # noqa: ANN401 (steps make values of any type)
        if name not in self.values:
            self.values[name] = self._fetched(name)
        return self.values[name]

    def _fetched(self, name: str) -> Any:  # noqa: ANN401
        if name in self.inputs:
            return self.inputs[name].load()
        step = next(t.step for t in self.todos if t.step.makes == name)
        if step.form is None:
            return step.how(*self._arguments(step))
        return step.form.read(self.place.folder)

    def _drop(self) -> None:
        needed: set[str] = set()
        for item in reversed(self.todos):
            name = item.step.makes
            if (item.reason and name not in self.done) or (name in needed and name not in self.values):
                needed.update(item.step.needs)
        self.values = {name: value for name, value in self.values.items() if name in needed}


def _failure(step: str, error: Exception, folder: Path) -> RefusalRecord:
    words = f"{type(error).__name__} in step {step}: {error}".replace(str(folder), "<case>")
    return RefusalRecord(
        Code.FAILED.value,
        words,
        "a run without an error of the program",
        "report it with the traceback in the case's provenance.json; the next run tries again",
    )

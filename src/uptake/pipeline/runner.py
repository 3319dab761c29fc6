"""Runs the steps of one folder: orders, runs, keeps, records. It knows nothing of breasts."""

from __future__ import annotations

import hashlib
import platform
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
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
) -> Run:
    """Make what is missing. A refusal or failure ends the run of this folder and is recorded, never raised."""
    started = time.perf_counter()
    work = _Work(place, settings, inputs, todo(steps, place, settings, inputs), dict(place.records))
    done: list[str] = []
    refusal = None
    for item in work.todos:
        if item.reason is None:
            refusal = item.record.refusal if item.record else None
        else:
            on_step(item.step.makes)
            refusal = work.make(item)
        if refusal:
            break
        done += [item.step.makes] if item.reason else []
    awaits = tuple(t.step.awaits for t in work.todos if t.awaited and t.key == ABSENT)
    return Run(tuple(done), awaits, refusal, work.records, time.perf_counter() - started)


def environment() -> dict[str, str]:
    """Versions of what computed a result, and where."""
    found = {name: metadata.version(name) for name in LIBRARIES}
    return {"python": platform.python_version(), "machine": platform.platform(), "host": platform.node(), **found}


@dataclass
class _Work:
    """The values of a folder while its steps run: made, read back when asked for, dropped after their last use."""

    place: Place
    settings: Settings
    inputs: Mapping[str, Input]
    todos: tuple[Todo, ...]
    records: dict[str, Record]
    values: Values = field(default_factory=dict)

    def make(self, item: Todo) -> RefusalRecord | None:
        """Run one step, keep its value, record it. Returns the refusal if it could not be made."""
        began, clock = datetime.now(UTC), time.perf_counter()
        files: Mapping[str, int] = {}
        refusal, trace = None, ""
        try:
            files = self._made(item)
        except Refusal as error:
            refusal = RefusalRecord(error.code.value, error.found, error.allowed, error.remedy)
        except Exception as error:  # noqa: BLE001 (one failing case stops nobody; the traceback is kept)
            refusal, trace = _failure(item.step.makes, error, self.place.folder), traceback.format_exc()
        self._drop(item)
        record = Record(
            key=item.key,
            settings=item.settings,
            inputs=item.inputs,
            code=f"{metadata.version('uptake')}/{item.step.version}",
            files=files,
            refusal=refusal,
            traceback=trace,
            started=began.isoformat(timespec="seconds"),
            seconds=round(time.perf_counter() - clock, 3),
            environment=environment(),
        )
        if refusal:
            self._forget_stale(item)
        self.records[item.step.makes] = record
        self.place.keep(self.records)
        return refusal

    def _made(self, item: Todo) -> dict[str, int]:
        value = self.values[item.step.makes] = self._call(item)
        names = item.step.form.write(self.place.folder, value) if item.step.form else ()
        return {name: (self.place.folder / name).stat().st_size for name in names}

    def _call(self, item: Todo) -> Any:  # noqa: ANN401 (steps make values of any type)
        arguments = [self._value(need) for need in item.step.needs]
        return item.step.how(*arguments, *[getattr(self.settings, name) for name in item.step.settings])

    def _value(self, name: str) -> Any:  # noqa: ANN401
        if name not in self.values:
            self.values[name] = self._fetched(name)
        return self.values[name]

    def _fetched(self, name: str) -> Any:  # noqa: ANN401
        if name in self.inputs:
            return self.inputs[name].load()
        item = next(t for t in self.todos if t.step.makes == name)
        if item.step.form is None:
            return self._call(item)
        return item.step.form.read(self.place.folder)

    def _drop(self, item: Todo) -> None:
        later = self.todos[self.todos.index(item) + 1 :]
        needed = {need for t in later if t.reason or t.step.form is None for need in t.step.needs}
        self.values = {name: value for name, value in self.values.items() if name in needed}

    def _forget_stale(self, item: Todo) -> None:
        """What no longer holds because this step was refused: its files go, so that none is taken for current."""
        for later in self.todos[self.todos.index(item) :]:
            record = self.records.get(later.step.makes)
            if record and record.key != later.key:
                remove_files(self.place.folder, self.records.pop(later.step.makes))


def _failure(step: str, error: Exception, folder: Path) -> RefusalRecord:
    words = f"{type(error).__name__} in step {step}: {error}".replace(str(folder), "<case>")
    return RefusalRecord(
        Code.FAILED.value,
        words,
        "a run without an error of the program",
        "report it with the traceback in the case's provenance.json; the next run tries again",
    )

"""What has to be done, and why: pure functions of the step table, the settings, the inputs and what is recorded.

A result's key is the hash of its step, the settings it uses, the keys of its inputs and the version of the code. So
a changed threshold changes the keys of exactly what depends on it, and nothing else is done again.
"""

from __future__ import annotations

import difflib
import graphlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from uptake.io.store import Form, Record
from uptake.pipeline.settings import Settings, section_values
from uptake.study import Code


@dataclass(frozen=True)
class Step:
    """A row of the table: what is made, how, from what, with which settings, and how it is kept.

    how: a plain function of the needed values and then the settings; None where a person makes it (`awaits` says who).
    form: how the value is kept; None: made again when needed, because it is quick.
    """

    makes: str
    how: Any
    needs: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    form: Form | None = None
    awaits: str = ""
    version: int = 1


@dataclass(frozen=True)
class Todo:
    """One step of one case: its key, what the key is made of, and why it would run (None: it is done)."""

    step: Step
    key: str
    settings: Mapping[str, Any]
    inputs: Mapping[str, str]
    reason: str | None
    record: Record | None

    @property
    def awaited(self) -> bool:
        """Whether a person has to act first."""
        return self.step.how is None


RETRIED = frozenset({Code.FAILED.value, Code.WORKER_DIED.value, Code.NO_SPACE.value})
"""Refusals that another attempt may end: they say nothing about the input."""


def in_order(steps: Sequence[Step], sources: Sequence[str]) -> tuple[Step, ...]:
    """The steps, each after what it needs. Raises ValueError for a name that nothing makes, or for a circle."""
    made = {step.makes: step for step in steps}
    known = [*made, *sources]
    for step in steps:
        for need in step.needs:
            if need not in known:
                close = difflib.get_close_matches(need, known, n=1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                raise ValueError(f"step {step.makes!r} needs {need!r}, which no step makes{hint}")
    graph = {step.makes: [need for need in step.needs if need in made] for step in steps}
    try:
        order = tuple(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        raise ValueError(f"steps need each other in a circle: {' -> '.join(error.args[1])}") from error
    return tuple(made[name] for name in order)


def plan(
    steps: Sequence[Step],
    settings: Settings,
    sources: Mapping[str, str],
    records: Mapping[str, Record],
    missing: Mapping[str, tuple[str, ...]],
    code: str,
) -> tuple[Todo, ...]:
    """Every step in order with its key and the reason why it would run.

    sources: keys of what comes from outside, steps that a person makes included. records: what was made before.
    missing: per step, recorded files that are gone.
    """
    keys = dict(sources)
    todos = []
    for step in in_order(steps, tuple(sources)):
        used = {name: section_values(settings, name) for name in step.settings}
        inputs = {need: keys[need] for need in step.needs}
        if step.how is None:
            key = keys[step.makes]
            todos.append(Todo(step, key, used, inputs, None, records.get(step.makes)))
            continue
        version = f"{code}/{step.version}"
        key = keys[step.makes] = result_key(step.makes, used, inputs, version)
        asked = Todo(step, key, used, inputs, None, records.get(step.makes))
        todos.append(replace(asked, reason=_reason(asked, version, missing.get(step.makes, ()))))
    return tuple(todos)


def result_key(makes: str, settings: Mapping[str, Any], inputs: Mapping[str, str], version: str) -> str:
    """The key of a result: 32 hexadecimal digits of the SHA-256 of what determines it."""
    parts = json.dumps([makes, settings, dict(inputs), version], sort_keys=True)
    return hashlib.sha256(parts.encode()).hexdigest()[:32]


def _reason(asked: Todo, version: str, missing: tuple[str, ...]) -> str | None:
    record = asked.record
    if asked.step.form is None:
        return None
    if record is None:
        return "new"
    if record.key != asked.key:
        return _difference(asked, version, record)
    if record.refusal is not None:
        return f"tried again after: {record.refusal.code}" if record.refusal.code in RETRIED else None
    if missing:
        return f"missing or changed: {', '.join(missing)}"
    return None


def _difference(asked: Todo, version: str, record: Record) -> str:
    changes = [f"code {record.code} is now {version}"] if record.code != version else []
    for section, values in asked.settings.items():
        old = record.settings.get(section, {})
        for name, value in values.items():
            plain = json.loads(json.dumps(value))
            if old.get(name) != plain:
                changes.append(f"setting {section}.{name} was {old.get(name)!r} and is now {plain!r}")
    changes += [f"{name} changed" for name, key in asked.inputs.items() if record.inputs.get(name) != key]
    return "; ".join(changes) or "the step changed"

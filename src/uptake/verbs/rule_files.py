"""Rule sets of `uptake cohort`: those that come with the package, and a user's own TOML file."""

from __future__ import annotations

import dataclasses
import difflib
import re
import types
import typing
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from uptake.cohort.rules import RuleSet
from uptake.io.clinical import Table
from uptake.pipeline.settings import parse_toml, read_toml
from uptake.study import Code, Refusal, SettingsError

RULES = resources.files("uptake.verbs") / "rules"
NAMES = ("ispy1", "cohort", "series")
"""The sets that come with the package, in the order in which they are tried."""


def rule_set(given: str | Path | None, index: Table) -> RuleSet:
    """The named rule set, or the first that fits the index. Raises SettingsError, Refusal INDEX."""
    if given is None:
        fitting = [rules for name in NAMES if not lacking(rules := shipped(name), index)]
        if not fitting:
            raise _no_fit(index, "one of " + ", ".join(NAMES))
        return fitting[0]
    rules = shipped(str(given)) if str(given) in NAMES else from_plain(read_toml(Path(given)), Path(given).name)
    if missing := lacking(rules, index):
        raise _no_fit(index, f"{rules.name}, which asks for {missing}")
    return rules


def shipped(name: str) -> RuleSet:
    """A rule set of the package."""
    file = RULES / f"{name}.toml"
    return from_plain(parse_toml(file.read_text("utf-8"), file.name), file.name)


def lacking(rules: RuleSet, index: Table) -> str:
    """What an index lacks for a rule set, in words; empty where it fits."""
    absent = [name for name in rules.index_needs if name not in index.columns]
    if absent:
        return f"the column{'s' if len(absent) > 1 else ''} {', '.join(absent)}"
    identifier = index.column(rules.index_id)
    if identifier is None:
        return f"a column {' or '.join(rules.index_id)}"
    if rules.patients and not all(re.fullmatch(rules.patients, str(row.get(identifier))) for row in index.rows):
        return f"patients like {rules.patients}"
    return ""


def from_plain(plain: Mapping[str, Any], name: str) -> RuleSet:
    """A rule set of a TOML file's tables. Raises SettingsError for an unknown name, with the nearest right one."""
    made: RuleSet = _made(RuleSet, plain, name)
    return made


def _made(kind: Any, plain: object, place: str) -> Any:  # noqa: ANN401 (a type of the rules, and its value)
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(plain, Mapping):
        return _dataclass(kind, plain, place)
    if origin in {typing.Union, types.UnionType}:
        return _made(args[0], plain, place)
    if origin is tuple and isinstance(plain, list):
        return tuple(_made(args[0], item, f"{place}[{n}]") for n, item in enumerate(plain))
    if origin is typing.Literal and plain in args:
        return plain
    if kind is float and isinstance(plain, int | float) and not isinstance(plain, bool):
        return float(plain)
    if kind in {str, int, bool} and type(plain) is kind:
        return plain
    allowed = (
        f"one of {', '.join(map(str, args))}" if origin is typing.Literal else getattr(kind, "__name__", str(kind))
    )
    raise SettingsError(f"{place}: {plain!r} is not {allowed}")


def _dataclass(kind: Any, plain: Mapping[str, Any], place: str) -> Any:  # noqa: ANN401 (a dataclass)
    hints = typing.get_type_hints(kind)
    for name in plain:
        if name not in hints:
            near = difflib.get_close_matches(name, hints, n=1)
            raise SettingsError(f"{place}: there is no {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    fields = dataclasses.fields(kind)
    needed = [f.name for f in fields if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING]
    if absent := [name for name in needed if name not in plain]:
        raise SettingsError(f"{place}: {', '.join(absent)} missing")
    return kind(**{name: _made(hints[name], value, f"{place}.{name}") for name, value in plain.items()})


def _no_fit(index: Table, rules: str) -> Refusal:
    return Refusal(
        Code.INDEX,
        found=f"{index.name}: columns {', '.join(index.columns[:12])}",
        allowed=f"an index for the rules {rules}",
        remedy="give --rules FILE; docs/cohort.md has an example",
    )

"""Frozen values as JSON and back, by the types of their fields."""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from uptake.io.files import write_json_whole

T = TypeVar("T")


def write_value(value: Any, path: Path) -> None:  # noqa: ANN401 (any dataclass)
    """Write a dataclass (or plain JSON value) as JSON, whole or not at all."""
    write_json_whole(path, to_plain(value))


def read_value(kind: type[T], path: Path) -> T:
    """Read back what `write_value` wrote, as `kind`. Raises ValueError for JSON that does not fit."""
    return typing.cast("T", from_plain(kind, json.loads(path.read_text(encoding="utf-8"))))


def to_plain(value: Any) -> Any:  # noqa: ANN401
    """A dataclass as nested dicts and lists; numbers, texts, None and bool as they are."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    return value.item() if hasattr(value, "item") else value


def from_plain(kind: Any, plain: Any) -> Any:  # noqa: ANN401
    """The value of type `kind` that `to_plain` made `plain` of. Unknown fields are ignored."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind) and isinstance(plain, Mapping):
        hints = _hints(kind)
        return kind(**{name: from_plain(hints[name], plain[name]) for name in hints if name in plain})
    if origin in (typing.Union, types.UnionType):
        return None if plain is None else from_plain(next(a for a in args if a is not type(None)), plain)
    if origin is tuple:
        kinds = [args[0]] * len(plain) if args[1:] == (...,) else list(args)
        return tuple(from_plain(inner, item) for inner, item in zip(kinds, plain, strict=True))
    if isinstance(plain, Mapping) and args:
        return {key: from_plain(args[1], item) for key, item in plain.items()}
    return plain


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    """The types of a dataclass' fields, worked out once: a cohort's records are read a thousand times."""
    return typing.get_type_hints(kind)

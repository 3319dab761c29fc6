"""Settings that come with the package, by name: `default` is what the documentation recommends, the others reproduce.

A profile is a TOML file in the folder of this name; what it does not set keeps its default.
"""

from __future__ import annotations

import difflib
import tomllib
from importlib import resources
from typing import Any

from uptake.study import SettingsError

DEFAULT = "default"


def profile_names() -> tuple[str, ...]:
    """Every profile, `default` first."""
    files = resources.files("uptake.pipeline").joinpath("profiles").iterdir()
    return DEFAULT, *sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def profile(name: str) -> dict[str, Any]:
    """The sections of a profile; empty for `default`. Raises SettingsError for an unknown name, with the nearest."""
    if name == DEFAULT:
        return {}
    known = profile_names()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
        raise SettingsError(f"there is no profile {name!r}; {hint}")
    text = resources.files("uptake.pipeline").joinpath("profiles", f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)

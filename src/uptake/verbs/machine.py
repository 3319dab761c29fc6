"""What this machine can do, and which settings are in force."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata, util
from pathlib import Path
from typing import Any

import psutil

from uptake.io.store import open_cohort
from uptake.pipeline.profiles import profile as profile_settings
from uptake.pipeline.settings import DEFAULT, Described, describe, from_layers, origins, read_toml, to_toml
from uptake.verbs.running import existing

BYTES_PER_SOURCE_BYTE = 9
"""Size of a case folder per byte of its DICOM files, float32 maps and harmonised images included."""
CASE_MEMORY_BYTES = 1.5e9


@dataclass(frozen=True)
class Diagnosis:
    """One thing about this machine: whether it will do, and in words what it is."""

    subject: str
    ok: bool
    words: str


@dataclass(frozen=True)
class ConfigShown:
    """The settings as TOML text, and each with its origin."""

    toml: str
    items: tuple[Described, ...]


def doctor(sources: Sequence[str | Path] = (), out: str | Path = ".") -> tuple[Diagnosis, ...]:
    """What this machine has, and for `sources` the space a run needs below `out`.

    Raises SettingsError for a source that is not there.
    """
    memory = psutil.virtual_memory()
    return (
        Diagnosis("uptake", True, f"{metadata.version('uptake')} on Python {platform.python_version()}"),
        Diagnosis("cores", True, f"{os.cpu_count()}"),
        Diagnosis(
            "memory",
            memory.available >= CASE_MEMORY_BYTES,
            f"{memory.available / 1e9:.1f} GB free of {memory.total / 1e9:.1f}; a case takes up to 1.5 GB",
        ),
        _disk(existing(sources), Path(out)),
        *(_library(name, why) for name, why in LIBRARIES),
    )


def config(
    cohort: str | Path | None = None,
    *,
    profile: str | None = None,
    settings_file: str | Path | None = None,
    **given: Mapping[str, Any],
) -> ConfigShown:
    """The settings that a run would use: defaults, a profile, a file's or a cohort's own, then what is given.

    Raises SettingsError for what is no setting, CohortError for what is no cohort.
    """
    layers: list[tuple[str, Mapping[str, Any]]] = []
    if profile:
        layers.append((f"profile {profile}", profile_settings(profile)))
    if settings_file:
        layers.append((Path(settings_file).name, read_toml(Path(settings_file))))
    elif cohort and not profile:
        layers.append((COHORT, read_toml(open_cohort(Path(cohort)).path / "uptake.toml")))
    layers.append(("command line", given))
    settings = from_layers([values for _, values in layers])
    items = describe(settings, origins(layers))
    return ConfigShown(to_toml(settings), tuple(_unchanged(item) for item in items))


def _unchanged(item: Described) -> Described:
    """A cohort's file holds every setting; what was never changed still comes from the defaults."""
    return replace(item, origin=DEFAULT) if item.origin == COHORT and item.value == item.default else item


COHORT = "cohort's uptake.toml"
LIBRARIES = (
    ("SimpleITK", "bias correction"),
    ("gdcm", "compressed DICOM"),
    ("distributed", "runs on a Dask cluster (extra: cluster)"),
)
OPTIONAL = frozenset({"distributed"})


def _library(name: str, why: str) -> Diagnosis:
    there = util.find_spec(name) is not None
    return Diagnosis(name, there or name in OPTIONAL, f"{'there' if there else 'missing'}: {why}")


def _disk(sources: Sequence[Path], out: Path) -> Diagnosis:
    folder = next(p for p in (out.resolve(), *out.resolve().parents) if p.exists())
    free = shutil.disk_usage(folder).free
    need = BYTES_PER_SOURCE_BYTE * sum(_size(source) for source in sources)
    words = f"{free / 1e9:.1f} GB free" + (f", about {need / 1e9:.2f} GB needed" if sources else "")
    return Diagnosis("disk", free >= need and os.access(folder, os.W_OK), words)


def _size(source: Path) -> int:
    files = [source] if source.is_file() else source.rglob("*")
    return sum(p.stat().st_size * (3 if p.suffix.lower() == ".zip" else 1) for p in files if p.is_file())

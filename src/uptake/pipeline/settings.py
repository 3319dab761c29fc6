"""One TOML file, read into one small frozen dataclass per step that stands beside the step's function."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from uptake.cohort.collection import Verify
from uptake.features import Features
from uptake.features.captk import CaptkParameters, read_parameters
from uptake.io.dicom.read import Dicom
from uptake.pipeline.published import Published
from uptake.preprocess.bias import Bias
from uptake.preprocess.breast import Breast
from uptake.preprocess.motion import Motion
from uptake.preprocess.normalise import ZScore
from uptake.preprocess.resample import Resample
from uptake.preprocess.rescale import Rescale
from uptake.study import SettingsError
from uptake.tumour.ftv import Ftv
from uptake.tumour.parenchyma import Parenchyma
from uptake.tumour.phases import Timing
from uptake.tumour.stv import Stv
from uptake.tumour.voi import Voi

DEFAULT = "default"
CAPTK_FILE = "parameters"
"""In the section `captk`, beside its settings: CaPTk's own parameter file, which the settings there go over."""


@dataclass(frozen=True)
class Settings:
    """Every step's settings, one section each."""

    dicom: Dicom = field(default_factory=Dicom)
    timing: Timing = field(default_factory=Timing)
    motion: Motion = field(default_factory=Motion)
    breast: Breast = field(default_factory=Breast)
    voi: Voi = field(default_factory=Voi)
    ftv: Ftv = field(default_factory=Ftv)
    stv: Stv = field(default_factory=Stv)
    bias: Bias = field(default_factory=Bias)
    parenchyma: Parenchyma = field(default_factory=Parenchyma)
    rescale: Rescale = field(default_factory=Rescale)
    resample: Resample = field(default_factory=Resample)
    zscore: ZScore = field(default_factory=ZScore)
    published: Published = field(default_factory=Published)
    features: Features = field(default_factory=Features)
    captk: CaptkParameters = field(default_factory=CaptkParameters)
    verify: Verify = field(default_factory=Verify)


@dataclass(frozen=True)
class Described:
    """One setting for people: its section and name, value, default, type, help and where the value came from."""

    section: str
    name: str
    value: object
    default: object
    type: str
    help: str
    origin: str


def from_layers(layers: Sequence[Mapping[str, Any]]) -> Settings:
    """Settings from mappings of sections, the later winning over the earlier and all over the defaults.

    Raises SettingsError for an unknown section or name (with the nearest right one), a wrong type or range.
    """
    merged: dict[str, dict[str, Any]] = {}
    for layer in layers:
        for section, given in layer.items():
            if not isinstance(given, Mapping):
                raise SettingsError(f"{section} is a section of settings and takes a table, not {given!r}")
            values = _with_captk_file(given) if section == "captk" and CAPTK_FILE in given else given
            merged.setdefault(section, {}).update(values)
    sections: dict[str, Any] = {section: _section(section, values) for section, values in merged.items()}
    return Settings(**sections)


def assigned(texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Sections from texts ``section.name=value``, the value in TOML (a bare word is text). Raises SettingsError."""
    sections: dict[str, dict[str, Any]] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        section, dot, name = path.strip().partition(".")
        if not (equals and dot and name):
            raise SettingsError(f"a setting is given as section.name=value, not {text!r}")
        sections.setdefault(section, {})[name] = _parsed(value)
    return sections


def origins(layers: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, str]:
    """Which of the named layers each ``section.name`` comes from: the last that has it."""
    return {
        f"{section}.{name}": label for label, layer in layers for section, values in layer.items() for name in values
    }


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file; files named in it lie beside it. Raises SettingsError if it is missing or no TOML."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SettingsError(f"there is no settings file {path}") from error
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise SettingsError(f"{path.name} is not a TOML file: {error}") from error
    tables = parse_toml(text, path.name)
    captk = tables.get("captk")
    if isinstance(captk, dict) and isinstance(captk.get(CAPTK_FILE), str):
        captk[CAPTK_FILE] = str(path.parent / captk[CAPTK_FILE])
    return tables


def parse_toml(text: str, name: str) -> dict[str, Any]:
    """The tables of a TOML text. Raises SettingsError, which calls it by its name, when it is none."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{name} is not a TOML file: {error}") from error


def to_toml(settings: Settings) -> str:
    """The settings as TOML, each with its help as a comment."""
    lines = ["# Settings of uptake. Delete a line to use its default.", ""]
    section = None
    for item in describe(settings):
        if item.section != section:
            lines += ([""] if section else []) + [f"[{item.section}]"]
            section = item.section
        lines += [f"# {item.help} (default {_toml_value(item.default)})", f"{item.name} = {_toml_value(item.value)}"]
    return "\n".join(lines) + "\n"


def describe(settings: Settings, origins: Mapping[str, str] | None = None) -> tuple[Described, ...]:
    """Every setting with its value, default, type, help and origin, in the order of the sections."""
    found = []
    for section in dataclasses.fields(settings):
        values = getattr(settings, section.name)
        hints = typing.get_type_hints(type(values), include_extras=True)
        for item in dataclasses.fields(values):
            kind, text = typing.get_args(hints[item.name])[:2]
            value, default = getattr(values, item.name), _default(item)
            origin = (origins or {}).get(f"{section.name}.{item.name}", DEFAULT if value == default else "given")
            found.append(Described(section.name, item.name, value, default, _type_words(kind), text, origin))
    return tuple(found)


def fitted(section: str, kind: Any, values: Mapping[str, Any], base: Any = None) -> Any:  # noqa: ANN401 (dataclasses)
    """`values` as settings of a dataclass that has no section in the file, the others from `base` or by default.

    Raises SettingsError for an unknown name (with the nearest right one), a wrong type or range.
    """
    hints = typing.get_type_hints(kind)
    for name in values:
        if name not in hints:
            raise SettingsError(f"there is no setting {section}.{name}{_did_you_mean(name, hints)}")
    found = {name: _fitted(f"{section}.{name}", value, hints[name]) for name, value in values.items()}
    return dataclasses.replace(base, **found) if base is not None else kind(**found)


def section_values(settings: Settings, section: str) -> dict[str, Any]:
    """One section as a JSON-able mapping: part of the key of every result that depends on it."""
    return dataclasses.asdict(getattr(settings, section))


def _with_captk_file(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of CaPTk's parameter file, and over them those that are given beside it."""
    rest = {name: value for name, value in values.items() if name != CAPTK_FILE}
    path = Path(str(values[CAPTK_FILE]))
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"captk.{CAPTK_FILE}: {path.name} is not CaPTk's parameter file, or is not there"
        ) from error
    return dataclasses.asdict(read_parameters(text)) | rest


def _section(section: str, values: Mapping[str, Any]) -> object:
    sections = {item.name: item for item in dataclasses.fields(Settings)}
    if section not in sections:
        raise SettingsError(f"there is no section {section!r} of settings{_did_you_mean(section, sections)}")
    kind = typing.get_type_hints(Settings)[section]
    return fitted(section, kind, values)


def _fitted(name: str, value: object, kind: Any) -> object:  # noqa: ANN401 (a type expression)
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if origin is tuple and isinstance(value, (list, tuple)):
        return tuple(_fitted(name, item, args[0]) for item in value)
    if origin is typing.Literal:
        if value in args:
            return value
        raise SettingsError(f"{name} must be one of {', '.join(map(str, args))}, not {value!r}")
    if isinstance(kind, type) and isinstance(value, kind) and not (kind is not bool and isinstance(value, bool)):
        return value
    raise SettingsError(f"{name} must be {_type_words(kind)}, not {value!r}")


def _parsed(value: str) -> object:
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value.strip()


def _did_you_mean(word: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(known)}"


def _default(item: dataclasses.Field[Any]) -> object:
    if item.default_factory is not dataclasses.MISSING:
        return item.default_factory()
    return item.default


def _type_words(kind: Any) -> str:  # noqa: ANN401 (a type expression)
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return "one of " + ", ".join(map(str, args))
    if origin is tuple:
        return f"a list of {_type_words(args[0])}"
    words = {float: "a number", int: "a whole number", bool: "true or false", str: "text"}
    return words.get(kind, str(kind))


def _toml_value(value: object) -> str:
    import tomli_w

    if isinstance(value, tuple):  # on one line, so that it fits into a comment
        return f"[{', '.join(_toml_value(item) for item in value)}]"
    return tomli_w.dumps({"value": value}).removeprefix("value = ").strip()

"""Which features a user asks for, as one function from an image and a mask's file to a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from uptake.features import Feature, FeatureTable, extract
from uptake.features.captk import PAPER, CaptkParameters, captk_panel
from uptake.features.captk import read_parameters as read_captk
from uptake.features.captk.panel import PanelName
from uptake.features.pyradiomics_names import pyradiomics_name
from uptake.features.pyradiomics_parameters import PyRadiomicsParameters, extract_as_pyradiomics
from uptake.features.pyradiomics_parameters import read_parameters as read_pyradiomics
from uptake.features.settings import AGGREGATIONS, PANEL_NAMES
from uptake.io.nifti import read_label, read_mask, read_volume
from uptake.pipeline.settings import from_layers, parse_toml, read_toml
from uptake.study import SettingsError
from uptake.volume import Volume

NAMES = ("", "pyradiomics")
COLUMNS = ("name", "value", "unit", "family", "ibsi", "ibsi_tag", "aggregation", "reason")
SETTINGS = resources.files("uptake.verbs") / "settings"
YAML = (".yaml", ".yml")

Row = dict[str, Any]


@dataclass(frozen=True)
class Extraction:
    """A chosen panel. label: of the mask's voxels that are inside; None: the mask holds 0 and 1 (or 255) only."""

    compute: Callable[[Volume, Volume], FeatureTable]
    columns: tuple[str, ...] = COLUMNS
    label: int | None = None
    force_2d: bool = False

    def __call__(self, image: Path, mask: Path, label: int | None = None) -> FeatureTable:
        """The features of the image inside a label of the mask, by default the one of the settings."""
        inside = self.label if label is None else label
        region = read_mask(mask) if inside is None else read_label(mask, inside)
        return self.compute(read_volume(image), region)

    def rows(self, table: FeatureTable) -> list[Row]:
        """The table's rows by column name, with PyRadiomics' names where they are asked for."""
        rows: list[Row] = [row._asdict() for row in table]
        if "pyradiomics" in self.columns:
            for row in rows:
                given = row["name"] if row["name"].startswith("original_") else ""
                row["pyradiomics"] = given or pyradiomics_name(row["ibsi_tag"], force_2d=self.force_2d)
        return rows


def choose(  # noqa: PLR0913 (one per option)
    *,
    panel: str = "ibsi",
    parameters: str | Path | None = None,
    settings_file: str | Path | None = None,
    bins: int | None = None,
    bin_width: float | None = None,
    filter: str | None = None,  # noqa: A002 (the option's name)
    label: int | None = None,
    names: str = "",
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> Extraction:
    """The panel with its settings; see `uptake.features` for the words. Raises SettingsError."""
    _check(panel, names, label)
    over = [
        settings or {},
        _grey_levels(bins, bin_width),
        {"features": {"filter": filter}} if filter is not None else {},
    ]
    columns = (*COLUMNS, "pyradiomics") if names else COLUMNS
    if panel != "ibsi":
        if settings_file is not None or names or any(over):
            raise SettingsError(f"panel {panel}: its settings are CaPTk's parameter file only, --parameters FILE")
        way: PanelName = "captk" if panel == "captk" else "captk-corrected"
        return Extraction(partial(captk_panel, parameters=_captk(parameters), panel=way), columns, label)
    if parameters is not None:
        raise SettingsError("a parameter file of CaPTk is for the panels captk and captk-corrected")
    if settings_file is not None and Path(settings_file).suffix.lower() in YAML:
        if any(over):
            raise SettingsError("a parameter file of PyRadiomics holds all settings: give no other beside it")
        return _as_pyradiomics(Path(settings_file), columns, label)
    if any(name in (settings or {}).get("features", {}) for name in ("panels", "captk_image")):
        raise SettingsError("features.panels and features.captk_image are of cohorts: here --panel says which features")
    every = {"features": {"aggregations": AGGREGATIONS}}
    chosen = from_layers([every, _read(settings_file), *over]).features
    return Extraction(partial(extract, settings=chosen), columns, label)


def settings_names() -> tuple[str, ...]:
    """The settings that come with the package: IBSI's digital phantom and its configurations A to E."""
    return tuple(sorted(file.name.removesuffix(".toml") for file in SETTINGS.iterdir() if file.name.endswith(".toml")))


def _check(panel: str, names: str, label: int | None) -> None:
    if panel not in PANEL_NAMES:
        raise SettingsError(f"panel {panel!r}: there is {', '.join(PANEL_NAMES)}")
    if names not in NAMES:
        raise SettingsError(f"names {names!r}: there is pyradiomics")
    if label is not None and label < 1:
        raise SettingsError(f"label {label}: allowed is 1 or more")


def _captk(file: str | Path | None) -> CaptkParameters:
    return PAPER if file is None else read_captk(_text(Path(file)))


def _as_pyradiomics(file: Path, columns: tuple[str, ...], label: int | None) -> Extraction:
    given = read_pyradiomics(_text(file))
    inside = given.label if label is None else label
    compute = partial(_pyradiomics_table, replace(given, label=1))
    return Extraction(compute, columns, inside, given.force_2d)


def _pyradiomics_table(parameters: PyRadiomicsParameters, volume: Volume, inside: Volume) -> FeatureTable:
    """What the file asks for, in its order, and then what has no counterpart, with the reason instead of a value."""
    table = extract_as_pyradiomics(volume, inside, parameters)
    without = (
        Feature(name, math.nan, "", name.split("_")[1], "", "", "", reason) for name, reason in parameters.left_out
    )
    return FeatureTable((*table, *without))


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except FileNotFoundError:
        raise SettingsError(f"there is no parameter file {file}") from None
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise SettingsError(f"{file.name} is not a parameter file: {error}") from None


def _read(name_or_file: str | Path | None) -> dict[str, Any]:
    if name_or_file is None:
        return {}
    if str(name_or_file) in settings_names():
        shipped: Traversable = SETTINGS / f"{name_or_file}.toml"
        return parse_toml(shipped.read_text("utf-8"), shipped.name)
    if not Path(name_or_file).exists():
        known = ", ".join(settings_names())
        raise SettingsError(
            f"there is no settings file {name_or_file}, and no settings of that name: there are {known}"
        )
    return read_toml(Path(name_or_file))


def _grey_levels(bins: int | None, bin_width: float | None) -> dict[str, Any]:
    if bins is not None and bin_width is not None:
        raise SettingsError("grey levels have a fixed number or a fixed width: give bins or bin_width, not both")
    if bins is not None:
        return {"features": {"discretisation": "fixed-bin-number", "bins": bins}}
    if bin_width is not None:
        return {"features": {"discretisation": "fixed-bin-size", "bin_width": bin_width}}
    return {}

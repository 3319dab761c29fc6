"""Features of one image and one mask, without a cohort."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from uptake.features import FeatureTable, extract
from uptake.features.settings import AGGREGATIONS
from uptake.io.nifti import read_mask, read_volume
from uptake.io.tables import Sheet, write_csv, write_xlsx
from uptake.io.values import to_plain
from uptake.pipeline.settings import from_layers, parse_toml, read_toml
from uptake.study import SettingsError

PANELS = ("ibsi",)
COLUMNS = ("name", "value", "unit", "family", "ibsi", "ibsi_tag", "aggregation", "reason")
SETTINGS = resources.files("uptake.verbs") / "settings"


def features(  # noqa: PLR0913 (one per option)
    image: str | Path,
    mask: str | Path,
    *,
    panel: str = "ibsi",
    settings_file: str | Path | None = None,
    bins: int | None = None,
    bin_width: float | None = None,
    csv: str | Path | None = None,
    xlsx: str | Path | None = None,
    **settings: Mapping[str, Any],
) -> FeatureTable:
    """Features of a NIfTI image inside a NIfTI mask on the same grid; `csv`, `xlsx`: also write the long table there.

    panel: which features; ``ibsi`` is every feature of the IBSI in every aggregation, from the image as it is.
    settings_file: a TOML file with a section ``[features]``, or the name of one that comes with the package
    (`settings_names`). settings: sections as keywords over it, ``features(..., features={"bins": 32})``.
    bins, bin_width: grey levels of a fixed number or size, over the settings'.
    Raises Refusal for unreadable files, another grid, an empty mask, non-finite voxels inside the mask; SettingsError.
    """
    if panel not in PANELS:
        raise SettingsError(f"panel {panel!r}: there is {', '.join(PANELS)}")
    every = {"features": {"aggregations": AGGREGATIONS}}
    chosen = from_layers([every, _read(settings_file), settings, _grey_levels(bins, bin_width)]).features
    table = extract(read_volume(Path(image)), read_mask(Path(mask)), chosen)
    rows = [to_plain(row) for row in table]
    if csv is not None:
        write_csv(COLUMNS, rows, Path(csv))
    if xlsx is not None:
        write_xlsx({"features": Sheet(COLUMNS, rows)}, Path(xlsx))
    return table


def settings_names() -> tuple[str, ...]:
    """The settings that come with the package: IBSI's digital phantom and its configurations A to E."""
    return tuple(sorted(file.name.removesuffix(".toml") for file in SETTINGS.iterdir() if file.name.endswith(".toml")))


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

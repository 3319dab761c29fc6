"""Features of one image and one mask, without a cohort."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from uptake.features import FeatureTable, extract
from uptake.io.nifti import read_mask, read_volume
from uptake.io.tables import write_csv
from uptake.io.values import to_plain
from uptake.pipeline.settings import from_layers, read_toml

COLUMNS = ("name", "value", "unit", "family", "ibsi", "ibsi_tag", "aggregation", "reason")


def features(
    image: str | Path,
    mask: str | Path,
    *,
    csv: str | Path | None = None,
    settings_file: str | Path | None = None,
    **settings: Mapping[str, Any],
) -> FeatureTable:
    """Features of a NIfTI image inside a NIfTI mask on the same grid; `csv`: also write the long table there.

    settings: sections as keywords over those of the file, ``features(..., features={"bins": 32})``.
    Raises SettingsError; Refusal for unreadable files, another grid, an empty mask, non-finite voxels.
    """
    layers = [read_toml(Path(settings_file))] if settings_file else []
    resolved = from_layers([*layers, settings]).features
    table = extract(read_volume(Path(image)), read_mask(Path(mask)), resolved)
    if csv is not None:
        write_csv(COLUMNS, [to_plain(row) for row in table], Path(csv))
    return table

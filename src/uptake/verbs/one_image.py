"""Features of one image and one mask, without a cohort."""

from __future__ import annotations

from pathlib import Path

from uptake.features import Features, FeatureTable, extract
from uptake.io.nifti import read_mask, read_volume
from uptake.io.tables import write_csv
from uptake.io.values import to_plain

COLUMNS = ("name", "value", "unit", "family", "ibsi", "ibsi_tag", "aggregation", "reason")


def features(
    image: str | Path, mask: str | Path, *, csv: str | Path | None = None, settings: Features | None = None
) -> FeatureTable:
    """Features of a NIfTI image inside a NIfTI mask on the same grid; `csv`: also write the long table there.

    Raises Refusal for unreadable files, another grid, an empty mask, non-finite voxels inside the mask.
    """
    table = extract(read_volume(Path(image)), read_mask(Path(mask)), settings or Features())
    if csv is not None:
        write_csv(COLUMNS, [to_plain(row) for row in table], Path(csv))
    return table

"""Extracted features as a table of frozen rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pandas as pd


class Feature(NamedTuple):
    """One value and what it is; see `Definition` for the words.

    value: finite, or NaN with the `reason` why the definition has no value here; else the reason is empty.
    """

    name: str
    value: float
    unit: str
    family: str
    ibsi: str
    ibsi_tag: str
    aggregation: str = ""
    reason: str = ""


@dataclass(frozen=True)
class FeatureTable:
    """Features in the order of the catalogue: iterate over them, or ask for one by its IBSI tag.

    Raises ValueError for a value that is not finite without a reason, or finite with one.
    """

    rows: tuple[Feature, ...]

    def __post_init__(self) -> None:
        for row in self.rows:
            if not (math.isnan(row.value) if row.reason else math.isfinite(row.value)):
                raise ValueError(f"{row.ibsi_tag or row.name}: {row.value} with reason {row.reason!r}")

    def __iter__(self) -> Iterator[Feature]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, ibsi_tag: str) -> Feature:
        for row in self.rows:
            if row.ibsi_tag == ibsi_tag:
                return row
        raise KeyError(ibsi_tag)

    def wide(self) -> dict[str, float]:
        """Values by IBSI tag, in order: one case's row of a wide table."""
        return {row.ibsi_tag: row.value for row in self.rows}

    def to_pandas(self) -> pd.DataFrame:
        """A long DataFrame: one row per feature, one column per field of `Feature`."""
        import pandas as pd

        return pd.DataFrame(list(self.rows), columns=Feature._fields)

"""Extracted features as a table of frozen rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Feature:
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

    def __post_init__(self) -> None:
        if math.isfinite(self.value) == bool(self.reason) or math.isinf(self.value):
            raise ValueError(f"{self.ibsi_tag or self.name}: {self.value} with reason {self.reason!r}")


@dataclass(frozen=True)
class FeatureTable:
    """Features in the order of the catalogue: iterate over them, or ask for one by its IBSI tag."""

    rows: tuple[Feature, ...]

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

        columns = [field.name for field in fields(Feature)]
        return pd.DataFrame([asdict(row) for row in self.rows], columns=columns)

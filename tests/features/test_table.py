from __future__ import annotations

import math

import pytest

from uptake.features import Feature, FeatureTable

MEAN = Feature("Mean intensity", 2.5, "intensity", "statistics", "Q4LE", "stat_mean")
MORAN = Feature("Moran's I index", math.nan, "1", "morphology", "N365", "morph_moran_i", reason="one voxel")
TABLE = FeatureTable((MORAN, MEAN))


def test_rows_come_in_order_and_by_tag() -> None:
    assert list(TABLE) == [MORAN, MEAN]
    assert len(TABLE) == 2
    assert TABLE["stat_mean"] is MEAN
    with pytest.raises(KeyError, match="stat_median"):
        TABLE["stat_median"]


def test_the_wide_form_maps_tags_to_values() -> None:
    wide = TABLE.wide()
    assert list(wide) == ["morph_moran_i", "stat_mean"]
    assert wide["stat_mean"] == 2.5
    assert math.isnan(wide["morph_moran_i"])


def test_the_frame_is_long_with_one_column_per_field() -> None:
    frame = TABLE.to_pandas()
    columns = ["name", "value", "unit", "family", "ibsi", "ibsi_tag", "aggregation", "reason"]
    assert list(frame.columns) == columns
    assert frame["value"].dtype == float
    assert frame.loc[1].to_dict() == dict(zip(columns, MEAN, strict=True))
    assert list(FeatureTable(()).to_pandas().columns) == columns


@pytest.mark.parametrize(("value", "reason"), [(math.nan, ""), (math.inf, ""), (1.0, "why"), (math.inf, "why")])
def test_a_value_is_finite_or_nan_with_a_reason_and_nothing_else(value: float, reason: str) -> None:
    row = Feature("Mean intensity", value, "intensity", "statistics", "Q4LE", "stat_mean", reason=reason)
    with pytest.raises(ValueError, match="stat_mean"):
        FeatureTable((MORAN, row))

from __future__ import annotations

import math

import pytest

from uptake.features import Features
from uptake.study import SettingsError


def test_an_unknown_family_is_refused_with_those_that_exist() -> None:
    with pytest.raises(SettingsError, match=r"'shape'.*morphology"):
        Features(families=("shape",))  # type: ignore[arg-type]


def test_no_family_at_all_is_refused() -> None:
    with pytest.raises(SettingsError, match="one or more"):
        Features(families=())


@pytest.mark.parametrize("limits", [(1.0,), (2.0, 1.0), (1.0, 2.0, 3.0), (math.nan, 1.0)])
def test_a_range_that_is_none_is_refused(limits: tuple[float, ...]) -> None:
    with pytest.raises(SettingsError, match="resegment_range"):
        Features(resegment_range=limits)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("discretisation", "none"),
        ("ivh_discretisation", "width"),
        ("bins", 0),
        ("ivh_bins", -1),
        ("bin_width", 0.0),
        ("bin_width", math.nan),
        ("ivh_bin_width", math.inf),
    ],
)
def test_bins_that_are_none_are_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(SettingsError, match=f"^{field} "):
        Features(**{field: value})  # type: ignore[arg-type]


def test_a_half_open_range_is_a_range() -> None:
    assert Features(resegment_range=(-500, math.inf)).resegment_range == (-500, math.inf)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("aggregations", ()),
        ("aggregations", ("4D",)),
        ("distance", 0),
        ("distance", 6),
        ("alpha", -1),
        ("spacing_mm", (1.0, 1.0)),
        ("spacing_mm", (1.0, 1.0, -1.0)),
        ("spacing_mm", (1.0, 1.0, math.inf)),
        ("interpolation", "nearest"),
        ("resegment_outliers", -1.0),
        ("resegment_outliers", math.nan),
    ],
)
def test_texture_and_interpolation_that_are_none_are_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(SettingsError, match=f"^{field} "):
        Features(**{field: value})  # type: ignore[arg-type]

"""Frozen values to JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from uptake.io.values import from_plain, read_value, to_plain, write_value
from uptake.study import Acquisition, Box, LeftOut, Recorded
from uptake.volume import Layout


@dataclass(frozen=True)
class Inner:
    number: float | int
    words: str | None = None


@dataclass(frozen=True)
class Outer:
    many: tuple[Inner, ...]
    pair: tuple[int, str]
    named: Mapping[str, Inner] = field(default_factory=dict)


def test_nested_values_come_back_equal(tmp_path: Path) -> None:
    value = Outer((Inner(1.5), Inner(2, "two")), (3, "x"), {"a": Inner(4)})
    write_value(value, tmp_path / "value.json")
    assert read_value(Outer, tmp_path / "value.json") == value


def test_an_acquisition_comes_back_equal(tmp_path: Path) -> None:
    value = Acquisition(
        manufacturer="GE",
        series_uids=("1.2", "1.3"),
        layout=Layout((2, 0, 1), (True, False, True)),
        left_out=(LeftOut("a scout", 3, "no phase"),),
        recorded=Recorded(voi=Box((1, 2, 3), (4, 5, 6)), phase_times_s=(0.0, 1.5), sources={"voi": "SER map"}),
    )
    write_value(value, tmp_path / "value.json")
    assert read_value(Acquisition, tmp_path / "value.json") == value


def test_numbers_of_numpy_become_plain_ones() -> None:
    assert to_plain({"a": np.float64(1.5), "b": [np.int16(2)]}) == {"a": 1.5, "b": [2]}


def test_fields_that_a_newer_version_wrote_are_passed_over() -> None:
    assert from_plain(Inner, {"number": 1, "words": "w", "later": 3}) == Inner(1, "w")


def test_what_is_not_a_number_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_value(Inner(float("nan")), tmp_path / "value.json")
    assert list(tmp_path.iterdir()) == []

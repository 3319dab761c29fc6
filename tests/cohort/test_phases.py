"""Phases in another order than they are taken for: found, wherever something can tell."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from uptake.cohort.phases import contrast_after_first, counted_as_recorded
from uptake.io.dicom.read import read_study
from uptake.io.dicom.scan import scan
from uptake.phantom import Phantom, make
from uptake.preprocess.foreground import foreground
from uptake.volume import Grid, Volume


@pytest.fixture(scope="module", params=["sagittal", "axial"])
def phantom(request: pytest.FixtureRequest) -> Phantom:
    return make(seed=6, size="small", view=request.param)


def body(volume: Volume) -> Volume:
    return volume.with_array(foreground(volume.array, volume.grid.spacing_mm))


def test_every_order_that_begins_with_another_phase_than_the_pre_contrast_one_is_found(phantom: Phantom) -> None:
    volumes = phantom.study.volumes
    for order in itertools.permutations(range(3)):
        ordered = [volumes[n] for n in order]
        (finding,) = contrast_after_first(ordered, body(ordered[0]))
        assert finding.status == ("pass" if order[0] == 0 else "fail"), order


@pytest.mark.parametrize("name", ["ispy1_dicom", "br06_dicom"])
def test_real_phases_are_in_order_and_swapped_ones_are_not(request: pytest.FixtureRequest, name: str) -> None:
    folder: Path = request.getfixturevalue(name)
    pre, early, late = read_study(scan([folder]).studies[0], "CASE").volumes
    for volumes, status in (((pre, early, late), "pass"), ((early, pre, late), "fail"), ((late, early, pre), "fail")):
        assert [finding.status for finding in contrast_after_first(volumes, body(volumes[0]))] == [status]


def test_a_study_without_contrast_agent_is_found() -> None:
    """The later phases are darker by a little, as a scanner that drifts."""
    rng = np.random.default_rng(1)
    grid = Grid((30, 30, 30), np.diag((3.0, 3.0, 3.0, 1.0)))
    volumes = [Volume(rng.normal(level, 5, grid.shape), grid) for level in (100, 98, 97)]
    (finding,) = contrast_after_first(volumes, Volume(np.ones(grid.shape, bool), grid))
    assert finding.status == "fail"


def test_nothing_is_said_without_a_body(phantom: Phantom) -> None:
    pre = phantom.study.volumes[0]
    assert list(contrast_after_first(phantom.study.volumes, pre.with_array(np.zeros(pre.array.shape, bool)))) == []


@pytest.mark.parametrize(
    ("recorded", "counted", "expected"),
    [
        ((17331, 7839), (17331, 7839), ["pass", "pass"]),
        ((17331, 7839), (17331, 11000), ["pass", "warn"]),
        ((17331, None), (16900, 0), ["warn"]),
        ((None, None), (5, 5), []),
        ((0, 0), (0, 0), ["pass", "pass"]),
        ((0, 0), (3, 0), ["warn", "pass"]),
    ],
)
def test_counts_are_held_against_those_that_the_study_records(
    recorded: tuple[int | None, int | None], counted: tuple[int, int], expected: list[str]
) -> None:
    assert [finding.status for finding in counted_as_recorded(recorded, counted)] == expected

"""The FTV rules one by one on tiny arrays, against a brute-force reading of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from uptake.study import Box, Recorded, SettingsError
from uptake.tumour.enhancement import enhancement
from uptake.tumour.ftv import (
    Ftv,
    Threshold,
    Thresholds,
    background_threshold,
    functional_tumour_volume,
    measure,
    neighbour_count,
    ser_above,
    thresholds,
)
from uptake.tumour.phases import PhaseChoice
from uptake.tumour.voi import VoiChoice, VoiRegion, region_of
from uptake.volume import DCM2NIIX, Array, Grid, Volume

GRID = Grid((5, 5, 5), np.diag([1.0, 2.0, 3.0, 1.0]))
PHASES = PhaseChoice(0, 1, 2, "test")
VOI = VoiChoice("user", "whole", (0, 0, 0), (4, 4, 4))


def limits(pe: float = 70, neighbours: int = 0, background: float = 10, ser: float = 0.9) -> Thresholds:
    return Thresholds(*(Threshold(value, "test") for value in (pe, neighbours, background, ser)))


def volumes(s0: Array, s1: Array, s2: Array) -> tuple[Volume, Volume, Volume]:
    return Volume(s0, GRID), Volume(s1, GRID), Volume(s2, GRID)


def filled(value: int) -> Array:
    return np.full(GRID.shape, value, np.int16)


def whole() -> VoiRegion:
    return region_of(Box((0, 0, 0), (4, 4, 4)), (), GRID.shape, DCM2NIIX)


def ftv(s0: Array, s1: Array, s2: Array, rules: Thresholds, region: VoiRegion | None = None) -> tuple[Array, Array]:
    phases = volumes(s0, s1, s2)
    return functional_tumour_volume(phases, enhancement(*phases), region or whole(), rules)


@pytest.mark.parametrize("threshold", [70, 90, 100, 140])
def test_pe_threshold_is_inclusive(threshold: int) -> None:
    """At S0 = 100 a voxel that rises by exactly the threshold is in, one grey level less is out."""
    for rise, inside in ((threshold, True), (threshold - 1, False)):
        mask, _ = ftv(filled(100), filled(100 + rise), filled(150), limits(pe=threshold))
        assert mask.all() == inside
        assert mask.any() == inside


def test_background_threshold_is_inclusive() -> None:
    s0 = filled(10)
    s0[0, 0, 0] = 9
    mask, _ = ftv(s0, filled(40), filled(30), limits(background=10))
    assert not mask[0, 0, 0]
    assert mask.sum() == 124


def test_a_voxel_that_falls_to_or_below_its_first_signal_late_is_out() -> None:
    s2 = filled(150)
    s2[1, 1, 1], s2[2, 2, 2] = 100, 90
    mask, _ = ftv(filled(100), filled(200), s2, limits())
    assert not mask[1, 1, 1]
    assert not mask[2, 2, 2]
    assert mask.sum() == 123


def test_neighbours_outside_the_voi_count() -> None:
    """The test runs on the whole volume; the VOI cuts afterwards."""
    region = region_of(Box((2, 2, 2), (2, 2, 2)), (), GRID.shape, DCM2NIIX)
    mask, _ = ftv(filled(100), filled(200), filled(150), limits(neighbours=26), region)
    assert mask.sum() == 1
    assert mask[2, 2, 2]


def test_a_falling_voxel_does_not_count_as_a_neighbour() -> None:
    s2 = filled(150)
    s2[2, 2, 1] = 100
    mask, _ = ftv(filled(100), filled(200), s2, limits(neighbours=26))
    assert not mask[2, 2, 2]


def test_an_omit_region_is_cut_out_of_the_ftv() -> None:
    region = region_of(Box((0, 0, 0), (4, 4, 4)), (Box((0, 0, 0), (4, 4, 1)),), GRID.shape, DCM2NIIX)
    mask, _ = ftv(filled(100), filled(200), filled(150), limits(), region)
    assert mask.sum() == 5 * 5 * 3
    assert not mask[:, :, :2].any()


def test_an_ftv_without_a_voxel_is_a_result() -> None:
    phases = volumes(filled(100), filled(110), filled(120))
    maps = enhancement(*phases)
    masks = functional_tumour_volume(phases, maps, whole(), limits())
    numbers = measure(masks, maps, limits(), PHASES, VOI).numbers
    assert (numbers.ftv_pe_voxels, numbers.ftv_ser_voxels, numbers.ftv_pe_cc) == (0, 0, 0.0)
    assert numbers.longest_diameter_mm == 0.0
    assert [band.percent for band in numbers.bands] == [0.0] * 5


def test_ser_at_exactly_the_limit_is_not_above_it() -> None:
    """S0 = 100, S1 = 190, S2 = 200: SER = 0.9 exactly, which float32 cannot tell from 0.9 but integers can."""
    for early, above in ((190, False), (191, True)):
        assert bool(ser_above(np.array(100), np.array(early), np.array(200), 0.9)) == above


def test_ser_counts_strict_and_inclusive_differ_by_the_voxels_at_the_limit() -> None:
    s1 = filled(191)
    s1[0] = 190
    phases = volumes(filled(100), s1, filled(200))
    maps = enhancement(*phases)
    masks = functional_tumour_volume(phases, maps, whole(), limits())
    numbers = measure(masks, maps, limits(), PHASES, VOI).numbers
    assert numbers.ftv_ser_voxels == 100
    assert numbers.ftv_ser_inclusive_voxels == 125
    assert numbers.ftv_ser_cc == pytest.approx(100 * 6 / 1000)


def test_bands_are_open_below_and_closed_above() -> None:
    """SER 1.0 lies in (0.9, 1.0], SER 2 in (1.75, 3], SER 4 in none."""
    s2 = filled(200)
    s2[0], s2[1] = 150, 125
    phases = volumes(filled(100), filled(200), s2)
    maps = enhancement(*phases)
    numbers = measure((np.ones(GRID.shape, bool),) * 2, maps, limits(), PHASES, VOI).numbers
    assert [band.voxels for band in numbers.bands] == [0, 75, 0, 0, 25]
    assert sum(band.percent for band in numbers.bands) == pytest.approx(100)


@pytest.mark.parametrize(("sample", "threshold"), [([95.0] * 20, 57), ([57.5] * 20, 35), ([0.0] * 19 + [100.0], 3)])
def test_background_threshold_is_sixty_percent_of_p95_rounded_half_up(sample: list[float], threshold: int) -> None:
    """The last: P95 of nineteen zeros and 100 is 100 (20 - 1) 0.95 - 18 = 5, interpolated linearly."""
    assert background_threshold(np.array(sample), 0.60) == threshold


def test_background_sample_leaves_out_the_last_column_and_row_but_not_the_last_slice() -> None:
    """Columns 1-3, rows 0-2, slices 2-4, rows counted from the top: array rows 2-4 of 5, of which 2 is left out."""
    region = region_of(Box((1, 0, 2), (3, 2, 4)), (), GRID.shape, DCM2NIIX)
    assert region.inside.sum() == 27
    assert region.inside[1:4, 2:5, 2:5].all()
    assert region.sample == (slice(1, 3), slice(3, 5), slice(2, 5))


def test_omitted_voxels_stay_in_the_background_sample() -> None:
    box = Box((0, 0, 0), (4, 4, 4))
    assert region_of(box, (box,), GRID.shape, DCM2NIIX).sample == region_of(box, (), GRID.shape, DCM2NIIX).sample


def test_recorded_thresholds_win_and_say_so() -> None:
    recorded = Recorded(
        pe_threshold_percent=140,
        minimum_neighbours=9,
        background_threshold=35,
        sources={"minimum_neighbours": "SER map"},
    )
    found = thresholds(filled(100), whole(), recorded, Ftv())
    assert (found.pe_percent.value, found.neighbours.value, found.background.value) == (140, 9, 35)
    assert found.neighbours.source == "recorded in the study (SER map)"


def test_settings_apply_where_nothing_is_recorded_or_recorded_values_are_not_wanted() -> None:
    recorded = Recorded(pe_threshold_percent=140, background_threshold=35)
    for known, settings in ((Recorded(), Ftv(pe_threshold_percent=90)), (recorded, Ftv(90, prefer_recorded=False))):
        found = thresholds(filled(100), whole(), known, settings)
        assert found.pe_percent.value == 90
        assert found.pe_percent.source == "setting ftv"
        assert found.background.value == 60


def test_a_recorded_fraction_sets_the_background_threshold() -> None:
    found = thresholds(filled(100), whole(), Recorded(background_fraction=0.5), Ftv())
    assert found.background.value == 50


@pytest.mark.parametrize(
    "wrong",
    [{"pe_threshold_percent": 0}, {"minimum_neighbours": 27}, {"background_fraction": 1.1}, {"ser_threshold": 3.0}],
)
def test_thresholds_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        Ftv(**wrong)  # type: ignore[arg-type]


@given(arrays(bool, (3, 4, 2)))
def test_neighbour_count_agrees_with_counting_one_by_one(mask: np.ndarray) -> None:
    padded = np.pad(mask, 1, mode="edge")
    counted = neighbour_count(mask)
    for index in np.ndindex(mask.shape):
        box = padded[tuple(slice(i, i + 3) for i in index)]
        assert counted[index] == box.sum() - mask[index]


@given(arrays(np.int16, (5, 5, 5), elements=st.integers(0, 40)), st.integers(0, 2**32 - 1), st.integers(0, 12))
def test_ftv_agrees_with_the_rules_read_one_by_one(s0: np.ndarray, seed: int, neighbours: int) -> None:
    random = np.random.default_rng(seed)
    s1, s2 = (np.asarray(random.integers(0, 90, s0.shape), np.int16) for _ in range(2))
    mask, ser_mask = ftv(s0, s1, s2, limits(neighbours=neighbours))
    passing = np.zeros(s0.shape, bool)
    for index in np.ndindex(s0.shape):
        a, b, c = int(s0[index]), int(s1[index]), int(s2[index])
        passing[index] = a >= 10 and np.float32(100) * np.float32(b - a) / np.float32(a) >= 70 and c > a
    for index in np.ndindex(s0.shape):
        around = [
            passing[tuple(np.clip(np.add(index, step), 0, 4))]
            for step in itertools.product((-1, 0, 1), repeat=3)
            if step != (0, 0, 0)
        ]
        expected = bool(passing[index]) and sum(map(bool, around)) >= neighbours
        assert mask[index] == expected
        a, b, c = int(s0[index]), int(s1[index]), int(s2[index])
        assert ser_mask[index] == (expected and 10 * (b - a) > 9 * (c - a))

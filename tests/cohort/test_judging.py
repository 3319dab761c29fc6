"""Agreement of masks with the truth: by hand on small boxes, and against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from uptake.cohort.judging import (
    Judged,
    bootstrapped,
    difference,
    figures,
    judge,
    size_strata,
)
from uptake.volume import Grid, Volume

GRID = Grid((20, 20, 20), np.diag([2.0, 1.0, 1.0, 1.0]))


def box(i: slice, j: slice, k: slice) -> Volume:
    array = np.zeros(GRID.shape, dtype=np.bool_)
    array[i, j, k] = True
    return Volume(array, GRID)


TRUTH = box(slice(5, 10), slice(5, 10), slice(5, 10))
"""5 x 5 x 5 voxels of 2 mm3: 0.25 cc."""


def test_a_mask_that_is_the_truth_is_perfect() -> None:
    found = judge("A", "model", TRUTH, TRUTH)
    assert (found.dice, found.hd95_mm, found.surface_dice_2mm, found.volume_bias_cc) == (1, 0, 1, 0)
    assert found.truth_cc == pytest.approx(0.25)
    assert found.detected


def test_a_mask_shifted_by_one_voxel_of_2_mm() -> None:
    """4 of 5 planes in common: Dice 0.8. The planes at both ends lie 2 mm off, everything within 2 mm."""
    found = judge("A", "model", box(slice(6, 11), slice(5, 10), slice(5, 10)), TRUTH)
    assert found.dice == pytest.approx(0.8)
    assert found.hd95_mm == pytest.approx(2.0)
    assert found.surface_dice_2mm == 1
    assert found.volume_bias_percent == pytest.approx(0)


def test_surface_dice_counts_what_lies_farther_than_2_mm() -> None:
    """One voxel each, 3 voxels of 1 mm apart: no surface within 2 mm."""
    one, other = (box(slice(5, 6), slice(j, j + 1), slice(5, 6)) for j in (5, 8))
    found = judge("A", "model", one, other)
    assert (found.dice, found.hd95_mm, found.surface_dice_2mm, found.detected) == (0, 3, 0, False)


def test_an_empty_mask_misses_the_lesion_its_surface_too_and_has_no_distance() -> None:
    """Nikolov's surface Dice: none of the truth's surface is near another one, so 0, not left out of a median."""
    found = judge("A", "model", TRUTH.with_array(np.zeros_like(TRUTH.array)), TRUTH)
    assert (found.dice, found.hd95_mm, found.surface_dice_2mm, found.detected) == (0, None, 0, False)
    assert found.volume_bias_percent == -100


@pytest.mark.filterwarnings("ignore:monai.metrics:FutureWarning")
def test_hd95_and_surface_dice_are_monai_s() -> None:
    torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed: make torch")
    metrics = pytest.importorskip("monai.metrics")
    mask = box(slice(4, 11), slice(6, 12), slice(5, 9))
    pair = [torch.from_numpy(np.stack([~v.array, v.array])[None].astype(np.float32)) for v in (mask, TRUTH)]
    found = judge("A", "model", mask, TRUTH)
    spacing = GRID.spacing_mm
    hd95 = metrics.compute_hausdorff_distance(*pair, percentile=95, spacing=spacing)
    surface = metrics.compute_surface_dice(*pair, class_thresholds=[2.0], spacing=spacing)
    assert found.hd95_mm == pytest.approx(float(hd95[0, 0]), abs=1e-4)
    assert found.surface_dice_2mm == pytest.approx(float(surface[0, 0]), abs=1e-4)


def test_an_empty_truth_and_another_grid_are_errors_of_the_caller() -> None:
    with pytest.raises(ValueError, match="empty truth"):
        judge("A", "model", TRUTH, TRUTH.with_array(np.zeros_like(TRUTH.array)))
    elsewhere = Volume(TRUTH.array, Grid(GRID.shape, np.eye(4)))
    with pytest.raises(ValueError, match="grid"):
        judge("A", "model", elsewhere, TRUTH)


def row(case: str, method: str, dice: float, hd95: float | None = 1.0) -> Judged:
    return Judged(case, method, dice, hd95, 0.0 if hd95 is None else 0.9, 1.0, 2.0, -1.0, -50.0, dice >= 0.1)


def test_figures_are_medians_per_method_and_stratum_with_the_share_detected() -> None:
    rows = [row("A", "m", 0.9), row("B", "m", 0.7), row("C", "m", 0.05, None), row("A", "b", 0.5)]
    found = {(f.method, f.stratum): f for f in figures(rows, {"GE": ["A", "B"]})}
    assert set(found) == {("m", "all"), ("b", "all"), ("m", "GE"), ("b", "GE")}
    assert found["m", "all"].dice.value == pytest.approx(0.7)
    assert found["m", "all"].detected == pytest.approx(2 / 3)
    assert found["m", "GE"].dice.value == pytest.approx(0.8)
    assert found["m", "GE"].cases == 2


def test_missed_lesions_pull_surface_dice_down_and_figures_say_of_how_many_cases_hd95_is() -> None:
    (found,) = figures([row("A", "m", 0.9), row("B", "m", 0.0, None), row("C", "m", 0.0, None)], {})
    assert (found.surface_dice_2mm.value, found.hd95_cases, found.cases) == (0, 1, 3)
    assert found.hd95_mm is not None
    assert found.hd95_mm.value == 1


def test_a_method_that_never_finds_anything_has_no_distance() -> None:
    (found,) = figures([row("A", "m", 0.0, None)], {})
    assert found.hd95_mm is None


def test_intervals_hold_the_median_and_are_those_of_scipy_s_bootstrap() -> None:
    values = list(np.random.default_rng(4).normal(0.7, 0.1, 40))
    found = bootstrapped(values)
    theirs = stats.bootstrap((values,), np.median, method="percentile", n_resamples=5000, rng=np.random.default_rng(1))
    assert found.value == pytest.approx(np.median(values))
    assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.01)
    assert bootstrapped([0.5]) == bootstrapped([0.5], seed=9)


def test_intervals_of_patients_with_several_cases_are_those_of_drawing_patients_one_by_one() -> None:
    rng = np.random.default_rng(5)
    whose = [f"P{n}" for n in range(12) for _ in range(1 + n % 3)]
    values = list(rng.normal(0.7, 0.02, len(whose)) + 0.02 * np.array([int(name[1:]) for name in whose]))
    own = {name: [v for v, other in zip(values, whose, strict=True) if other == name] for name in whose}
    drawn = [np.median(np.concatenate([own[n] for n in rng.choice(list(own), len(own))])) for _ in range(4000)]
    found = bootstrapped(values, whose)
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(drawn, (2.5, 97.5))), abs=0.01)
    by_case = bootstrapped(values)
    assert found.value == by_case.value == np.median(values)
    assert found.high - found.low > by_case.high - by_case.low


def test_a_patient_shown_twice_is_no_second_patient() -> None:
    """Twice the same values: the interval of the patients, and Wilcoxon's p of the patients, stay what they are."""
    once = [row(f"P{n}", m, 0.5 + 0.03 * n * (m == "m")) for n in range(8) for m in ("m", "b")]
    again = [row(f"{r.case_id} again", r.method, r.dice) for r in once]
    owners = {r.case_id: r.case_id.partition(" ")[0] for r in (*once, *again)}
    (one, _), (two, _) = figures(once, {}), figures([*once, *again], {}, owners)
    assert (one.dice, one.cases, one.patients) == (two.dice, 8, 8)
    assert (two.cases, two.patients) == (16, 8)
    single, double = difference(once, "m", "b"), difference([*once, *again], "m", "b", owners)
    assert single is not None
    assert double is not None
    assert (single.p, single.dice) == (double.p, double.dice)


def test_methods_are_compared_case_by_case_with_wilcoxon() -> None:
    gains = [0.1, 0.2, -0.05, 0.3, 0.15, 0.02]
    rows = [row(f"C{n}", "m", 0.5 + gain) for n, gain in enumerate(gains)]
    rows += [row(f"C{n}", "b", 0.5) for n in range(len(gains))] + [row("only b", "b", 0.1)]
    found = difference(rows, "m", "b")
    assert found is not None
    assert (found.cases, found.dice.value) == (6, pytest.approx(0.125))
    assert found.p == pytest.approx(stats.wilcoxon(np.array(gains)).pvalue)


def test_equal_methods_have_nothing_to_rank_and_strangers_nothing_to_compare() -> None:
    same = difference([row("A", "m", 0.5), row("A", "b", 0.5)], "m", "b")
    assert same is not None
    assert same.p is None
    assert difference([row("A", "m", 0.5)], "m", "b") is None


def test_cases_are_sorted_by_the_size_of_their_lesion() -> None:
    assert size_strata({"A": 0.5, "B": 2.0, "C": 30.0}) == {
        "lesion below 2 cc": ("A",),
        "lesion 2-10 cc": ("B",),
        "lesion from 10 cc": ("C",),
    }

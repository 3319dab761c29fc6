from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from uptake.features.captk import PAPER, glcm
from uptake.features.captk.roi import Roi, captk_offsets

EIGHT = replace(PAPER, glcm_bins=8)


def test_the_matrix_is_what_counting_every_pair_by_hand_gives(lesion: Roi) -> None:
    random = np.random.default_rng(1)
    levels = random.integers(0, 4, size=lesion.inside.shape)
    for offset in (*captk_offsets(1)[:5], *captk_offsets(3)[:3]):
        assert glcm.cooccurrences(lesion.inside, levels, offset, 4).tolist() == _counted(lesion.inside, levels, offset)


def test_grey_levels_reach_to_one_above_the_maximum(roi: Callable[..., Roi]) -> None:
    """With ten bins from 0 to 3 + 1, an intensity of 3 lies in bin 7 and the top two stay empty."""
    line = np.array([0, 1, 2, 3], dtype=np.float32).reshape(4, 1, 1)
    combined = replace(PAPER, glcm_bins=10, glcm_offset="Combined")
    found = glcm.captk(roi(line, np.ones(line.shape, dtype=bool)), combined)
    assert found["Contrast"] == pytest.approx((2**2 + 3**2 + 2**2) / 3)  # bins 0, 2, 5 and 7


def test_every_formula_of_itk_on_a_matrix_of_two_levels() -> None:
    found = glcm.itk_features(np.array([[4.0, 1.0], [1.0, 2.0]]))  # p = 1/2, 1/8, 1/8, 1/4; mean 3/8
    variance = 3 / 8 * 5 / 8
    assert found == {
        "Energy": pytest.approx((16 + 1 + 1 + 4) / 64),
        "Entropy": pytest.approx(0.5 + 2 * 3 / 8 + 0.5),
        "Homogeneity": pytest.approx(3 / 4 + 1 / 8),
        "Contrast": pytest.approx(1 / 4),
        "ClusterShade": pytest.approx((-0.75) ** 3 / 2 + 0.25**3 / 4 + 1.25**3 / 4),
        "ClusterProminence": pytest.approx(0.75**4 / 2 + 0.25**4 / 4 + 1.25**4 / 4),
        "Correlation": pytest.approx((1 / 4 - (3 / 8) ** 2) / variance**2),
        "AutoCorrelation": pytest.approx((1 / 4 - 1 / 4) / (1 / 64)),  # marginals 5/8 and 3/8: mean 1/2, variance 1/64
    }


def test_the_entropy_of_itk_skips_cells_of_at_most_one_in_ten_thousand() -> None:
    counts = np.diag([10_000.0, 1.0])
    assert glcm.itk_features(counts)["Entropy"] == pytest.approx(-np.log2(10_000 / 10_001) * 10_000 / 10_001)
    assert glcm.ibsi_features(counts)["Entropy"] > glcm.itk_features(counts)["Entropy"] * 5


def test_levels_that_are_all_as_probable_have_no_haralick_correlation() -> None:
    assert glcm.itk_features(np.eye(4))["AutoCorrelation"] is glcm.UNIFORM


def test_one_level_has_a_correlation_of_zero_in_itk_and_none_in_ibsi(filled: Callable[..., Roi]) -> None:
    cube = filled((3, 3, 3))
    assert glcm.captk(cube, EIGHT)["Correlation"] == 0
    assert glcm.corrected(cube, EIGHT)["Correlation"] is glcm.CONSTANT


def test_a_direction_without_a_pair_leaves_all_means_undefined_but_entropy(filled: Callable[..., Roi]) -> None:
    slab = filled((3, 3, 1))
    average = glcm.captk(slab, EIGHT)
    assert average.pop("Entropy") == 0
    assert set(average.values()) == {glcm.NO_PAIR}
    assert glcm.captk(slab, replace(EIGHT, glcm_offset="Combined"))["Energy"] == 1


def test_opposite_offsets_have_equal_matrices_so_that_26_average_as_13_do(lesion: Roi) -> None:
    levels = np.random.default_rng(2).integers(0, 4, size=lesion.inside.shape)
    for i, j, k in captk_offsets(1):
        there = glcm.cooccurrences(lesion.inside, levels, (i, j, k), 4)
        assert np.array_equal(there, glcm.cooccurrences(lesion.inside, levels, (-i, -j, -k), 4))


def test_every_column_is_computed_by_both_panels(lesion: Roi) -> None:
    assert set(glcm.captk(lesion, EIGHT)) == set(glcm.corrected(lesion, EIGHT)) == set(glcm.units(EIGHT))


def _counted(inside: np.ndarray, levels: np.ndarray, offset: tuple[int, int, int]) -> list[list[float]]:
    counts = np.zeros((4, 4))
    for here in product(*map(range, inside.shape)):
        there = tuple(h + d for h, d in zip(here, offset, strict=True))
        if all(0 <= t < n for t, n in zip(there, inside.shape, strict=True)) and inside[here] and inside[there]:
            counts[levels[here], levels[there]] += 1
            counts[levels[there], levels[here]] += 1
    return counts.tolist()

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from uptake.features.captk import PAPER, intensity
from uptake.features.captk.roi import Roi


def test_intensities_are_taken_in_single_precision(roi: Callable[..., Roi]) -> None:
    tenths = np.full((2, 2, 2), 0.1)
    assert intensity.captk(roi(tenths, np.ones(tenths.shape, dtype=bool)), PAPER)["Mean"] == float(np.float32(0.1))


def test_the_corrected_deviations_have_absolute_values(roi: Callable[..., Roi]) -> None:
    line = np.array([0, 0, 0, 4], dtype=np.float32).reshape(4, 1, 1)
    region = roi(line, np.ones(line.shape, dtype=bool))
    assert intensity.captk(region, PAPER)["MeanAbsoluteDeviation"] == pytest.approx(0)
    assert intensity.captk(region, PAPER)["MedianAbsoluteDeviation"] == 1
    assert intensity.corrected(region, PAPER)["MeanAbsoluteDeviation"] == pytest.approx(1.5)
    assert intensity.corrected(region, PAPER)["MedianAbsoluteDeviation"] == 1


def test_the_corrected_mode_can_be_the_maximum_and_is_the_one_nearest_to_the_mean() -> None:
    assert intensity.ibsi_statistics(np.array([1.0, 9, 9]))["Mode"] == 9
    assert intensity.ibsi_statistics(np.array([0.0, 0, 5, 5, 20]))["Mode"] == 5


def test_every_column_is_computed_by_both_panels(lesion: Roi) -> None:
    names = set(intensity.units(PAPER))
    assert len(names) == 20
    assert set(intensity.captk(lesion, PAPER)) == set(intensity.corrected(lesion, PAPER)) == names

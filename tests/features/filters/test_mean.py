from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from uptake.features.filters import Mean, filtered
from uptake.features.filters.boundary import Boundary
from uptake.study import SettingsError
from uptake.volume import Volume


def test_an_impulse_becomes_a_cube_of_its_share(phantom: Callable[[str], Volume]) -> None:
    response = filtered(phantom("impulse"), Mean(15, boundary="zero")).array
    expected = np.zeros((64, 64, 64))
    expected[24:39, 24:39, 24:39] = 255 / 15**3
    assert response == pytest.approx(expected, abs=1e-9)


def test_in_slices_an_impulse_stays_in_its_slice(phantom: Callable[[str], Volume]) -> None:
    response = filtered(phantom("impulse"), Mean(15, by_slice=True)).array
    expected = np.zeros((64, 64, 64))
    expected[24:39, 24:39, 31] = 255 / 15**2
    assert response == pytest.approx(expected, abs=1e-9)


def test_a_periodic_checkerboard_becomes_a_faint_one(phantom: Callable[[str], Volume]) -> None:
    """15 of 16 voxels of a period lack one voxel of the other colour, so that its own colour is 1 ahead of 15."""
    board = phantom("checkerboard")
    colour = board.array / 127.5 - 1
    response = filtered(board, Mean(15, boundary="periodic")).array
    assert response == pytest.approx(127.5 * (1 + colour / 15**3), abs=1e-9)


@pytest.mark.parametrize(
    ("boundary", "bright"), [("zero", 8 * 8 * 8), ("nearest", 15 * 15 * 8), ("mirror", 15 * 15 * 8)]
)
def test_at_the_edge_of_a_checkerboard_the_boundary_counts(
    boundary: Boundary, bright: int, phantom: Callable[[str], Volume]
) -> None:
    """Around voxel (0, 0, 8), 8 of 15 voxels along k are of the bright block, and 8 along i and j are in the image."""
    response = filtered(phantom("checkerboard"), Mean(15, boundary=boundary)).array
    assert response[0, 0, 8] == pytest.approx(255 * bright / 15**3)


def test_an_even_support_is_an_error() -> None:
    with pytest.raises(SettingsError, match="support 4"):
        Mean(4)

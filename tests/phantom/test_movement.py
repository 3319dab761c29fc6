from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from uptake.phantom.fields import region_of
from uptake.phantom.frames import Frame, frame_of
from uptake.phantom.movement import draw_displacement, moved
from uptake.volume import Grid

SAGITTAL = Grid((30, 26, 20), np.array([[0, 0, 2.5, -20], [-1.5, 0, 0, 20], [0, 1.5, 0, -15], [0, 0, 0, 1]]))


def ball(frame: Frame, centre: tuple[float, float, float]) -> np.ndarray:
    square = sum((line - c) ** 2 for line, c in zip((frame.x, frame.y, frame.z), centre, strict=True))
    return np.asarray(np.exp(-square / 50), dtype=np.float32)


def test_tissue_goes_where_the_displacement_says_in_world_coordinates() -> None:
    """3 mm to the right, 2 to the back, 1.5 up, on a grid whose axes are y backwards, z and x."""
    frame = frame_of(SAGITTAL)
    still = ball(frame, (2.0, 0.0, 3.0))
    shift = [np.full(SAGITTAL.shape, value, dtype=np.float32) for value in (3.0, -2.0, 1.5)]
    found = moved(still, frame, (shift[0], shift[1], shift[2]))
    np.testing.assert_allclose(found, ball(frame, (5.0, -2.0, 4.5)), atol=0.03)


def test_without_displacement_nothing_moves() -> None:
    frame = frame_of(SAGITTAL)
    nothing = np.zeros(SAGITTAL.shape, dtype=np.float32)
    still = ball(frame, (0.0, 0.0, 0.0))
    np.testing.assert_allclose(moved(still, frame, (nothing, nothing, nothing)), still, atol=1e-5)


def test_displacements_have_the_asked_spread_and_are_smooth() -> None:
    frame = frame_of(SAGITTAL)
    region = region_of(frame, 12.0)
    drawn = [draw_displacement(frame, region, 2.0, np.random.default_rng(seed)) for seed in range(60)]
    assert float(np.std([part for three in drawn for part in three])) == pytest.approx(2.0, rel=0.15)
    steps = [np.abs(np.diff(part, axis=axis)).max() / 2.5 for part in drawn[0] for axis in range(3)]
    # Far from folding: less than half a millimetre per millimetre.
    assert max(steps) < 0.5
    assert ndimage.gaussian_filter(drawn[0][0], 1.0).std() == pytest.approx(drawn[0][0].std(), rel=0.1)

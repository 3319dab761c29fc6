"""A ball in noise: with faint copies of itself it is said to have ghosts, without them it is not."""

from __future__ import annotations

import numpy as np
import pytest

from uptake.cohort.ghosting import ghosts
from uptake.volume import Array, Grid, Volume

GRID = Grid((64, 56, 20), np.diag((-3.0, 3.0, 4.0, 1.0)))


def ball() -> Array:
    i, j, k = np.indices(GRID.shape)
    return np.asarray((((i - 40) / 12) ** 2 + ((j - 24) / 9) ** 2 + ((k - 10) / 8) ** 2) < 1)


def noisy(image: Array, seed: int = 1) -> Volume:
    """Magnitude of complex noise of SD 5 around the image."""
    rng = np.random.default_rng(seed)
    parts = rng.normal(image, 5), rng.normal(0, 5, image.shape)
    return Volume(np.hypot(*parts).astype(np.float32), GRID)


def body() -> Volume:
    return Volume(ball(), GRID)


def status(*volumes: Volume) -> list[str]:
    return [finding.status for finding in ghosts(volumes, body())]


def test_a_ball_in_noise_has_no_ghosts() -> None:
    assert status(noisy(100.0 * ball()), noisy(150.0 * ball(), 2)) == ["pass"]


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("share", [0.15, 0.3])
def test_faint_copies_are_found_along_either_axis_and_across_the_border(axis: int, share: float) -> None:
    image = 100.0 * ball()
    spoiled = image + share * np.roll(image, GRID.shape[axis] // 3, axis)
    (finding,) = ghosts([noisy(image), noisy(spoiled)], body())
    assert finding.status == "warn"
    assert f"along {'xyz'[axis]}" in finding.found


def test_a_haze_around_the_body_is_no_ghost() -> None:
    i, j, k = np.indices(GRID.shape)
    distance = np.sqrt((3.0 * (i - 40)) ** 2 + (3.0 * (j - 24)) ** 2 + (4.0 * (k - 10)) ** 2)
    assert status(noisy(100.0 * ball() + 20 * np.exp(-distance / 25))) == ["pass"]


def test_a_heart_behind_the_body_is_no_ghost() -> None:
    """What looks like the body moved backwards lies where its lung and heart are; moved forwards it is a ghost."""
    image, far = 100.0 * ball(), GRID.shape[1] // 3
    forwards, backwards = (image + 0.3 * np.roll(image, shift, 1) for shift in (far, -far))
    assert status(noisy(backwards)) == ["pass"]
    assert status(noisy(forwards)) == ["warn"]


def test_nothing_is_said_without_a_body_or_without_air() -> None:
    image = noisy(100.0 * ball())
    assert list(ghosts([image], image.with_array(np.zeros(GRID.shape, bool)))) == []
    assert list(ghosts([image], image.with_array(np.ones(GRID.shape, bool)))) == []

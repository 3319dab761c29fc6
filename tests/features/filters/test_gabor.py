from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from uptake.features.filters import Gabor, filtered
from uptake.features.filters.gabor import angles
from uptake.study import SettingsError
from uptake.volume import Volume


def test_an_impulse_gives_the_envelope_in_its_slice(phantom: Callable[[str], Volume]) -> None:
    """The modulus of the kernel is the Gaussian alone: 10 mm in the direction of the waves, 20 mm across."""
    response = filtered(phantom("impulse"), Gabor(10, 4, 0.5, 0, 0, boundary="zero")).array
    i, j = 2 * (np.indices((64, 64)) - 31)
    assert response[:, :, 31] == pytest.approx(255 * np.exp(-(i**2 + 0.25 * j**2) / 200), abs=1e-6)
    assert np.abs(response[:, :, 30]).max() < 1e-6


def test_waves_are_met_in_their_own_direction(volume: Callable[..., Volume]) -> None:
    """Waves of 4 mm, 30 degrees from i towards j, under a Gaussian of integral 2 pi s^2 / aspect: half of it."""
    i, j, _ = np.indices((61, 61, 1))
    waves = np.cos(2 * np.pi * (i * np.cos(np.radians(30)) + j * np.sin(np.radians(30))) / 4)
    responses = {
        angle: filtered(volume(waves), Gabor(4, 4, 1.0, angle, 0)).array[30, 30, 0] for angle in (0, 30, 60, 120, 150)
    }
    assert responses[30] == pytest.approx(np.pi * 4**2, rel=1e-3)
    assert max(value for angle, value in responses.items() if angle != 30) < 0.1 * responses[30]


def test_opposite_directions_respond_alike_so_that_half_a_turn_is_enough(volume: Callable[..., Volume]) -> None:
    assert angles(Gabor(angle_deg=10, angle_step_deg=45)) == (10, 55, 100, 145)
    assert angles(Gabor(angle_step_deg=120)) == (0, 120, 240)
    assert angles(Gabor(angle_deg=60, angle_step_deg=0)) == (60,)
    image = volume(np.random.default_rng(6).normal(size=(16, 16, 2)))
    one, other = (filtered(image, Gabor(2, 3, 1.0, angle, 0)).array for angle in (20, 200))
    assert one == pytest.approx(other)


def test_all_planes_and_quarter_turns_together_do_not_depend_on_orientation(volume: Callable[..., Volume]) -> None:
    array = np.random.default_rng(8).normal(size=(13, 13, 13))
    settings = Gabor(2, 3, 1.5, 0, 45, orthogonal_planes=True)
    response = filtered(volume(array), settings).array
    turned = filtered(volume(array.transpose(2, 0, 1)[::-1].copy()), settings).array
    assert turned == pytest.approx(response.transpose(2, 0, 1)[::-1])


def test_lengths_are_in_millimetres(volume: Callable[..., Volume]) -> None:
    """Every second voxel of a finer image of the same impulse response."""
    coarse, fine = np.zeros((21, 21, 1)), np.zeros((41, 41, 1))
    coarse[10, 10] = fine[20, 20] = 1
    settings = Gabor(4, 5, 0.8, 25, 0, boundary="zero")
    one = filtered(volume(coarse, (2, 2, 1)), settings).array
    other = filtered(volume(fine, (1, 1, 1)), settings).array
    assert one == pytest.approx(other[::2, ::2], abs=1e-9)


@pytest.mark.parametrize(
    ("field", "value"),
    [("sigma_mm", 0), ("wavelength_mm", -1), ("aspect", 0), ("angle_step_deg", 50), ("pooling", "sum")],
)
def test_a_setting_that_makes_no_sense_is_an_error(field: str, value: object) -> None:
    with pytest.raises(SettingsError, match=field):
        Gabor(**{field: value})  # type: ignore[arg-type]

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from uptake.features.filters import SeparableWavelet, filtered
from uptake.features.filters.separable_wavelet import with_holes
from uptake.study import SettingsError
from uptake.volume import Volume


def test_an_impulse_gives_the_kernel_i_first(phantom: Callable[[str], Volume]) -> None:
    """Haar: low-pass is (1, 1), high-pass (-1, 1) over the root of 2, from the voxel before to the voxel itself."""
    response = filtered(phantom("impulse"), SeparableWavelet("haar", "LLH", 1, False, boundary="zero")).array
    expected = np.zeros((64, 64, 64))
    expected[30:32, 30:32, 30], expected[30:32, 30:32, 31] = -255 / 8**0.5, 255 / 8**0.5
    assert response == pytest.approx(expected, abs=1e-12)


def test_the_second_level_has_holes_and_follows_the_first_low_pass(volume: Callable[..., Volume]) -> None:
    """Haar along a line, low then high with a hole: (-1, -1, 1, 1) / 2, from three voxels before on."""
    impulse = np.zeros((9, 9, 9))
    impulse[4, 4, 4] = 1
    response = filtered(volume(impulse), SeparableWavelet("haar", "HHH", 2, False, boundary="zero")).array
    line = np.array([0, -1, -1, 1, 1, 0, 0, 0, 0]) / 2
    assert response == pytest.approx(np.einsum("i,j,k->ijk", line, line, line))


def test_low_and_high_pass_together_hold_the_energy_of_a_periodic_image(volume: Callable[..., Volume]) -> None:
    """An undecimated transform doubles it along every axis."""
    image = volume(np.random.default_rng(9).normal(size=(12, 10, 8)))
    total = 0.0
    for i in "LH":
        for j in "LH":
            for k in "LH":
                settings = SeparableWavelet("db2", i + j + k, 1, False, boundary="periodic")
                total += float((filtered(image, settings).array ** 2).sum())
    assert total == pytest.approx(8 * float((image.array**2).sum()))


def test_a_high_pass_does_not_see_a_constant_and_a_low_pass_scales_it(volume: Callable[..., Volume]) -> None:
    flat = volume(np.full((8, 8, 8), 3.0))
    assert np.abs(filtered(flat, SeparableWavelet("coif1", "LLH", 2)).array).max() < 1e-9
    assert filtered(flat, SeparableWavelet("coif1", "LLL", 2)).array == pytest.approx(3 * 2**3)


def test_pooled_over_rotations_an_impulse_looks_the_same_from_all_sides(volume: Callable[..., Volume]) -> None:
    impulse = np.zeros((31, 31, 31))
    impulse[15, 15, 15] = 1
    response = filtered(volume(impulse), SeparableWavelet("db2", "LLH", 2, True, "mean")).array
    for axes in ((0, 1), (1, 2), (0, 2)):
        assert response == pytest.approx(np.rot90(response, 1, axes))


def test_in_slices_an_impulse_stays_in_its_slice(phantom: Callable[[str], Volume]) -> None:
    response = filtered(phantom("impulse"), SeparableWavelet("db3", "LH", 1, by_slice=True)).array
    assert np.flatnonzero(np.abs(response).max(axis=(0, 1))).tolist() == [31]


def test_holes_keep_the_distance_from_the_centre_in_steps() -> None:
    assert with_holes(np.array([1.0, 2, 3]), 2).tolist() == [1, 0, 2, 0, 3]
    assert with_holes(np.array([1.0, 2]), 2).tolist() == [1, 0, 2, 0, 0]
    assert with_holes(np.array([1.0, 2]), 1).tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    ("field", "value"), [("wavelet", "db99"), ("passes", "LL"), ("passes", "LLX"), ("level", 0), ("pooling", "sum")]
)
def test_a_setting_that_makes_no_sense_is_an_error(field: str, value: object) -> None:
    with pytest.raises(SettingsError, match=field):
        SeparableWavelet(**{field: value})  # type: ignore[arg-type]

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from uptake.features.filters import NonseparableWavelet, filtered
from uptake.features.filters.nonseparable_wavelet import transfer
from uptake.study import SettingsError
from uptake.volume import Volume


def test_a_constant_is_not_seen(volume: Callable[..., Volume]) -> None:
    flat = volume(np.full((9, 9, 9), 5.0))
    assert filtered(flat, NonseparableWavelet("simoncelli", 1)).array == pytest.approx(np.zeros((9, 9, 9)), abs=1e-12)


@pytest.mark.parametrize(
    ("cycles", "level", "factor"),
    [(8, 1, 0.0), (16, 1, 1.0), (8, 2, 1.0), (4, 2, 0.0), (24, 1, np.cos(np.pi / 2 * np.log2(1.5)))],
)
def test_waves_pass_by_their_frequency(cycles: int, level: int, factor: float, volume: Callable[..., Volume]) -> None:
    """Over 65 voxels, n cycles are a frequency of n / 32: half of the highest passes whole at level 1."""
    phase = 2 * np.pi * cycles * np.arange(65) / 65
    waves = np.broadcast_to(np.cos(phase)[:, None, None], (65, 3, 3)).copy()
    response = filtered(volume(waves), NonseparableWavelet("simoncelli", level)).array
    assert response == pytest.approx(factor * waves, abs=1e-9)


def test_neighbouring_levels_share_the_energy_of_a_frequency() -> None:
    """The squares of both factors add up to 1 where two bands overlap."""
    first, second = (transfer((33, 33), NonseparableWavelet("simoncelli", level, True)) for level in (1, 2))
    both = (first > 0) & (second > 0)
    assert both.sum() > 20
    assert (first**2 + second**2)[both] == pytest.approx(1)


def test_bands_of_shannon_are_sharp_and_do_not_overlap() -> None:
    first, second = (transfer((33, 33), NonseparableWavelet("shannon", level, True)) for level in (1, 2))
    assert set(np.unique(first)) == {0, 1}
    assert ((first > 0) & (second > 0)).sum() == 4  # the frequency at the edge of both, along either axis
    assert first[0, 16] == 1
    assert first[0, 7] == 0


def test_an_impulse_looks_the_same_from_all_sides(volume: Callable[..., Volume]) -> None:
    impulse = np.zeros((21, 21, 21))
    impulse[10, 10, 10] = 1
    response = filtered(volume(impulse), NonseparableWavelet()).array
    assert response == pytest.approx(response.transpose(1, 2, 0))
    assert response == pytest.approx(response[::-1, ::-1, ::-1])
    assert response.argmax() == impulse.argmax()
    assert response.sum() == pytest.approx(0, abs=1e-12)


def test_on_an_even_size_frequencies_reach_from_minus_one_to_one_with_both_ends() -> None:
    found = transfer((4,), NonseparableWavelet("shannon", 1, True))
    assert found.tolist() == [0, 1, 1, 0]  # 1/3, 1, -1, -1/3


@pytest.mark.parametrize(("field", "value"), [("wavelet", "meyer"), ("level", 0), ("level", 9)])
def test_a_setting_that_makes_no_sense_is_an_error(field: str, value: object) -> None:
    with pytest.raises(SettingsError, match=field):
        NonseparableWavelet(**{field: value})  # type: ignore[arg-type]

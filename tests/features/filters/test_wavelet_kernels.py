from __future__ import annotations

import numpy as np
import pytest

from uptake.features.filters.wavelet_kernels import wavelet_kernels
from uptake.study import SettingsError

NAMES = ("haar", *(f"db{n}" for n in range(1, 11)), "coif1", "coif2", "coif3")
PRINTED = {
    # Daubechies, Ten Lectures on Wavelets, tables 6.1 and 8.1
    "db2": (0.482962913145, 0.836516303738, 0.224143868042, -0.129409522551),
    "db3": (0.332670552950, 0.806891509311, 0.459877502118, -0.135011020010, -0.085441273882, 0.035226291882),
    "db4": (
        *(0.230377813309, 0.714846570553, 0.630880767930, -0.027983769417),
        *(-0.187034811719, 0.030841381836, 0.032883011667, -0.010597401785),
    ),
    "coif1": (-0.072732619513, 0.337897662458, 0.852572020212, 0.384864846864, -0.072732619513, -0.015655728135),
}


@pytest.mark.parametrize("name", PRINTED)
def test_the_kernel_is_the_printed_one_reversed(name: str) -> None:
    assert wavelet_kernels(name).low[::-1] == pytest.approx(PRINTED[name], abs=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_kernels_are_orthogonal_to_each_other_and_to_their_own_shifts_by_two(name: str) -> None:
    low, high = wavelet_kernels(name)
    assert low.sum() == pytest.approx(2**0.5)
    for shift in range(0, len(low), 2):
        rest = len(low) - shift
        own = 1.0 if shift == 0 else 0.0
        assert low[:rest] @ low[shift:] == pytest.approx(own, abs=1e-9)
        assert high[:rest] @ high[shift:] == pytest.approx(own, abs=1e-9)
        assert low[:rest] @ high[shift:] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("name", "moments"), [("haar", 1), ("db2", 2), ("db7", 7), ("coif1", 2), ("coif2", 4)])
def test_the_high_pass_kernel_does_not_see_polynomials(name: str, moments: int) -> None:
    high = wavelet_kernels(name).high
    steps = np.linspace(-1, 1, len(high))
    for power in range(moments):
        assert high @ steps**power == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("name", ["db0", "db11", "coif4", "sym4", ""])
def test_another_wavelet_is_an_error(name: str) -> None:
    with pytest.raises(SettingsError, match="haar, db1 to db10, coif1, coif2, coif3"):
        wavelet_kernels(name)

"""Low-pass and high-pass kernels of orthogonal wavelets, for decomposition."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import comb, sqrt
from typing import NamedTuple

import numpy as np

from uptake.features.filters.boundary import Float
from uptake.study import SettingsError

MOST_MOMENTS = 10

_COIFLETS: Mapping[str, tuple[float, ...]] = {
    "coif1": (
        -0.07273261951252645,
        0.3378976624574818,
        0.8525720202116004,
        0.3848648468648578,
        -0.07273261951252645,
        -0.015655728135791993,
    ),
    "coif2": (
        0.01638733646320364,
        -0.04146493678687178,
        -0.0673725547237256,
        0.3861100668227629,
        0.8127236354494135,
        0.4170051844232391,
        -0.07648859907828076,
        -0.05943441864643109,
        0.02368017194684777,
        0.005611434819368834,
        -0.0018232088709110323,
        -0.000720549445520347,
    ),
    "coif3": (
        -0.003793512864380802,
        0.007782596425672746,
        0.023452696142077168,
        -0.06577191128146936,
        -0.06112339000297255,
        0.40517690240911824,
        0.7937772226260872,
        0.42848347637737,
        -0.07179982161915484,
        -0.08230192710629983,
        0.03455502757329774,
        0.015880544863669452,
        -0.009007976136730624,
        -0.0025745176881367972,
        0.0011175187708306303,
        0.0004662169598204029,
        -7.0983302506379e-05,
        -3.459977319727278e-05,
    ),
}
"""Coefficients of the scaling functions of coiflets with 2, 4 and 6 vanishing moments."""


class Kernels(NamedTuple):
    """Both kernels, of one even length and of norm 1; `low` sums to the square root of 2, `high` to 0."""

    low: Float
    high: Float


def wavelet_kernels(name: str) -> Kernels:
    """Kernels of ``haar``, ``db1`` to ``db10`` (Daubechies) and ``coif1`` to ``coif3`` (coiflets).

    In the order of convolution (the reverse of the scaling function's coefficients), as in PyWavelets.
    Raises SettingsError for another name. Source: Daubechies, Ten Lectures on Wavelets (1992), 6.4 and table 8.1.
    """
    low = _scaling(name)[::-1]
    high = low[::-1] * (-1.0) ** np.arange(1, len(low) + 1)
    return Kernels(low, high)


def _scaling(name: str) -> Float:
    if name in _COIFLETS:
        return np.array(_COIFLETS[name])
    found = re.fullmatch(r"db(\d+)", "db1" if name == "haar" else name)
    if not found or not 1 <= int(found[1]) <= MOST_MOMENTS:
        raise SettingsError(f"wavelet {name!r}: allowed are haar, db1 to db{MOST_MOMENTS}, {', '.join(_COIFLETS)}")
    return daubechies(int(found[1]))


def daubechies(moments: int) -> Float:
    """Coefficients of Daubechies' scaling function with `moments` vanishing moments, of extremal phase.

    The polynomial in y = (2 - z - 1/z) / 4 that its square has beside the zeros at -1 is factored: of each pair of
    roots z, 1/z the one inside the unit circle is kept.
    """
    polynomial = [comb(moments - 1 + k, k) for k in range(moments)]
    roots = [-1.0] * moments
    for y in np.roots(polynomial[::-1]):
        pair = np.roots([1, 4 * y - 2, 1])
        roots.append(pair[np.abs(pair).argmin()])
    coefficients = np.real(np.poly(roots))
    return np.asarray(coefficients * sqrt(2) / coefficients.sum())

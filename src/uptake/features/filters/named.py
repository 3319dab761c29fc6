"""Filters by name, as settings and the command line give them: `laplacian-of-gaussian sigma_mm=3 by_slice=true`."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from uptake.features.filters.gabor import Gabor, gabor
from uptake.features.filters.laplacian_of_gaussian import LaplacianOfGaussian, laplacian_of_gaussian
from uptake.features.filters.laws import Laws, laws
from uptake.features.filters.mean import Mean, mean
from uptake.features.filters.nonseparable_wavelet import NonseparableWavelet, nonseparable_wavelet
from uptake.features.filters.separable_wavelet import SeparableWavelet, separable_wavelet
from uptake.study import SettingsError
from uptake.volume import Volume

Filter = Mean | LaplacianOfGaussian | Laws | Gabor | SeparableWavelet | NonseparableWavelet
FILTERS: Mapping[str, type[Filter]] = {
    "mean": Mean,
    "laplacian-of-gaussian": LaplacianOfGaussian,
    "laws": Laws,
    "gabor": Gabor,
    "separable-wavelet": SeparableWavelet,
    "nonseparable-wavelet": NonseparableWavelet,
}


def filter_of(text: str) -> Filter:
    """The filter that a text names, with its settings behind it as ``name=value`` each.

    Raises SettingsError for an unknown filter or setting, and for a value of another type or out of range.
    """
    name, *assignments = text.split() or [""]
    if name not in FILTERS:
        raise SettingsError(f"filter {name!r}{_nearest(name, FILTERS)}")
    return FILTERS[name](**dict(_setting(name, assignment) for assignment in assignments))


def filtered(volume: Volume, settings: Filter) -> Volume:
    """The response map of an image to the filter that its settings are of."""
    match settings:
        case Mean():
            return mean(volume, settings)
        case LaplacianOfGaussian():
            return laplacian_of_gaussian(volume, settings)
        case Laws():
            return laws(volume, settings)
        case Gabor():
            return gabor(volume, settings)
        case SeparableWavelet():
            return separable_wavelet(volume, settings)
        case NonseparableWavelet():
            return nonseparable_wavelet(volume, settings)


def _setting(name: str, assignment: str) -> tuple[str, Any]:
    setting, equals, value = assignment.partition("=")
    if not equals:
        raise SettingsError(f"filter {name}: a setting is given as name=value, not {assignment!r}")
    kinds = get_type_hints(FILTERS[name])
    if setting not in kinds:
        raise SettingsError(f"filter {name} has no setting {setting!r}{_nearest(setting, kinds)}")
    read, words = _READERS.get(kinds[setting], (str, ""))
    try:
        return setting, read(value)
    except (ValueError, KeyError):
        raise SettingsError(f"filter {name}: {setting} = {value!r}; allowed is {words}") from None


def _nearest(word: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f": did you mean {close[0]!r}?" if close else f": there is {', '.join(known)}"


_READERS: Mapping[Any, tuple[Callable[[str], Any], str]] = {
    bool: ({"true": True, "false": False}.__getitem__, "true or false"),
    int: (int, "a whole number"),
    float: (float, "a number"),
}

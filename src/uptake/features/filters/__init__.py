"""Image filters of the IBSI's second part: an image in, a response map on the same grid out, before extraction.

Source: IBSI 2 reference manual, https://arxiv.org/abs/2006.05470; Whybra et al., Radiology 2024;310:e231319.
"""

from __future__ import annotations

from uptake.features.filters.gabor import Gabor, gabor
from uptake.features.filters.laplacian_of_gaussian import LaplacianOfGaussian, laplacian_of_gaussian
from uptake.features.filters.laws import Laws, laws
from uptake.features.filters.mean import Mean, mean
from uptake.features.filters.named import Filter, filter_of, filtered
from uptake.features.filters.nonseparable_wavelet import NonseparableWavelet, nonseparable_wavelet
from uptake.features.filters.separable_wavelet import SeparableWavelet, separable_wavelet

__all__ = [
    "Filter",
    "Gabor",
    "LaplacianOfGaussian",
    "Laws",
    "Mean",
    "NonseparableWavelet",
    "SeparableWavelet",
    "filter_of",
    "filtered",
    "gabor",
    "laplacian_of_gaussian",
    "laws",
    "mean",
    "nonseparable_wavelet",
    "separable_wavelet",
]

"""Filters as words, and features of their response maps."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from uptake.features import Features, extract
from uptake.features.filters import (
    Filter,
    Gabor,
    LaplacianOfGaussian,
    Laws,
    Mean,
    NonseparableWavelet,
    SeparableWavelet,
    filter_of,
)
from uptake.study import Code, Refusal, SettingsError
from uptake.volume import Grid, Volume

GRID = Grid((9, 8, 7), np.diag([1.0, 1.0, 2.0, 1.0]))
IMAGE = Volume(np.random.default_rng(2).integers(0, 90, GRID.shape).astype(np.int16), GRID)
MASK = Volume(np.pad(np.ones((5, 4, 3), dtype=bool), 2), GRID)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mean", Mean()),
        ("mean support=3 by_slice=true boundary=zero", Mean(3, by_slice=True, boundary="zero")),
        ("laplacian-of-gaussian sigma_mm=3", LaplacianOfGaussian(3.0)),
        ("laws kernels=L5S5E5 energy_distance=0", Laws("L5S5E5", energy_distance=0)),
        ("gabor  wavelength_mm=4.5\torthogonal_planes=true", Gabor(wavelength_mm=4.5, orthogonal_planes=True)),
        (
            "separable-wavelet wavelet=coif1 rotation_invariant=false",
            SeparableWavelet("coif1", rotation_invariant=False),
        ),
        ("nonseparable-wavelet wavelet=shannon level=2", NonseparableWavelet("shannon", 2)),
    ],
)
def test_a_filter_is_its_name_and_its_settings(text: str, expected: Filter) -> None:
    assert filter_of(text) == expected
    assert Features(filter=text).filter == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("laplacian-gaussian", "did you mean 'laplacian-of-gaussian'"),
        ("sobel", "there is mean, laplacian-of-gaussian"),
        ("mean suport=3", "did you mean 'support'"),
        ("mean 3", "name=value"),
        ("mean support=three", "a whole number"),
        ("mean support=4", "odd"),
        ("mean by_slice=yes", "true or false"),
        ("gabor sigma_mm=wide", "a number"),
    ],
)
def test_words_that_name_no_filter_are_refused_when_the_settings_are_made(text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        Features(filter=text)


def test_intensities_are_those_of_the_response_map_and_the_shape_that_of_the_mask() -> None:
    found = extract(IMAGE, MASK, Features(filter="mean support=3")).wide()
    response = ndimage.uniform_filter(IMAGE.array.astype(float), 3, mode="reflect")
    assert found["stat_mean"] == pytest.approx(response[MASK.array].mean())
    assert found["stat_max"] == pytest.approx(response[MASK.array].max())
    plain = extract(IMAGE, MASK).wide()
    assert found["morph_volume"] == plain["morph_volume"]
    assert found["stat_var"] < plain["stat_var"]


def test_voxels_are_left_out_by_their_intensity_in_the_image_not_in_the_response_map() -> None:
    found = extract(IMAGE, MASK, Features(filter="mean support=3", resegment_range=(50, 90))).wide()
    response = ndimage.uniform_filter(IMAGE.array.astype(float), 3, mode="reflect")
    assert found["stat_mean"] == pytest.approx(response[MASK.array & (IMAGE.array >= 50)].mean())


def test_the_filter_sees_the_interpolated_image() -> None:
    found = extract(IMAGE, MASK, Features(filter="mean support=1", spacing_mm=(1, 1, 1))).wide()
    assert found["stat_mean"] == pytest.approx(extract(IMAGE, MASK, Features(spacing_mm=(1, 1, 1)))["stat_mean"].value)


def test_a_voxel_outside_of_the_mask_that_is_not_finite_is_refused_since_a_filter_spreads_it() -> None:
    array = IMAGE.array.astype(float)
    array[0, 0, 0] = np.nan
    assert extract(IMAGE.with_array(array), MASK, Features(families=("statistics",)))
    with pytest.raises(Refusal) as refused:
        extract(IMAGE.with_array(array), MASK, Features(filter="mean support=3"))
    assert refused.value.code is Code.NON_FINITE

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from uptake.features.filters import LaplacianOfGaussian, filtered
from uptake.study import SettingsError
from uptake.volume import Volume


@pytest.mark.parametrize(("by_slice", "dimensions"), [(False, 3), (True, 2)])
def test_an_impulse_gives_the_kernel_of_the_ibsi(
    by_slice: bool, dimensions: int, phantom: Callable[[str], Volume]
) -> None:
    """3 mm are 1.5 voxels: -(1/s^2) (1/(sqrt(2 pi) s))^D (D - r^2/s^2) exp(-r^2/(2 s^2)) up to 6 voxels per axis."""
    settings = LaplacianOfGaussian(3, 4, by_slice, "zero")
    response = filtered(phantom("impulse"), settings).array
    steps, s = np.indices((13,) * dimensions) - 6, 1.5
    r2 = (steps**2).sum(axis=0)
    kernel = -((2 * np.pi * s**2) ** (-dimensions / 2)) * (dimensions - r2 / s**2) * np.exp(-r2 / (2 * s**2)) / s**2
    expected = np.zeros((64, 64, 64))
    place = (slice(25, 38),) * dimensions + (31,) * (3 - dimensions)
    expected[place] = 255 * kernel
    assert response == pytest.approx(expected, abs=1e-12)


def test_on_a_smooth_image_it_is_the_laplacian_of_scipy(volume: Callable[..., Volume]) -> None:
    image = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(30, 28, 26)), 2)
    ours = filtered(volume(image), LaplacianOfGaussian(2.5, 6)).array
    theirs = ndimage.gaussian_laplace(image, 2.5, mode="reflect", truncate=6)
    assert ours == pytest.approx(theirs, abs=1e-3 * np.abs(theirs).max())


def test_sigma_is_in_millimetres_along_every_axis(impulse: Volume, volume: Callable[..., Volume]) -> None:
    """Voxels of 1 x 1 x 2 mm: two steps along i are one along k."""
    found = filtered(volume(impulse.array, (1, 1, 2)), LaplacianOfGaussian(3, 4)).array
    i, k = found[10, 10, 10] - found[14, 10, 10], found[10, 10, 10] - found[10, 10, 12]
    # 4 mm along i, where s is 3, and along k, where s is 1.5: the kernel at the centre less that at these steps
    centre = -(2 / 9 + 1 / 2.25)
    assert i / k == pytest.approx(
        (centre - ((16 / 9 - 1) / 9 - 1 / 9 - 1 / 2.25) * np.exp(-8 / 9))
        / (centre - ((4 / 2.25 - 1) / 2.25 - 2 / 9) * np.exp(-8 / 9))
    )


def test_the_shells_of_a_sphere_look_the_same_along_all_axes(phantom: Callable[[str], Volume]) -> None:
    sphere = phantom("sphere")
    assert np.array_equal(sphere.array, sphere.array.transpose(1, 2, 0))
    response = filtered(sphere, LaplacianOfGaussian(5, 4)).array
    assert response == pytest.approx(response.transpose(1, 2, 0), abs=1e-9)


@pytest.mark.parametrize("field", ["sigma_mm", "cutoff"])
def test_a_scale_of_zero_is_an_error(field: str) -> None:
    with pytest.raises(SettingsError, match=field):
        LaplacianOfGaussian(**{field: 0.0})

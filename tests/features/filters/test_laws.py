from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from uptake.features.filters import Laws, filtered
from uptake.features.filters.laws import KERNELS, parse
from uptake.study import SettingsError
from uptake.volume import Volume


def test_every_kernel_has_norm_1_and_only_levels_see_a_constant() -> None:
    for name, kernel in KERNELS.items():
        assert kernel @ kernel == pytest.approx(1)
        assert (kernel.sum() > 1) if name[0] == "L" else (kernel.sum() == pytest.approx(0, abs=1e-12))


def test_an_impulse_gives_the_kernel_i_first(phantom: Callable[[str], Volume]) -> None:
    response = filtered(phantom("impulse"), Laws("E5L5S5", False, "max", 0, boundary="zero")).array
    expected = np.zeros((64, 64, 64))
    outer = np.einsum(
        "i,j,k->ijk",
        np.array([-1, -2, 0, 2, 1]) / 10**0.5,
        np.array([1, 4, 6, 4, 1]) / 70**0.5,
        np.array([-1, 0, 2, 0, -1]) / 6**0.5,
    )
    expected[29:34, 29:34, 29:34] = 255 * outer
    assert response == pytest.approx(expected, abs=1e-12)


def test_an_edge_is_met_by_an_edge_kernel_where_it_lies(volume: Callable[..., Volume]) -> None:
    """A step of 1 between voxels 3 and 4, seen by E3 along i and L3 along j: half of the step over the root of 2."""
    step = np.zeros((8, 6, 3))
    step[4:] = 1
    found = filtered(volume(step), Laws("E3L3", False, "max", 0, by_slice=True)).array
    seen = -(4 / 6**0.5) / 2**0.5  # convolution turns the kernel round
    assert found[:, 2, 1] == pytest.approx([0, 0, 0, seen, seen, 0, 0, 0])


def test_pooled_over_rotations_an_impulse_looks_the_same_from_all_sides(impulse: Volume) -> None:
    single = filtered(impulse, Laws("L5E5S5", False, "max", 0)).array
    response = filtered(impulse, Laws("L5E5S5", True, "max", 0)).array
    for axes in ((0, 1), (1, 2), (0, 2)):
        assert response == pytest.approx(np.rot90(response, 1, axes))
        assert not np.allclose(single, np.rot90(single, 1, axes))
    assert (response >= single - 1e-12).all()


def test_the_energy_is_the_mean_of_absolute_responses_around_a_voxel(volume: Callable[..., Volume]) -> None:
    image = volume(np.random.default_rng(4).normal(size=(9, 8, 7)))
    response = filtered(image, Laws("L3E3S3", True, "max", 0)).array
    energy = filtered(image, Laws("L3E3S3", True, "max", 2)).array
    assert energy[4, 3, 3] == pytest.approx(np.abs(response[2:7, 1:6, 1:6]).mean())


@pytest.mark.parametrize(
    ("kernels", "by_slice"), [("L5E5", False), ("L5E5S5", True), ("L5X5S5", False), ("L7E5S5", False)]
)
def test_other_kernels_are_an_error(kernels: str, by_slice: bool) -> None:
    with pytest.raises(SettingsError, match="allowed are"):
        Laws(kernels, by_slice=by_slice)


def test_a_distance_below_zero_is_an_error() -> None:
    with pytest.raises(SettingsError, match="energy_distance"):
        Laws(energy_distance=-1)


def test_names_are_taken_apart() -> None:
    assert [len(kernel) for kernel in parse("L3E5")] == [3, 5]

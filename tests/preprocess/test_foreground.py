from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uptake.preprocess.foreground import foreground
from uptake.study import Study


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b)))


def body_in_air(fat: float, shape: tuple[int, int, int] = (80, 80, 24)) -> tuple[np.ndarray, np.ndarray]:
    """A ball of fat with bright gland inside, in Rician air of mean about 4: fat-suppressed where fat is low."""
    rng = np.random.default_rng(3)
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    body = x**2 + y**2 + z**2 < 0.7
    signal = np.where(body, fat, 0.0)
    signal[x**2 + y**2 + z**2 < 0.15] = 90
    noise = rng.normal(0, 3, (2, *shape))
    return np.hypot(signal + noise[0], noise[1]), body


@pytest.mark.parametrize("fat", [20, 60, 200])
def test_body_and_air_are_told_apart_whether_fat_is_suppressed_or_bright(fat: float) -> None:
    image, body = body_in_air(fat)
    assert dice(foreground(image, (1.0, 1.0, 2.5)), body) > 0.93


def test_a_dark_cavity_inside_the_body_belongs_to_it() -> None:
    image, _ = body_in_air(60)
    image[34:46, 34:46, 9:15] = 0
    assert foreground(image, (1.0, 1.0, 2.5))[38:42, 38:42, 11:13].all()


@settings(max_examples=15, deadline=None)
@given(st.integers(-12, 12))
def test_the_unit_of_the_intensities_does_not_matter(power: int) -> None:
    image, _ = body_in_air(40, (30, 30, 12))
    plain = foreground(image, (2.0, 2.0, 4.0))
    assert dice(foreground(image * 2.0**power, (2.0, 2.0, 4.0)), plain) > 0.99


@pytest.mark.parametrize("value", [0.0, -5.0, 7.0])
def test_an_image_without_contrast_has_no_foreground(value: float) -> None:
    assert not foreground(np.full((9, 9, 9), value), (1.0, 1.0, 1.0)).any()


@pytest.mark.parametrize("shape", [(40, 40, 1), (1, 40, 40), (41, 37, 2), (3, 3, 3)])
def test_few_slices_and_odd_sizes_have_a_mask_of_their_own_shape(shape: tuple[int, int, int]) -> None:
    image = np.random.default_rng(0).random(shape) + 1
    image[: shape[0] // 2 + 1] += 50
    mask = foreground(image, (1.0, 1.0, 1.0))
    assert mask.shape == shape
    assert mask.any()


def test_on_the_real_studies_the_breast_is_in_and_air_is_out(ispy1_study: Study, br06_study: Study) -> None:
    for study, share in ((ispy1_study, (0.13, 0.20)), (br06_study, (0.35, 0.46))):
        image = study.volumes[0].array
        mask = foreground(image, study.grid.spacing_mm)
        assert share[0] < mask.mean() < share[1]
        assert mask[image > 40].mean() > 0.99
        air = image[:20, :, 5:55]
        assert mask[:20, :, 5:55][air < 10].mean() < 0.02


def test_on_a_phantom_the_known_ball_is_found(ball: Callable) -> None:
    made = ball((96, 96, 40))
    assert dice(foreground(made.image, (1.0, 1.0, 2.0)), made.mask) > 0.9

from __future__ import annotations

import math

import numpy as np
import pytest

from uptake.phantom.frames import frame_of
from uptake.phantom.protocol import acquired_of
from uptake.phantom.scanner import (
    Acquired,
    Band,
    Filter,
    Window,
    coils,
    coloured_noise,
    draw_elements,
    passed,
    sampled_magnitude,
    saturation,
    with_noise,
)
from uptake.volume import Grid

WHOLE = Window(1.0, 1.0001)
EVERYTHING = Acquired((WHOLE, WHOLE, WHOLE), 1)
SHAPE = (64, 64, 32)


def flat(value: float) -> np.ndarray:
    return np.full(SHAPE, value, dtype=np.float32)


def correlation(values: np.ndarray, axis: int) -> float:
    n = values.shape[axis]
    return float(np.corrcoef(values.take(range(1, n), axis).ravel(), values.take(range(n - 1), axis).ravel())[0, 1])


def test_noise_far_above_the_floor_has_the_asked_spread() -> None:
    noisy = with_noise(flat(1000), flat(0.3), 25.0, EVERYTHING, np.random.default_rng(1))
    assert float(noisy.std()) == pytest.approx(25, rel=0.01)
    # E(M^2) = A^2 + 4 sigma^2 for two complex channels.
    assert float((noisy.astype(np.float64) ** 2).mean()) == pytest.approx(1000**2 + 4 * 25**2, abs=700)


def test_noise_in_air_is_that_of_two_coils() -> None:
    """A chi distribution of four degrees of freedom: mean sigma sqrt(2) G(5/2) / G(2), mean / SD 2.75."""
    noisy = with_noise(flat(0), flat(0.5), 10.0, EVERYTHING, np.random.default_rng(2))
    mean = 10 * math.sqrt(2) * math.gamma(2.5) / math.gamma(2)
    assert float(noisy.mean()) == pytest.approx(mean, rel=0.01)
    assert float(noisy.mean() / noisy.std()) == pytest.approx(mean / math.sqrt(400 - mean**2), rel=0.02)


def test_one_coil_alone_is_ricean() -> None:
    """Its noise without signal has the mean of Rayleigh's distribution, sigma sqrt(pi / 2)."""
    noise = coloured_noise(SHAPE, EVERYTHING, np.random.default_rng(3))
    assert float(np.abs(noise).mean()) == pytest.approx(math.sqrt(math.pi / 2), rel=0.01)


def test_neighbouring_pixels_of_air_correlate_as_in_the_real_studies() -> None:
    """ISPY1_1001 and UCSF-BR-06: columns 0.22-0.23, rows 0.39-0.41, slices 0.09-0.17."""
    noisy = with_noise(flat(0), flat(0.5), 10.0, acquired_of("sagittal", "full"), np.random.default_rng(4))
    assert 0.18 <= correlation(noisy, 0) <= 0.28
    assert 0.34 <= correlation(noisy, 1) <= 0.45
    assert 0.05 <= correlation(noisy, 2) <= 0.18


def test_an_image_acquired_whole_is_the_object() -> None:
    thing = np.random.default_rng(5).uniform(1, 2, SHAPE).astype(np.float32)
    np.testing.assert_allclose(sampled_magnitude([thing], EVERYTHING), thing, rtol=1e-4)
    np.testing.assert_allclose(sampled_magnitude([thing, thing, thing], EVERYTHING), thing, rtol=1e-4)


def test_truncation_rings_at_an_edge_by_nine_per_cent_and_keeps_the_mean() -> None:
    """Gibbs: the overshoot of a step cut off sharply is 8.95 % of it; pixels may miss the very top of it."""
    edge = flat(0)
    edge[:, 16:48] = 1
    half = Acquired((WHOLE, Window(0.5, 0.5001), WHOLE), 1)
    image = sampled_magnitude([1 + edge], half)
    assert float(image.mean()) == pytest.approx(1.5, rel=1e-4)
    assert 0.06 <= float(image.max()) - 2 <= 0.0950


def test_brightness_is_that_of_the_middle_of_the_scan() -> None:
    """Contrast that arrives within a phase changes the edges of k-space first or last, not its middle."""
    image = sampled_magnitude([flat(1), flat(3), flat(7)], EVERYTHING)
    np.testing.assert_allclose(image, 3, rtol=1e-4)


def test_contrast_that_arrives_within_the_phase_changes_edges() -> None:
    spot = flat(0)
    spot[32, 32, 16] = 1
    still = sampled_magnitude([spot, spot, spot], EVERYTHING)
    arriving = sampled_magnitude([0 * spot, spot, spot], EVERYTHING)
    assert still[32, 32, 16] == pytest.approx(1, abs=1e-4)
    # A quarter of the lines saw nothing: three quarters of the energy's amplitude are left at the spot.
    assert arriving[32, 32, 16] == pytest.approx(0.75, abs=0.03)


def test_the_bias_is_one_in_the_middle_and_falls_away_from_the_coils() -> None:
    frame = frame_of(Grid((41, 41, 41), np.array([[5.0, 0, 0, -100], [0, 5, 0, -100], [0, 0, 5, -100], [0, 0, 0, 1]])))
    for seed in range(5):
        made = coils(frame, draw_elements((0.0, 0.0, 0.0), 75.0, np.random.default_rng(seed)))
        assert made.bias[20, 20, 20] == pytest.approx(1, rel=1e-4)
        assert made.bias[20, 0, 20] < 0.8
        assert made.share.min() >= 0
        assert made.share.max() <= 1
        # Above, the first element is nearer; below, the second.
        assert made.share[20, 20, 40] > 0.5 > made.share[20, 20, 0]
        assert np.abs(np.diff(np.log(made.bias), axis=1)).max() < 0.15


def test_a_saturation_band_leaves_the_breast_alone() -> None:
    frame = frame_of(Grid((1, 41, 1), np.array([[5.0, 0, 0, 0], [0, 5, 0, -100], [0, 0, 5, 0], [0, 0, 0, 1]])))
    left = saturation(frame, Band(y_mm=0.0, z_mm=0.0, slope=0.3, left=0.2, falls_mm=8.0))[0, :, 0]
    assert left[:19] == pytest.approx(0.2)
    assert left[22:] == pytest.approx(1)
    assert saturation(frame, None) == pytest.approx(1)


def test_a_saturation_band_falls_as_wide_as_it_says() -> None:
    """Over 20 mm around y = 0: a quarter of the way at -5, three quarters at 5."""
    frame = frame_of(Grid((1, 41, 1), np.array([[5.0, 0, 0, 0], [0, 5, 0, -100], [0, 0, 5, 0], [0, 0, 0, 1]])))
    left = saturation(frame, Band(y_mm=0.0, z_mm=0.0, slope=0.3, left=0.2, falls_mm=20.0))[0, :, 0]
    np.testing.assert_allclose(left[18:23], [0.2, 0.4, 0.6, 0.8, 1.0], atol=1e-6)


@pytest.mark.parametrize("read_axis", [0, 1])
def test_the_filter_takes_the_outermost_columns_and_leaves_the_middle(read_axis: int) -> None:
    """Over a twentieth of 101 columns the left falls as a sine to nothing, the right in a line to 0.15."""
    left = np.moveaxis(passed((101, 101, 5), Filter(0.05, 0.0), read_axis), read_axis, 0)[:, 0, 0]
    np.testing.assert_allclose(left[:6], np.sin(np.pi / 2 * np.arange(6) / 5), atol=1e-6)
    assert (left[5:95] == 1).all()
    np.testing.assert_allclose(left[[99, 100]], [0.35, 0.15], atol=1e-5)


def test_the_filter_lies_farther_in_at_the_middle_of_the_rows() -> None:
    """A bend of a tenth of 101 columns: black up to column 10 in the middle row, from column 0 on in the outer ones."""
    share = passed((101, 101, 5), Filter(0.05, 0.1), 0)[..., 0]
    assert not share[:10, 50].any()
    assert share[1, 0] > 0
    assert share[16, 50] == 1

from __future__ import annotations

import math

import numpy as np
import pytest

from uptake.phantom.signal import Sequence, relative_signal, spoiled_gradient_echo

GE = Sequence(8.4, 4.2, 20.0, 1.5)


def rate(value: float) -> np.ndarray:
    return np.array([value], dtype=np.float32)


def test_a_small_flip_angle_gives_the_proton_density_times_the_angle() -> None:
    """No T1 is left in it: 0.1 degrees are 0.0017453."""
    for r1 in (0.5, 1.0, 4.0):
        found = spoiled_gradient_echo(rate(r1), Sequence(500.0, 1.0, 0.1, 1.5))
        assert found[0] == pytest.approx(math.radians(0.1), rel=1e-3)


def test_the_signal_is_greatest_at_ernsts_angle() -> None:
    """cos a = exp(-TR / T1): for TR 10 ms and T1 500 ms 11.39 degrees."""
    angles = np.arange(5, 20, 0.01)
    found = [float(spoiled_gradient_echo(rate(2.0), Sequence(10.0, 1.0, a, 1.5))[0]) for a in angles]
    assert angles[int(np.argmax(found))] == pytest.approx(11.39, abs=0.25)


def test_full_relaxation_gives_the_sine_of_the_angle() -> None:
    assert spoiled_gradient_echo(rate(1000.0), GE)[0] == pytest.approx(math.sin(math.radians(20)), rel=1e-3)


def test_the_steady_state_agrees_with_many_repetitions() -> None:
    """The longitudinal magnetisation, step by step: m -> 1 + (m cos a - 1) E1."""
    m, angle, e1 = 1.0, math.radians(20), math.exp(-8.4e-3 / 1.2)
    for _ in range(2000):
        m = 1 + (m * math.cos(angle) - 1) * e1
    assert spoiled_gradient_echo(rate(1 / 1.2), GE)[0] == pytest.approx(m * math.sin(angle), rel=1e-4)


def test_contrast_agent_shortens_t1_by_its_relaxivity_and_t2_star_a_little() -> None:
    """0.3 mM in tissue of 1200 ms at 1.5 T, by hand: R1 0.8333 -> 2.0633, times exp(-0.0042 x 5 x 0.3)."""

    def steady(r1: float) -> float:
        e1, angle = math.exp(-8.4e-3 * r1), math.radians(20)
        return math.sin(angle) * (1 - e1) / (1 - math.cos(angle) * e1)

    expected = steady(1 / 1.2 + 4.1 * 0.3) / steady(1 / 1.2) * math.exp(-0.0042 * 5 * 0.3)
    assert relative_signal(1200.0, rate(0.3), GE)[0] == pytest.approx(expected, rel=1e-4)
    assert relative_signal(1200.0, rate(0.0), GE)[0] == pytest.approx(1)


def test_at_three_tesla_the_relaxivity_is_lower() -> None:
    weak = Sequence(8.4, 4.2, 20.0, 3.0)
    assert relative_signal(1200.0, rate(0.3), weak)[0] < relative_signal(1200.0, rate(0.3), GE)[0]

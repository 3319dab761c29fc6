from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate

from uptake.phantom.kinetics import HAEMATOCRIT, arterial_blood_mm, bolus_until, plasma_mm, washed


def parker(t: float) -> float:
    """Parker et al. 2006, equation 1 with table 1, t in min, written out as printed."""
    first = 0.809 / (0.0563 * math.sqrt(2 * math.pi)) * math.exp(-((t - 0.17046) ** 2) / (2 * 0.0563**2))
    second = 0.330 / (0.132 * math.sqrt(2 * math.pi)) * math.exp(-((t - 0.365) ** 2) / (2 * 0.132**2))
    return first + second + 1.050 * math.exp(-0.1685 * t) / (1 + math.exp(-38.078 * (t - 0.483)))


def test_parkers_input_peaks_at_6_07_mm_after_ten_and_a_half_seconds() -> None:
    time = np.arange(0, 60, 0.1)
    blood = arterial_blood_mm(time)
    assert blood.max() == pytest.approx(6.07, abs=0.01)
    assert time[blood.argmax()] == pytest.approx(10.5, abs=0.15)


@pytest.mark.parametrize("minutes", [0.0, 0.2, 0.5, 1.0, 2.5, 7.5])
def test_parkers_input_is_the_published_formula(minutes: float) -> None:
    assert arterial_blood_mm(60 * minutes) == pytest.approx(parker(minutes), rel=1e-12)


def test_there_is_no_contrast_agent_before_it_arrives_and_plasma_is_blood_without_cells() -> None:
    assert arterial_blood_mm([-30.0, -1e-9]).tolist() == [0, 0]
    assert plasma_mm(60.0) == pytest.approx(parker(1.0) / (1 - HAEMATOCRIT))


def test_a_constant_input_fills_the_tissue_exponentially() -> None:
    """(1 - exp(-kep t)) / kep at kep 0.5 per min after 4 min: 1.72933."""
    time = np.arange(0, 241, 1.0)
    found = washed(time, np.ones(time.size), np.array([0.5]))
    assert found[240, 0] == pytest.approx(1.7293294, abs=1e-6)


@pytest.mark.parametrize("kep", [0.02, 0.2, 1.5])
def test_an_exponential_input_gives_the_solution_of_tofts_and_kermode(kep: float) -> None:
    """Tofts and Kermode, Magn Reson Med 17:357 (1991): A (exp(-m t) - exp(-kep t)) / (kep - m)."""
    time, m = np.arange(0, 601, 0.5), 0.144
    found = washed(time, 3.99 * np.exp(-m * time / 60), np.array([kep]))[-1, 0]
    t = time[-1] / 60
    assert found == pytest.approx(3.99 * (math.exp(-m * t) - math.exp(-kep * t)) / (kep - m), rel=1e-5)


@pytest.mark.parametrize("seconds", [12.0, 61.3, 150.0, 450.0])
@pytest.mark.parametrize(("ktrans", "kep", "vp"), [(0.05, 0.15, 0.02), (0.25, 0.9, 0.0), (0.004, 0.03, 0.005)])
def test_a_voxel_follows_the_extended_tofts_model(seconds: float, ktrans: float, kep: float, vp: float) -> None:
    """Against adaptive quadrature of the model's integral."""

    def integrand(u: float) -> float:
        return parker(u) / (1 - HAEMATOCRIT) * math.exp(-kep * (minutes - u))

    minutes = seconds / 60
    expected = ktrans * integrate.quad(integrand, 0, minutes, limit=200)[0] + vp * parker(minutes) / (1 - HAEMATOCRIT)
    voxel = [np.array([value], dtype=np.float32) for value in (ktrans, kep)]
    assert bolus_until(460.0).concentration_mm(seconds, voxel[0], voxel[1], vp)[0] == pytest.approx(expected, rel=2e-3)


def test_without_washout_the_model_is_patlaks() -> None:
    """As kep goes to 0, C = Ktrans times the integral of the input: 0.1 x 5.09 mM min at 150 s by quadrature."""
    voxel = [np.array([value], dtype=np.float32) for value in (0.1, 1e-3)]
    area = integrate.quad(lambda u: parker(u) / (1 - HAEMATOCRIT), 0, 2.5, limit=200)[0]
    assert bolus_until(200.0).concentration_mm(150.0, voxel[0], voxel[1], 0.0)[0] == pytest.approx(0.1 * area, rel=3e-3)


def test_before_arrival_a_voxel_holds_nothing() -> None:
    voxel = [np.array([value], dtype=np.float32) for value in (0.1, 0.2)]
    assert bolus_until(10.0).concentration_mm(-20.0, voxel[0], voxel[1], 0.1).tolist() == [0]

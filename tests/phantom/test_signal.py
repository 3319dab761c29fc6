from __future__ import annotations

import math

import numpy as np
import pytest

from uptake.phantom.anatomy import Tissue
from uptake.phantom.frames import frame_of
from uptake.phantom.lesion import Occupancy
from uptake.phantom.signal import Kinetics, coil_bias, draw_kinetics, healthy, weights, with_lesion, with_noise
from uptake.volume import Grid

FRAME = frame_of(Grid((4, 3, 2), np.diag((2.0, 2.0, 3.0, 1.0))))
KINETICS = {tissue: Kinetics(1.0, 0.0, 1.0) for tissue in Tissue} | {
    Tissue.FAT: Kinetics(0.25, 0.1, 0.8),
    Tissue.GLAND: Kinetics(1.0, 0.2, 0.5),
    Tissue.LESION: Kinetics(1.1, 1.0, 1.25),
    Tissue.CORE: Kinetics(0.9, 0.1, 0.5),
}


def uniform(tissue: Tissue) -> dict[Tissue, np.ndarray]:
    empty = np.zeros(FRAME.grid.shape, dtype=np.float32)
    return {other: empty + 1 if other is tissue else empty for other in Tissue if other < Tissue.LESION}


def test_a_tissue_rises_by_its_enhancement_and_by_enhancement_over_ser() -> None:
    """Gland of signal 1, PE 20 % and SER 0.5: 0.2 at the early phase, 0.4 at the late one."""
    signals = healthy(FRAME, uniform(Tissue.GLAND), KINETICS, np.random.default_rng(1))
    assert np.unique(signals.base) == pytest.approx(1.0)
    assert np.unique(signals.early) == pytest.approx(0.2)
    assert np.unique(signals.late) == pytest.approx(0.4)


def test_air_gives_no_signal() -> None:
    signals = healthy(FRAME, uniform(Tissue.AIR), KINETICS, np.random.default_rng(1))
    assert not any(part.any() for part in (signals.base, signals.early, signals.late))


def test_a_voxel_is_the_mixture_of_lesion_core_and_what_was_there() -> None:
    """Three quarters lesion, one of them core, in fat of 0.25: 0.25 x 0.25 + 0.5 x 1.1 + 0.25 x 0.9."""
    body = healthy(FRAME, uniform(Tissue.FAT), KINETICS, np.random.default_rng(1))
    where = (slice(1, 2), slice(1, 2), slice(1, 2))
    part = frame_of(Grid((1, 1, 1), np.eye(4)))
    lesion = Occupancy(where, *(np.full((1, 1, 1), share, dtype=np.float32) for share in (0.75, 0.75, 0.25)))
    signals = with_lesion(part, body, lesion, KINETICS, np.random.default_rng(2))
    assert signals.base[1, 1, 1] == pytest.approx(0.8375)
    # Rises: fat 0.025, lesion 1.1 x 1, core 0.09; late ones divided by SER 0.8, 1.25 and 0.5.
    assert signals.early[1, 1, 1] == pytest.approx(0.25 * 0.025 + 0.5 * 1.1 + 0.25 * 0.09)
    assert signals.late[1, 1, 1] == pytest.approx(0.25 * 0.03125 + 0.5 * 0.88 + 0.25 * 0.18)
    assert signals.base[0, 0, 0] == pytest.approx(0.25)
    assert body.base[1, 1, 1] == pytest.approx(0.25)


def test_kinetics_are_drawn_in_the_measured_ranges() -> None:
    for seed in range(30):
        drawn = draw_kinetics(np.random.default_rng(seed))
        assert 0.23 <= drawn[Tissue.FAT].signal <= 0.29
        assert 0.05 <= drawn[Tissue.GLAND].enhancement <= 0.15
        assert 0.9 <= drawn[Tissue.LESION].enhancement <= 1.2
        assert 0.85 <= drawn[Tissue.LESION].ser <= 1.13
        assert drawn[Tissue.CORE].enhancement < 0.7


def test_the_early_and_the_late_phase_are_exactly_as_drawn_and_nothing_precedes_the_contrast() -> None:
    assert weights(150.0, 150.0, 450.0) == pytest.approx((1, 0), abs=1e-12)
    assert weights(450.0, 150.0, 450.0) == pytest.approx((0, 1), abs=1e-12)
    assert weights(-200.0, 150.0, 450.0) == (0, 0)
    assert weights(0.0, 150.0, 450.0) == (0, 0)


def test_between_two_equal_phases_the_signal_stays_level() -> None:
    """A plateau has about the same enhancement at 150, 300 and 450 s."""
    c1, c2 = weights(300.0, 150.0, 450.0)
    assert c1 + c2 == pytest.approx(1, abs=0.02)


def test_noise_far_above_the_floor_has_the_asked_spread() -> None:
    noisy = with_noise(np.full((60, 60, 60), 1000, dtype=np.float32), 25.0, np.random.default_rng(1))
    assert float(noisy.std()) == pytest.approx(25, rel=0.01)
    # E(M^2) = A^2 + 4 sigma^2 for two complex channels, here known to 2 A sigma / sqrt(n) = 108.
    assert float((noisy.astype(np.float64) ** 2).mean()) == pytest.approx(1000**2 + 4 * 25**2, abs=450)


def test_noise_in_air_is_that_of_two_coils() -> None:
    """A chi distribution of four degrees of freedom: mean sigma sqrt(2) G(5/2)/G(2), mean / SD 2.75."""
    noisy = with_noise(np.zeros((60, 60, 60), dtype=np.float32), 10.0, np.random.default_rng(2))
    mean = 10 * math.sqrt(2) * math.gamma(2.5) / math.gamma(2)
    assert float(noisy.mean()) == pytest.approx(mean, rel=0.01)
    assert float(noisy.mean() / noisy.std()) == pytest.approx(mean / math.sqrt(400 - mean**2), rel=0.01)


def test_shading_is_mild_smooth_and_positive() -> None:
    frame = frame_of(Grid((40, 40, 40), np.diag((4.0, 4.0, 4.0, 1.0))))
    field = coil_bias(frame, (80.0, 80.0, 80.0), 80.0, np.random.default_rng(3))
    assert field.min() > 0.5
    assert field.max() < 2.0
    assert float(field.std()) > 0.02
    assert np.abs(np.diff(field, axis=0)).max() < 0.05

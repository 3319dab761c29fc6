from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from scipy.interpolate import BSpline

from uptake.preprocess.n4 import Schedule, evaluate, log_field_lattice
from uptake.preprocess.splines import positions, refine

SCHEDULE = Schedule(
    levels=4, iterations=50, convergence_threshold=1e-3, fwhm=0.15, wiener_noise=0.01, bins=200, control_points=4
)


def simpleitk_log_field(image: np.ndarray, mask: np.ndarray, schedule: Schedule) -> np.ndarray:
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations([schedule.iterations] * schedule.levels)
    n4.SetConvergenceThreshold(schedule.convergence_threshold)
    n4.SetBiasFieldFullWidthAtHalfMaximum(schedule.fwhm)
    n4.SetWienerFilterNoise(schedule.wiener_noise)
    n4.SetNumberOfHistogramBins(schedule.bins)
    n4.SetNumberOfControlPoints([schedule.control_points] * 3)
    whole = sitk.GetImageFromArray(np.ascontiguousarray(image.T))
    n4.Execute(whole, sitk.GetImageFromArray(np.ascontiguousarray(mask.T).astype(np.uint8)))
    return sitk.GetArrayFromImage(n4.GetLogBiasFieldAsImage(whole)).T


@pytest.mark.parametrize(
    "schedule",
    [
        SCHEDULE,
        Schedule(2, 10, 1e-4, 0.15, 0.01, 200, 4),
        Schedule(1, 5, 1e-6, 0.3, 0.1, 100, 6),
        Schedule(3, 20, 1e-3, 0.05, 0.001, 333, 5),
    ],
    ids=["defaults", "two levels", "one level", "other numbers"],
)
def test_the_log_field_is_simpleitks(ball: Callable, schedule: Schedule) -> None:
    made = ball((24, 20, 13))
    lattice = log_field_lattice(made.image, made.mask, schedule)
    ours = evaluate(lattice, tuple(positions(np.arange(n), n) for n in made.image.shape))  # type: ignore[arg-type]
    theirs = simpleitk_log_field(made.image, made.mask, schedule)
    assert np.ptp(theirs[made.mask]) > 0.05
    np.testing.assert_allclose(ours[made.mask], theirs[made.mask], atol=2e-3)


def test_evaluation_is_the_tensor_product_of_scipys_cubic_b_splines() -> None:
    rng = np.random.default_rng(2)
    lattice = rng.normal(size=(4, 7, 5))
    at = [np.sort(rng.random(n)) for n in (3, 6, 4)]
    bases = []
    for u, control_points in zip(at, lattice.shape, strict=True):
        mesh = control_points - 3
        knots = np.arange(-3, mesh + 4) / mesh
        bases.append(BSpline.design_matrix(u, knots, 3).toarray())
    expected = np.einsum("abc,ia,jb,kc->ijk", lattice, *bases)
    np.testing.assert_allclose(evaluate(lattice, (at[0], at[1], at[2])), expected, atol=1e-5)


def test_a_refined_lattice_is_the_same_spline_on_twice_the_mesh() -> None:
    lattice = np.random.default_rng(4).normal(size=(4, 5, 7))
    finer = refine(lattice)
    assert finer.shape == (5, 7, 11)
    at = tuple(np.linspace(0, 1, 13) for _ in range(3))
    np.testing.assert_allclose(evaluate(finer, at), evaluate(lattice, at), atol=1e-5)  # type: ignore[arg-type]


def test_positions_span_first_to_last_voxel_and_stop_there() -> None:
    assert positions([-1, 0, 2, 4, 9], 5).tolist() == [0, 0, 0.5, 1, 1]
    assert positions([0], 1).tolist() == [0]


def test_a_lattice_of_equal_control_points_is_constant() -> None:
    at = tuple(np.linspace(0, 1, 9) for _ in range(3))
    np.testing.assert_allclose(evaluate(np.full((5, 5, 5), 0.25), at), 0.25, atol=1e-6)  # type: ignore[arg-type]

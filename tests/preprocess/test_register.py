"""Registration against known deformations, and its parts against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from uptake.phantom import Phantom, make
from uptake.preprocess.mutual import Samples
from uptake.preprocess.register import Plan, register
from uptake.preprocess.splines import basis, expand, positions
from uptake.study import Code, Refusal
from uptake.volume import Grid, Volume

RIGID = Plan(deform=False, grid_mm=35.0, levels=3, bins=50)
FREE = Plan(deform=True, grid_mm=35.0, levels=3, bins=50)


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return make(seed=3, size="small")


@pytest.fixture(scope="module")
def body(phantom: Phantom) -> np.ndarray:
    return ndimage.binary_dilation(phantom.tissue.array > 0, iterations=2)


def displacement(grid: Grid, sd_mm: float, seed: int) -> np.ndarray:
    """(3, i, j, k) mm: a random cubic spline over control points about 50 mm apart, every component of that SD."""
    rng = np.random.default_rng(seed)
    mesh = [max(1, round(n * s / 50)) for n, s in zip(grid.shape, grid.spacing_mm, strict=True)]
    bases = [basis(positions(np.arange(n), n), m) for n, m in zip(grid.shape, mesh, strict=True)]
    parts = [expand(rng.standard_normal([m + 3 for m in mesh]), bases) for _ in range(3)]
    return np.stack([part * (sd_mm / part.std()) for part in parts])


def looked_at(volume: Volume, where_mm: np.ndarray) -> np.ndarray:
    """The image with each voxel's value taken `where_mm` away."""
    index = np.indices(volume.grid.shape) + where_mm / np.reshape(volume.grid.spacing_mm, (3, 1, 1, 1))
    return ndimage.map_coordinates(volume.array.astype(np.float32), index, order=3, mode="nearest")


def breast(phantom: Phantom, edge: int = 4) -> np.ndarray:
    """Gland, skin and lesion, away from the edges of the images."""
    inside = np.isin(phantom.tissue.array, (2, 3, 6, 7))
    kept = np.zeros_like(inside)
    kept[edge:-edge, edge:-edge, edge:-edge] = inside[edge:-edge, edge:-edge, edge:-edge]
    return kept


def left_over(found: np.ndarray, true: np.ndarray, grid: Grid) -> np.ndarray:
    """mm (3, i, j, k) between where a voxel's value was taken from and where its tissue had gone."""
    index = np.indices(grid.shape) + found / np.reshape(grid.spacing_mm, (3, 1, 1, 1))
    there = np.stack([ndimage.map_coordinates(part, index, order=1, mode="nearest") for part in true])
    return found + there


def test_a_deformed_late_phase_is_brought_back_and_the_lesion_keeps_its_volume(
    phantom: Phantom, body: np.ndarray
) -> None:
    grid = phantom.study.grid
    true = displacement(grid, 2.0, seed=1)
    moved = phantom.study.volumes[0].with_array(looked_at(phantom.study.volumes[1], true))
    done = register(phantom.study.volumes[0], moved, body, FREE)
    rest = np.linalg.norm(left_over(done.displacement_mm, true, grid), axis=0)[breast(phantom)]
    assert np.median(np.linalg.norm(true, axis=0)[breast(phantom)]) > 2
    assert np.median(rest) < 0.8  # voxels of 3 x 3 x 5 mm; full resolution: benchmarks/motion.py
    assert np.percentile(rest, 95) < 5
    assert done.jacobian.array[body].min() > 0
    back = looked_at(phantom.lesion.with_array(looked_at(phantom.lesion, true)), done.displacement_mm) >= 0.5
    assert back.sum() == pytest.approx(phantom.lesion.array.sum(), rel=0.05)


def test_a_turned_and_shifted_phase_is_brought_back_by_a_rigid_motion(phantom: Phantom, body: np.ndarray) -> None:
    grid = phantom.study.grid
    angle = np.radians(3)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    centred = np.moveaxis(np.indices(grid.shape), 0, -1) - (np.array(grid.shape) - 1) / 2
    centred = centred * np.asarray(grid.spacing_mm)
    true = np.moveaxis(centred @ turn.T - centred + np.array([2.0, -1.5, 1.0]), -1, 0)
    moved = phantom.study.volumes[0].with_array(looked_at(phantom.study.volumes[1], true))
    done = register(phantom.study.volumes[0], moved, body, RIGID)
    rest = np.linalg.norm(left_over(done.displacement_mm, true, grid), axis=0)[breast(phantom)]
    assert np.percentile(rest, 95) < 1
    np.testing.assert_allclose(done.jacobian.array, 1, atol=1e-3)


def test_phases_that_did_not_move_stay_within_a_fraction_of_a_voxel(phantom: Phantom, body: np.ndarray) -> None:
    done = register(phantom.study.volumes[0], phantom.study.volumes[1], body, FREE)
    assert np.median(np.linalg.norm(done.displacement_mm, axis=0)[breast(phantom)]) < 0.5  # mm, of voxels of 3 mm


def test_equal_phases_give_equal_bytes(phantom: Phantom, body: np.ndarray) -> None:
    pair = phantom.study.volumes[:2]
    first, second = (register(*pair, body, RIGID).volume.array for _ in range(2))
    assert first.tobytes() == second.tobytes()


def test_the_corrected_phase_stays_within_the_range_of_the_one_it_was_made_of(
    phantom: Phantom, body: np.ndarray
) -> None:
    moving = phantom.study.volumes[1]
    done = register(phantom.study.volumes[0], moving, body, RIGID).volume
    assert done.array.dtype == np.float32
    assert (done.array.min(), done.array.max()) == (
        pytest.approx(moving.array.min()),
        pytest.approx(moving.array.max(), rel=0.2),
    )
    assert done.array.max() <= moving.array.max()


def test_the_derivative_of_the_information_is_its_change(phantom: Phantom, body: np.ndarray) -> None:
    samples = Samples.of(*phantom.study.volumes[:2], body, 12.0, 4.0, 20)
    rng = np.random.default_rng(0)
    # Away from voxel centres, where linear interpolation has a kink.
    at = rng.uniform(0.3, 0.6, samples.points_mm.shape)
    _, slope = samples.information(at)
    direction = rng.standard_normal(at.shape)
    step = 1e-4
    change = (samples.information(at + step * direction)[0] - samples.information(at - step * direction)[0]) / (
        2 * step
    )
    assert float(np.sum(slope * direction)) == pytest.approx(change, rel=1e-3)


def test_an_image_shares_its_whole_entropy_with_itself_and_none_with_noise(phantom: Phantom, body: np.ndarray) -> None:
    first = phantom.study.volumes[0]
    noise = first.with_array(np.random.default_rng(0).uniform(1, 100, first.grid.shape))
    still = np.zeros((3, 1))
    with_itself = Samples.of(first, first, body, 3.0, 1.0, 32).information(still)[0]
    with_noise = Samples.of(first, noise, body, 3.0, 1.0, 32).information(still)[0]
    assert with_itself > 1.5
    assert with_noise < 0.1


def block(shape: tuple[int, int, int], value: float | None = None) -> Volume:
    array = np.random.default_rng(0).uniform(1, 9, shape) if value is None else np.full(shape, value)
    return Volume(array, Grid(shape, np.eye(4)))


@pytest.mark.parametrize(
    ("fixed", "moving", "says"),
    [
        (block((9, 9, 3)), block((9, 9, 3)), "9 x 9 x 3"),
        (block((9, 9, 9)), block((9, 9, 9), 5.0), "constant"),
        (block((9, 9, 9)), block((9, 9, 9), np.nan), "not a number"),
    ],
    ids=["three slices", "constant phase", "not a number"],
)
def test_what_cannot_be_aligned_is_refused(fixed: Volume, moving: Volume, says: str) -> None:
    with pytest.raises(Refusal, match=says) as refused:
        register(fixed, moving, np.ones(fixed.grid.shape, bool), RIGID)
    assert refused.value.code is Code.MOTION


def test_an_empty_mask_is_refused() -> None:
    with pytest.raises(Refusal, match="no body"):
        register(block((9, 9, 9)), block((9, 9, 9)), np.zeros((9, 9, 9), bool), RIGID)


def test_phases_on_two_grids_are_an_error() -> None:
    with pytest.raises(ValueError, match="one grid"):
        register(block((9, 9, 9)), block((9, 9, 8)), np.ones((9, 9, 9), bool), RIGID)

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from uptake.phantom.frames import frame_of, smooth_field, view_grid
from uptake.volume import Grid

SPACING = (2.0, 3.0, 4.0)


def axial(shape: tuple[int, int, int] = (12, 10, 8)) -> Grid:
    affine = np.diag((*SPACING, 1.0))
    affine[:3, 3] = (-5, 7, 11)
    return Grid(shape, affine)


def turned(grid: Grid) -> Grid:
    """The same points, with array axes y, z, x and y counted backwards."""
    order, size = [1, 2, 0], grid.shape
    affine = np.eye(4)
    affine[:3, :3] = grid.affine[:3, order] * (-1, 1, 1)
    affine[:3, 3] = grid.to_world((0, size[1] - 1, 0))
    return Grid((size[1], size[2], size[0]), affine)


def test_a_frame_holds_the_world_coordinates_of_every_voxel() -> None:
    grid = turned(axial())
    frame = frame_of(grid)
    index = np.moveaxis(np.indices(grid.shape), 0, -1)
    for line, expected in zip((frame.x, frame.y, frame.z), np.moveaxis(grid.to_world(index), -1, 0), strict=True):
        np.testing.assert_allclose(np.broadcast_to(line, grid.shape), expected, atol=1e-4)


def test_a_random_field_is_the_same_in_space_whatever_the_order_of_the_axes() -> None:
    grid = axial()
    one = smooth_field(frame_of(grid), 5.0, np.random.default_rng(1))
    two = smooth_field(frame_of(turned(grid)), 5.0, np.random.default_rng(1))
    np.testing.assert_allclose(two[::-1].transpose(2, 0, 1), one, atol=1e-5)


def test_a_random_field_has_mean_zero_and_unit_spread() -> None:
    field = smooth_field(frame_of(Grid((60, 60, 60), np.diag((3.0, 3.0, 3.0, 1.0)))), 4.0, np.random.default_rng(2))
    assert field.dtype == np.float32
    assert abs(float(field.mean())) < 0.05
    assert float(field.std()) == pytest.approx(1.0, abs=0.1)


def test_a_random_field_is_smooth_within_its_scale_and_independent_beyond_it() -> None:
    field = smooth_field(frame_of(Grid((80, 20, 20), np.eye(4))), 10.0, np.random.default_rng(3))

    def correlation(step: int) -> float:
        return float(np.corrcoef(field[step:].ravel(), field[:-step].ravel())[0, 1])

    assert correlation(1) > 0.98
    assert abs(correlation(45)) < 0.3


@pytest.mark.parametrize(("view", "axes"), [("sagittal", "PSR"), ("axial", "LAS")])
@pytest.mark.parametrize("size", ["full", "small"])
def test_the_grid_has_the_array_order_of_dcm2niix_for_a_time_series(view: str, axes: str, size: str) -> None:
    grid = view_grid(view, size, -1, np.random.default_rng(4))  # type: ignore[arg-type]
    assert "".join(nib.aff2axcodes(grid.affine)) == axes


@pytest.mark.parametrize("side", [-1, 1])
def test_a_sagittal_grid_lies_on_the_side_of_its_breast(side: int) -> None:
    grid = view_grid("sagittal", "full", side, np.random.default_rng(5))
    assert grid.shape == (256, 256, 60)
    x = frame_of(grid).x
    assert float(x.mean()) == pytest.approx(side * 85, abs=0.1)
    assert (np.sign(x) == side).all()


def test_spacing_varies_from_patient_to_patient_as_in_the_trial() -> None:
    grids = [view_grid("sagittal", "full", 1, np.random.default_rng(seed)) for seed in range(20)]
    in_plane = {round(grid.spacing_mm[0], 6) for grid in grids}
    assert in_plane <= {0.703125, 0.78125, 0.820312, 0.859375}
    assert len(in_plane) > 1
    assert all(grid.spacing_mm[0] == pytest.approx(grid.spacing_mm[1]) for grid in grids)
    assert {round(grid.spacing_mm[2], 3) for grid in grids} <= {2.0, 2.2, 2.3, 2.5}

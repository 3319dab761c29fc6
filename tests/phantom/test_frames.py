from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from uptake.phantom.frames import IN_PLANE_MM, STEP_MM, averaged, frame_of, part_of, supersampled, view_grid
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


def test_supersampled_voxels_fill_their_voxel() -> None:
    grid = turned(axial())
    fine = supersampled(grid, (2, 3, 1))
    assert fine.shape == (2 * grid.shape[0], 3 * grid.shape[1], grid.shape[2])
    assert fine.voxel_volume_mm3 == pytest.approx(grid.voxel_volume_mm3 / 6)
    block = [fine.to_world((i, j, 0)) for i in (2, 3) for j in (3, 4, 5)]
    assert np.mean(block, axis=0) == pytest.approx(grid.to_world((1, 1, 0)), abs=1e-4)


def test_averages_are_those_of_blocks() -> None:
    fine = np.arange(16, dtype=np.uint8).reshape(4, 2, 2)
    np.testing.assert_array_equal(averaged(fine, (2, 2, 1))[:, 0, 0], [3.0, 11.0])


@pytest.mark.parametrize(("view", "axes"), [("sagittal", "PSR"), ("axial", "LAS")])
@pytest.mark.parametrize("size", ["full", "small"])
def test_the_grid_has_the_array_order_of_dcm2niix_for_a_time_series(view: str, axes: str, size: str) -> None:
    grid = view_grid(view, size, -1, np.random.default_rng(4))  # type: ignore[arg-type]
    assert "".join(nib.aff2axcodes(grid.affine)) == axes


@pytest.mark.parametrize("side", [-1, 1])
def test_a_sagittal_grid_lies_on_the_side_of_its_breast(side: int) -> None:
    grid = view_grid("sagittal", "full", side, np.random.default_rng(5))
    assert grid.shape[:2] == (256, 256)
    x = frame_of(grid).x
    assert float(x.mean()) == pytest.approx(side * 85, abs=0.1)


def test_spacing_and_slices_vary_as_in_the_trial() -> None:
    """GE's 109 patients in the paper's cohort: in-plane median 0.78 mm, two thirds with 60 slices, steps 1.5-3 mm."""
    grids = [view_grid("sagittal", "full", 1, np.random.default_rng(seed)) for seed in range(200)]
    in_plane, steps = [[grid.spacing_mm[axis] for grid in grids] for axis in (0, 2)]
    assert np.median(in_plane) == pytest.approx(0.78125, abs=1e-4)
    assert np.median(steps) == pytest.approx(2.2, abs=0.2)
    assert min(steps) >= 1.5
    assert max(steps) <= 3.0
    assert np.mean([grid.shape[2] == 60 for grid in grids]) == pytest.approx(72 / 105, abs=0.1)
    assert all(grid.spacing_mm[0] == pytest.approx(grid.spacing_mm[1]) for grid in grids)


@pytest.mark.parametrize("vendor", ["siemens", "philips"])
def test_every_vendor_has_its_own_geometry(vendor: str) -> None:
    for seed in range(20):
        grid = view_grid("sagittal", "full", 1, np.random.default_rng(seed), vendor)  # type: ignore[arg-type]
        assert any(grid.spacing_mm[0] == pytest.approx(known) for known in IN_PLANE_MM[vendor])  # type: ignore[index]
        assert any(grid.spacing_mm[2] == pytest.approx(known) for known in STEP_MM[vendor])  # type: ignore[index]


def test_a_part_of_a_frame_is_the_frame_of_that_part() -> None:
    grid = turned(axial())
    where = (slice(2, 7), slice(0, 5), slice(3, 9))
    part, whole = part_of(frame_of(grid), where), frame_of(grid)
    for cut, line in ((part.x, whole.x), (part.y, whole.y), (part.z, whole.z)):
        np.testing.assert_array_equal(np.broadcast_to(cut, part.grid.shape), np.broadcast_to(line, grid.shape)[where])
    np.testing.assert_allclose(part.grid.to_world((1, 1, 1)), grid.to_world((3, 1, 4)))


def test_a_sagittal_field_of_view_reaches_below_the_breast_and_higher_the_larger_it_is() -> None:
    """82 mm below its middle, or half of a field of view that is smaller; what is left lies above."""
    above = []
    for seed in range(20):
        frame = frame_of(view_grid("sagittal", "full", 1, np.random.default_rng(seed)))
        half = frame.grid.shape[1] * frame.grid.spacing_mm[1] / 2
        low = float(frame.z.min())
        assert -half - 0.1 <= low <= -min(half, 82.0) + 0.1
        above.append(low + half)
    assert max(above) > 10

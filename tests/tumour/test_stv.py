"""The STV proposal step by step on masks drawn by hand."""

from __future__ import annotations

import numpy as np
import pytest

from uptake.study import SettingsError
from uptake.tumour.diameter import longest_diameter_mm
from uptake.tumour.stv import Stv, closing, filled, largest_component, near_largest, propose_stv
from uptake.volume import Grid, Volume

GRID = Grid((60, 12, 12), np.diag([1.0, 1.0, 2.0, 1.0]))


def mask(*boxes: tuple[slice, slice, slice]) -> Volume:
    array = np.zeros(GRID.shape, bool)
    for box in boxes:
        array[box] = True
    return Volume(array, GRID)


LESION = (slice(2, 8), slice(2, 8), slice(2, 6))
AT_20_MM = (slice(27, 28), slice(4, 5), slice(3, 4))
AT_21_MM = (slice(28, 29), slice(4, 5), slice(3, 4))


def test_voxels_at_20_mm_of_the_largest_component_stay_and_those_beyond_go() -> None:
    """The lesion ends at i = 7, so i = 27 is 20 mm away and i = 28 is 21."""
    kept = near_largest(mask(LESION, AT_20_MM).array, GRID.spacing_mm, 20.0)
    assert kept[AT_20_MM].all()
    kept = near_largest(mask(LESION, AT_21_MM).array, GRID.spacing_mm, 20.0)
    assert not kept[AT_21_MM].any()
    assert kept[LESION].all()


def test_the_distance_is_in_millimetres_along_every_axis() -> None:
    """Slices lie 2 mm apart: a voxel three slices above is 6 mm away."""
    above = (slice(4, 5), slice(4, 5), slice(8, 9))
    assert near_largest(mask(LESION, above).array, GRID.spacing_mm, 6.0)[above].all()
    assert not near_largest(mask(LESION, above).array, GRID.spacing_mm, 5.9)[above].any()


def test_components_touch_over_corners() -> None:
    corner = (slice(8, 9), slice(8, 9), slice(6, 7))
    assert largest_component(mask(LESION, corner).array)[corner].all()


def test_largest_only_drops_every_other_component() -> None:
    proposal = propose_stv(mask(LESION, AT_20_MM), 0.1, Stv(keep="largest", closing_mm=0, fill_holes=False))
    assert np.array_equal(proposal.mask.array, mask(LESION).array)
    assert proposal.numbers.components_in_ftv == 2


def test_a_closed_cavity_is_filled_and_an_open_one_is_not() -> None:
    hollow = mask(LESION).array
    hollow[4, 4, 4] = False
    assert filled(hollow)[4, 4, 4]
    hollow[4:8, 4, 4] = False
    assert not filled(hollow)[5, 4, 4]


def test_closing_bridges_a_gap_of_its_radius_and_no_wider_one() -> None:
    """Two plates 3 voxels apart: the middle lies 2 mm from both, so a radius of 2 mm joins them, 1 mm does not."""
    plates = mask((slice(2, 5), slice(2, 9), slice(2, 9)), (slice(8, 11), slice(2, 9), slice(2, 9))).array
    assert closing(plates, GRID.spacing_mm, 2.0)[6, 5, 5]
    assert not closing(plates, GRID.spacing_mm, 1.0)[6, 5, 5]


def test_closing_keeps_the_mask_at_the_edge_of_the_volume() -> None:
    edge = mask((slice(0, 3), slice(0, 12), slice(0, 12))).array
    assert np.array_equal(closing(edge, GRID.spacing_mm, 2.0), edge)


def test_every_step_records_its_volume_and_the_last_one_is_the_proposal() -> None:
    lesion = mask(LESION, AT_21_MM)
    lesion.array[4, 4, 4] = False
    numbers = propose_stv(lesion, 0.1, Stv(closing_mm=0)).numbers
    assert numbers.steps[0].name == "FTV, PE rule"
    assert [round(step.change_cc, 6) for step in numbers.steps] == [0.0, -0.002, 0.002]
    assert numbers.stv_proposal_cc == pytest.approx(6 * 6 * 4 * 2 / 1000)
    assert numbers.ratio_to_ftv == pytest.approx(2.88)


def test_an_empty_ftv_gives_an_empty_proposal_without_a_ratio() -> None:
    proposal = propose_stv(mask(), 0.0, Stv())
    assert not proposal.mask.array.any()
    assert proposal.numbers.ratio_to_ftv is None
    assert proposal.numbers.longest_diameter_mm == 0.0


def test_longest_diameter_is_between_voxel_centres_in_millimetres() -> None:
    assert longest_diameter_mm(mask((slice(0, 4), slice(0, 1), slice(0, 3)))) == pytest.approx(5.0)
    assert longest_diameter_mm(mask((slice(3, 4), slice(3, 4), slice(3, 4)))) == 0.0


def test_longest_diameter_of_many_points_agrees_with_all_pairs() -> None:
    random = np.random.default_rng(3)
    points = Volume(random.random(GRID.shape) > 0.97, GRID)
    world = GRID.to_world(np.argwhere(points.array))
    expected = max(np.linalg.norm(world - p, axis=1).max() for p in world)
    assert longest_diameter_mm(points) == pytest.approx(expected)


def test_longest_diameter_of_a_flat_region_is_found_too() -> None:
    assert longest_diameter_mm(mask((slice(0, 41), slice(0, 10), slice(5, 6)))) == pytest.approx(np.hypot(40, 9))


@pytest.mark.parametrize("wrong", [{"closing_mm": 2.5}, {"max_gap_mm": -1.0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError):
        Stv(**wrong)  # type: ignore[arg-type]

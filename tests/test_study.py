"""Values check themselves at birth."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from uptake.study import Box, Case, Code, Outcome, Phase, Refusal, Study
from uptake.volume import DCM2NIIX, Grid, Layout, Volume, bounding_slices

GRID = Grid((2, 3, 4), np.diag([1.0, 2.0, 3.0, 1.0]))
OTHER = Grid((2, 3, 4), np.diag([1.0, 2.0, 3.5, 1.0]))


def volume(grid: Grid = GRID) -> Volume:
    return Volume(np.zeros(grid.shape), grid)


def test_a_grid_knows_spacing_voxel_volume_and_both_directions_of_its_affine() -> None:
    turned = Grid((2, 3, 4), np.array([[0, 0, 2, 10], [-0.5, 0, 0, 20], [0, 0.5, 0, 30], [0, 0, 0, 1]]))
    assert turned.spacing_mm == (0.5, 0.5, 2.0)
    assert turned.voxel_volume_mm3 == pytest.approx(0.5)
    assert turned.to_world((1, 2, 3)).tolist() == [16.0, 19.5, 31.0]
    assert turned.to_index(turned.to_world((1, 2, 3))) == pytest.approx([1, 2, 3])
    assert np.allclose(turned.direction, [[0, 0, 1], [-1, 0, 0], [0, 1, 0]])


def test_grids_are_the_same_within_a_hundredth_of_a_millimetre_at_every_corner() -> None:
    assert GRID.same_as(Grid(GRID.shape, np.diag([1.0, 2.0, 3.003, 1.0])))
    assert not GRID.same_as(OTHER)
    assert not GRID.same_as(Grid((2, 3, 5), GRID.affine))


def test_a_grid_is_the_same_before_and_after_a_file_kept_it() -> None:
    fine = Grid((2, 2, 2), np.diag([0.1, 0.1, 0.1, 1.0]))
    assert np.array_equal(fine.affine, fine.affine.astype(np.float32))


@pytest.mark.parametrize(
    ("shape", "affine"),
    [
        ((2, 0, 4), np.eye(4)),
        ((2, 3), np.eye(4)),
        ((2, 3, 4), np.zeros((4, 4))),
        ((2, 3, 4), np.diag([1.0, 1.0, 0.0, 1.0])),
        ((2, 3, 4), np.full((4, 4), np.nan)),
        ((2, 3, 4), np.eye(3)),
    ],
)
def test_a_grid_that_makes_no_sense_is_refused(shape: tuple[int, ...], affine: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"grid|affine"):
        Grid(shape, affine)  # type: ignore[arg-type]


def test_a_volume_fits_its_grid_and_only_a_mask_has_cc() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Volume(np.zeros((1, 1, 1)), GRID)
    with pytest.raises(TypeError, match="mask"):
        _ = volume().cc
    assert Volume(np.ones(GRID.shape, bool), GRID).cc == pytest.approx(24 * 6 / 1000)


def test_a_layout_finds_a_dicom_box_in_an_array_of_flipped_rows() -> None:
    """Rows 1-2 of 10, counted from the top, are the array's 7 and 8, counted from the bottom."""
    assert DCM2NIIX.slices((0, 1, 2), (4, 3, 5), (8, 10, 6)) == (slice(0, 4), slice(7, 9), slice(2, 5))
    assert DCM2NIIX.words() == ("column", "-row", "slice")
    assert Layout((2, 0, 1), (False,) * 3).dicom_shape((60, 256, 128)) == (256, 128, 60)
    with pytest.raises(ValueError, match="permutation"):
        Layout((0, 0, 1), (False,) * 3)


def test_bounding_slices_grow_by_the_margin_and_stop_at_the_edge() -> None:
    mask = np.zeros((5, 5, 5), bool)
    assert [s.stop - s.start for s in bounding_slices(mask)] == [0, 0, 0]
    mask[1, 2:4, 4] = True
    assert bounding_slices(mask, 2) == (slice(0, 4), slice(0, 5), slice(2, 5))


@pytest.mark.parametrize(
    ("phases", "message"),
    [
        ((), "at least one phase"),
        ((Phase(volume(), 0.0), Phase(volume(OTHER), 1.0)), "one grid"),
        ((Phase(volume(), 0.0), Phase(volume(), None)), "of all phases"),
        ((Phase(volume(), 5.0), Phase(volume(), 5.0)), "increase"),
    ],
)
def test_a_study_has_phases_on_one_grid_in_time_order(phases: tuple[Phase, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Study("case", phases)


def test_masks_of_a_case_are_of_bool_and_on_a_grid_it_knows() -> None:
    study = Study("case", (Phase(volume(), None),))
    with pytest.raises(ValueError, match="not of bool"):
        Case(study, masks={"ftv": volume()})
    with pytest.raises(ValueError, match="does not know"):
        Case(study, masks={"ftv": Volume(np.zeros(OTHER.shape, bool), OTHER)})
    other = Study("case", (Phase(volume(OTHER), None),))
    assert Case(study, other, {"stv": Volume(np.zeros(OTHER.shape, bool), OTHER)}).harmonised is other


@pytest.mark.parametrize(("start", "end"), [((-1, 0, 0), (1, 1, 1)), ((2, 0, 0), (1, 1, 1))])
def test_a_box_runs_from_start_to_end(start: tuple[int, int, int], end: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="from start to end"):
        Box(start, end)


@pytest.mark.parametrize(("event", "time_days"), [(1, 10.0), (True, 0.0)])
def test_an_outcome_has_a_boolean_event_after_a_positive_time(event: bool, time_days: float) -> None:
    with pytest.raises(ValueError, match=r"event|time"):
        Outcome(event, time_days)


def test_a_refusal_says_what_was_found_and_allowed_and_what_to_do_and_survives_pickling() -> None:
    refusal = Refusal(Code.VOI, found="a", allowed="b", remedy="c")
    again = pickle.loads(pickle.dumps(refusal))  # noqa: S301 (our own bytes)
    assert str(again) == str(refusal) == "voi-unusable: a; allowed: b; do: c"

"""Artefacts put into phantoms: found; the phantoms as they are: clean."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from uptake.cohort.artefacts import bright_outside, brightest_place, folded_in, one_scale, signal_void
from uptake.cohort.checks import Finding
from uptake.phantom import Phantom, make
from uptake.volume import Array, Grid, Volume


@pytest.fixture(scope="module", params=["sagittal", "axial"])
def phantom(request: pytest.FixtureRequest) -> Phantom:
    return make(seed=4, size="small", view=request.param)


def body(phantom: Phantom) -> Volume:
    return phantom.tissue.with_array(phantom.tissue.array > 0)


def ball(grid: Grid, centre: Array, radius_mm: float) -> Array:
    offset = (np.moveaxis(np.indices(grid.shape), 0, -1) - centre) * grid.spacing_mm
    return np.linalg.norm(offset, axis=-1) < radius_mm


def state(findings: object) -> list[str]:
    return [finding.status for finding in findings if isinstance(finding, Finding)]  # type: ignore[attr-defined]


def test_a_clean_phantom_has_no_artefact(phantom: Phantom) -> None:
    early = phantom.study.volumes[1]
    breast = phantom.tissue.with_array(np.isin(phantom.tissue.array, (1, 2, 3, 6, 7)))
    assert state(bright_outside(early, body(phantom))) == ["pass"]
    assert state(signal_void(phantom.study.volumes, breast, body(phantom))) == ["pass"]
    assert state(one_scale(phantom.study.volumes, body(phantom))) == ["pass"]


@pytest.mark.parametrize("kind", ["blob", "stripe", "stripe through the body"])
def test_bright_artefacts_in_air_are_found_also_where_the_body_mask_swallowed_them(phantom: Phantom, kind: str) -> None:
    early, shape = phantom.study.volumes[1], phantom.study.grid.shape
    middle = shape[2] // 2
    put = np.zeros(shape, bool)
    if kind == "blob":
        air = np.argwhere(phantom.tissue.array == 0)
        corner = air[np.argmax(np.linalg.norm((air - np.array(shape) / 2) * early.grid.spacing_mm, axis=1))]
        put = ball(early.grid, np.clip(corner, 3, np.array(shape) - 4), 8.0)
    elif kind == "stripe":
        across = int(np.argmin((phantom.tissue.array[:, :, middle] > 0).sum(axis=1)))
        put[across, :, middle] = phantom.tissue.array[across, :, middle] == 0
    else:
        put[:, shape[1] * 4 // 5, :] = True
    spoiled = early.with_array(np.where(put, 3000, early.array))
    swallowed = body(phantom)
    swallowed = swallowed.with_array(swallowed.array | put)
    assert state(bright_outside(spoiled, swallowed)) == ["warn"]


def test_a_heart_that_lights_up_behind_the_chest_is_no_artefact() -> None:
    """A plate of body with a bright box 60 mm behind it; before it the same box is one."""
    grid = Grid((40, 60, 20), np.diag((3.0, 3.0, 4.0, 1.0)))
    across, forward, _ = np.indices(grid.shape)
    plate = (forward >= 28) & (forward < 34) & (across > 4)
    for start, expected in ((4, "pass"), (50, "warn")):
        box = (forward >= start) & (forward < start + 6) & (across >= 15) & (across < 25)
        image = Volume(np.where(plate | box, 100.0, 1.0), grid)
        assert state(bright_outside(image, Volume(plate, grid))) == [expected]


def test_a_void_in_the_gland_is_found(phantom: Phantom) -> None:
    pre = phantom.study.volumes[0]
    breast = phantom.tissue.with_array(np.isin(phantom.tissue.array, (1, 2, 3, 6, 7)))
    gland = np.isin(phantom.tissue.array, (2, 6, 7))
    deepest = ndimage.distance_transform_edt(gland, sampling=pre.grid.spacing_mm).argmax()
    put = ball(pre.grid, np.array(np.unravel_index(deepest, gland.shape)), 11.0)
    air = np.random.default_rng(0).choice(pre.array[phantom.tissue.array == 0], pre.array.shape)
    assert state(signal_void([pre.with_array(np.where(put, air, pre.array))], breast, body(phantom))) == ["warn"]


def test_a_dark_place_amid_dark_fat_is_no_void() -> None:
    """A box of signal 100 with an empty cube of 9 mm in it; then the same in fat that is no more than twice the air."""
    grid = Grid((40, 40, 40), np.diag((3.0, 3.0, 3.0, 1.0)))
    index = np.indices(grid.shape)
    inside, hole = ((np.abs(index - 20) <= half).all(axis=0) for half in (12, 1))
    air = 10 + np.random.default_rng(0).uniform(-1, 1, grid.shape)
    breast = Volume(inside, grid)
    (around,) = signal_void([Volume(np.where(inside & ~hole, 100, air), grid)], breast, breast)
    assert around.status == "warn"
    assert around.found.endswith("0.73 cc")
    fat = (np.abs(index - 20) <= 6).all(axis=0)
    (dim,) = signal_void([Volume(np.where(hole | ~inside, air, np.where(fat, 20, 100)), grid)], breast, breast)
    assert dim.status == "pass"


def test_the_dark_border_of_the_images_is_no_void() -> None:
    """A cube of 9 mm without signal: 24 mm from the border a void, at the border what the receiver's filter leaves."""
    grid = Grid((40, 40, 40), np.diag((3.0, 3.0, 3.0, 1.0)))
    i, j, k = np.indices(grid.shape)
    inside = (i <= 30) & (np.abs(j - 20) <= 12) & (np.abs(k - 20) <= 12)
    found = []
    for first in (8, 0):
        hole = (i >= first) & (i < first + 3) & (np.abs(j - 20) <= 1) & (np.abs(k - 20) <= 1)
        image = Volume(np.where(inside & ~hole, 100.0, 10.0), grid)
        found += state(signal_void([image], Volume(inside, grid), Volume(inside, grid)))
    assert found == ["warn", "pass"]


def test_what_is_dark_in_one_phase_only_is_no_void() -> None:
    grid = Grid((40, 40, 40), np.diag((3.0, 3.0, 3.0, 1.0)))
    index = np.indices(grid.shape)
    inside, hole = ((np.abs(index - 20) <= half).all(axis=0) for half in (12, 1))
    breast = Volume(inside, grid)
    before, after = (Volume(np.where(inside & ~gap, 100.0, 10.0), grid) for gap in (hole, np.zeros_like(hole)))
    assert state(signal_void([before, after], breast, breast)) == ["pass"]


def test_of_fat_in_the_noise_no_void_is_claimed(phantom: Phantom) -> None:
    pre = phantom.study.volumes[0]
    breast = phantom.tissue.with_array(np.isin(phantom.tissue.array, (1, 2, 3, 6, 7)))
    air = np.random.default_rng(0).choice(pre.array[phantom.tissue.array == 0], pre.array.shape)
    dark = pre.with_array(np.where(phantom.tissue.array == 1, air, pre.array))
    assert state(signal_void([dark], breast, body(phantom))) == []


def test_a_phase_in_another_unit_is_a_warning(phantom: Phantom) -> None:
    pre, early, late = phantom.study.volumes
    assert state(one_scale((pre, early.with_array(4 * early.array), late), body(phantom))) == ["warn"]


def test_nothing_is_said_without_a_body_or_a_breast(phantom: Phantom) -> None:
    pre = phantom.study.volumes[0]
    nothing = pre.with_array(np.zeros(pre.array.shape, bool))
    assert state(bright_outside(pre, nothing)) == []
    assert state(signal_void([pre], nothing, nothing)) == []
    assert state(one_scale((pre, pre), nothing)) == []


def test_an_all_black_first_phase_is_in_no_unit(phantom: Phantom) -> None:
    pre, early, _ = phantom.study.volumes
    black = pre.with_array(np.zeros_like(pre.array))
    (finding,) = one_scale((black, early), body(phantom))
    assert finding.status == "warn"


def test_the_place_of_an_artefact_lies_in_it_and_a_clean_phantom_has_none(phantom: Phantom) -> None:
    early, shape = phantom.study.volumes[1], phantom.study.grid.shape
    assert brightest_place(early, body(phantom)) is None
    air = np.argwhere(phantom.tissue.array == 0)
    corner = air[np.argmax(np.linalg.norm((air - np.array(shape) / 2) * early.grid.spacing_mm, axis=1))]
    put = ball(early.grid, np.clip(corner, 3, np.array(shape) - 4), 8.0)
    place = brightest_place(early.with_array(np.where(put, 3000, early.array)), body(phantom))
    assert place is not None
    assert np.linalg.norm((np.argwhere(put) - place) * early.grid.spacing_mm, axis=1).min() <= 5.0


def slab() -> tuple[Volume, Volume]:
    """A body from end to end along the first axis, rising smoothly, in black air."""
    grid = Grid((60, 40, 12), np.diag((2.0, 2.0, 3.0, 1.0)))
    inside = np.zeros(grid.shape, bool)
    inside[:, 10:30] = True
    level = 100 + 40 * np.sin(np.arange(60) / 12)
    rng = np.random.default_rng(1)
    return Volume(np.where(inside, level[:, None, None], 0) + rng.normal(0, 3, grid.shape), grid), Volume(inside, grid)


@pytest.mark.parametrize(("part", "expected"), [(None, "pass"), (slice(0, 9), "warn"), (slice(50, 60), "warn")])
def test_tissue_folded_in_at_either_end_is_found_by_its_straight_edge(part: slice | None, expected: str) -> None:
    image, inside = slab()
    array = image.array.copy()
    if part is not None:
        array[part] += np.where(inside.array[part], 60, 0)
    assert state(folded_in(image.with_array(array), inside)) == [expected]


@pytest.mark.parametrize(("view", "expected"), [("sagittal", "warn"), ("axial", "pass")])
def test_borders_above_and_below_that_show_the_same_are_folded_in(view: str, expected: str) -> None:
    """Noise of SD 10 and a common part of SD 8: correlation 0.39. Across axial slices nothing is said."""
    rng = np.random.default_rng(2)
    values = rng.normal(100, 10, (24, 24, 24))
    common = rng.normal(0, 8, (24, 24))
    axis = 1 if view == "sagittal" else 2
    for n in (0, 1, -1, -2):
        np.moveaxis(values, axis, 0)[n] += common
    affine = np.diag((2.0, 2.0, 2.0, 1.0))
    if view == "sagittal":
        affine[:3, :3] = [[0, 0, 2], [-2, 0, 0], [0, 2, 0]]
    image = Volume(values, Grid(values.shape, affine))
    found = list(folded_in(image, Volume(np.ones(values.shape, bool), image.grid)))
    assert [finding.status for finding in found] == [expected]
    assert ("opposite borders" in found[0].found) == (expected == "warn")


def test_a_straight_edge_in_the_middle_is_not_at_the_border() -> None:
    image, inside = slab()
    array = image.array.copy()
    array[:30] += np.where(inside.array[:30], 60, 0)
    assert state(folded_in(image.with_array(array), inside)) == ["pass"]


def test_nothing_is_said_of_edges_without_a_body_nor_of_a_single_plane() -> None:
    image, inside = slab()
    assert state(folded_in(image, inside.with_array(np.zeros(inside.array.shape, bool)))) == []
    flat = Grid((60, 40, 1), image.grid.affine)
    assert state(folded_in(Volume(image.array[..., :1], flat), Volume(inside.array[..., :1], flat))) == ["pass"]

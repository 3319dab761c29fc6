"""The skin's movement against known movements of phantoms."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from uptake.phantom import Phantom, make
from uptake.preprocess.skin import find_skin, skin_shift_mm
from uptake.volume import Grid, Volume


@cache
def small(view: str) -> Phantom:
    return make(seed=3, size="small", view=view)


@pytest.fixture(scope="module", params=["sagittal", "axial"])
def phantom(request: pytest.FixtureRequest) -> Phantom:
    return small(request.param)


def moved(volume: Volume, world_mm: tuple[float, float, float]) -> Volume:
    """The image with its contents shifted by so many mm to the left, the front and the head (RAS+)."""
    voxels = np.linalg.inv(volume.grid.affine[:3, :3]) @ np.asarray(world_mm)
    return volume.with_array(ndimage.shift(volume.array.astype(np.float32), voxels, order=1, mode="nearest"))


def test_contrast_alone_moves_nothing(phantom: Phantom) -> None:
    first, *others = phantom.study.volumes
    skin = find_skin(first)
    for other in others:
        shift = np.abs(skin_shift_mm(skin, first, other))
        assert shift.size > 500
        assert np.median(shift) < 0.1
        assert np.percentile(shift, 95) < 0.4  # an eighth of a voxel's edge


@pytest.mark.parametrize("millimetres", [-2.0, 1.0, 3.0])
def test_a_breast_that_moves_to_the_back_is_found_deeper_by_its_share_along_the_normal(
    full_sized_sagittal: Phantom, millimetres: float
) -> None:
    """Voxels of 0.8 mm; in the small one they are 3 mm, too coarse for movements of 1 mm."""
    first, early = full_sized_sagittal.study.volumes[:2]
    skin = find_skin(first)
    # The normals as directions of the patient; a movement shows by its part along them.
    inward = np.einsum("wa,amn->wmn", first.grid.direction, skin.normals)
    expected = np.median(-inward[1][skin.valid]) * millimetres
    found = np.median(skin_shift_mm(skin, first, moved(early, (0.0, -millimetres, 0.0))))
    assert found == pytest.approx(expected, rel=0.3)


def test_a_movement_to_the_head_shows_by_its_share_along_the_normal(phantom: Phantom) -> None:
    """Hardly in front, where it is along the skin, but at the upper and the lower side of the breast."""
    first, early = phantom.study.volumes[:2]
    skin = find_skin(first)
    upward = np.abs(np.einsum("wa,amn->wmn", first.grid.direction, skin.normals)[2][skin.valid])
    shift = np.abs(skin_shift_mm(skin, first, moved(early, (0.0, 0.0, 3.0))))
    for percent in (50, 95):
        assert np.percentile(shift, percent) == pytest.approx(3 * np.percentile(upward, percent), rel=0.35)


def test_the_same_image_has_moved_by_less_than_a_tenth_of_a_millimetre(phantom: Phantom) -> None:
    first = phantom.study.volumes[0]
    np.testing.assert_allclose(skin_shift_mm(find_skin(first), first, first), 0, atol=0.1)


def test_the_scale_of_a_phase_does_not_matter(phantom: Phantom) -> None:
    first, early = phantom.study.volumes[:2]
    doubled = early.with_array(2 * early.array.astype(np.float32))
    assert np.median(np.abs(skin_shift_mm(find_skin(first), first, doubled))) < 0.5


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((20, 20, 8)),
        np.full((20, 20, 8), 7.0),
        np.random.default_rng(0).normal(0, 1, (20, 20, 8)),
        np.ones((1, 1, 1)),
        np.random.default_rng(0).uniform(0, 9, (30, 30, 1)),
    ],
    ids=["zero", "constant", "noise around zero", "one voxel", "one slice of noise"],
)
def test_an_image_without_a_body_in_air_gives_no_or_hardly_any_point(image: np.ndarray) -> None:
    volume = Volume(image.astype(np.float32), Grid(image.shape, np.eye(4)))
    assert skin_shift_mm(find_skin(volume), volume, volume).size < 20


def test_one_slice_of_a_breast_can_be_followed() -> None:
    made = small("sagittal")
    thin = [
        Volume(v.array[:, :, 12:13], Grid((64, 64, 1), v.grid.affine)) for v in made.study.volumes[:2]
    ]  # fmt: skip
    shift = skin_shift_mm(find_skin(thin[0]), *thin)
    assert shift.size > 20
    assert np.median(np.abs(shift)) < 0.3


def test_phases_on_two_grids_are_an_error() -> None:
    a = Volume(np.ones((4, 4, 4)), Grid((4, 4, 4), np.eye(4)))
    b = Volume(np.ones((4, 4, 5)), Grid((4, 4, 5), np.eye(4)))
    with pytest.raises(ValueError, match="one grid"):
        skin_shift_mm(find_skin(a), a, b)


def test_the_real_studies_hardly_moved(ispy1_study, br06_study) -> None:  # noqa: ANN001
    for study in (ispy1_study, br06_study):
        first, *others = study.volumes
        skin = find_skin(first)
        for other in others:
            assert np.median(np.abs(skin_shift_mm(skin, first, other))) < 0.5

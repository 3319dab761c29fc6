from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from uptake.phantom.anatomy import BASE, Blob, Tissue, draw_body, fractions
from uptake.phantom.fields import region_of
from uptake.phantom.frames import frame_of, view_grid
from uptake.phantom.outline import Breast, breast_depth_mm, chest_y_mm, depth_mm, draw_breast
from uptake.volume import Grid

ROUND = Breast((0.0, 0.0), (50.0, 80.0, 60.0, 60.0), 2.0, 0.0, 0.0, 0.3, 2.0)
"""Half of an ellipsoid, but for the flare at the chest and the nipple."""


def point(x: float, y: float, z: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.array([x]), np.array([y]), np.array([z])


def test_the_chest_wall_falls_back_to_the_sides_and_to_the_shoulder() -> None:
    assert chest_y_mm(0.0, 0.0) - chest_y_mm(100.0, 0.0) == pytest.approx(30.0, abs=1e-3)
    assert chest_y_mm(0.0, 80.0) < chest_y_mm(0.0, 0.0) - 10


def test_depth_below_the_tip_of_a_round_breast_is_the_distance_to_it() -> None:
    chest = float(chest_y_mm(0.0, 0.0))
    assert float(breast_depth_mm(*point(0, chest + 70, 0), ROUND)[0]) == pytest.approx(10.0, abs=0.6)
    assert float(breast_depth_mm(*point(0, chest + 95, 0), ROUND)[0]) < -5


def test_between_the_breasts_the_skin_covers_the_chest_by_eleven_millimetres() -> None:
    far = 200.0
    chest = float(chest_y_mm(far, 0.0))
    assert float(depth_mm(*point(far, chest, 0.0), (ROUND,))[0]) == pytest.approx(11.0, abs=0.01)


def test_breast_and_chest_meet_in_a_fold_below_and_pass_into_each_other_above() -> None:
    """Where both surfaces are equally far, their union lies a quarter of the width over which they pass deeper."""
    y, z = np.meshgrid(np.linspace(-30, 60, 361), np.linspace(-80, 80, 641), indexing="ij")
    x = np.zeros_like(y)
    breast, chest = breast_depth_mm(x, y, z, ROUND), depth_mm(x, y, z, ())
    added = depth_mm(x, y, z, (ROUND,)) - np.maximum(breast, chest)
    assert added[z > 40].max() == pytest.approx(6.0, abs=0.05)
    assert added[z < -40].max() == pytest.approx(1.5, abs=0.05)


def test_a_node_is_open_to_a_fatty_hilum_at_its_back() -> None:
    """In its middle and front it is node; where 0.65 of its half axis lies behind the middle, nine tenths are fat."""
    rng = np.random.default_rng(1)
    grid = Grid((41, 41, 41), np.array([[0.5, 0, 0, 75], [0, 0.5, 0, 20], [0, 0, 0.5, -10], [0, 0, 0, 1.0]]))
    body = draw_body(region_of(frame_of(grid), 60.0), (draw_breast(1, rng),), 3.0, rng)
    flat = replace(body.rough_chest, coefficients=np.zeros_like(body.rough_chest.coefficients))
    shares = fractions(
        grid, replace(body, nodes=(Blob((85.0, 30.0, 0.0), (5.0, 5.0, 6.0)),), rough_chest=flat), (2, 2, 2)
    )
    node = shares[Tissue.NODE][20, :, 20]
    assert node[20 + 5] > 0.8
    assert node[20 - 6] < 0.3
    assert node[20 - 16] == node[20 + 16] == 0


def test_a_blob_is_deep_in_its_middle_and_ends_at_its_axes() -> None:
    blob = Blob((1.0, 2.0, 3.0), (5.0, 8.0, 10.0))
    assert blob.depth_mm(*point(1, 2, 3))[0] == pytest.approx(5)
    for end in ((6, 2, 3), (1, 10, 3), (1, 2, 13)):
        assert blob.depth_mm(*point(*end))[0] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("view", ["sagittal", "axial"])
def test_the_shares_of_all_tissues_make_up_every_voxel(view: str) -> None:
    rng = np.random.default_rng(1)
    frame = frame_of(view_grid(view, "small", -1, rng))  # type: ignore[arg-type]
    body = draw_body(region_of(frame, 12.0), (draw_breast(-1, rng),), 3.0, rng)
    shares = fractions(frame.grid, body, (2, 2, 2))
    assert set(shares) == set(BASE)
    assert all(share.dtype == np.float32 and share.shape == frame.grid.shape for share in shares.values())
    assert min(float(share.min()) for share in shares.values()) >= -1e-5
    np.testing.assert_allclose(sum(shares.values()), 1, atol=1e-4)
    assert shares[Tissue.HEART].max() > 0.9


def test_the_heart_is_on_the_left() -> None:
    rng = np.random.default_rng(2)
    frame = frame_of(view_grid("sagittal", "small", 1, rng))
    body = draw_body(region_of(frame, 12.0), (draw_breast(1, rng),), 3.0, rng)
    assert body.heart is None
    assert not fractions(frame.grid, body, (2, 2, 2))[Tissue.HEART].any()


def test_tissues_lie_where_they_belong() -> None:
    """From the front to the back at the breast's middle: air, skin, fat or gland, muscle, lung."""
    rng = np.random.default_rng(3)
    breast = draw_breast(1, rng)
    x, z = breast.centre_mm
    affine = np.eye(4)
    affine[:3, 3] = (x - 20, -110, z - 15)
    grid = Grid((1, 260, 1), affine)
    frame = frame_of(grid)
    body = draw_body(region_of(frame, 40.0), (breast,), 3.0, rng)
    shares = fractions(grid, body, (2, 2, 2))
    label = np.array(list(shares))[np.argmax([share[0, :, 0] for share in shares.values()], axis=0)]
    y = frame.y.ravel()
    chest = float(chest_y_mm(x - 20, z - 15))
    skin = y[label == Tissue.SKIN]
    assert skin.size
    assert skin.min() > chest + 20
    assert (label[y > skin.max() + 1.5] == Tissue.AIR).all()
    inside = label[(y > chest + 1) & (y < skin.min() - 1)]
    assert set(inside) <= {Tissue.FAT, Tissue.GLAND, Tissue.SKIN}
    assert Tissue.MUSCLE in label[(y < chest) & (y > chest - 30)]
    assert (label[y < chest - 75] == Tissue.LUNG).all()


def test_the_share_of_gland_follows_the_density_that_was_drawn() -> None:
    found, wanted = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        frame = frame_of(view_grid("sagittal", "small", 1, rng))
        breast = draw_breast(1, rng)
        shares = fractions(frame.grid, draw_body(region_of(frame, 12.0), (breast,), 3.0, rng), (2, 2, 2))
        before = np.broadcast_to(frame.y > chest_y_mm(frame.x, frame.z), frame.grid.shape)
        gland, fat = (float(shares[tissue][before].sum()) for tissue in (Tissue.GLAND, Tissue.FAT))
        found.append(gland / (gland + fat))
        wanted.append(breast.density)
    assert min(wanted) >= 0.1
    assert max(wanted) <= 0.6
    assert float(np.corrcoef(found, wanted)[0, 1]) > 0.9
    assert np.mean(found) == pytest.approx(np.mean(wanted), abs=0.1)

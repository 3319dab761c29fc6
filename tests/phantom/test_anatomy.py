from __future__ import annotations

import numpy as np
import pytest

from uptake.phantom.anatomy import Breast, Tissue, chest_y_mm, depth_mm, draw_breast, fractions
from uptake.phantom.frames import Frame, frame_of, view_grid
from uptake.volume import Grid

BREAST = Breast(centre_mm=(0.0, 0.0), half_axes_mm=(50.0, 80.0, 60.0), gland_level=0.0)


def at(x: float, y: float, z: float) -> Frame:
    affine = np.eye(4)
    affine[:3, 3] = (x, y, z)
    return frame_of(Grid((1, 1, 1), affine))


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ((0.0, 12 + 70.0, 0.0), 10.0),
        ((0.0, 12 + 85.0, 0.0), -5.0),
        ((0.0, 12.0, 53.0), 7.0),
        ((0.0, 12.0, -64.0), -4.0),
    ],
)
def test_depth_on_an_axis_of_the_ellipsoid_is_the_distance_to_its_tip(
    point: tuple[float, float, float], expected: float
) -> None:
    """The chest wall stands 12 mm before the origin at x = 0, the tips 80 and 60 mm from there."""
    assert float(depth_mm(at(*point), BREAST)[0, 0, 0]) == pytest.approx(expected, abs=1e-3)


def test_the_chest_wall_falls_back_to_the_sides() -> None:
    assert chest_y_mm(np.float32([0, 100])) == pytest.approx([12.0, -18.0])


@pytest.mark.parametrize("view", ["sagittal", "axial"])
def test_the_shares_of_all_tissues_make_up_every_voxel(view: str) -> None:
    rng = np.random.default_rng(1)
    frame = frame_of(view_grid(view, "small", 1, rng))  # type: ignore[arg-type]
    shares = fractions(frame, (draw_breast(1, rng),), rng)
    assert set(shares) == set(Tissue) - {Tissue.LESION, Tissue.CORE}
    assert all(share.dtype == np.float32 and share.shape == frame.grid.shape for share in shares.values())
    assert min(float(share.min()) for share in shares.values()) >= -1e-6
    np.testing.assert_allclose(sum(shares.values()), 1, atol=1e-5)


def test_tissues_lie_where_they_belong() -> None:
    """From the front to the back at the breast's centre: air, skin, fat or gland, muscle, lung."""
    rng = np.random.default_rng(2)
    affine = np.diag((1.0, 1.0, 1.0, 1.0))
    affine[:3, 3] = (85, -60, 0)
    frame = frame_of(Grid((1, 180, 1), affine))
    breast = Breast((85.0, 0.0), (52.0, 80.0, 65.0), 0.0)
    shares = fractions(frame, (breast,), rng)
    label = np.array([list(shares)[n] for n in np.argmax([share[0, :, 0] for share in shares.values()], axis=0)])
    chest = 12 - 0.003 * 85**2
    y = frame.y.ravel()
    assert (label[y > chest + 82] == Tissue.AIR).all()
    assert (label[(y > chest + 78.6) & (y < chest + 79.4)] == Tissue.SKIN).all()
    assert set(label[(y > chest + 12) & (y < chest + 77)]) == {Tissue.FAT, Tissue.GLAND}
    assert (label[(y > chest - 10) & (y < chest - 1)] == Tissue.MUSCLE).all()
    assert (label[y < chest - 12] == Tissue.LUNG).all()


def test_the_share_of_gland_in_the_breast_is_that_of_breast_density() -> None:
    """Between 5 and 60 %, and not the same in all patients."""
    found = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        frame = frame_of(view_grid("sagittal", "small", 1, rng))
        shares = fractions(frame, (draw_breast(1, rng),), rng)
        gland, fat = (float(shares[tissue].sum()) for tissue in (Tissue.GLAND, Tissue.FAT))
        found.append(gland / (gland + fat))
    assert min(found) > 0.05
    assert max(found) < 0.6
    assert max(found) > 1.5 * min(found)

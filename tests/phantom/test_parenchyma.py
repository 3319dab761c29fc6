from __future__ import annotations

import numpy as np

from uptake.phantom.anatomy import draw_surface
from uptake.phantom.fields import region_of
from uptake.phantom.frames import frame_of, view_grid
from uptake.phantom.outline import chest_y_mm, draw_breast
from uptake.phantom.parenchyma import LOBES, STRANDS, draw_parenchyma, drawn_out


def test_gland_tends_to_the_middle_of_the_breast_and_not_to_its_skin() -> None:
    rng = np.random.default_rng(1)
    frame = frame_of(view_grid("sagittal", "small", 1, rng))
    breasts, region = (draw_breast(1, rng),), region_of(frame, 12.0)
    surface = draw_surface(region, breasts, rng)
    drawn = draw_parenchyma(region, breasts, surface, 3.0, rng)
    tendency, wall_mm = drawn.tendency.on(frame), drawn.wall_mm.on(frame)
    before = np.broadcast_to(frame.y > chest_y_mm(frame.x, frame.z) + 5, frame.grid.shape)
    depth = np.where(before, surface.on(frame), -1)
    assert np.median(tendency[depth > 25]) > np.median(tendency[(depth > 0) & (depth < 5)]) + 0.5
    # The second nearest of all middles is never nearer than the nearest.
    assert wall_mm[depth > 5].min() > -0.2


def test_gland_comes_up_to_the_skin_at_the_nipple_and_nowhere_else() -> None:
    """3 to 5 mm below the skin: beside the nipple against all that is 40 mm from it, in ten breasts."""
    near, far = [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        frame = frame_of(view_grid("sagittal", "half", 1, rng))
        breast, region = draw_breast(1, rng), region_of(frame, 12.0)
        surface = draw_surface(region, (breast,), rng)
        tendency = draw_parenchyma(region, (breast,), surface, 3.0, rng).tendency.on(frame)
        depth = surface.on(frame)
        x, y, z = breast.nipple_mm
        away = np.sqrt((frame.x - x) ** 2 + (frame.y - y) ** 2 + (frame.z - z) ** 2)
        shell = (depth > 3) & (depth < 5) & (frame.y > chest_y_mm(frame.x, frame.z) + 15)
        near.append(np.median(tendency[shell & (away < 14)]))
        far.append(np.median(tendency[shell & (away > 40)]))
    assert np.median(near) > np.median(far) + 1.5


def test_strands_and_lobes_run_to_the_nipple() -> None:
    """What is drawn out along rays changes less along them than across: 6 mm apart, 50 mm from the nipple."""
    rng = np.random.default_rng(0)
    breast = draw_breast(1, rng)
    directions = rng.standard_normal((4000, 3))
    rays = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    across = np.cross(rays, rng.standard_normal((4000, 3)))
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    start = breast.nipple_mm + 50 * rays
    for size in (STRANDS, LOBES):
        at, farther, beside = (
            drawn_out(places.astype(np.float32), (breast,), size, np.random.default_rng(7))
            for places in (start, start + 6 * rays, start + 6 * across)
        )
        assert np.abs(farther - at).mean() < 0.6 * np.abs(beside - at).mean()

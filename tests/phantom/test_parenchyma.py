from __future__ import annotations

import numpy as np

from uptake.phantom.anatomy import draw_surface
from uptake.phantom.fields import region_of
from uptake.phantom.frames import frame_of, view_grid
from uptake.phantom.outline import chest_y_mm, draw_breast
from uptake.phantom.parenchyma import draw_parenchyma


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

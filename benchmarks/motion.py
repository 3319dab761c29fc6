"""Simulated motion between phases, and what correction leaves of it: the figures of docs/benchmarks.md.

    python benchmarks/motion.py [--seeds 3 5] [--sd 0.5 1 2 3]

Phantoms at full size. The early phase is deformed by a random cubic B-spline (control points 40 mm apart, each
component of the displacement with the given SD in mm) before noise is added, and brought back by
`uptake.preprocess.motion`. Residuals: mm between where a voxel's value was taken from and where its tissue had gone,
over the breast before the chest's subcutaneous layer, 10 mm from the edges of the images, where tissue leaves the
field of view. Volume of the lesion: the true mask deformed and brought back, against the true one.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from scipy import ndimage

from uptake.phantom import Phantom, make
from uptake.phantom.anatomy import Tissue
from uptake.phantom.frames import frame_of
from uptake.phantom.outline import SUBCUTANEOUS_MM, chest_y_mm
from uptake.preprocess.foreground import foreground
from uptake.preprocess.motion import Motion, brought_onto
from uptake.preprocess.skin import find_skin, skin_shift_mm
from uptake.preprocess.splines import basis, expand, positions
from uptake.volume import Array, Grid, Volume

CONTROL_MM, EDGE_MM = 40.0, 10.0


def main() -> None:
    """Measure every case and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 5])
    parser.add_argument("--sd", type=float, nargs="+", default=[0.5, 1.0, 2.0, 3.0])
    given = parser.parse_args()
    print(
        "SD mm | seed | motion median, P95 mm | left median, P95 mm | lesion volume % | least Jacobian | skin | CPU s"
    )
    for seed in given.seeds:
        phantom = make(seed=seed)
        for sd in given.sd:
            print(one(phantom, sd, seed), flush=True)


def one(phantom: Phantom, sd_mm: float, seed: int) -> str:
    """One row of the table."""
    pre, grid = phantom.study.volumes[0], phantom.study.grid
    true = displacement(grid, sd_mm, seed + 100)
    noise = np.random.default_rng(7).normal(0, phantom.sigma, grid.shape)
    moved = pre.with_array(np.rint(np.abs(looked_at(phantom.clean.volumes[1], true) + noise)).astype(np.int16))
    started = time.process_time()
    done = brought_onto(pre, moved, foreground(pre.array, grid.spacing_mm), Motion(correct="bspline"))
    seconds = time.process_time() - started
    breast = breast_of(phantom)
    before = np.linalg.norm(true, axis=0)[breast]
    left = np.linalg.norm(left_over(done.displacement_mm, true, grid), axis=0)[breast]
    there = looked_at(phantom.lesion, true)
    back = looked_at(phantom.lesion.with_array(there), done.displacement_mm).sum()
    change = 100 * (float(back) / float(phantom.lesion.array.sum()) - 1)
    skin = find_skin(pre)
    at_skin = [np.percentile(np.abs(skin_shift_mm(skin, pre, v)), (50, 95)) for v in (moved, done.volume)]
    cells = (
        f"{sd_mm:g}",
        str(seed),
        "{:.2f}, {:.2f}".format(*np.percentile(before, (50, 95))),
        "{:.2f}, {:.2f}".format(*np.percentile(left, (50, 95))),
        f"{change:+.1f}",
        f"{done.jacobian.array[breast].min():.2f}",
        "{:.2f}, {:.2f} -> {:.2f}, {:.2f}".format(*at_skin[0], *at_skin[1]),
        f"{seconds:.0f}",
    )
    return " | ".join(cells)


def displacement(grid: Grid, sd_mm: float, seed: int) -> Array:
    """(3, i, j, k) mm: a random cubic spline, every component of that SD."""
    rng = np.random.default_rng(seed)
    mesh = [max(1, round(n * s / CONTROL_MM)) for n, s in zip(grid.shape, grid.spacing_mm, strict=True)]
    bases = [basis(positions(np.arange(n), n), m) for n, m in zip(grid.shape, mesh, strict=True)]
    parts = [expand(rng.standard_normal([m + 3 for m in mesh]), bases) for _ in range(3)]
    return np.stack([part * (sd_mm / part.std()) for part in parts])


def looked_at(volume: Volume, where_mm: Array) -> Array:
    """The image with each voxel's value taken `where_mm` away; masks as shares from 0 to 1."""
    index = np.indices(volume.grid.shape) + where_mm / np.reshape(volume.grid.spacing_mm, (3, 1, 1, 1))
    order = 1 if volume.array.dtype == np.bool_ or volume.array.max() <= 1 else 3
    return ndimage.map_coordinates(volume.array.astype(np.float32), index, order=order, mode="nearest")


def left_over(found: Array, true: Array, grid: Grid) -> Array:
    """(3, i, j, k) mm between where a voxel's value was taken from and where its tissue had gone."""
    index = np.indices(grid.shape) + found / np.reshape(grid.spacing_mm, (3, 1, 1, 1))
    return found + np.stack([ndimage.map_coordinates(part, index, order=1, mode="nearest") for part in true])


def breast_of(phantom: Phantom) -> Array:
    """Tissue before the layer of fat that covers the chest, away from the edges of the images."""
    frame = frame_of(phantom.study.grid)
    inside = (phantom.tissue.array != Tissue.AIR) & (frame.y > chest_y_mm(frame.x, frame.z) + SUBCUTANEOUS_MM)
    for axis, (n, s) in enumerate(zip(phantom.study.grid.shape, phantom.study.grid.spacing_mm, strict=True)):
        index = np.arange(n)
        far = (np.minimum(index, n - 1 - index) * s >= EDGE_MM).reshape([-1 if a == axis else 1 for a in range(3)])
        inside = inside & far
    return inside


if __name__ == "__main__":
    main()

"""Local intensity (IBSI 9ST6): peaks of the mean intensity in a sphere of 1 cm3, whatever part of it lies inside."""

from __future__ import annotations

import numpy as np

from uptake.features import _kernels
from uptake.features.definition import Family, Undefined, Value, define
from uptake.features.region import Bool, Float, Region

DEFINITIONS = define(
    "local_intensity",
    (
        ("Local intensity peak", "VJGA", "loc_peak_loc", "intensity"),
        ("Global intensity peak", "0F91", "loc_peak_glob", "intensity"),
    ),
)

RADIUS_MM = 10 * (3 / (4 * np.pi)) ** (1 / 3)
NOT_FINITE = Undefined("a voxel outside the mask, but within the sphere of 1 cm3 around one inside, is not finite")


def local_intensity(region: Region) -> dict[str, Value]:
    """Local peak: the sphere around the brightest voxel (the highest of several); global peak: around any voxel.

    Centres lie in the intensity mask, spheres take all voxels of the image whose centre is within the radius; at the
    border of the image, where IBSI says nothing, those that there are.
    """
    means = sphere_means(region)
    brightest = region.values == region.values.max()
    return {
        "loc_peak_loc": _peak(means[brightest]),
        "loc_peak_glob": _peak(means),
    }


def sphere_means(region: Region) -> Float:
    """Mean intensity of the sphere around each voxel of the intensity mask, shape (n,) as `Region.values`.

    NaN where the sphere has a voxel that is not finite.
    """
    steps = _sphere(region.frame[:, ::-1])
    reach = [int(n) // 2 for n in steps.shape]
    whole, box = region.whole.T, region.box[::-1]
    around = tuple(
        slice(max(0, part.start - r), min(size, part.stop + r))
        for part, r, size in zip(box, reach, whole.shape, strict=True)
    )
    margins = [
        (r - (part.start - wide.start), r - (wide.stop - part.stop))
        for part, wide, r in zip(box, around, reach, strict=True)
    ]
    image = np.pad(whole[around].astype(np.float64), margins)
    wrong = ~np.isfinite(image) if region.whole.dtype.kind == "f" else np.zeros(1, dtype=np.bool_)
    if wrong.any():
        image[wrong] = 0
    inside = np.ascontiguousarray(region.intensity.T)
    total = _sums(image, steps, inside)
    if wrong.any():
        total[_sums(wrong.astype(np.float64), steps, inside) > 0] = np.nan
    if not any(margin for pair in margins for margin in pair):
        return total / float(steps.sum())
    there = np.pad(np.ones([wide.stop - wide.start for wide in around]), margins)
    return total / _sums(there, steps, inside)


def _peak(means: Float) -> Value:
    return NOT_FINITE if np.isnan(means).any() else float(means.max())


def _sphere(frame: Float) -> Bool:
    """Which voxel steps (k, j, i) stay within the radius: an odd number along each axis, the middle one being none."""
    reach = np.floor(RADIUS_MM * np.linalg.norm(np.linalg.inv(frame), axis=1)).astype(int)
    steps = np.stack(np.meshgrid(*[np.arange(-r, r + 1) for r in reach], indexing="ij"), axis=-1)
    return np.asarray(np.linalg.norm(steps @ frame.T, axis=-1) <= RADIUS_MM, dtype=np.bool_)


def _sums(padded: Float, steps: Bool, inside: Bool) -> Float:
    """Sums over the sphere around each voxel inside: every column of the sphere is a difference of running sums.

    padded: `inside`'s box with a margin of half of `steps` all round.
    """
    running = np.zeros((*padded.shape[:2], padded.shape[2] + 1))
    np.cumsum(padded, axis=2, out=running[:, :, 1:])
    columns = []
    for k, j in np.argwhere(steps.any(axis=2)):
        column = np.flatnonzero(steps[k, j])
        columns.append((k, j, column[0], column[-1] + 1))
    total = np.empty(int(np.count_nonzero(inside)))
    _kernels.balls(running, np.array(columns, np.int32), inside, total)
    return total


FAMILY = Family("local_intensity", "9ST6", DEFINITIONS, local_intensity)

"""CaPTk's LBP family: one number, called a local binary pattern.

Defects that are kept: CaPTk averages a number of 27 binary digits, one per voxel of a 3 x 3 x 3 cube that is brighter
than its centre, over *every voxel of the image*, with zero outside the mask. So it measures how large the mask and
its surface are in the field of view, changes when the image is cropped, and takes the background for brighter where
intensities are negative. The parameters `Neighborhood` and `Type` have no effect. From radius 2 on, the shifts
overflow, which C++ leaves undefined: what CaPTk wrote there, the published table included, cannot be reproduced.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from uptake.features.captk.ngtdm import neighbourhood
from uptake.features.captk.parameters import CaptkParameters
from uptake.features.captk.roi import Roi
from uptake.features.definition import Undefined, Value

OVERFLOW = Undefined(
    "CaPTk shifts a 32-bit number by up to 342 digits at this radius, which C++ leaves undefined: "
    "no implementation can say what it wrote"
)
ALONE = Undefined("no voxel has a neighbour inside the mask")


def units(_: CaptkParameters) -> dict[str, str]:
    """Name and unit."""
    return {"LBP": "1"}


def captk(roi: Roi, parameters: CaptkParameters) -> dict[str, Value]:
    """The mean code over the whole image at radius 1; undefined at a larger radius."""
    return {"LBP": mean_code(roi) if parameters.lbp_radius == 1 else OVERFLOW}


def mean_code(roi: Roi) -> float:
    """Mean over the whole image of the sum of 2**k over the neighbours k, i fastest, that are brighter than a voxel.

    Voxels further than one step from the mask have code 0. The border is repeated outwards. A code is kept in single
    precision.
    """
    window = tuple(slice(max(b.start - 2, 0), b.stop + 2) for b in roi.box)
    masked = np.zeros(roi.whole.shape, dtype=np.float32)[window]
    place = tuple(slice(b.start - w.start, b.stop - w.start) for b, w in zip(roi.box, window, strict=True))
    masked[place] = np.where(roi.inside, roi.image, np.float32(0))
    padded = np.pad(masked, 1, mode="edge")
    code = np.zeros(masked.shape)
    for k, (dk, dj, di) in enumerate(product(range(3), repeat=3)):
        neighbour = padded[tuple(slice(d, d + n) for d, n in zip((di, dj, dk), masked.shape, strict=True))]
        code += (neighbour > masked) * float(2**k)
    return float(code.astype(np.float32).sum(dtype=np.float64)) / roi.whole.size


def corrected(roi: Roi, _: CaptkParameters) -> dict[str, Value]:
    """Share of a voxel's neighbours inside the mask (of up to 26) that are brighter than it, averaged over the mask.

    The published words (neighbours of a voxel of the region, the same for every rotation, averaged over the map) leave
    the code open; this is the one that depends neither on the order of neighbours nor on the field of view. Voxels
    without a neighbour are left out.
    """
    brighter, neighbours = (
        np.zeros(len(roi.values)),
        neighbourhood(roi.inside, np.ones(len(roi.values), dtype=np.intp), 1)[1],
    )
    values, within = np.pad(roi.image, 1), np.pad(roi.inside, 1)
    for corner in product(range(3), repeat=3):
        window = tuple(slice(c, c + n) for c, n in zip(corner, roi.inside.shape, strict=True))
        brighter += (within[window] & (values[window] > roi.image))[roi.inside]
    valid = neighbours > 0
    return {"LBP": float((brighter[valid] / neighbours[valid]).mean()) if valid.any() else ALONE}

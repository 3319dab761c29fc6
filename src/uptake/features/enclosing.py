"""The smallest ellipsoid and the smallest box around points, however they lie in space."""

from __future__ import annotations

import numpy as np

from uptake.features import _kernels
from uptake.features.region import Float

TOLERANCE = 1e-7
"""The ellipsoid's volume exceeds the least one by less than about twice this share..."""
MOST_STEPS = 50_000
"""...or, after so many steps, by less than twice 1e-5: more make it hardly smaller."""
LARGEST_FACES = 8


def enclosing_ellipsoid(points_mm: Float) -> Float:
    """Semi-axes in mm, the longest first, of the ellipsoid of least volume around points that span space, shape (n, 3).

    Khachiyan's algorithm with the away steps of Wolfe and Atwood; it encloses every point. Source: Todd and Yildirim
    2007, https://doi.org/10.1016/j.dam.2007.02.013.
    """
    axes = np.empty(3)
    _kernels.ellipsoid(_centred(points_mm), TOLERANCE, MOST_STEPS, axes)
    return axes


def enclosing_box(points_mm: Float, face_normals: Float) -> Float:
    """Edge lengths in mm of an oriented minimum bounding box of points that span space, shape (n, 3).

    face_normals: those of the triangles of their convex hull, as long as the triangles are large, shape (m, 3).
    As Chan and Tan (2001, https://doi.org/10.1016/S0045-7949(01)00032-2) the points are looked at along one axis of
    the box, where the smallest rectangle is found exactly, and so along each axis in turn for as long as the volume
    shrinks; begun along the axes of the frame and across the largest faces, and the best taken. So it is the smallest
    box around points that are a box; of others it is a box that no turn about one of its axes makes smaller, as a rule
    within a percent of the smallest that there is (which other axes of the array may come nearer to).
    """
    lengths = np.empty(3)
    _kernels.cuboid(_centred(points_mm), np.ascontiguousarray(face_normals), LARGEST_FACES, lengths)
    return lengths


def _centred(points_mm: Float) -> Float:
    """Around zero, where rounding is least."""
    return np.ascontiguousarray(points_mm - points_mm.mean(axis=0))

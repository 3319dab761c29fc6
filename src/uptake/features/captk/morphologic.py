"""CaPTk's Morphologic family: 19 measures of the largest component of the mask, on ITK's voxel-based definitions.

Defects that are kept (and put right in the corrected panel): only the largest component that hangs together by
faces counts; the three sizes of the oriented bounding box are never computed and are always 0; Elongation and
Flatness are the reciprocals of what IBSI calls so; the surface is Crofton's estimate with the weights of a grid of
cubes on every grid; two columns (LargestComponentSize and NumberOfPixels) are always the same.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from uptake.features.captk.parameters import CaptkParameters
from uptake.features.captk.roi import FORWARD, Roi, length_mm, pairs, ratio
from uptake.features.definition import Undefined, Value
from uptake.features.mesh import mesh_of
from uptake.features.region import Bool, Float

POINTLIKE = Undefined("the component is flat or a line, so that all its diameters are 0")
NO_AXIS = Undefined("the voxel centres lie on a line or are one: the axis, by which it is divided, is 0")

CROFTON = {1: 2 * 0.04577789120476, 2: 2 * 0.03698062787608, 3: 2 * 0.03519563978232}
"""Share of the sphere that is nearest to a direction to a face, edge and corner neighbour, on a grid of cubes."""


def units(_: CaptkParameters) -> dict[str, str]:
    """Names and units."""
    return {
        "LargestComponentSize": "voxel",
        "NumberOfPixels": "voxel",
        "PhysicalSize": "mm3",
        **{f"EllipseDiameter_Axis-{k}": "mm" for k in range(3)},
        "Eccentricity": "1",
        "Elongation": "1",
        "Flatness": "1",
        "EquivalentSphericalRadius": "mm",
        "EquivalentSphericalPerimeter": "mm2",
        "Perimeter": "mm2",
        "Roundness": "1",
        "PixelsOnBorder": "voxel",
        "PerimeterOnBorder": "mm2",
        "PerimeterOnBorderRatio": "1",
        **{f"OrientedBoundingBoxSize_Axis-{k}": "mm" for k in range(3)},
    }


def captk(roi: Roi, _: CaptkParameters) -> dict[str, Value]:
    """The family as CaPTk 1.8.1 computes it, with `Range` and `Feret` 0."""
    component = largest_component(roi.inside)
    sizes = of_count(int(component.sum()), roi.grid.voxel_volume_mm3)
    perimeter, border = crofton(component, roi.frame), _border(roi, component)
    return {
        **sizes,
        **_ellipsoid(component, roi.frame, sizes["EquivalentSphericalRadius"]),
        "Perimeter": perimeter,
        "Roundness": sizes["EquivalentSphericalPerimeter"] / perimeter,
        **border,
        "PerimeterOnBorderRatio": border["PerimeterOnBorder"] / perimeter,
        **dict.fromkeys((f"OrientedBoundingBoxSize_Axis-{k}" for k in range(3)), 0.0),
    }


def of_count(voxels: int, voxel_mm3: float) -> dict[str, float]:
    """The columns that follow from the voxels of the component: its size and the sphere of the same volume."""
    radius = (3 * voxels * voxel_mm3 / (4 * np.pi)) ** (1 / 3)
    return {
        "LargestComponentSize": float(voxels),
        "NumberOfPixels": float(voxels),
        "PhysicalSize": voxels * voxel_mm3,
        "EquivalentSphericalRadius": radius,
        "EquivalentSphericalPerimeter": 4 * np.pi * radius**2,
    }


def largest_component(inside: Bool) -> Bool:
    """The component with the most voxels (the first of several) of those that hang together by faces."""
    from scipy import ndimage

    labels, _ = ndimage.label(inside)
    return np.asarray(labels == np.bincount(labels.ravel())[1:].argmax() + 1)


def crofton(component: Bool, frame: Float) -> float:
    """Surface in mm2 from how often lines in 13 directions cross it (Crofton's formula), as ITK estimates it."""
    padded = np.pad(component, 1)
    total = 0.0
    for offset in FORWARD:
        here, there = pairs(padded, offset)
        crossings = np.count_nonzero(padded[here] != padded[there])
        weight = CROFTON[int(np.abs(offset).sum())] / length_mm(frame, offset)
        total += weight * crossings / 2
    return 4 * total * float(np.prod(np.diag(frame)))


def _ellipsoid(component: Bool, frame: Float, radius_mm: float) -> dict[str, Value]:
    """The ellipsoid of the component's volume with the axes' proportions of its voxel centres."""
    least, middle, most = moments(component, frame, 0)
    mean = (least * middle * most) ** (1 / 3)
    axes = [2 * radius_mm * (moment / mean) ** 0.5 if mean else 0.0 for moment in (least, middle, most)]
    flat = {
        "Eccentricity": POINTLIKE,
        "Elongation": (most / middle) ** 0.5 if middle else NO_AXIS,
        "Flatness": 0.0,
    }
    return {
        **{f"EllipseDiameter_Axis-{k}": axis for k, axis in enumerate(axes)},
        **(proportions(*axes) if mean else flat),
    }


def proportions(least: float, middle: float, most: float) -> dict[str, Value]:
    """How far an ellipsoid with three diameters above 0 is from a sphere; the last two are 1 for one and grow."""
    return {
        "Eccentricity": max(1 - least * middle / most**2, 0.0) ** 0.5,
        "Elongation": most / middle,
        "Flatness": middle / least,
    }


def moments(component: Bool, frame: Float, less: int) -> list[float]:
    """Variances of the voxel centres along their principal axes in mm2, ascending; divided by n - `less`."""
    return [float(variance) for variance in _principal(component, frame, less)[0]]


def _principal(component: Bool, frame: Float, less: int) -> tuple[Float, Float]:
    """Variances along the principal axes, ascending, and these axes as columns."""
    centres = np.argwhere(component) @ frame.T
    centred = centres - centres.mean(axis=0)
    variances, axes = np.linalg.eigh(centred.T @ centred / max(len(centres) - less, 1))
    variances[variances < 1e-12 * max(variances[2], 1e-300)] = 0  # rounding: a flat component has no third axis
    return variances, axes


def _border(roi: Roi, component: Bool) -> dict[str, float]:
    """Voxels of the component on the border of the image, and the area of their faces that lie on it."""
    touches = np.zeros_like(component)
    area = 0.0
    for axis, side in product(range(3), (0, -1)):
        limits, size = roi.box[axis], roi.grid.shape[axis]
        if (limits.start == 0) if side == 0 else (limits.stop == size):
            face = tuple(side if a == axis else slice(None) for a in range(3))
            touches[face] |= component[face]
            area += np.count_nonzero(component[face]) * roi.grid.voxel_volume_mm3 / roi.grid.spacing_mm[axis]
    return {"PixelsOnBorder": float((touches & component).sum()), "PerimeterOnBorder": area}


def corrected(roi: Roi, _: CaptkParameters) -> dict[str, Value]:
    """The 19 meanings with the definitions of the IBSI (HCUG), of the whole mask.

    Volume, surface and sphericity are those of the triangle mesh; the diameters are IBSI's axis lengths, four standard
    deviations; Elongation and Flatness are at most 1; the oriented box is that of the mesh along the principal axes.
    LargestComponentSize stays what it says, the voxels of the largest component.
    """
    mesh = mesh_of(roi.inside, roi.frame)
    radius = (3 * mesh.volume_mm3 / (4 * np.pi)) ** (1 / 3)
    border = _border(roi, roi.inside)
    variances, directions = _principal(roi.inside, roi.frame, 1)
    least, middle, most = (4 * float(v) ** 0.5 for v in variances)
    return {
        "LargestComponentSize": float(largest_component(roi.inside).sum()),
        "NumberOfPixels": float(roi.inside.sum()),
        "PhysicalSize": mesh.volume_mm3,
        **{f"EllipseDiameter_Axis-{k}": axis for k, axis in enumerate((least, middle, most))},
        "Eccentricity": (1 - least * middle / most**2) ** 0.5 if most else NO_AXIS,
        "Elongation": ratio(middle, most, NO_AXIS),
        "Flatness": ratio(least, most, NO_AXIS),
        "EquivalentSphericalRadius": radius,
        "EquivalentSphericalPerimeter": 4 * np.pi * radius**2,
        "Perimeter": mesh.area_mm2,
        "Roundness": 4 * np.pi * radius**2 / mesh.area_mm2,
        **border,
        "PerimeterOnBorderRatio": border["PerimeterOnBorder"] / mesh.area_mm2,
        **_oriented_box(roi, directions),
    }


def _oriented_box(roi: Roi, directions: Float) -> dict[str, Value]:
    """Extents in mm along the principal axes, ascending in variance, of the points half a voxel beyond each voxel."""
    steps = np.vstack([np.eye(3), -np.eye(3)]) / 2
    points = (np.argwhere(roi.inside)[:, None, :] + steps).reshape(-1, 3) @ roi.frame.T @ directions
    extents = np.ptp(points, axis=0)
    return {f"OrientedBoundingBoxSize_Axis-{k}": float(extent) for k, extent in enumerate(extents)}

"""From DICOM planes to a grid: the one place where LPS becomes RAS+, and where array axes are ordered.

The slice step is measured between the positions of the slices, never taken from SliceThickness: slices may overlap
or be thinner than they are apart.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from uptake.io.dicom.headers import Plane, Vector
from uptake.study import Code, Refusal
from uptake.volume import DCM2NIIX, Array, Grid, Layout, Shape

Matrix = npt.NDArray[np.float64]

SAME_POSITION_MM = 0.05
"""Slices of two phases closer than this lie at one position."""
SAME_PLANE_MM = 0.1
"""How far the first pixels of two slices of a stack may lie apart within the plane."""
UNEVEN_MM = 0.1
"""How far a slice may lie from where equal steps put it: positions are often written with one decimal."""
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def normal(plane: Plane) -> Vector:
    """The direction in which slices are counted: row direction x column direction, LPS, unit length."""
    (a, b, c), (d, e, f) = plane.orientation[:3], plane.orientation[3:]
    return b * f - c * e, c * d - a * f, a * e - b * d


def along_normal_mm(plane: Plane) -> float:
    """Position of a slice along its normal in mm."""
    return _dot(plane.position, normal(plane))


def same_plane(one: Plane, other: Plane) -> bool:
    """Whether two slices could belong to one stack: all of the plane agrees but the position along the normal."""
    if one.size != other.size or not _close(one.spacing, other.spacing, 1e-3 * min(one.spacing)):
        return False
    if not _close(one.orientation, other.orientation, 1e-3):
        return False
    along, down = one.orientation[:3], one.orientation[3:]
    shift = [a - b for a, b in zip(one.position, other.position, strict=True)]
    return abs(_dot(shift, along)) <= SAME_PLANE_MM and abs(_dot(shift, down)) <= SAME_PLANE_MM


def parallel(one: Plane, other: Plane) -> bool:
    """Whether two slices are seen from nearly one direction, to some 15 degrees."""
    return _dot(normal(one), normal(other)) > 0.96


def position_indices(offsets_mm: Sequence[float]) -> tuple[list[int], list[float]]:
    """For slices anywhere along one normal: the index of each one's position, and the distinct positions, ascending."""
    order = sorted(range(len(offsets_mm)), key=offsets_mm.__getitem__)
    indices, positions = [0] * len(offsets_mm), list[float]()
    for item in order:
        if not positions or offsets_mm[item] - positions[-1] > SAME_POSITION_MM:
            positions.append(offsets_mm[item])
        indices[item] = len(positions) - 1
    return indices, positions


def step_fault(offsets_mm: Sequence[float], of_what: str) -> Refusal | None:
    """The refusal SLICE_GAP for slices, ascending along the normal, that are not equally far apart; else None."""
    count = len(offsets_mm)
    if count < 2:
        return Refusal(
            Code.SLICE_GAP,
            found=f"{of_what}: one slice only",
            allowed="at least two slices, from which the slice step is measured",
            remedy="give the whole series",
        )
    first, step = offsets_mm[0], (offsets_mm[-1] - offsets_mm[0]) / (count - 1)
    if all(abs(offset - first - k * step) <= UNEVEN_MM for k, offset in enumerate(offsets_mm)):
        return None
    gaps = [b - a for a, b in itertools.pairwise(offsets_mm)]
    usual = sorted(gaps)[len(gaps) // 2]
    worst = max(range(len(gaps)), key=lambda k: abs(gaps[k] - usual))
    return Refusal(
        Code.SLICE_GAP,
        found=f"{of_what}: {gaps[worst]:.2f} mm between slices {worst + 1} and {worst + 2}, where the usual step is "
        f"{usual:.2f} mm",
        allowed=f"equal steps between the slice positions, to {UNEVEN_MM} mm",
        remedy="look for slices that were not exported; a study with a true gap cannot be one volume",
    )


def affine_lps(planes: Sequence[Plane]) -> Matrix:
    """(column, row, slice) -> LPS mm of a stack whose planes ascend along the normal, 4 x 4.

    Raises `Refusal` GEOMETRY for slices that drift sideways from their normal by more than a pixel.
    """
    first, last = planes[0], planes[-1]
    between_rows, between_columns = first.spacing
    affine = np.eye(4)
    affine[:3, 0] = np.multiply(first.orientation[:3], between_columns)
    affine[:3, 1] = np.multiply(first.orientation[3:], between_rows)
    affine[:3, 2] = np.subtract(last.position, first.position) / max(len(planes) - 1, 1)
    affine[:3, 3] = first.position
    travel = np.subtract(last.position, first.position)
    sideways = float(np.linalg.norm(travel - np.dot(travel, normal(first)) * np.array(normal(first))))
    if sideways > min(first.spacing):
        raise Refusal(
            Code.GEOMETRY,
            found=f"the slices drift {sideways:.2f} mm sideways from first to last",
            allowed="slices stacked along their normal",
            remedy="resample the series to a straight stack",
        )
    return affine


def layout_of(affine_dicom_lps: Matrix, shape: Shape, *, rotated: bool) -> Layout:
    """The order and direction of array axes in which dcm2niix writes a stack.

    rotated: for a 3D acquisition written as one volume, dcm2niix turns the array by right angles until its axes
    are nearest to right-to-left, posterior-to-anterior, inferior-to-superior; it leaves a time series as it is.
    """
    if not rotated:
        return DCM2NIIX
    ras = LPS_TO_RAS @ affine_dicom_lps
    if np.array_equal(np.abs(ras[:3, :3]) > 0, np.eye(3, dtype=bool)) and (np.diag(ras)[:3] > 0).all():
        return Layout((0, 1, 2), (False, False, False))
    flips = _flips_to_lowest_corner(ras, shape)
    signed = ras[:3, :3] * np.where(flips, -1.0, 1.0)
    order = max(_TURNS, key=lambda turn: sum(signed[turn[axis], axis] for axis in range(3)))
    axes = order.index(0), order.index(1), order.index(2)
    return Layout(axes, (flips[axes[0]], flips[axes[1]], flips[axes[2]]))


def grid_of(affine_dicom_lps: Matrix, dicom_shape: Shape, layout: Layout) -> Grid:
    """The RAS+ grid of an array laid out as `layout`, from the affine and size in (column, row, slice)."""
    turn = np.zeros((4, 4))
    turn[3, 3] = 1.0
    for axis, (source, flipped) in enumerate(zip(layout.axes, layout.flipped, strict=True)):
        turn[source, axis] = -1.0 if flipped else 1.0
        if flipped:
            turn[source, 3] = dicom_shape[source] - 1
    a, b, c = (dicom_shape[source] for source in layout.axes)
    return Grid((a, b, c), LPS_TO_RAS @ affine_dicom_lps @ turn)


def arranged(array: Array, layout: Layout) -> Array:
    """An array (column, row, slice) with its axes in the order of `layout`, in Fortran order as NIfTI stores it."""
    steps = tuple(slice(None, None, -1 if flipped else 1) for flipped in layout.flipped)
    return np.asfortranarray(array.transpose(layout.axes)[steps])


_TURNS = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (2, 0, 1), (1, 2, 0), (2, 1, 0))
"""Where each array axis goes, in the order in which dcm2niix tries: the first of equals wins."""


def _flips_to_lowest_corner(ras: Matrix, shape: Shape) -> tuple[bool, bool, bool]:
    """Which axes to reverse so that counting starts at the corner nearest to the lowest x, y and z of the box."""
    choices = [(bool(n & 1), bool(n & 2), bool(n & 4)) for n in range(8)]
    corners = np.array(
        [ras[:3, :3] @ [(n - 1) * flip for n, flip in zip(shape, choice, strict=True)] for choice in choices]
    )
    distances = np.linalg.norm(corners - corners.min(axis=0), axis=1)
    return choices[int(np.argmin(distances))]


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _close(one: Vector, other: Vector, tolerance: float) -> bool:
    return all(abs(a - b) <= tolerance for a, b in zip(one, other, strict=True))

"""DICOM SEG (binary, fractional, label map) as a mask on a study's grid.

Frames are placed by their own position and orientation, whatever their order in the file, and never resampled: a SEG
must lie on the voxels of the study. One exception, met in UCSF's objects: a SEG of the same matrix as its study may
be recorded half a pixel off in plane (corner instead of centre of the first pixel) and is then taken as the same grid.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.errors import InvalidDicomError

from uptake.io.dicom.private import UNCONVERTED
from uptake.study import Code, Refusal
from uptake.volume import Array, Grid, Volume

Bool = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]

STORAGE = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""SOP classes: Segmentation Storage, Label Map Segmentation Storage."""

LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])
DRIFT = 0.25
OFF_LATTICE = 0.1
SAME_MATRIX_OFFSET = 0.51
"""In voxels: what the frame's steps may add up to, how far a cropped frame may lie off the study's voxels, and how
far one of the study's own matrix may."""


def read_seg(path: Path, grid: Grid, segment: int | None = None) -> Volume:
    """Read a DICOM SEG file as a mask on `grid`.

    See `seg_volume`. Raises `Refusal` NOT_DICOM for a file that is no DICOM file.
    """
    try:
        dataset = pydicom.dcmread(path)
    except InvalidDicomError as error:
        raise Refusal(
            Code.NOT_DICOM,
            found=f"{path.name} is not a DICOM file",
            allowed="a DICOM Segmentation object",
            remedy="give the file as the software exported it",
        ) from error
    return seg_volume(dataset, grid, segment)


def seg_volume(dataset: pydicom.Dataset, grid: Grid, segment: int | None = None) -> Volume:
    """The mask that one segment of a DICOM SEG makes on `grid`: bool, (i, j, k).

    segment: the Segment Number; may be left out where there is only one. Fractional segments count from half of their
    maximum on. Voxels without a frame are outside; a SEG without a marked voxel gives an empty mask, for the caller to
    judge. Raises `Refusal`: UNREADABLE (not a SEG, damaged, several segments and none named), NO_ORIENTATION, MASK_GRID
    (another lattice, or marked voxels outside the grid).
    """
    number = _segment_number(dataset, segment)
    mask = np.zeros(grid.shape, dtype=bool)
    for frame, pixels in _frames(dataset, number):
        _put(mask, pixels, frame, grid)
    return Volume(mask, grid)


def frame_origins_mm(dataset: pydicom.Dataset) -> Float64:
    """Image Position (Patient) of every frame, DICOM's LPS mm, shape (frames, 3)."""
    return np.array([_geometry(dataset, index).origin_mm for index in range(_frame_count(dataset))])


@dataclass(frozen=True)
class _Frame:
    """Centre of the first pixel and the steps from column to column and from row to row, LPS mm, each (3,)."""

    origin_mm: Float64
    column_step_mm: Float64
    row_step_mm: Float64


def _segment_number(dataset: pydicom.Dataset, segment: int | None) -> int:
    if dataset.get("SOPClassUID") not in STORAGE:
        raise _unreadable("an object that is not a DICOM Segmentation")
    if "analysis mask" in str(dataset.get("SeriesDescription", "")).lower():
        raise _unreadable("an I-SPY 2 analysis mask, whose bits say why a voxel is *not* in the tumour volume")
    labels = {int(item.SegmentNumber): str(item.get("SegmentLabel", "")) for item in dataset.get("SegmentSequence", ())}
    if segment is None and len(labels) == 1:
        return next(iter(labels))
    if segment is None or segment not in labels:
        words = ", ".join(f"{number} ({label})" for number, label in labels.items()) or "none"
        asked = "no segment named" if segment is None else f"segment {segment} asked for"
        raise _unreadable(f"a DICOM SEG with the segments {words}; {asked}")
    return segment


def _frames(dataset: pydicom.Dataset, segment: int) -> Iterator[tuple[_Frame, Bool]]:
    kind = str(dataset.get("SegmentationType", "BINARY"))
    half = int(dataset.get("MaximumFractionalValue", 255)) / 2
    for index, stored in enumerate(_pixels(dataset)):
        if kind == "LABELMAP":
            pixels = stored == segment
        elif _referenced_segment(dataset, index, segment) != segment:
            continue
        else:
            pixels = stored >= half if kind == "FRACTIONAL" else stored != 0
        yield _geometry(dataset, index), pixels


def _pixels(dataset: pydicom.Dataset) -> Array:
    try:
        array = dataset.pixel_array
    except (AttributeError, NotImplementedError, RuntimeError, ValueError) as error:
        raise _unreadable(f"a DICOM SEG whose pixels cannot be decoded ({type(error).__name__})") from error
    return array if array.ndim == 3 else array[np.newaxis]


def _frame_count(dataset: pydicom.Dataset) -> int:
    return int(dataset.get("NumberOfFrames", 1) or 1)


def _functional_group(dataset: pydicom.Dataset, index: int, name: str) -> pydicom.Dataset | None:
    """The first item of a functional group of frame `index`: its own, else the one that all frames share."""
    own = dataset.get("PerFrameFunctionalGroupsSequence", ())
    for groups in (*own[index : index + 1], *dataset.get("SharedFunctionalGroupsSequence", ())):
        if groups.get(name):
            item: pydicom.Dataset = groups[name].value[0]
            return item
    return None


def _referenced_segment(dataset: pydicom.Dataset, index: int, default: int) -> int:
    item = _functional_group(dataset, index, "SegmentIdentificationSequence")
    return int(item.ReferencedSegmentNumber) if item is not None else default


def _geometry(dataset: pydicom.Dataset, index: int) -> _Frame:
    def numbers(group: str, name: str, count: int) -> Float64:
        item = _functional_group(dataset, index, group)
        try:
            values = [float(x) for x in item.get(name) or ()] if item is not None else []
        except UNCONVERTED:
            values = []
        if len(values) != count or not np.isfinite(values).all():
            raise Refusal(
                Code.NO_ORIENTATION,
                found=f"frame {index + 1} of a DICOM SEG without {name}",
                allowed="frames that say where they lie",
                remedy="export the segmentation again",
            )
        return np.array(values)

    along_row, along_column = numbers("PlaneOrientationSequence", "ImageOrientationPatient", 6).reshape(2, 3)
    between_rows, between_columns = numbers("PixelMeasuresSequence", "PixelSpacing", 2)
    origin = numbers("PlanePositionSequence", "ImagePositionPatient", 3)
    return _Frame(origin, along_row * between_columns, along_column * between_rows)


def _put(mask: Bool, pixels: Bool, frame: _Frame, grid: Grid) -> None:
    """Mark a frame's pixels (rows, columns) in `mask`."""
    to_index = np.linalg.inv(grid.affine[:3, :3])
    start = grid.to_index(frame.origin_mm * LPS_TO_RAS)
    column_axis, column_sign = _axis(to_index @ (frame.column_step_mm * LPS_TO_RAS), pixels.shape[1])
    row_axis, row_sign = _axis(to_index @ (frame.row_step_mm * LPS_TO_RAS), pixels.shape[0])
    if column_axis == row_axis:
        raise _other_grid("frames whose rows and columns run along one axis of the study")
    through = 3 - column_axis - row_axis
    plane = pixels[::row_sign, ::column_sign]
    low = [0, 0, 0]
    low[column_axis] = _lowest(start[column_axis], column_sign, plane.shape[1], grid.shape[column_axis])
    low[row_axis] = _lowest(start[row_axis], row_sign, plane.shape[0], grid.shape[row_axis])
    low[through] = _lowest(start[through], 1, 1, 0)
    block = np.expand_dims(plane.T if column_axis < row_axis else plane, through)
    _mark(mask, block, low)


def _mark(mask: Bool, block: Bool, low: list[int]) -> None:
    """Add `block`, whose first voxel is `low`, to `mask`; refused where that would lose marked voxels."""
    first = np.maximum(low, 0)
    stop = np.minimum(np.add(low, block.shape), mask.shape)
    here = tuple(slice(a, max(a, b)) for a, b in zip(first, stop, strict=True))
    part = block[tuple(slice(s.start - a, s.stop - a) for s, a in zip(here, low, strict=True))]
    if np.count_nonzero(part) < np.count_nonzero(block):
        raise _other_grid("marked voxels outside the study's volume")
    mask[here] |= part


def _axis(step: Float64, count: int) -> tuple[int, int]:
    """Which array axis a frame's step runs along, and in which direction; refused where it is not one voxel."""
    axis = int(np.argmax(np.abs(step)))
    sign = 1 if step[axis] > 0 else -1
    wanted = np.zeros(3)
    wanted[axis] = sign
    if np.abs(step - wanted).max() * max(count - 1, 1) > DRIFT:
        raise _other_grid("frames with another pixel spacing or orientation")
    return axis, sign


def _lowest(start: float, sign: int, count: int, size: int) -> int:
    """The lowest index that a frame reaches along an axis of the study; refused where it lies between voxels."""
    lowest = start if sign > 0 else start - (count - 1)
    if count == size and abs(lowest) <= SAME_MATRIX_OFFSET:
        return 0
    if abs(lowest - round(lowest)) > OFF_LATTICE:
        raise _other_grid(f"frames {abs(lowest - round(lowest)):.2f} voxels off the study's own")
    return round(lowest)


def _other_grid(found: str) -> Refusal:
    return Refusal(
        Code.MASK_GRID,
        found=f"a DICOM SEG with {found}",
        allowed="a segmentation on the voxels of the acquired images",
        remedy="export the segmentation in the geometry of the source images",
    )


def _unreadable(found: str) -> Refusal:
    return Refusal(
        Code.UNREADABLE,
        found=found,
        allowed="a DICOM SEG with one segment, or with the wanted segment named",
        remedy="name the segment, or export the structure as its own DICOM SEG",
    )

"""Volumes of interest that people give: as text, or as the ROI XML of UCSF's FTV extension for 3D Slicer.

The XML holds one cuboid and omit cuboids, each with its centre and three half-length vectors in DICOM's LPS mm:
``AegisXmlObject / RoiSavedState / RoiInfo / Item-CubicRoiInfo3D`` with ``Center``, ``WidthHalfLength``,
``HeightHalfLength``, ``DepthHalfLength`` (X, Y, Z as attributes or as elements) and ``OmitRegion`` True or False.
"""

from __future__ import annotations

import codecs
import math
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from uptake.study import Box, Code, Refusal, SettingsError
from uptake.volume import Grid, Layout

Point = tuple[float, float, float]

MAX_BYTES = 2**20
ITEM = "Item-CubicRoiInfo3D"
HALF_LENGTHS = ("WidthHalfLength", "HeightHalfLength", "DepthHalfLength")
TOLERANCE = 1e-3
OBLIQUE = 0.5
"""In voxels: what rounding may add to a side, and how far a side may lean over its length."""


@dataclass(frozen=True)
class RoiBox:
    """A cuboid in RAS+ mm: its centre and the vectors from there to the middle of three sides; to omit or to use."""

    center_mm: Point
    half_lengths_mm: tuple[Point, Point, Point]
    omit: bool = False


def read_roi_xml(source: Path | bytes) -> tuple[RoiBox, ...]:
    """The regions of a ROI XML file: first the one that is the volume of interest, then the omit regions.

    Raises `Refusal` VOI for XML that is damaged, over 1 MiB, declares a document type or entities, or that does not
    hold exactly one region that is no omit region.
    """
    name = source.name if isinstance(source, Path) else "ROI XML"
    try:
        root = ET.fromstring(_xml_text(source, name))  # noqa: S314 (no document type, no entities: see _xml_text)
    except ET.ParseError as error:
        raise _refusal(f"{name} is not well-formed XML") from error
    boxes = [_box(item, name) for item in root.iter(ITEM)]
    wanted = [box for box in boxes if not box.omit]
    if len(wanted) != 1:
        raise _refusal(f"{name} with {len(boxes)} regions, {len(wanted)} of them not to omit")
    return (wanted[0], *(box for box in boxes if box.omit))


def box_on_grid(roi: RoiBox, grid: Grid, layout: Layout) -> Box:
    """The voxels of `grid` whose centres lie in a cuboid, as columns, rows and slices.

    Along each of them the first side belongs to the box and the last does not, which gives back the pixel limits that
    UCSF records beside its millimetre boxes, on studies whose positions are half a pixel off too. What sticks out of
    the volume is cut off. Raises `Refusal` VOI for a cuboid that is turned against the image axes or holds no voxel.
    """
    centre = grid.to_index(roi.center_mm)
    halves = np.array(roi.half_lengths_mm) @ np.linalg.inv(grid.affine[:3, :3]).T
    reach = np.abs(halves).sum(axis=0)
    if np.any(reach - np.abs(halves).max(axis=0) > OBLIQUE) or set(np.abs(halves).argmax(axis=1)) != {0, 1, 2}:
        raise _refusal("a region of interest that is turned against the image axes, or flat")
    start, end = [0, 0, 0], [0, 0, 0]
    for axis, flip, size, c, r in zip(layout.axes, layout.flipped, grid.shape, centre, reach, strict=True):
        middle = size - 1 - c if flip else c
        start[axis] = max(math.ceil(middle - r - TOLERANCE), 0)
        end[axis] = min(math.ceil(middle + r - TOLERANCE), size) - 1
    if any(a > b for a, b in zip(start, end, strict=True)):
        raise _refusal(f"{'an omit region' if roi.omit else 'a region of interest'} without a voxel of the study")
    return Box((start[0], start[1], start[2]), (end[0], end[1], end[2]))


def parse_box(text: str) -> Box:
    """The box that ``c0,r0,s0:c1,r1,s1`` names: first and last column, row, slice, from 0, both inside.

    Raises `SettingsError` for anything else.
    """
    corner = r"\s*(\d{1,6})\s*,\s*(\d{1,6})\s*,\s*(\d{1,6})\s*"
    match = re.fullmatch(f"{corner}:{corner}", text, re.ASCII)
    if not match:
        raise SettingsError(f"a box is written c0,r0,s0:c1,r1,s1 (first and last column, row, slice), not {text!r}")
    c0, r0, s0, c1, r1, s1 = (int(number) for number in match.groups())
    if c1 < c0 or r1 < r0 or s1 < s0:
        raise SettingsError(f"a box runs from its first column, row and slice to its last, not {text!r}")
    return Box((c0, r0, s0), (c1, r1, s1))


def _xml_text(source: Path | bytes, name: str) -> str:
    """The text of an XML file, refused where it could expand or read something else."""
    if isinstance(source, Path):
        with source.open("rb") as handle:
            data = handle.read(MAX_BYTES + 1)
    else:
        data = source
    if len(data) > MAX_BYTES:
        raise _refusal(f"{name} of more than 1 MiB")
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refusal(f"{name} is not text in UTF-8 or UTF-16") from error
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise _refusal(f"{name} declares a document type or entities")
    return text


def _box(item: ET.Element, name: str) -> RoiBox:
    omit = (item.findtext("OmitRegion") or "").strip().lower()
    if omit not in {"true", "false"}:
        raise _refusal(f"{name} with a region whose OmitRegion is {omit!r}")
    width, height, depth = (_ras(item, field, name) for field in HALF_LENGTHS)
    return RoiBox(_ras(item, "Center", name), (width, height, depth), omit == "true")


def _ras(item: ET.Element, field: str, name: str) -> Point:
    """A vector in LPS mm as RAS mm."""
    found = item.find(field)
    texts = ["", "", ""] if found is None else [found.get(axis) or found.findtext(axis) or "" for axis in "XYZ"]
    try:
        x, y, z = (float(text) for text in texts)
    except ValueError as error:
        raise _refusal(f"{name} with a {field} that is not three numbers") from error
    if not all(map(math.isfinite, (x, y, z))):
        raise _refusal(f"{name} with a {field} that is not finite")
    return -x, -y, z


def _refusal(found: str) -> Refusal:
    return Refusal(
        Code.VOI,
        found=found,
        allowed="a ROI XML file of UCSF's FTV extension with one region of interest along the image axes",
        remedy="save the region again, or give a box as c0,r0,s0:c1,r1,s1",
    )

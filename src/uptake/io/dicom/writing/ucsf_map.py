"""UCSF's SER map with its private group 0117, as it lies beside the dynamic series of I-SPY 1.

The group records what the study's FTV was made with: VOI, thresholds, phases, times and results.
Its layout is that of the published objects, element for element.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from uptake.io.dicom.writing.header import decimal, decimals
from uptake.io.dicom.writing.vendors import Picture, Series, clock, planes_of, stack
from uptake.study import Box, Study
from uptake.volume import Volume

CREATOR = "UCSF BIRP PRIVATE CREATOR 011710xx"
GROUP = 0x0117
SLOPE = 0.001
Element = tuple[int, str, Any]
"""Offset in the private block, value representation, value."""

TIMING = "PHANTOM: contrast arrives at the start of the 1st post acquisition"


@dataclass(frozen=True)
class UcsfResult:
    """One volume in the object's results: a band of SER, its voxels, volume and name."""

    ser_low: float
    ser_high: float
    voxels: int
    cc: float
    name: str


@dataclass(frozen=True)
class UcsfMap:
    """stored: int16 thousandths of SER where a voxel passes the FTV rules, VOI aside, else 0."""

    stored: Volume
    results: tuple[UcsfResult, ...]


def map_pictures(study: Study, ucsf: UcsfMap, dynamic_series: int, name: str) -> list[Picture]:
    """The images of the map. Its series number follows from the dynamic series' as in I-SPY 1: 4 or 401 give 41000."""
    reference = dynamic_series if dynamic_series < 100 else dynamic_series // 100
    image_type = ("DERIVED", "PRIMARY", "DCE", "SER")
    series = Series(10000 * reference + 1000, f"{name}: SER", image_type, "ser_ucsf", {"AcquisitionNumber": 0})
    layout = study.acquisition.layout
    images = zip(planes_of(study.grid, layout), stack(ucsf.stored.array, layout), strict=True)
    return [
        Picture(series, plane, n + 1, n, pixels, 0.0, scale=(SLOPE, 0.0), file=f"{n:06d}.dcm")
        for n, (plane, pixels) in enumerate(images)
    ]


def add_group(dataset: Dataset, study: Study, ucsf: UcsfMap) -> None:
    """Put the private group 0117 and the words of the derivation into `dataset`."""
    recorded = study.acquisition.recorded
    indices = recorded.phase_indices or (0, 1, 2)
    listed = ",".join(map(str, indices))
    dataset.DerivationDescription = (
        "Signal Enhancement Ratio from Contrast Enhanced MRI = PctEnhance(early)/PxtEnhance(late)\r\n"
        f"Map derived from time points (0=pre-contrast): {listed}"
    )
    elements: list[Element] = [
        (0x10, "SQ", _parameters(study)),
        (0x30, "IS", len(study.phases)),
        (0x35, "IS", list(indices)),
        (0x3A, "LO", "AUTOMATIC"),
        (0x3B, "LT", TIMING),
        (0xB0, "SQ", [_result(result) for result in ucsf.results]),
        *_times(study),
    ]
    if recorded.voi is not None:
        elements += [
            (0x20, "SQ", [_region(study, recorded.voi)]),
            (0xA1, "US", list(recorded.voi.start)),
            (0xA2, "US", list(recorded.voi.end)),
        ]
    _fill(dataset, sorted(elements, key=lambda element: element[0]))


def _times(study: Study) -> list[Element]:
    recorded, start = study.acquisition.recorded, study.phases[1].time_s
    if recorded.phase_times_s is None or recorded.temporal_resolution_s is None or start is None:
        return []
    return [
        (0x31, "DS", decimal(recorded.temporal_resolution_s)),
        (0x33, "TM", clock(start)),
        (0x34, "DS", decimals(recorded.phase_times_s)),
    ]


def _parameters(study: Study) -> list[Dataset]:
    recorded = study.acquisition.recorded
    rows = (
        ("PE_threshold", "Percent Enhancement Cutoff", recorded.pe_threshold_percent),
        ("minimum_neighbor_count", "Min Conn Pixels Initial Masking", recorded.minimum_neighbours),
        ("pre_contrast_threshold", "Background threshold", recorded.background_threshold),
    )
    return [
        _item((0x12, "CS", "INTEGER"), (0x14, "LO", name), (0x16, "LO", words), (0x19, "IS", round(value)))
        for name, words, value in rows
        if value is not None
    ]


def _region(study: Study, voi: Box) -> Dataset:
    """The VOI in mm: its centre, and half axes along the columns, against the rows and against the normal."""
    planes = planes_of(study.grid, study.acquisition.layout)
    plane, ends = planes[0], np.array([voi.start, voi.end], dtype=np.float64)
    along, down = plane.orientation[:3], plane.orientation[3:]
    through = np.cross(along, down)
    middle, half = ends.mean(axis=0), (ends[1] - ends[0] + 1) / 2
    sizes = (plane.spacing_mm[1], plane.spacing_mm[0], plane.step_mm)
    axes = (along, down, through)
    centre = plane.position + sum(n * size * axis for n, size, axis in zip(middle, sizes, axes, strict=True))
    vectors = [sign * n * s * axis for sign, n, s, axis in zip((1, -1, -1), half, sizes, axes, strict=True)]
    return _item(
        (0x41, "IS", 1),
        *((0x42 + n, "DS", [*decimals(vector), "1"]) for n, vector in enumerate((centre, *vectors))),
        (0x46, "CS", "VOI"),
    )


def _result(result: UcsfResult) -> Dataset:
    return _item(
        (0xB1, "DS", decimal(result.ser_low)),
        (0xB2, "DS", decimal(result.ser_high)),
        (0xB3, "IS", result.voxels),
        (0xB4, "DS", decimal(result.cc)),
        (0xB5, "LO", result.name),
    )


def _item(*elements: Element) -> Dataset:
    item = Dataset()
    _fill(item, elements)
    return item


def _fill(dataset: Dataset, elements: Iterable[Element]) -> None:
    block = dataset.private_block(GROUP, CREATOR, create=True)
    for offset, vr, value in elements:
        block.add_new(offset, vr, value)

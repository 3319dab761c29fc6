"""What UCSF's derived maps tell about the series that they were computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pydicom

from uptake.io.dicom.geometry import along_normal_mm, position_indices
from uptake.io.dicom.headers import UCSF_CREATOR, Header, Plane
from uptake.io.dicom.leave import UCSF_MAP

SER_NUMBER, PE_NUMBERS = 1000, range(1001, 1010)
GROUP, N_PHASES = 0x0117, 0x30


@dataclass(frozen=True)
class Evidence:
    """A map of UCSF's and what leads from it to its source.

    sources: SOP UIDs of the images it says it was computed from. n_phases: how many UCSF counted.
    plane, positions: where the map lies. base: the description before ``: SER``.
    """

    what: str
    series_number: int | None
    base: str
    plane: Plane | None
    positions: tuple[float, ...]
    sources: frozenset[str]
    n_phases: int | None

    def from_number(self, header: Header) -> bool:
        """Whether the map's number follows from a series': S x 10000 + 1000 or + 1001, S the number or its hundreds."""
        if self.series_number is None or header.series_number is None:
            return False
        source, kind = divmod(self.series_number, 10_000)
        if kind != SER_NUMBER and kind not in PE_NUMBERS:
            return False
        return source == (header.series_number if header.series_number < 100 else header.series_number // 100)

    def from_name(self, header: Header) -> bool:
        """Whether the map is named after a series."""
        return bool(self.base) and self.base == header.description.strip()


def find_evidence(maps: Sequence[Header], datasets: Sequence[pydicom.Dataset]) -> Evidence | None:
    """What the maps of a study tell, the SER map before a PE map; None without maps.

    maps: headers of all images of UCSF's maps. datasets: the parsed header of one image of each of its objects.
    """
    named = [header for header in maps if UCSF_MAP.search(header.description)]
    if not named:
        return None
    chosen = min(named, key=_rank)
    images = [header for header in named if header.series_uid == chosen.series_uid]
    offsets = [along_normal_mm(image.plane) for image in images if image.plane is not None]
    return Evidence(
        what=f"UCSF's map '{chosen.description}'",
        series_number=chosen.series_number,
        base=UCSF_MAP.sub("", chosen.description).strip(),
        plane=chosen.plane,
        positions=tuple(position_indices(offsets)[1]),
        sources=frozenset(uid for dataset in datasets for uid in _sources(dataset)),
        n_phases=next((n for dataset in datasets if (n := _n_phases(dataset))), None),
    )


def _rank(header: Header) -> tuple[bool, float, str]:
    number = float("inf") if header.series_number is None else header.series_number
    return not header.description.rstrip().endswith("SER"), number, header.series_uid


def _sources(dataset: pydicom.Dataset) -> list[str]:
    return [str(item.get("ReferencedSOPInstanceUID", "")) for item in dataset.get("SourceImageSequence") or ()]


def _n_phases(dataset: pydicom.Dataset) -> int | None:
    try:
        value = dataset.private_block(GROUP, UCSF_CREATOR)[N_PHASES].value
    except KeyError:
        return None
    return int(value) if str(value).strip().isdigit() else None

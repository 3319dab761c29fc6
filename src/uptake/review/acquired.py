"""The acquired side of an open case: the curve under the cursor, and the FTV of another volume of interest.

The numbers are those that a run would give: the same functions, on the values that the run kept.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from uptake.cohort.reading import Entry
from uptake.io import forms, revisions
from uptake.io.given import GivenVoi
from uptake.io.store import Cohort
from uptake.pipeline import steps
from uptake.pipeline.settings import Settings, from_layers, read_toml
from uptake.preprocess.breast import BreastMask
from uptake.preprocess.motion import Aligned, applied
from uptake.preprocess.resample import resample_mask
from uptake.review.bodies import Bad
from uptake.review.description import box_of, corners_mm, ftv
from uptake.review.volumes import grid_of, nifti_bytes
from uptake.study import Box, Study
from uptake.tumour.enhancement import Enhancement
from uptake.tumour.ftv import FtvResult
from uptake.tumour.phases import PhaseChoice, choose_phases
from uptake.volume import Shape

CASES = 2
RESULTS = 8


@dataclass(frozen=True)
class Acquired:
    """What a run made of a case on its acquired grid."""

    study: Study
    aligned: Study
    motion: Aligned
    maps: Enhancement
    phases: PhaseChoice
    breast: BreastMask
    settings: Settings


@dataclass
class Acquisitions:
    """The last cases that were asked for, and the FTV of the last boxes."""

    cohort: Cohort
    cases: OrderedDict[tuple[Path, int], Acquired] = field(default_factory=OrderedDict)
    found: OrderedDict[tuple[Path, int, Box], FtvResult] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, folder: Path) -> Acquired:
        """A case's acquired side, read once while its files stay the same."""
        key = self._key(folder)
        with self.lock:  # one at a time: it is large
            if key not in self.cases:
                self.cases[key] = _read(folder, self.cohort)
                while len(self.cases) > CASES:
                    self.cases.popitem(last=False)
            self.cases.move_to_end(key)
            return self.cases[key]

    def ftv(self, folder: Path, box: Box) -> FtvResult:
        """The FTV of a case inside `box` (column, row, slice). Raises `Refusal` for a box that is none of the image."""
        key = (*self._key(folder), box)
        known = self.of(folder)
        with self.lock:
            if key not in self.found:
                given = GivenVoi(f"box {text_of(box)}, kept by a reader", box=box, by="reader")
                settings = known.settings
                self.found[key] = steps.ftv(
                    known.aligned, known.motion, known.maps, known.phases, known.breast, given, settings.voi,
                    settings.ftv,
                )  # fmt: skip
                while len(self.found) > RESULTS:
                    self.found.popitem(last=False)
            return self.found[key]

    def _key(self, folder: Path) -> tuple[Path, int]:
        if not (folder / "ftv.json").is_file():
            raise Bad(404, "the case has no functional tumour volume", "run `uptake run` on the cohort")
        return folder, (folder / "provenance.json").stat().st_mtime_ns


def curve(known: Acquired, world_mm: tuple[float, float, float]) -> dict[str, Any]:
    """Raw intensities of every phase in the acquired voxel at a point (RAS mm), with its PE and SER."""
    grid = known.study.grid
    index = np.rint(grid.to_index(world_mm)).astype(int)
    if (index < 0).any() or (index >= grid.shape).any():
        raise Bad(404, "that point lies outside the images", "point into the breast")
    at = (int(index[0]), int(index[1]), int(index[2]))
    return {
        "voxel": at,
        "time_s": [phase.time_s for phase in known.study.phases],
        "values": [float(volume.array[at]) for volume in known.study.volumes],
        "used": known.phases.indices,
        "pe": float(known.maps.pe.array[at]),
        "ser": float(known.maps.ser.array[at]),
    }


def recomputed(known: Acquired, found: FtvResult, first: Shape, last: Shape, folder: Path) -> dict[str, Any]:
    """The numbers of another volume of interest for the page."""
    ends = ",".join(map(str, first)), ",".join(map(str, last))
    return {
        "ftv": ftv(found.numbers),
        "voi": {"source": "reader", "box": {"first": first, "last": last},
                "box_mm": corners_mm(first, last, known.study.grid)},
        "mask": f"/api/cases/{folder.name}/voi/ftv?first={ends[0]}&last={ends[1]}",
    }  # fmt: skip


def mask_bytes(found: FtvResult, folder: Path) -> bytes:
    """The FTV mask (PE and SER rule) on the 1 mm grid as ``.nii``."""
    return nifti_bytes(resample_mask(found.ser_mask, grid_of(folder)))


def keep_voi(cohort: Path, folder: Path, reader: str, box: Box | None, found: FtvResult | None) -> Entry:
    """Write into the log that a reader keeps a volume of interest, or drops the one that was kept."""
    with revisions.writing(cohort) as connection:
        if box is None or found is None:
            return revisions.append(connection, Entry("voi dropped", folder.name, reader))
        words = f"FTV (SER rule) {found.numbers.ftv_ser_cc:.3f} cc"
        return revisions.append(connection, Entry("voi kept", folder.name, reader, details=text_of(box), comment=words))


def asked_box(known: Acquired, first: object, last: object) -> tuple[Shape, Shape, Box]:
    """A box of acquired voxels (i, j, k), both ends inside, as the page gives it. Raises `Bad` 422."""
    ends = (_voxel(first), _voxel(last))
    grid = known.study.grid
    if any(not 0 <= a <= b < n for a, b, n in zip(*ends, grid.shape, strict=True)):
        raise Bad(422, f"a box from {ends[0]} to {ends[1]}", f"first <= last, inside {grid.shape} voxels")
    return *ends, box_of(*ends, grid.shape, known.study.acquisition.layout)


def text_of(box: Box) -> str:
    """A box as it is written on the command line: ``c0,r0,s0:c1,r1,s1``."""
    return f"{','.join(map(str, box.start))}:{','.join(map(str, box.end))}"


def _voxel(value: object) -> Shape:
    if not isinstance(value, list) or len(value) != 3 or not all(type(n) is int for n in value):
        raise Bad(422, "a voxel is three whole numbers [i, j, k]")
    return value[0], value[1], value[2]


def _read(folder: Path, cohort: Cohort) -> Acquired:
    settings = from_layers([read_toml(cohort.path / "uptake.toml")])
    study: Study = forms.STUDY.read(folder)
    motion: Aligned = forms.MOTION.read(folder)
    phases = choose_phases(study, settings.timing)
    aligned = applied(steps.deliver(study, phases), motion)
    return Acquired(study, aligned, motion, forms.MAPS.read(folder), phases, forms.BREAST.read(folder), settings)

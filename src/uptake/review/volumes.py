"""The volumes that a case's page may ask for, by name from one table; everything on the 1 mm grid."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from isal import igzip

from uptake.io.forms import StudyFile
from uptake.io.nifti import read_grid, read_mask, read_volume, write_volume
from uptake.io.values import read_value
from uptake.preprocess.resample import resample, resample_mask
from uptake.review.worklist import PHASES, phase_files
from uptake.volume import Grid, Volume

LEVEL = 1
PICTURE_PX = 160
KEPT_BYTES = 256 * 2**20
STRIDE = 3
SER_RANGE = (0.0, 3.0)
"""SER outside the FTV's enhancing voxels is not meant to be read; its colours span UCSF's bands."""


@dataclass(frozen=True)
class Window:
    """The grey levels that every phase of a case is shown with."""

    low: float
    high: float


@dataclass
class Kept:
    """Results that are asked for again: the newest so many bytes of them, gone when a file they came from changes."""

    items: OrderedDict[tuple[str, ...], bytes] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, files: tuple[Path, ...], what: str, make: Callable[[], bytes]) -> bytes:
        """What was made of these files as they are now, made if it is not there."""
        key = (what, *(f"{path}:{path.stat().st_mtime_ns}" for path in files))
        with self.lock:
            if key in self.items:
                self.items.move_to_end(key)
                return self.items[key]
        made = make()
        with self.lock:
            self.items[key] = made
            while sum(map(len, self.items.values())) > KEPT_BYTES and len(self.items) > 1:
                self.items.popitem(last=False)
        return made


def grid_of(folder: Path) -> Grid:
    """The harmonised grid of a case, from the header of its first phase."""
    return read_grid(phase_files(folder)[0])


def nifti_bytes(volume: Volume) -> bytes:
    """A volume as the bytes of a ``.nii`` file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "volume.nii"
        write_volume(volume, path)
        return path.read_bytes()


def volume(folder: Path, name: str, kept: Kept) -> bytes | None:
    """A phase, map or mask as ``.nii`` or ``.nii.gz``; None for a name that is not in the table, or no file."""
    if name in PHASES:
        return phase_files(folder)[PHASES.index(name)].read_bytes()
    if name in MASKS:
        path = folder / MASKS[name]
        return path.read_bytes() if path.is_file() else None
    if name in RESAMPLED:
        file, bring = RESAMPLED[name]
        path = folder / file
        if not path.is_file():
            return None
        return kept.get((path, phase_files(folder)[0]), name, lambda: nifti_bytes(bring(path, grid_of(folder))))
    return None


def zipped(data: bytes) -> bytes:
    """A NIfTI file as gzip."""
    return data if data[:2] == b"\x1f\x8b" else bytes(igzip.compress(data, LEVEL))


def raw(data: bytes) -> bytes:
    """The NIfTI file inside a gzip of our own."""
    return bytes(igzip.decompress(data)) if data[:2] == b"\x1f\x8b" else data  # type: ignore[no-untyped-call]


def window(folder: Path, kept: Kept) -> Window:
    """One window for all phases: from the 1st percentile of the first phase to the 99.8th of the brightest."""
    data = kept.get(phase_files(folder), "window", lambda: _window(folder).tobytes())
    low, high = np.frombuffer(data)
    return Window(float(low), float(high))


def plain_picture(folder: Path, kept: Kept) -> bytes:
    """A small PNG of the enhancement alone: the early phase minus the first, the greatest value along the slices."""
    return kept.get(phase_files(folder), "picture", lambda: _picture(folder))


def _picture(folder: Path) -> bytes:
    from PIL import Image

    pre, early, _ = (read_volume(path) for path in phase_files(folder))
    slices = read_value(StudyFile, folder / "study.json").acquisition.layout.axes.index(2)
    seen = (early.array - pre.array).max(axis=slices)
    low, high = np.percentile(seen, (1, 99.8))
    grey = np.clip((seen - low) / max(float(high - low), 1e-6) * 255, 0, 255).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(grey.T[::-1]))
    image.thumbnail((PICTURE_PX, PICTURE_PX))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def _window(folder: Path) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    every = slice(None, None, STRIDE)
    phases = [read_volume(path).array[every, every, every] for path in phase_files(folder)]
    low = np.percentile(phases[0], 1)
    high = max(np.percentile(phase, 99.8) for phase in phases)
    return np.array([low, max(high, low + 1e-3)], dtype=np.float64)


def _map(path: Path, grid: Grid) -> Volume:
    return resample(read_volume(path), grid)


def _mask(path: Path, grid: Grid) -> Volume:
    return resample_mask(read_mask(path), grid)


MASKS = {"stv_proposal": "masks/stv_proposal.nii.gz", "stv_predicted": "masks/stv_predicted.nii.gz"}
RESAMPLED: dict[str, tuple[str, Callable[[Path, Grid], Volume]]] = {
    "ser": ("maps/ser.nii.gz", _map),
    "pe": ("maps/pe.nii.gz", _map),
    "ftv": ("masks/ftv.nii.gz", _mask),
    "ftv_pe": ("masks/ftv_pe.nii.gz", _mask),
}

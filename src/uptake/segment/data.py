"""Training cases on disk as plain arrays, which processes map into memory: images (channels, i, j, k) and labels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from uptake.io.files import whole_file
from uptake.segment.windows import padded_to

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TrainingCase:
    """A case as training reads it. key: what its images, its label and, where it is a channel, its VOI were made of.

    image: float32 (channels, i, j, k), label: uint8 (i, j, k), both at least as large as the patch; spacing in mm.
    """

    case_id: str
    folder: Path
    key: str
    spacing_mm: tuple[float, float, float]

    @cached_property
    def image(self) -> Floats:
        """Mapped into memory, read-only."""
        found: Floats = np.load(self.folder / f"{self.case_id}-image.npy", mmap_mode="r")
        return found

    @cached_property
    def label(self) -> npt.NDArray[np.uint8]:
        """Mapped into memory, read-only."""
        found: npt.NDArray[np.uint8] = np.load(self.folder / f"{self.case_id}-label.npy", mmap_mode="r")
        return found

    @cached_property
    def lesion(self) -> npt.NDArray[np.intp]:
        """Indices of the lesion's voxels, shape (n, 3)."""
        return np.argwhere(np.asarray(self.label))


def keep_case(case: TrainingCase, image: Floats, label: npt.NDArray[np.bool_], patch: int) -> None:
    """Write a case's arrays, whole or not at all.

    One smaller than the patch is continued: images by their edge, the label by background.
    """
    padded = padded_to(image, patch)
    missing = [(0, n - m) for n, m in zip(padded.shape[1:], label.shape, strict=True)]
    for name, array in (("image", padded), ("label", np.pad(label, missing).astype(np.uint8))):
        with whole_file(case.folder / f"{case.case_id}-{name}.npy") as handle:
            np.save(handle, np.ascontiguousarray(array))

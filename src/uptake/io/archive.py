"""The forms in which a release holds its cases. To add one: a file with `write` and `read`, a line in `FORMATS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from uptake.io.archives import bids, dicom_objects, ispy1
from uptake.io.archives.case import Item, ReleasedCase
from uptake.volume import Grid, Volume


@dataclass(frozen=True)
class Format:
    """write(root, case): the files of a case; read(root, case_id, grid): its volumes by name, without the cohort.

    grid: of the acquired images, which a SEG is read onto.
    """

    write: Callable[[Path, ReleasedCase], tuple[Item, ...]]
    read: Callable[[Path, str, Grid | None], dict[str, Volume]]


FORMATS: Mapping[str, Format] = {
    "ispy1": Format(ispy1.write, ispy1.read),
    "bids": Format(bids.write, bids.read),
    "dicom": Format(dicom_objects.write, dicom_objects.read),
}
"""In the order in which they are written: BIDS links to the published files."""

"""One case as a release holds it: images, masks and measurements under the names they will have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from uptake.volume import Layout, Shape, Volume

Made = Literal["MANUAL", "SEMIAUTOMATIC", "AUTOMATIC"]


@dataclass(frozen=True)
class MaskKind:
    """A mask that a release may hold. `files`: in the cohort's case folder, on its own and on the acquired grid."""

    name: str
    files: tuple[str, str]
    made: Made
    label: str
    meaning: str


MASKS = (
    MaskKind("ftv", ("ftv", "ftv"), "SEMIAUTOMATIC", "FTV", "functional tumour volume, PE and SER rule"),
    MaskKind("ftv_pe", ("ftv_pe", "ftv_pe"), "SEMIAUTOMATIC", "FTV PE", "functional tumour volume, PE rule"),
    MaskKind("stv_manual", ("stv", "stv_acquired"), "MANUAL", "STV reader",
             "structural tumour volume approved by a reader"),
    MaskKind("stv_resunet", ("stv_predicted", "stv_predicted_acquired"), "AUTOMATIC", "STV network",
             "structural tumour volume, segmentation network"),
    MaskKind("stv_proposal", ("stv_proposal", "stv_proposal_acquired"), "AUTOMATIC", "STV proposal",
             "structural tumour volume proposed from the FTV, seen by no reader"),
    MaskKind("stv_truth", ("stv_truth", "stv_truth_acquired"), "AUTOMATIC", "STV truth",
             "structural tumour volume of a phantom, known exactly"),
)  # fmt: skip
"""Every mask of a release, and how it came about."""


@dataclass(frozen=True, eq=False)
class ReleasedMask:
    """A mask on the grid it is released on and on the acquired one, with its volume and longest diameter there."""

    kind: MaskKind
    volume: Volume
    acquired: Volume
    longest_diameter_mm: float | None = None

    @property
    def cc(self) -> float:
        """Volume of the mask on the acquired grid in cc."""
        return self.acquired.cc


@dataclass(frozen=True)
class SourceImage:
    """What a DICOM object made from an image says of it, under the release's names. Positions are LPS mm."""

    sop_class: str
    sop_uid: str
    series_uid: str
    orientation: tuple[float, ...]
    position: tuple[float, ...]
    spacing: tuple[float, ...]
    size: tuple[int, int]
    frame: int = 0


@dataclass(frozen=True)
class DicomIdentity:
    """What DICOM objects of a case say of patient and study, under the release's names; dates are shifted."""

    patient_id: str
    patient_sex: str
    study_uid: str
    study_date: str
    frame_of_reference_uid: str
    laterality: str
    uids: Mapping[str, str]
    """UIDs of the objects to be made: by name, those of the series and of the instance."""


@dataclass(frozen=True, eq=False)
class ReleasedCase:
    """Everything that the layouts write of one case. images: of the early phase, ascending along the normal."""

    case_id: str
    corrected: tuple[Volume, ...]
    zscored: tuple[Volume, ...]
    masks: tuple[ReleasedMask, ...]
    layout: Layout
    identity: DicomIdentity
    images: tuple[SourceImage, ...] = ()
    version: str = ""
    session: str = ""
    patient: str = ""


@dataclass(frozen=True)
class Item:
    """One file of a case in a release, as the manifest describes it. unit: of the voxels' values."""

    file: str
    what: str
    unit: str = ""
    shape: Shape | None = None
    spacing_mm: tuple[float, float, float] | None = None
    mask: str = ""
    note: str = ""
    source_series: tuple[str, ...] = field(default=())


def item_of(file: str, what: str, volume: Volume, unit: str, mask: str = "") -> Item:
    """The item of a volume's file."""
    return Item(file, what, unit, volume.grid.shape, volume.grid.spacing_mm, mask)

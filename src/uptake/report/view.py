"""What the pages show: plain frozen values, which the pipeline fills in. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from uptake.cohort.checks import Finding
from uptake.features import FeatureTable
from uptake.preprocess.breast import BreastMask
from uptake.preprocess.motion import MotionNumbers
from uptake.study import Refusal, Study
from uptake.tumour.ftv import FtvNumbers
from uptake.tumour.parenchyma import Background
from uptake.tumour.stv import StvNumbers
from uptake.volume import Volume

StvSource = Literal["reader", "truth", "model", "proposal"]


@dataclass(frozen=True)
class CaseView:
    """Everything on a case's page.

    study: raw phases. pe (percent), ser (ratio), ftv_pe, stv and fields: on the study's grid; stv is the mask whose
    source `stv_source` names, None where there is none. harmonised: the z-scored study on its own grid.
    fields: the bias field shared by the phases, or one per harmonised phase. settings: (name, value) in words.
    breast and background lie on the study's grid too. refused: what of this case's input was refused.
    """

    study: Study
    pe: Volume
    ser: Volume
    ftv_pe: Volume
    ftv: FtvNumbers
    stv: Volume | None = None
    stv_numbers: StvNumbers | None = None
    stv_source: StvSource = "proposal"
    harmonised: Study | None = None
    fields: tuple[Volume, ...] = ()
    motion: MotionNumbers | None = None
    breast: BreastMask | None = None
    background: Background | None = None
    findings: tuple[Finding, ...] = ()
    features: Mapping[str, FeatureTable] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    history: tuple[str, ...] = ()
    refused: tuple[Refusal, ...] = ()
    version: str = ""
    settings: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        maps = [self.pe, self.ser, self.ftv_pe, *self.fields, *([self.stv] if self.stv else [])]
        maps += ([self.breast.labels] if self.breast else []) + ([self.background.fgt] if self.background else [])
        if not all(volume.grid.same_as(self.study.grid) for volume in maps):
            raise ValueError("maps, masks and fields of a case view lie on the acquired grid")
        if not self.ftv_pe.is_mask or (self.stv is not None and not self.stv.is_mask):
            raise ValueError("the FTV and the STV of a case view are masks")


@dataclass(frozen=True)
class CohortCase:
    """One case on the cohort's page; volumes in cc, None where there is none. thumbnail: PNG bytes."""

    case_id: str
    thumbnail: bytes
    ftv_pe_cc: float | None
    ftv_ser_cc: float | None
    stv_cc: float | None
    longest_diameter_mm: float | None
    scanner: str = ""
    visit: str = ""
    stv_source: StvSource = "proposal"
    automatic_voi: bool = False
    warnings: int = 0
    failures: int = 0

    @property
    def awaits_reader(self) -> bool:
        """Whether no reader has approved an STV yet."""
        return self.stv_source != "reader"


@dataclass(frozen=True)
class RefusedRow:
    """One row of ``refusals.csv``: `subject` is a case id or a source's name; `is_case`: whether a case was lost."""

    subject: str
    code: str
    found: str
    allowed: str
    remedy: str
    is_case: bool = True


@dataclass(frozen=True)
class CohortView:
    """Everything on the cohort's page. validated: whether the page of the technical validation stands beside it.

    models: names of trained networks whose pages are in ``models/``.
    """

    name: str
    cases: tuple[CohortCase, ...]
    refusals: tuple[RefusedRow, ...] = ()
    warnings: tuple[str, ...] = ()
    version: str = ""
    validated: bool = False
    models: tuple[str, ...] = ()

"""A case made by hand: every number below was written down, not computed by the package."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from uptake.cohort.checks import Finding
from uptake.features import Feature, FeatureTable
from uptake.report import CaseView, CohortCase
from uptake.study import Acquisition, LeftOut, Phase, Study
from uptake.tumour.ftv import Band, FtvNumbers, Threshold
from uptake.tumour.phases import PhaseChoice
from uptake.tumour.stv import StvNumbers, StvStep
from uptake.tumour.voi import VoiChoice
from uptake.volume import Grid, Volume

SHAPE = (24, 20, 10)
# Sagittal as dcm2niix writes it: columns run to posterior, rows (flipped) to superior, slices to the right.
AFFINE = np.array([[0, 0, 2.0, -90], [-0.8, 0, 0, 60], [0, 0.8, 0, -40], [0, 0, 0, 1]])
LESION = (slice(8, 14), slice(6, 11), slice(3, 7))  # 6 x 5 x 4 voxels

BANDS = (
    Band(0.0, 0.9, 50, 0.064, 50.0),
    Band(0.9, 1.0, 20, 0.0256, 20.0),
    Band(1.0, 1.3, 15, 0.0192, 15.0),
    Band(1.3, 1.75, 10, 0.0128, 10.0),
    Band(1.75, 3.0, 5, 0.0064, 5.0),
)


@pytest.fixture
def view() -> CaseView:
    grid = Grid(SHAPE, AFFINE)
    lesion = np.zeros(SHAPE, dtype=bool)
    lesion[LESION] = True
    wide = np.zeros(SHAPE, dtype=bool)
    wide[7:15, 5:12, 3:7] = True
    return CaseView(
        study=_study(grid, lesion),
        pe=Volume(np.where(lesion, 100.0, 5.0).astype(np.float32), grid),
        ser=Volume(np.where(lesion, 1.2, 0.5).astype(np.float32), grid),
        ftv_pe=Volume(lesion, grid),
        ftv=_numbers(),
        stv=Volume(wide, grid),
        stv_numbers=StvNumbers(
            224, 0.287, 13.4, 2.5, 1, (StvStep("FTV, PE rule", 0.154, 0.0), StvStep("closed", 0.287, 0.133))
        ),
        harmonised=_study(grid, lesion, scale=0.01),
        fields=(Volume(np.full(SHAPE, 1.1, np.float32), grid),),
        findings=(
            Finding("slice gaps", "pass", "2 mm", "equal"),
            Finding("motion", "warn", "1.8 mm", "1.5 mm", "look at the skin"),
        ),
        features={
            "ibsi": FeatureTable(
                (
                    Feature("Mean", 1.234567891, "SD", "statistical", "Q4LE", "stat_mean"),
                    Feature(
                        "Skewness", math.nan, "1", "statistical", "KE2A", "stat_skew", reason="all voxels are equal"
                    ),
                )
            ),
            "captk": FeatureTable((Feature("T1_E_NGTDM_Coarsness", 0.25, "1", "NGTDM", "", ""),)),
        },
        warnings=("A warning of the pipeline.",),
        version="9.8.7",
        settings=(("bias.shrink", "4"),),
    )


@pytest.fixture
def automatic(view: CaseView) -> CaseView:
    voi = replace(view.ftv.voi, source="automatic", words="automatic: around the strongest early enhancement")
    return replace(view, ftv=replace(view.ftv, voi=voi))


@pytest.fixture
def cohort_case() -> Callable[..., CohortCase]:
    def made(case_id: str = "A", volume: float | None = 10.0, **changes: object) -> CohortCase:
        case = CohortCase(case_id, b"\x89PNG", volume, volume, volume, 20.0, scanner="GE SIGNA", visit="T1")
        return replace(case, **changes)  # type: ignore[arg-type]

    return made


def _study(grid: Grid, lesion: np.ndarray, scale: float = 1.0) -> Study:
    body = np.zeros(SHAPE)
    body[2:22, 2:18, :] = 60.0
    levels = (0.0, 60.0, 50.0)
    phases = tuple(
        Phase(Volume(((body + np.where(lesion, 20.0 + rise, 0.0)) * scale).astype(np.float32), grid), time)
        for rise, time in zip(levels, (0.0, 150.0, 450.0), strict=True)
    )
    made = Acquisition(
        manufacturer="GE MEDICAL SYSTEMS",
        model="SIGNA",
        field_strength_t=1.5,
        decisions=("The phases were told apart by time.",),
        left_out=(LeftOut("localiser", 3, "not part of the dynamic series"),),
    )
    return Study("CASE-1", phases, made)


def _numbers() -> FtvNumbers:
    return FtvNumbers(
        ftv_pe_voxels=12345,
        ftv_pe_cc=15.678,
        ftv_ser_voxels=6789,
        ftv_ser_cc=8.642,
        ftv_ser_inclusive_voxels=6801,
        longest_diameter_mm=47.25,
        pe_threshold_percent=Threshold(90.0, "recorded in the study (SER map)"),
        minimum_neighbours=Threshold(9, "setting ftv"),
        background_threshold=Threshold(57, "60 % of the 95th percentile"),
        ser_threshold=Threshold(0.9, "setting ftv"),
        phases=PhaseChoice(0, 1, 2, "the only two post-contrast phases"),
        voi=VoiChoice("study", "recorded in the study (SER map)", (5, 7, 2), (16, 15, 8)),
        voxel_volume_mm3=1.28,
        bands=BANDS,
    )

"""The one table: what is made of a study, how, from what. Read this first.

A step is a plain function ``(values, settings) -> value``. The way forks early: PE, SER and FTV need raw
intensities, features and the network need harmonised ones.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from uptake.cohort import breast as breast_checks
from uptake.cohort import stages
from uptake.cohort.artefacts import bright_outside, folded_in, one_scale, signal_void
from uptake.cohort.checks import Finding, check_case
from uptake.cohort.ghosting import ghosts
from uptake.cohort.movement import Moved, movement
from uptake.cohort.phases import contrast_after_first, counted_as_recorded
from uptake.features import Feature, Features, FeatureTable, captk, catalogue, extract
from uptake.features.captk import CaptkParameters, captk_panel
from uptake.features.settings import PANEL_NAMES, PanelName
from uptake.io import forms
from uptake.io.dicom.read import Dicom, read_study
from uptake.io.dicom.scan import StudySource
from uptake.io.forms import CaseFeatures, Page, StvFiles
from uptake.io.given import GivenVoi, StvMask, on_grid
from uptake.pipeline.plan import Step
from uptake.pipeline.published import published
from uptake.preprocess.bias import Bias, corrected, estimate_fields
from uptake.preprocess.breast import WEAK_SUPPORT, Breast, BreastMask, breast_mask
from uptake.preprocess.foreground import foreground
from uptake.preprocess.harmonise import Harmonised, harmonise
from uptake.preprocess.motion import Aligned, align, applied
from uptake.preprocess.normalise import ZScore
from uptake.preprocess.resample import Resample, isotropic_grid, resample_mask
from uptake.preprocess.rescale import Rescale
from uptake.report import CaseView, case_report, thumbnail
from uptake.report.view import StvSource
from uptake.study import Case, Code, Refusal, Study
from uptake.tumour import ftv as functional
from uptake.tumour.enhancement import Enhancement, enhancement
from uptake.tumour.ftv import Ftv, FtvResult
from uptake.tumour.parenchyma import Background, Breasts, Parenchyma, background_enhancement
from uptake.tumour.phases import PhaseChoice, choose_phases
from uptake.tumour.stv import Stv, propose_stv
from uptake.tumour.voi import Voi, choose_voi
from uptake.volume import Grid, Volume


@dataclass(frozen=True)
class CaseSource:
    """The files of a study and the name of its case."""

    case_id: str
    files: StudySource


@dataclass(frozen=True)
class ChosenStv:
    """The structural tumour volume in force on both grids, and whose it is."""

    isotropic: Volume
    acquired: Volume
    source: StvSource


def read(source: CaseSource, settings: Dicom) -> Study:
    """The study of a case from its files."""
    return read_study(source.files, source.case_id, settings)


def deliver(study: Study, phases: PhaseChoice) -> Study:
    """The three phases that everything after is made of: pre, early, late."""
    return Study(study.case_id, tuple(study.phases[n] for n in phases.indices), study.acquisition)


def find_breast(delivered: Study, settings: Breast) -> BreastMask:
    """Air, breast and chest wall, from the pre-contrast phase alone."""
    made = delivered.acquisition
    return breast_mask(delivered.volumes[0], made.laterality, settings, slice_axis=made.layout.axes.index(2))


def enhance(aligned: Study) -> Enhancement:
    """PE and SER on raw intensities, motion-corrected ones where that was asked for."""
    return enhancement(*aligned.volumes)


def ftv(  # noqa: PLR0913, PLR0917 (what a tumour volume depends on)
    aligned: Study,
    motion: Aligned,
    maps: Enhancement,
    phases: PhaseChoice,
    breast: BreastMask,
    roi: GivenVoi | None,
    voi: Voi,
    settings: Ftv,
) -> FtvResult:
    """Both functional tumour volumes with all their numbers, on raw intensities of the acquired grid.

    On motion-corrected ones where that was asked for; the numbers say so.
    """
    pre, early, late = aligned.volumes
    layout, recorded = aligned.acquisition.layout, aligned.acquisition.recorded
    user = on_grid(roi, pre.grid, layout) if roi else None
    choice, region = choose_voi(pre, early, layout, recorded, user, voi, breast.breast if breast.numbers.sure else None)
    limits = functional.thresholds(pre.array, region, recorded, settings)
    masks = functional.functional_tumour_volume((pre, early, late), maps, region, limits)
    measured = functional.measure(masks, maps, limits, phases, choice)
    numbers = dataclasses.replace(measured.numbers, motion_correction=motion.numbers.correction)
    return dataclasses.replace(measured, numbers=numbers)


def estimate(aligned: Study, breast: BreastMask, settings: Bias) -> tuple[Volume, ...]:
    """The bias field, one for all phases or one for each."""
    return estimate_fields(aligned, settings, breast.breast if settings.region == "breast" else None)


def harmonised(
    aligned: Study,
    fields: tuple[Volume, ...],
    breast: BreastMask,
    rescale: Rescale,
    resample: Resample,
    zscore: ZScore,
) -> Harmonised:
    """Every phase in comparable intensities on cubic voxels."""
    return harmonise(aligned, fields, resample, zscore, breast.breast, rescale)


def background(  # noqa: PLR0913, PLR0917 (enhancement of the gland beside the tumour)
    aligned: Study,
    fields: tuple[Volume, ...],
    breast: BreastMask,
    maps: Enhancement,
    found: FtvResult,
    proposal: StvFiles,
    settings: Parenchyma,
) -> Background:
    """The gland outside FTV and STV proposal, and its enhancement."""
    lesion = found.pe_mask.with_array(found.pe_mask.array | proposal.acquired.array)
    breasts = Breasts(breast.sides(), breast.numbers.fat == "bright")
    pre = corrected(aligned.volumes[0], fields[0])
    return background_enhancement(
        pre, maps.pe, breasts, lesion, float(found.numbers.pe_threshold_percent.value), settings
    )


def stv_proposal(found: FtvResult, resample: Resample, settings: Stv) -> StvFiles:
    """The proposed structural tumour volume on the acquired and on the isotropic grid."""
    made = propose_stv(found.pe_mask, found.numbers.ftv_ser_cc, settings)
    grid = isotropic_grid(made.mask.grid, resample.spacing_mm, resample.placement)
    return StvFiles(resample_mask(made.mask, grid, resample.mask), made.mask, made.numbers)


def choose_stv(
    proposal: StvFiles,
    harmonised: Harmonised,
    reader: StvMask | None,
    truth: StvMask | None,
    model: StvMask | None,
) -> ChosenStv:
    """The reader's approved mask, else a phantom's truth, else a network's if it is not empty, else the proposal."""
    given: tuple[tuple[StvSource, StvMask | None], ...] = (("reader", reader), ("truth", truth), ("model", model))
    for source, mask in given:
        if mask is not None and (source != "model" or mask.isotropic.array.any()):
            _check_grid(mask.isotropic.grid, harmonised.study.grid, source)
            return ChosenStv(mask.isotropic, mask.acquired, source)
    return ChosenStv(proposal.isotropic, proposal.acquired, "proposal")


def features(
    delivered: Study, harmonised: Harmonised, stv: ChosenStv, settings: Features, parameters: CaptkParameters
) -> CaseFeatures:
    """Features of the first delivered post-contrast image inside the STV; all NaN, with the reason, if it is empty."""
    panels: dict[str, FeatureTable] = {}
    for panel in sorted(settings.panels, key=PANEL_NAMES.index):
        acquired = panel != "ibsi" and settings.captk_image == "acquired"
        image = (delivered if acquired else harmonised.study).volumes[1]
        mask = stv.acquired if acquired else stv.isotropic
        if not mask.array.any():
            panels[panel] = _undefined(settings, parameters, panel, f"the STV ({stv.source}) is empty")
        elif panel == "ibsi":
            panels[panel] = extract(image, mask, settings)
        else:
            panels[panel] = captk_panel(image, mask, parameters, panel)
    return CaseFeatures(panels, stv.source)


def checks(  # noqa: PLR0913, PLR0917 (they look at everything)
    study: Study,
    aligned: Study,
    breast: BreastMask,
    motion: Aligned,
    found: FtvResult,
    fields: tuple[Volume, ...],
    harmonised: Harmonised,
    proposal: StvFiles,
    background: Background,
) -> tuple[Finding, ...]:
    """The findings of every check of the case, on the images of every step."""
    pre, early, _ = aligned.volumes
    body = pre.with_array(foreground(pre.array, pre.grid.spacing_mm))
    masks = {"ftv_pe": found.pe_mask, "ftv": found.ser_mask, "stv_proposal": proposal.acquired}
    findings = check_case(Case(study, harmonised.study, masks))
    gland = background.numbers
    return (
        *findings,
        *stages.stage("acquired", study),
        *(stages.stage("motion-corrected", aligned) if motion.phases else ()),
        *stages.fields(fields),
        *stages.stage("harmonised", harmonised.study),
        *contrast_after_first(aligned.volumes, body),
        *(counted_as_recorded(*_counts(study, found)) if _by_the_study(found) else ()),
        *one_scale(study.volumes, body),
        *bright_outside(early, body),
        *ghosts(aligned.volumes, body),
        *folded_in(pre, body),
        *signal_void(aligned.volumes, breast.breast, body),
        *movement(_moved(motion), found.pe_mask),
        breast_checks.outlined(breast.numbers.chest_wall_support, WEAK_SUPPORT, breast.numbers.notes),
        breast_checks.background_enhancement(gland.whole.above_percent, gland.pe_threshold_percent),
    )


def page(  # noqa: PLR0913, PLR0917 (a page shows everything)
    study: Study,
    breast: BreastMask,
    maps: Enhancement,
    found: FtvResult,
    fields: tuple[Volume, ...],
    motion: Aligned,
    harmonised: Harmonised,
    proposal: StvFiles,
    background: Background,
    stv: ChosenStv,
    table: CaseFeatures,
    findings: tuple[Finding, ...],
    *sections: Any,  # noqa: ANN401 (every step's settings)
) -> Page:
    """The report page of a case with the settings in force, and its thumbnail."""
    view = CaseView(
        study=study,
        pe=maps.pe,
        ser=maps.ser,
        ftv_pe=found.pe_mask,
        ftv=found.numbers,
        stv=stv.acquired,
        stv_numbers=proposal.numbers,
        stv_source=stv.source,
        harmonised=harmonised.study,
        fields=fields,
        findings=findings,
        breast=breast,
        background=background,
        motion=motion.numbers,
        features=table.panels,
        version=metadata.version("uptake"),
        settings=tuple(line for section in sections for line in _lines(section)),
    )
    made = case_report(view)
    return Page(made.html, thumbnail(view), made.plots)


STEPS = (
    Step("study", read, ("source",), ("dicom",), forms.STUDY),
    Step("phases", choose_phases, ("study",), ("timing",)),
    Step("delivered", deliver, ("study", "phases")),
    Step("breast", find_breast, ("delivered",), ("breast",), forms.BREAST, version=2),
    Step("motion", align, ("delivered",), ("motion",), forms.MOTION),
    Step("aligned", applied, ("delivered", "motion")),
    Step("enhancement", enhance, ("aligned",), (), forms.MAPS),
    Step("ftv", ftv, ("aligned", "motion", "enhancement", "phases", "breast", "roi"), ("voi", "ftv"), forms.FTV),
    Step("stv_proposal", stv_proposal, ("ftv",), ("resample", "stv"), forms.STV),
    Step("bias", estimate, ("aligned", "breast"), ("bias",), forms.FIELDS),
    Step("harmonised", harmonised, ("aligned", "bias", "breast"), ("rescale", "resample", "zscore"), forms.HARMONISED),
    Step("published", published, ("aligned", "bias", "harmonised"), ("rescale", "published"), forms.PUBLISHED),
    Step(
        "background",
        background,
        ("aligned", "bias", "breast", "enhancement", "ftv", "stv_proposal"),
        ("parenchyma",),
        forms.BACKGROUND,
    ),
    Step("reader", None, ("harmonised", "stv_proposal"), awaits="a reader's structural tumour volume"),
    Step("stv", choose_stv, ("stv_proposal", "harmonised", "reader", "truth", "model")),
    Step("features", features, ("delivered", "harmonised", "stv"), ("features", "captk"), forms.FEATURES),
    Step(
        "checks",
        checks,
        ("study", "aligned", "breast", "motion", "ftv", "bias", "harmonised", "stv_proposal", "background"),
        (),
        forms.CHECKED,
    ),
    Step(
        "report",
        page,
        (
            "study",
            "breast",
            "enhancement",
            "ftv",
            "bias",
            "motion",
            "harmonised",
            "stv_proposal",
            "background",
            "stv",
            "features",
            "checks",
        ),
        (
            "dicom",
            "timing",
            "motion",
            "breast",
            "voi",
            "ftv",
            "stv",
            "bias",
            "parenchyma",
            "rescale",
            "resample",
            "zscore",
            "features",
            "captk",
        ),
        forms.PAGE,
        version=2,
    ),
)
"""What is made of every case: name, how, from what, with which settings, kept in which files."""

SOURCES: Mapping[str, str] = {
    "source": "the DICOM files (or phase NIfTIs) of the study",
    "roi": "a volume of interest that the user gives",
    "truth": "a phantom's true structural tumour volume",
    "model": "a network's structural tumour volume, from `uptake predict`",
}
"""What a case gets from outside; a reader's mask is a step of the table."""


def _moved(motion: Aligned) -> list[Moved]:
    jacobians = motion.jacobians or (None,) * len(motion.numbers.phases)
    return [
        Moved(phase.phase, shift.median_mm, shift.p95_mm, jacobian)
        for phase, jacobian in zip(motion.numbers.phases, jacobians, strict=True)
        for shift in (phase.corrected or phase.acquired,)
    ]


def _by_the_study(found: FtvResult) -> bool:
    """Whether the FTV was counted where and on what the study's own object counted it."""
    return found.numbers.voi.source == "study" and found.numbers.motion_correction == "no"


def _counts(study: Study, found: FtvResult) -> tuple[tuple[int | None, int | None], tuple[int, int]]:
    recorded, numbers = study.acquisition.recorded, found.numbers
    return (
        (recorded.ftv_pe_voxels, recorded.ftv_ser_inclusive_voxels),
        (numbers.ftv_pe_voxels, numbers.ftv_ser_inclusive_voxels),
    )


def _lines(section: Any) -> list[tuple[str, str]]:  # noqa: ANN401 (any step's settings)
    name = "captk" if isinstance(section, CaptkParameters) else type(section).__name__.lower()
    return [(f"{name}.{item.name}", str(getattr(section, item.name))) for item in dataclasses.fields(section)]


def _undefined(settings: Features, parameters: CaptkParameters, panel: PanelName, reason: str) -> FeatureTable:
    """Every feature of a panel that would be computed, without a value, for one reason."""
    if panel != "ibsi":
        named = captk.columns(parameters)
        return FeatureTable(tuple(Feature(c.name, math.nan, c.unit, c.family, "", "", "", reason) for c in named))
    wanted = [d for family in catalogue.FAMILIES if family.name in settings.families for d in family.chosen(settings)]
    return FeatureTable(
        tuple(Feature(d.name, math.nan, d.unit, d.family, d.ibsi, d.ibsi_tag, d.aggregation, reason) for d in wanted)
    )


def _check_grid(mask: Grid, harmonised: Grid, source: str) -> None:
    if not mask.same_as(harmonised):
        raise Refusal(
            Code.MASK_GRID,
            found=f"a {source}'s mask of {mask.shape} voxels on another grid than the harmonised images",
            allowed=f"the harmonised grid of {harmonised.shape} voxels",
            remedy="import the mask again, or predict it again: both bring it to the grid in force",
        )

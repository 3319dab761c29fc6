"""Which cases a data descriptor's figures show, and their images: chosen by numbers, never by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from uptake.cohort.agreement import extremes
from uptake.cohort.artefacts import brightest_place
from uptake.io import forms
from uptake.io.forms import StudyFile
from uptake.io.nifti import read_mask, read_volume
from uptake.io.store import Cohort
from uptake.pipeline.facts import HETEROGENEITY, RATERS, CaseRead
from uptake.preprocess.foreground import foreground
from uptake.report.gallery import Figure, Tumour, agreement_rows, artefact_panel, heterogeneity_panel
from uptake.tumour.ftv import FtvNumbers

FUNCTIONAL = ("FTV (PE and SER)", "FTV (PE)")
STRUCTURAL = ("reader", "truth", "network", "STV proposal")
ARTEFACT = "bright artefact outside the body"
MOST = 4


def figures(cohort: Cohort, cases: Sequence[CaseRead]) -> tuple[Figure, ...]:
    """The figures that the cohort has sound cases for; an artefact figure only where there are artefacts."""
    sound = [case for case in cases if not case.facts.faults and not any(mask.fault for mask in case.facts.masks)]
    found = (_heterogeneity(cohort, sound), _artefacts(cohort, sound), _agreement(cohort, sound))
    return tuple(figure for figure in found if figure is not None)


def compared_most(cases: Sequence[CaseRead]) -> tuple[str, str] | None:
    """The pair that the agreement figure shows: functional against the best structural mask that cases have."""
    found = {(item.one, item.other) for case in cases for item in case.compared if item.agreement.dice is not None}
    pairs = [(one, other) for other in STRUCTURAL for one in FUNCTIONAL]
    return next((pair for pair in pairs if pair in found), None)


def _agreement(cohort: Cohort, cases: Sequence[CaseRead]) -> Figure | None:
    pair = compared_most(cases)
    if pair is None:
        return None
    dice = {
        case.facts.case_id: item.agreement.dice
        for case in cases
        for item in case.compared
        if (item.one, item.other) == pair and item.agreement.dice is not None
    }
    chosen = extremes(dice)
    if chosen is None:
        return None
    kinds = dict(zip(("best", "median", "worst"), chosen, strict=True))
    shown = {name: " and ".join(kind for kind, case in kinds.items() if case == name) for name in kinds.values()}
    tumours = [_tumour(cohort, name, f"{words}, Dice {dice[name]:.3f}", pair) for name, words in shown.items()]
    caption = (
        f"Best, median and worst of {len(dice)} cases by Dice of {pair[0]} and {pair[1]}: (a) first post-contrast "
        f"image with the region of interest, (b) the region, (c) {pair[0]}, (d) {pair[1]}."
    )
    rows = [{"case_id": name, "shown_as": words, "dice": dice[name]} for name, words in shown.items()]
    return Figure("agreement", caption, agreement_rows(tumours), tuple(rows))


def _heterogeneity(cohort: Cohort, cases: Sequence[CaseRead]) -> Figure | None:
    """Cases evenly spread from the most to the least mixed in SER."""
    known = sorted(
        (case.facts.numbers[HETEROGENEITY], case.facts.case_id)
        for case in cases
        if HETEROGENEITY in case.facts.numbers and (cohort.case(case.facts.case_id) / "maps/ser.nii.gz").is_file()
    )[::-1]
    if not known:
        return None
    count = min(MOST, len(known))
    chosen = [known[round(n * (len(known) - 1) / max(1, count - 1))] for n in range(count)]
    tumours = [_tumour(cohort, name, f"entropy {value:.2f} bits", None, ser=True) for value, name in chosen]
    caption = (
        "Tumours from the most to the least heterogeneous by the entropy of their SER bands: early image, and SER in "
        "UCSF's colours (blue, purple, green, red, yellow; from persistent to washout) inside the FTV, with the "
        "outline of the STV."
    )
    rows = tuple({"case_id": name, "entropy_bits": value} for value, name in chosen)
    return Figure("heterogeneity", caption, heterogeneity_panel(tumours), rows)


def _artefacts(cohort: Cohort, cases: Sequence[CaseRead]) -> Figure | None:
    names = [
        case.facts.case_id
        for case in cases
        if any(item.check == ARTEFACT and item.status != "pass" for item in case.facts.findings)
    ][:MOST]
    tumours, rows = [], []
    for name in names:
        words = next(f.found for c in cases if c.facts.case_id == name for f in c.facts.findings if f.check == ARTEFACT)
        tumour = _tumour(cohort, name, words.removeprefix("largest bright place outside the body "), None)
        pre = read_volume(_phase(cohort.case(name), 0))
        body = pre.with_array(foreground(pre.array, pre.grid.spacing_mm))
        place = brightest_place(tumour.early, body)
        if place is not None:
            tumours.append(replace(tumour, place=place))
            rows.append({"case_id": name, "i": place[0], "j": place[1], "k": place[2], "found": words})
    if not tumours:
        return None
    caption = "Slices with the largest bright artefact outside the body, framed; intensities inside the breast stand."
    return Figure("artefacts", caption, artefact_panel(tumours), tuple(rows))


def _tumour(cohort: Cohort, case_id: str, words: str, pair: tuple[str, str] | None, *, ser: bool = False) -> Tumour:
    """The images of a case; without a pair the FTV by the PE rule and the best structural mask there is."""
    folder = cohort.case(case_id)
    study: StudyFile = forms.STUDY.glance(folder)
    ftv: FtvNumbers = forms.FTV.glance(folder)
    there = [name for name in STRUCTURAL if (folder / f"masks/{RATERS[name][0]}.nii.gz").is_file()]
    one, other = pair or ("FTV (PE)", there[0] if there else "FTV (PE)")
    axes = [words.strip("-") for words in study.geometry.axes]
    return Tumour(
        case_id=case_id,
        words=words,
        early=read_volume(_phase(folder, ftv.phases.early)),
        ftv=read_mask(folder / f"masks/{RATERS[one][0]}.nii.gz"),
        stv=read_mask(folder / f"masks/{RATERS[other][0]}.nii.gz"),
        ser=read_volume(folder / "maps/ser.nii.gz") if ser else None,
        slice_axis=axes.index("slice"),
    )


def _phase(folder: Path, number: int) -> Path:
    study: StudyFile = forms.STUDY.glance(folder)
    return folder / study.phases[number].file

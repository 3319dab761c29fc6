"""Which cases a data descriptor's figures show, and their images: chosen by numbers, never by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from uptake.cohort.agreement import extremes
from uptake.cohort.artefacts import brightest_place
from uptake.cohort.reading import Entry
from uptake.io import forms
from uptake.io.forms import StudyFile
from uptake.io.nifti import read_mask, read_volume
from uptake.io.store import Cohort
from uptake.pipeline.facts import HETEROGENEITY, RATERS, CaseRead, Drawn, drawn_mask
from uptake.preprocess.foreground import foreground
from uptake.report.gallery import Figure, Tumour, agreement_rows, artefact_panel, heterogeneity_panel
from uptake.tumour.ftv import FtvNumbers
from uptake.volume import Volume

FUNCTIONAL = ("FTV (PE and SER)", "FTV (PE)")
STRUCTURAL = ("reader", "truth", "network", "STV proposal")
ARTEFACT = "bright artefact outside the body"
MOST = 4


def figures(cohort: Cohort, cases: Sequence[CaseRead], drawn: Mapping[str, Drawn]) -> tuple[Figure, ...]:
    """The figures that the cohort has sound cases for; an artefact figure only where there are artefacts.

    drawn: the masks of readers by case, for the figure of their agreement.
    """
    sound = [case for case in cases if not case.facts.faults and not any(mask.fault for mask in case.facts.masks)]
    found = [_heterogeneity(cohort, sound), _artefacts(cohort, sound)]
    for name, pair in pairs_shown(sound).items():
        found.append(_agreement(_Shown(cohort, pair, drawn), name, sound))
    return tuple(figure for figure in found if figure is not None)


def pairs_shown(cases: Sequence[CaseRead]) -> dict[str, tuple[str, str]]:
    """The pairs that figures of agreement show, by the figure's name.

    Functional against the best structural mask that cases have, the network against a reader (else the truth), and
    the two readers who have most cases in common.
    """
    found = Counter((c.one, c.other) for case in cases for c in case.compared if c.agreement.dice is not None)
    most = sorted(found, key=lambda pair: (-found[pair], pair))
    wanted = {
        "agreement": [(one, other) for other in STRUCTURAL for one in FUNCTIONAL if (one, other) in found],
        "agreement_network": [
            pair for word in ("reader", "truth") for pair in most if pair[0] == "network" and pair[1].startswith(word)
        ],
        "agreement_readers": [pair for pair in most if all(name.startswith("reader ") for name in pair)],
    }
    return {name: pairs[0] for name, pairs in wanted.items() if pairs}


@dataclass(frozen=True)
class _Shown:
    """A pair of masks that a figure shows."""

    cohort: Cohort
    pair: tuple[str, str]
    drawn: Mapping[str, Drawn]

    def tumour(self, case_id: str, words: str, grid: str) -> Tumour:
        """A case with both masks, on the grid of which they were compared where a reader drew one, else as acquired."""
        readers = dict(self.drawn.get(case_id, ()))
        if not any(name.removeprefix("reader ") in readers for name in self.pair):
            return _tumour(self.cohort, case_id, words, self.pair)
        one, other = (self._mask(case_id, name, readers, grid) for name in self.pair)
        return replace(_tumour(self.cohort, case_id, words, None), early=self._early(case_id, grid), ftv=one, stv=other)

    def _mask(self, case_id: str, name: str, readers: Mapping[str, Path | Entry], grid: str) -> Volume:
        if name in RATERS:
            return read_mask(self.cohort.case(case_id) / f"masks/{RATERS[name][grid == 'isotropic']}.nii.gz")
        return drawn_mask(self.cohort.path, readers[name.removeprefix("reader ")])

    def _early(self, case_id: str, grid: str) -> Volume:
        folder = self.cohort.case(case_id)
        if grid == "isotropic":  # pre, early and late are delivered
            return read_volume(sorted((folder / "harmonised").glob("*.nii.gz"))[1])
        return read_volume(_phase(folder, forms.FTV.glance(folder).phases.early))


def _agreement(shown: _Shown, name: str, cases: Sequence[CaseRead]) -> Figure | None:
    one, other = shown.pair
    compared = {
        case.facts.case_id: item
        for case in cases
        for item in case.compared
        if (item.one, item.other) == shown.pair and item.agreement.dice is not None
    }
    dice = {case_id: item.agreement.dice for case_id, item in compared.items() if item.agreement.dice is not None}
    chosen = extremes(dice)
    if chosen is None:
        return None
    kinds = dict(zip(("best", "median", "worst"), chosen, strict=True))
    words = {
        case_id: " and ".join(kind for kind, case in kinds.items() if case == case_id) for case_id in kinds.values()
    }
    tumours = [shown.tumour(c, f"{word}, Dice {dice[c]:.3f}", compared[c].grid) for c, word in words.items()]
    caption = (
        f"Best, median and worst of {len(dice)} cases by Dice of {one} and {other}: (a) first post-contrast image with "
        f"the region of interest, (b) the region, (c) {one}, (d) {other}."
    )
    rows = [{"case_id": c, "shown_as": word, "dice": dice[c]} for c, word in words.items()]
    return Figure(name, caption, agreement_rows(tumours, shown.pair), tuple(rows))


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

"""Checks of a whole collection, as in the paper's technical validation: what one case cannot show alone.

One resolution and intensity distribution, one protocol, phases in time, masks on the grids of their images, outliers
against the rest. Source: Chitalia et al., Scientific Data 2022;9:440, "Technical Validation"; for the early and late
phase UCSF's breast DCE-MRI extension (targets 150 and 450 s); outliers by Iglewicz and Hoaglin's modified z-score.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Literal

from uptake.cohort.checks import Finding, Status
from uptake.study import PhaseProtocol, require

COLLECTION = ""
"""The case of a finding that is about all cases together."""

State = Literal["made", "refused", "both", "unfinished"]


@dataclass(frozen=True)
class CaseFinding:
    """A finding with the case it is about; an empty `case_id` is the whole collection."""

    case_id: str
    check: str
    status: Status
    found: str
    allowed: str
    remedy: str = ""


@dataclass(frozen=True)
class MaskFacts:
    """A mask file: whose grid it lies on, and its voxels. `fault`: why it could not be used, else empty."""

    name: str
    grid: Literal["acquired", "isotropic", "another", "none"]
    voxels: int
    fault: str = ""


@dataclass(frozen=True)
class CaseFacts:
    """What the checks of a collection need of a case: numbers, no voxels. None where a file does not say.

    times_s: starts of all phases; roles: positions of pre, early, late. numbers: what is compared over the cohort, by
    name with its unit. faults: files that are gone, changed or unreadable. findings: those of the case's own checks.
    """

    case_id: str
    state: State = "made"
    manufacturer: str = ""
    model: str = ""
    times_s: tuple[float | None, ...] = ()
    roles: tuple[int, int, int] = (0, 1, 2)
    temporal_resolution_s: float | None = None
    protocols: tuple[PhaseProtocol, ...] = ()
    acquired_mm: tuple[float, float, float] | None = None
    harmonised_mm: tuple[float, float, float] | None = None
    harmonised_mean: float | None = None
    harmonised_sd: float | None = None
    pe_threshold_percent: float | None = None
    pe_threshold_source: str = ""
    masks: tuple[MaskFacts, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def site(self) -> str:
        """The scanner that stands for the site: nothing nearer to it is kept."""
        return " ".join(filter(None, (self.manufacturer, self.model))) or "unknown scanner"


@dataclass(frozen=True)
class Verify:
    """Limits of the technical validation."""

    spacing_mm: Annotated[float, "mm; harmonised voxels of two cases differ by at most this"] = 1e-3
    mean: Annotated[float, "SD; mean of the harmonised intensities at most this far from 0"] = 0.02
    sd: Annotated[float, "SD; standard deviation of the harmonised intensities at most this far from 1"] = 0.05
    early_from_s: Annotated[float, "s; earliest middle of the early phase after the first post-contrast start"] = 60.0
    early_to_s: Annotated[float, "s; latest middle of the early phase after the first post-contrast start"] = 240.0
    same_percent: Annotated[float, "percent; TR, TE and flip angle of a case's phases differ by at most this"] = 0.1
    outlier: Annotated[float, "modified z-score beyond which a case is an outlier"] = 3.5
    fewest: Annotated[int, "cases that a number needs before outliers are looked for"] = 8

    def __post_init__(self) -> None:
        rising = 0 <= self.early_from_s < self.early_to_s
        require(rising, "verify.early_from_s", f"in [0, verify.early_to_s = {self.early_to_s:g})", self.early_from_s)
        require(self.outlier > 0, "verify.outlier", "positive", self.outlier)
        require(self.fewest >= 3, "verify.fewest", "at least 3", self.fewest)


def check_collection(cases: Sequence[CaseFacts], limits: Verify | None = None) -> tuple[CaseFinding, ...]:
    """Every finding of every case, then those of the collection; nobody gives one failure."""
    chosen = limits or Verify()
    if not cases:
        return (CaseFinding(COLLECTION, "cases", "fail", "no case", "at least one", "uptake run SOURCE --out COHORT"),)
    found = [finding for case in cases for check in CASE_CHECKS for finding in check(case, chosen)]
    return (*found, *(finding for check in COHORT_CHECKS for finding in check(cases, chosen)))


def modified_z(values: Sequence[float]) -> tuple[float, ...]:
    """Iglewicz and Hoaglin's 0.6745 (x - median) / MAD; where the MAD is 0, (x - median) / (1.2533 mean deviation).

    All zero where the values are equal.
    """
    middle = statistics.median(values)
    away = [abs(value - middle) for value in values]
    scale, mean = statistics.median(away) / 0.6745, statistics.fmean(away) * 1.253314
    unit = scale or mean
    return tuple((value - middle) / unit if unit else 0.0 for value in values)


def outliers(cases: Sequence[CaseFacts], limits: Verify) -> Iterator[CaseFinding]:
    """Cases whose numbers stand apart from the rest; positive numbers are compared by their logarithms."""
    names = dict.fromkeys(name for case in cases for name in case.numbers)
    for name in names:
        known = {case.case_id: case.numbers[name] for case in cases if name in case.numbers}
        if len(known) < limits.fewest:
            continue
        values = list(known.values())
        scores = modified_z([math.log(value) for value in values] if min(values) > 0 else values)
        apart = [(case, score) for case, score in zip(known, scores, strict=True) if abs(score) > limits.outlier]
        middle, allowed = statistics.median(values), f"modified z-score within {limits.outlier:g}"
        for case_id, score in apart:
            words = f"{known[case_id]:.4g} (median {middle:.4g}), score {score:.1f}"
            yield CaseFinding(case_id, f"outlier: {name}", "warn", words, allowed, "look at the case")
        if not apart:
            words = f"{min(values):.4g} to {max(values):.4g}, median {middle:.4g}"
            yield CaseFinding(COLLECTION, f"outliers: {name}", "pass", words, allowed)


def _own(case: CaseFacts, _: Verify) -> Iterator[CaseFinding]:
    for item in case.findings:
        yield CaseFinding(case.case_id, item.check, item.status, item.found, item.allowed, item.remedy)


def _state(case: CaseFacts, _: Verify) -> Iterator[CaseFinding]:
    words = {
        "made": "every step has its result",
        "refused": "the case was refused",
        "both": "the case was refused and has results of the steps after it",
        "unfinished": "steps are missing or would be made anew",
    }
    status: Status = "pass" if case.state == "made" else "warn" if case.state == "refused" else "fail"
    remedy = {"made": "", "refused": "see tables/refusals.csv"}.get(case.state, "uptake run --out COHORT, then again")
    yield CaseFinding(case.case_id, "one state", status, words[case.state], "made, or refused", remedy)


def _files(case: CaseFacts, _: Verify) -> Iterator[CaseFinding]:
    words = "; ".join(case.faults) or "all files as they were written"
    status: Status = "fail" if case.faults else "pass"
    yield CaseFinding(case.case_id, "files whole", status, words, "every file of the records, readable", "uptake run")


def _times(case: CaseFacts, limits: Verify) -> Iterator[CaseFinding]:
    if case.state == "refused":
        return
    known = [time for time in case.times_s if time is not None]
    if len(known) < len(case.times_s) or not known:
        found = "no file says when the phases were taken"
        yield CaseFinding(
            case.case_id, "early phase in its window", "warn", found, "times of all phases", "ask the site"
        )
        return
    order: Status = "pass" if all(a < b for a, b in pairwise(known)) else "fail"
    words = "starts at " + ", ".join(f"{time:.0f}" for time in known) + " s"
    yield CaseFinding(case.case_id, "phases in time order", order, words, "each after the one before it")
    _, early, _ = case.roles
    length = case.temporal_resolution_s or _gap(known, early)
    at = known[early] + length / 2 - known[1]
    status: Status = "pass" if limits.early_from_s <= at <= limits.early_to_s else "warn"
    words = f"middle of phase {early} {at:.0f} s after the start of the first post-contrast phase"
    allowed = f"{limits.early_from_s:g}-{limits.early_to_s:g} s"
    remedy = "another early phase (timing.phases), or SER and PE are not comparable with the others'"
    yield CaseFinding(case.case_id, "early phase in its window", status, words, allowed, remedy)


def _protocol(case: CaseFacts, limits: Verify) -> Iterator[CaseFinding]:
    if case.state == "refused":
        return
    check, allowed = "protocol equal across phases", f"TR, TE and flip angle within {limits.same_percent:g} %"
    if not case.protocols:
        found = "no file says with which TR, TE and flip angle the phases were taken"
        yield CaseFinding(case.case_id, check, "warn", found, allowed, "ask the site")
        return
    worst: Status = "pass"
    words = []
    for name, unit in (("repetition_time_ms", "TR, ms"), ("echo_time_ms", "TE, ms"), ("flip_angle_deg", "flip, deg")):
        values = [getattr(protocol, name) for protocol in case.protocols]
        known = [value for value in values if value is not None]
        shown = dict.fromkeys("unknown" if value is None else f"{value:g}" for value in values)
        words.append(f"{unit}: {', '.join(shown)}")
        if len(known) < len(values):
            worst = "warn" if worst == "pass" else worst
        if known and max(known) - min(known) > limits.same_percent / 100 * max(known):
            worst = "fail"
    remedy = "phases of another protocol cannot be compared: ask the site which series are the DCE"
    yield CaseFinding(case.case_id, check, worst, "; ".join(words), allowed, remedy)


def _masks(case: CaseFacts, _: Verify) -> Iterator[CaseFinding]:
    for mask in case.masks:
        wrong = mask.fault or ("" if mask.grid in {"acquired", "isotropic"} else "on another grid than the images")
        status: Status = "fail" if wrong else "pass" if mask.voxels else "warn"
        found = wrong or (f"{mask.voxels} voxels on the {mask.grid} grid" if mask.voxels else "empty")
        remedy = "import the mask again: uptake import brings it to the grids of its case"
        yield CaseFinding(
            case.case_id, f"geometry of {mask.name}", status, found, "the acquired or the isotropic grid", remedy
        )


def _one_resolution(cases: Sequence[CaseFacts], limits: Verify) -> Iterator[CaseFinding]:
    known = {case.case_id: case.harmonised_mm for case in cases if case.harmonised_mm}
    if not known:
        return
    usual = Counter(tuple(round(x, 4) for x in mm) for mm in known.values()).most_common(1)[0][0]
    check, allowed = "one resolution", f"{_mm(usual)} within {limits.spacing_mm:g} mm, as most cases"
    apart = {
        name: mm for name, mm in known.items()
        if max(abs(a - b) for a, b in zip(mm, usual, strict=True)) > limits.spacing_mm
    }  # fmt: skip
    for name, mm in apart.items():
        yield CaseFinding(name, check, "fail", _mm(mm), allowed, "run the case again with the cohort's settings")
    if not apart:
        yield CaseFinding(COLLECTION, check, "pass", f"{_mm(usual)} in all {len(known)} cases", allowed)


def _one_distribution(cases: Sequence[CaseFacts], limits: Verify) -> Iterator[CaseFinding]:
    check = "one intensity distribution"
    allowed = f"mean within {limits.mean:g} of 0 and standard deviation within {limits.sd:g} of 1"
    known = [case for case in cases if case.harmonised_mean is not None and case.harmonised_sd is not None]
    if not known:
        return
    apart = 0
    for case in known:
        mean, sd = float(case.harmonised_mean or 0), float(case.harmonised_sd or 0)
        if abs(mean) > limits.mean or abs(sd - 1) > limits.sd:
            apart += 1
            words = f"mean {mean:.4f}, standard deviation {sd:.4f}"
            yield CaseFinding(case.case_id, check, "warn", words, allowed, "expected under zscore.rule = captk")
    if not apart:
        means, sds = [c.harmonised_mean or 0.0 for c in known], [c.harmonised_sd or 0.0 for c in known]
        words = f"means {min(means):.4f} to {max(means):.4f}, standard deviations {min(sds):.4f} to {max(sds):.4f}"
        yield CaseFinding(COLLECTION, check, "pass", words, allowed)


def _thresholds(cases: Sequence[CaseFacts], _: Verify) -> Iterator[CaseFinding]:
    """UCSF chose the PE threshold per site: the cases of one scanner should have one."""
    sites: dict[str, list[CaseFacts]] = {}
    for case in cases:
        if case.pe_threshold_percent is not None:
            sites.setdefault(case.site, []).append(case)
    check = "PE threshold of the site"
    for site, members in sorted(sites.items()):
        counts = Counter(case.pe_threshold_percent for case in members)
        usual = counts.most_common(1)[0][0] or 0.0
        shown = ", ".join(f"{value:g} % in {count}" for value, count in sorted(counts.items()))
        apart = [case for case in members if case.pe_threshold_percent != usual]
        yield CaseFinding(COLLECTION, f"{check}: {site}", "warn" if apart else "pass", shown, "one threshold per site")
        for case in apart:
            words = f"{case.pe_threshold_percent:g} % ({case.pe_threshold_source})"
            remedy = "which threshold did the site's analysis have?"
            yield CaseFinding(case.case_id, check, "warn", words, f"{usual:g} % as most cases of {site}", remedy)


def _gap(times: Sequence[float], early: int) -> float:
    """The length of a phase where no file says it: the gap to the next one, or from the one before."""
    return times[early + 1] - times[early] if early + 1 < len(times) else times[early] - times[early - 1]


def _mm(spacing: Sequence[float]) -> str:
    return " x ".join(f"{x:.4g}" for x in spacing) + " mm"


CASE_CHECKS: tuple[Callable[[CaseFacts, Verify], Iterator[CaseFinding]], ...] = (
    _state,
    _files,
    _own,
    _times,
    _protocol,
    _masks,
)
COHORT_CHECKS: tuple[Callable[[Sequence[CaseFacts], Verify], Iterator[CaseFinding]], ...] = (
    _one_resolution,
    _one_distribution,
    _thresholds,
    outliers,
)

"""Which images of a study are its DCE: candidates, and the rules that choose one.

A candidate is three or more phases at the same slice positions: one series that repeats its positions, one series per
phase, or a pre-contrast series and the series that follow it. What UCSF's derived objects refer to decides first;
then T1 weighting; then a series complete in itself goes before series that were joined. What is left is refused with
the names of the candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from uptake.io.dicom.evidence import Evidence
from uptake.io.dicom.faults import fault
from uptake.io.dicom.geometry import parallel, same_plane
from uptake.io.dicom.headers import Header
from uptake.io.dicom.stacks import Stack, alike, covered, in_order, overlap, same_protocol
from uptake.study import Code, Refusal

FEWEST_PHASES = 3
BY_NUMBER = "its series number"
"""Which leads to a series only where no other has a number that fits: 100 to 199 all fit 11000."""


@dataclass(frozen=True)
class Candidate:
    """Stacks, in the order of acquisition, that make up one DCE, and why they belong together."""

    stacks: tuple[Stack, ...]
    why: str

    @property
    def images(self) -> tuple[Header, ...]:
        """All images."""
        return tuple(image for stack in self.stacks for image in stack.images)

    @property
    def phases(self) -> int:
        """How many phases the stacks hold together."""
        return _phases(self.stacks)

    @property
    def name(self) -> str:
        """What to call it in messages."""
        return " + ".join(stack.name for stack in self.stacks)


def choose(stacks: Sequence[Stack], evidence: Evidence | None) -> tuple[Candidate, tuple[str, ...]] | None:
    """The one DCE among stacks, with the reasons in words; None where there is no candidate.

    Raises `Refusal` SEVERAL_SERIES naming the candidates where no rule decides.
    """
    usable = [stack for stack in stacks if len(stack.positions) > 1 and covered(stack) >= 0.5]
    decisions: list[str] = []
    candidates = None if evidence is None else _by_evidence(usable, evidence, decisions)
    if candidates is None:
        candidates = _freely(usable)
    for preference, words in PREFERENCES:
        preferred = [candidate for candidate in candidates if preference(candidate)]
        if len(candidates) > 1 and 0 < len(preferred) < len(candidates):
            others = ", ".join(sorted(c.name for c in candidates if c not in preferred))
            decisions.append(f"{words}: goes before {others}")
            candidates = preferred
    if len(candidates) > 1:
        raise _several(candidates)
    if not candidates:
        return None
    chosen = candidates[0]
    if evidence is None:
        _check_namesakes(chosen, usable)
    elif evidence.n_phases not in (None, chosen.phases):
        decisions.append(f"UCSF counted {evidence.n_phases} phases, {chosen.phases} are there")
    return chosen, (f"DCE: {chosen.name}, {chosen.why}", *decisions)


def named(stacks: Sequence[Stack], wanted: str) -> Candidate | None:
    """All stacks of the series that the settings name, as one candidate; None where none has that name."""
    parts = {wanted} if any(_called(stack, wanted) for stack in stacks) else {p.strip() for p in wanted.split(",")}
    chosen = [stack for stack in stacks if any(_called(stack, part) for part in parts)]
    if not chosen:
        return None
    largest = max(chosen, key=lambda stack: (len(stack.images), stack.first.series_uid))
    same = [stack for stack in chosen if alike(stack, largest)]
    return Candidate(tuple(in_order(same)), f"named in the settings ({wanted})")


def _called(stack: Stack, name: str) -> bool:
    header = stack.first
    return name in (str(header.series_number), header.description, header.series_uid)


PREFERENCES: tuple[tuple[Callable[[Candidate], bool], str], ...] = (
    (lambda candidate: all(stack.t1_weighted for stack in candidate.stacks), "T1-weighted by its short echo"),
    (lambda candidate: any(_complete(stack) for stack in candidate.stacks), "a series complete in itself"),
)
"""Rules that choose between candidates, in order, with their words."""


def _complete(stack: Stack) -> bool:
    return stack.phases >= FEWEST_PHASES


def _phases(stacks: Sequence[Stack]) -> int:
    return sum(stack.phases for stack in stacks)


def _freely(stacks: Sequence[Stack]) -> list[Candidate]:
    """Every candidate among stacks of which nothing but their headers is known."""
    return [candidate for family in _families(stacks) for candidate in _of_family(in_order(family))]


def _families(stacks: Sequence[Stack]) -> list[list[Stack]]:
    families: list[list[Stack]] = []
    for stack in sorted(stacks, key=lambda stack: (-len(stack.positions), stack.first.series_uid)):
        for family in families:
            if alike(family[0], stack):
                family.append(stack)
                break
        else:
            families.append([stack])
    return families


def _of_family(family: list[Stack]) -> list[Candidate]:
    complete = [stack for stack in family if _complete(stack)]
    if complete:
        return [_with_pre(stack, family) for stack in complete]
    names = sorted({stack.bare_name for stack in family})
    groups = [tuple(stack for stack in family if stack.bare_name == name) for name in names]
    joined = [Candidate(group, "series of one name, joined") for group in groups if _phases(group) >= FEWEST_PHASES]
    if not joined and _phases(family) >= FEWEST_PHASES:
        joined = [Candidate(tuple(family), "series of the same planes and protocol, joined")]
    return joined


def _with_pre(stack: Stack, family: list[Stack]) -> Candidate:
    """A complete series, with the series before it that its name or theirs shows to be its pre-contrast phase."""
    before = [other for other in family[: family.index(stack)] if not _complete(other) and not other.says_post]
    pre = [other for other in before if other.says_pre or (stack.says_post and other.bare_name == stack.bare_name)]
    if not pre:
        return Candidate((stack,), f"one series with {stack.phases} phases")
    return Candidate((pre[-1], stack), "a pre-contrast series and the series that its name shows to follow")


def _by_evidence(stacks: Sequence[Stack], evidence: Evidence, decisions: list[str]) -> list[Candidate] | None:
    """Candidates among the stacks that lie where UCSF's map lies, starting with the series it was made from.

    None where the map lies on none of them, and so says nothing.
    """
    pool = [stack for stack in stacks if _lies_on(stack, evidence)]
    if not pool:
        decisions.append(f"{evidence.what} lies on no series of the study, so it decides nothing")
        return None
    anchor, why = _anchor(pool, evidence)
    if anchor is None:
        decisions.append(f"only series with the planes of {evidence.what} were considered")
        candidates = _freely(pool)
        fitting = [candidate for candidate in candidates if candidate.phases == evidence.n_phases]
        return fitting or candidates
    decisions.append(f"{evidence.what} starts from {anchor.name} ({why})")
    return _from_anchor(anchor, pool, evidence.n_phases)


def _lies_on(stack: Stack, evidence: Evidence) -> bool:
    if evidence.plane is None:
        return True
    return same_plane(stack.plane, evidence.plane) and overlap(stack.positions, evidence.positions) >= 0.5


def _anchor(pool: Sequence[Stack], evidence: Evidence) -> tuple[Stack | None, str]:
    rules: tuple[tuple[Callable[[Stack], bool], str], ...] = (
        (lambda stack: any(i.sop_uid in evidence.sources for i in stack.images), "its SourceImageSequence"),
        (lambda stack: evidence.from_number(stack.first) and evidence.from_name(stack.first), "number and name"),
        (lambda stack: evidence.from_number(stack.first), BY_NUMBER),
        (lambda stack: evidence.from_name(stack.first), "its name"),
    )
    for rule, why in rules:
        fitting = [stack for stack in in_order(pool) if rule(stack)]
        if len(fitting) == 1 or (fitting and why != BY_NUMBER):
            return fitting[0], why
    return None, ""


def _from_anchor(anchor: Stack, pool: Sequence[Stack], n_phases: int | None) -> list[Candidate]:
    """The anchor alone where it is complete, else with the series that follow it, up to the number UCSF counted."""
    if _complete(anchor):
        return [Candidate((anchor,), f"one series with {anchor.phases} phases")]
    order = in_order([stack for stack in pool if alike(anchor, stack)])
    later = order[order.index(anchor) + 1 :]
    namesakes = [stack for stack in later if stack.bare_name == anchor.bare_name]
    joined = [_up_to(n_phases, [anchor, *following]) for following in (namesakes, later)]
    for wanted in (n_phases or FEWEST_PHASES, FEWEST_PHASES):
        for stacks in joined:
            if _phases(stacks) >= wanted:
                return [Candidate(tuple(stacks), f"{len(stacks)} series, joined from the one the map starts from")]
    return []


def _up_to(n_phases: int | None, stacks: Sequence[Stack]) -> list[Stack]:
    """The first stacks that together hold `n_phases`, all of them where that is unknown."""
    chosen: list[Stack] = []
    for stack in stacks:
        if n_phases is None or _phases(chosen) < n_phases:
            chosen.append(stack)
    return chosen


def _check_namesakes(chosen: Candidate, stacks: Sequence[Stack]) -> None:
    """Refuses joined series of which one more of the same name, taken before the last of them, lies elsewhere."""
    last = chosen.stacks[-1]
    if len(chosen.stacks) < 2:
        return
    order = in_order(stacks)
    for stack in order[: order.index(last)]:
        namesake = stack not in chosen.stacks and stack.bare_name == last.bare_name and same_protocol(stack, last)
        if namesake and parallel(stack.plane, last.plane):
            refusal = fault([image for part in order if part in (*chosen.stacks, stack) for image in part.images])
            if refusal is not None and refusal.code == Code.GEOMETRY:
                raise refusal


def _several(candidates: Sequence[Candidate]) -> Refusal:
    found = "; ".join(sorted(f"{c.name} ({c.phases} phases)" for c in candidates))
    return Refusal(
        Code.SEVERAL_SERIES,
        found=f"{len(candidates)} series could be the DCE: {found}",
        allowed="one",
        remedy="name the series to use in the settings (dicom.series): number, description or UID; several with commas",
    )

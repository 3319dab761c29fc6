"""Telling the phases of a time series apart by written rules, and when each one began.

A rule applies only if it puts every slice position exactly once into every phase; for times, if the phases do not
overlap as well (inside a phase they may differ by seconds). The rules are tried in the order of `RULES`, and what
each one gave is said in words.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from uptake.io.dicom.faults import fault, places
from uptake.io.dicom.geometry import step_fault
from uptake.io.dicom.headers import Header
from uptake.io.dicom.moments import Groups, TimeStack, time_groups, time_stack, unwrapped, value_groups
from uptake.study import Code, Refusal

CLOSEST_PHASES_S = 0.5
"""Phase starts closer than this are the clock of a reconstruction, not of a scanner."""

Phases = tuple[tuple[Header, ...], ...]


@dataclass(frozen=True)
class Sorted:
    """Phases in time order, each ascending along the normal, with their starts in s and what was decided."""

    phases: Phases
    times_s: tuple[float | None, ...]
    decisions: tuple[str, ...]


def sort_phases(images: Sequence[Header]) -> Sorted:
    """The phases of images that lie in one stack of planes.

    times_s: seconds from the start of the first phase to the start of each, None for all where no tag says.
    Raises `Refusal`: MISSING_SLICE, SLICE_GAP or GEOMETRY naming phase and position, PHASES where no rule applies.
    """
    stack = time_stack(images)
    if not stack.complete:
        raise fault(stack.images, stack.count) or _uneven(stack)
    groups, decisions = _apply_rules(stack)
    uneven = step_fault(stack.positions, "every phase")
    if uneven is not None:
        raise uneven
    phases = tuple(stack.ascending(group) for group in groups)
    times, source = _starts(phases)
    return Sorted(phases, times, (*decisions, source))


def _apply_rules(stack: TimeStack) -> tuple[Groups, list[str]]:
    said: list[str] = []
    for name, rule in RULES:
        result = rule(stack)
        if not isinstance(result, str):
            return result, [*said, f"{len(result)} phases told apart by {name}"]
        said.append(f"{name}: {result}")
    raise Refusal(
        Code.PHASES,
        found="; ".join(said),
        allowed="one rule that puts every slice position once into every phase",
        remedy="export the series again with its instance numbers",
    )


def _by_temporal_position(stack: TimeStack) -> Groups | str:
    return _by_value(stack, [image.moment.temporal_position for image in stack.images])


def _by_trigger_time(stack: TimeStack) -> Groups | str:
    if stack.series > 1:
        return "counts anew in every series"
    return _by_time(stack, [image.moment.trigger_s for image in stack.images])


def _by_acquisition_time(stack: TimeStack) -> Groups | str:
    return _by_time(stack, unwrapped([image.moment.acquisition_s for image in stack.images]))


def _by_content_time(stack: TimeStack) -> Groups | str:
    return _by_time(stack, unwrapped([image.moment.content_s for image in stack.images]))


def _by_acquisition_number(stack: TimeStack) -> Groups | str:
    return _by_value(stack, [image.moment.acquisition_number for image in stack.images])


def _by_instance_order(stack: TimeStack) -> Groups | str:
    if stack.series > 1:
        return "counts anew in every series"
    if any(image.moment.instance_number is None for image in stack.images) and not _frames_of_one_object(stack):
        return "absent"
    return _occurrences(stack)


def _by_series(stack: TimeStack) -> Groups | str:
    if stack.series == 1:
        return "there is one series"
    per_series: dict[str, list[int]] = defaultdict(list)
    for item, image in enumerate(stack.images):
        per_series[image.series_uid].append(item)
    for items in per_series.values():
        if len(set(Counter(stack.indices[item] for item in items).values())) > 1:
            return "a series holds parts of phases"
    return _occurrences(stack)


RULES: tuple[tuple[str, Callable[[TimeStack], Groups | str]], ...] = (
    ("TemporalPositionIdentifier", _by_temporal_position),
    ("TriggerTime", _by_trigger_time),
    ("AcquisitionTime", _by_acquisition_time),
    ("ContentTime", _by_content_time),
    ("AcquisitionNumber", _by_acquisition_number),
    ("repeated positions in the order of instances", _by_instance_order),
    ("separate series in the order of their numbers", _by_series),
)
"""In the order in which they are tried: a name, and a function that gives the phases or says why not."""


def _by_value(stack: TimeStack, values: Sequence[int | None]) -> Groups | str:
    groups = value_groups(values)
    if isinstance(groups, str):
        return groups
    if len(groups) != stack.count or not all(_covers(stack, group) for group in groups):
        return f"its {len(groups)} values do not each hold every slice position once"
    if _contradicted(stack, groups):
        return "its order contradicts the acquisition times"
    return groups


def _by_time(stack: TimeStack, times: Sequence[float | None]) -> Groups | str:
    known = [time for time in times if time is not None]
    if len(known) < len(times):
        return "absent"
    if max(known) == min(known):
        return "the same in all images"
    groups = time_groups(known, stack.count)
    if groups is None:
        return "phases would overlap in time"
    if not all(_covers(stack, group) for group in groups):
        return "its phases do not each hold every slice position once"
    return groups


def _occurrences(stack: TimeStack) -> Groups:
    """The k-th occurrence of every position is phase k."""
    seen: Counter[int] = Counter()
    groups: Groups = [[] for _ in range(stack.count)]
    for item, index in enumerate(stack.indices):
        groups[seen[index]].append(item)
        seen[index] += 1
    return groups


def _frames_of_one_object(stack: TimeStack) -> bool:
    return len({image.sop_uid for image in stack.images}) == 1


def _covers(stack: TimeStack, group: Sequence[int]) -> bool:
    return len(group) == len(stack.positions) == len({stack.indices[item] for item in group})


def _contradicted(stack: TimeStack, groups: Groups) -> bool:
    times = unwrapped([image.moment.acquisition_s for image in stack.images])
    starts = [min((time for item in group if (time := times[item]) is not None), default=None) for group in groups]
    known = [start for start in starts if start is not None]
    return len(known) == len(starts) and any(b < a for a, b in itertools.pairwise(known))


def _starts(phases: Phases) -> tuple[tuple[float | None, ...], str]:
    """Seconds from the first phase, from the first tag whose earliest value increases from phase to phase."""
    sources: tuple[tuple[str, Callable[[Header], float | None]], ...] = (
        ("AcquisitionTime", lambda image: image.moment.acquisition_s),
        ("TriggerTime", lambda image: image.moment.trigger_s),
        ("ContentTime", lambda image: image.moment.content_s),
    )
    for name, value in sources:
        if name == "TriggerTime" and len({phase[0].series_uid for phase in phases}) > 1:
            continue
        times = [value(image) for phase in phases for image in phase]
        if name != "TriggerTime":
            times = unwrapped(times)
        later = iter(times)
        starts = [_earliest(itertools.islice(later, len(phase))) for phase in phases]
        known = [start for start in starts if start is not None]
        if len(known) == len(starts) and all(b - a >= CLOSEST_PHASES_S for a, b in itertools.pairwise(known)):
            return tuple(round(start - known[0], 6) for start in known), f"phase times from {name}"
    return (None,) * len(phases), "no tag tells when the phases were acquired"


def _earliest(times: Iterable[float | None]) -> float | None:
    values = list(times)
    return None if None in values else min((value for value in values if value is not None), default=None)


def _uneven(stack: TimeStack) -> Refusal:
    counts = Counter(stack.indices)
    odd = sorted(index for index, count in counts.items() if count != stack.count)
    often = ", ".join(str(counts[index]) for index in odd[:3])
    return Refusal(
        Code.MISSING_SLICE if all(counts[index] < stack.count for index in odd) else Code.PHASES,
        found=f"most slices are there {stack.count} times, but {places(stack, odd)}: {often} times",
        allowed="every slice position once in every phase",
        remedy="export the series again; remove images that are there twice",
    )

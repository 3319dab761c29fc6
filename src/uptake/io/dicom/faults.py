"""What is wrong with a time series that no rule divides: which phase lacks which slice, or lies elsewhere."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence

from uptake.io.dicom.geometry import same_plane, step_fault
from uptake.io.dicom.headers import Header
from uptake.io.dicom.moments import Groups, TimeStack, time_groups, time_stack, unwrapped, value_groups
from uptake.study import Code, Refusal

FEWEST_PHASES, MOST_PHASES = 3, 40


def fault(images: Sequence[Header], count: int | None = None) -> Refusal | None:
    """The refusal for a time series with `count` phases (None: unknown) of which at least one is not as the others.

    GEOMETRY where phases lie in different planes or at different positions, SLICE_GAP where one has a displaced slice,
    MISSING_SLICE where one lacks slices. None where the phases cannot be told apart or have nothing wrong.
    """
    stack = time_stack(images)
    for groups in _attempts(stack, count):
        if len(groups) >= (count or FEWEST_PHASES) and _are_phases(stack, groups):
            return _other_planes(stack, groups) or _other_positions(stack, groups)
    return None


def _attempts(stack: TimeStack, count: int | None) -> Iterator[Groups]:
    """Ways to divide the images, those that are surest first."""
    moments = [image.moment for image in stack.images]
    uids = sorted({image.series_uid for image in stack.images})
    clocks: tuple[list[float | None], ...] = (
        [moment.trigger_s for moment in moments],
        unwrapped([moment.acquisition_s for moment in moments]),
        unwrapped([moment.content_s for moment in moments]),
    )
    yield from _found(value_groups([moment.temporal_position for moment in moments]))
    for clock in clocks:
        known = [time for time in clock if time is not None]
        if len(known) == len(clock):
            for number in (count, (count or 0) + 1) if count else range(FEWEST_PHASES, MOST_PHASES):
                yield from _found(time_groups(known, number))
                yield from _found(_pause_groups(known, number) if count else None)
    yield from _found(value_groups([moment.acquisition_number for moment in moments]))
    yield from _found(value_groups([uids.index(image.series_uid) for image in stack.images]))
    if count:
        yield from _found(_runs(stack, count))


def _found(groups: Groups | str | None) -> list[Groups]:
    return [] if groups is None or isinstance(groups, str) else [groups]


def _pause_groups(times: Sequence[float], count: int) -> Groups | None:
    """`count` groups in time order, divided at pauses that are clearly longer than all others; None without such."""
    order = sorted(range(len(times)), key=lambda item: (times[item], item))
    pauses = [times[order[k]] - times[order[k - 1]] for k in range(1, len(order))]
    longest = sorted(range(len(pauses)), key=pauses.__getitem__, reverse=True)
    if len(longest) < count or pauses[longest[count - 2]] <= 3 * pauses[longest[count - 1]]:
        return None
    edges = [0, *sorted(k + 1 for k in longest[: count - 1]), len(order)]
    return [order[a:b] for a, b in itertools.pairwise(edges)]


def _runs(stack: TimeStack, count: int) -> Groups | None:
    """`count` runs in the order of instances; a new one begins where the slices start again from the first end."""
    groups: Groups = [[]]
    for item, index in enumerate(stack.indices):
        last = [stack.indices[other] for other in groups[-1][-2:]]
        if len(last) == 2 and (index - last[1]) * (last[1] - last[0]) <= 0:
            groups.append([])
        groups[-1].append(item)
    return groups if len(groups) == count else None


def _are_phases(stack: TimeStack, groups: Groups) -> bool:
    """Whether no group has a position twice and at least two groups agree on most of their planes and positions."""
    places = [{stack.indices[item] for item in group} for group in groups]
    if any(len(place) < max(len(group), 2) for place, group in zip(places, groups, strict=True)):
        return False
    return any(_agree(stack, groups[a], groups[b]) for a, b in itertools.combinations(range(len(groups)), 2))


def _agree(stack: TimeStack, one: Sequence[int], other: Sequence[int]) -> bool:
    a, b = stack.images[one[0]].plane, stack.images[other[0]].plane
    common = {stack.indices[item] for item in one} & {stack.indices[item] for item in other}
    return a is not None and b is not None and same_plane(a, b) and 2 * len(common) > max(len(one), len(other))


def _other_planes(stack: TimeStack, groups: Groups) -> Refusal | None:
    planes = [stack.images[group[0]].plane for group in groups]
    for number, plane in enumerate(planes[1:], start=2):
        if planes[0] is None or plane is None or same_plane(planes[0], plane):
            continue
        a, b = planes[0], plane
        return _geometry(
            f"phase {number} has {b.size[0]} x {b.size[1]} pixels of {b.spacing[1]:g} x {b.spacing[0]:g} mm from "
            f"({_numbers(b.position)}) mm, phase 1 has {a.size[0]} x {a.size[1]} of {a.spacing[1]:g} x "
            f"{a.spacing[0]:g} mm from ({_numbers(a.position)}) mm, or they are turned against each other"
        )
    return None


def _other_positions(stack: TimeStack, groups: Groups) -> Refusal | None:
    usual = {index for index, count in Counter(stack.indices).items() if 2 * count > len(groups)}
    for number, group in enumerate(groups, start=1):
        there = {stack.indices[item] for item in group}
        absent, extra = sorted(usual - there), sorted(there - usual)
        if extra:
            uneven = step_fault(sorted(stack.offsets[item] for item in group), f"phase {number}")
            return uneven or _geometry(
                f"phase {number} has {places(stack, extra)}, where the other phases have {places(stack, absent)}"
            )
        if absent:
            return Refusal(
                Code.MISSING_SLICE,
                found=f"phase {number} lacks {places(stack, absent)}; there are {len(groups)} phases "
                f"and {len(usual)} slice positions",
                allowed="every slice position in every phase",
                remedy="export or download the series again",
            )
    return None


def _geometry(found: str) -> Refusal:
    return Refusal(
        Code.GEOMETRY,
        found=found,
        allowed="all phases in the same planes at the same positions",
        remedy="leave the phase out, or register and resample it first",
    )


def places(stack: TimeStack, indices: Sequence[int]) -> str:
    """Slice numbers along the normal, with ImagePositionPatient, in words."""
    firsts = [stack.images[stack.indices.index(index)].plane for index in indices[:3]]
    numbered = zip(indices, firsts, strict=False)
    shown = ", ".join(f"slice {index + 1} at ({_numbers(plane.position)}) mm" for index, plane in numbered if plane)
    more = f" and {len(indices) - 3} more" if len(indices) > 3 else ""
    return (shown or "none") + more


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)

"""Images of one stack of planes at many moments: their slice positions, and simple ways to group them."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from uptake.io.dicom.geometry import along_normal_mm, position_indices
from uptake.io.dicom.headers import Header

DAY_S = 86400.0
LONGEST_EXAMINATION_S = DAY_S / 2

Groups = list[list[int]]
"""Phases as lists of places in a stack's images."""


@dataclass(frozen=True)
class TimeStack:
    """Images in the order of series and instances, with the slice position of each.

    offsets: of the images along their normal, mm. indices: which of the distinct, ascending `positions` each one has.
    count: how many phases there should be, that is how often most positions occur.
    """

    images: tuple[Header, ...]
    offsets: tuple[float, ...]
    indices: tuple[int, ...]
    positions: tuple[float, ...]
    count: int

    @property
    def complete(self) -> bool:
        """Whether every position occurs equally often."""
        return all(number == self.count for number in Counter(self.indices).values())

    @property
    def series(self) -> int:
        """Of how many series the images are."""
        return len({image.series_uid for image in self.images})

    def ascending(self, group: Iterable[int]) -> tuple[Header, ...]:
        """The images of a group along their normal."""
        return tuple(self.images[item] for item in sorted(group, key=self.indices.__getitem__))


def phase_count(indices: Sequence[int]) -> int:
    """How often most slice positions occur; of two equally common answers the larger."""
    often = Counter(Counter(indices).values())
    return max(often, key=lambda count: (often[count], count))


def time_stack(images: Sequence[Header]) -> TimeStack:
    """The stack of images that have a plane."""
    ordered = sorted(images, key=_instance_order)
    offsets = [along_normal_mm(image.plane) for image in ordered if image.plane is not None]
    indices, positions = position_indices(offsets)
    return TimeStack(tuple(ordered), tuple(offsets), tuple(indices), tuple(positions), phase_count(indices))


def _instance_order(image: Header) -> tuple[float, str, float, str, int]:
    number, instance = image.series_number, image.moment.instance_number
    return (
        float("inf") if number is None else number,
        image.series_uid,
        float("inf") if instance is None else instance,
        image.sop_uid,
        image.frame,
    )


def value_groups(values: Sequence[int | None]) -> Groups | str:
    """Groups of equal value in the order of values, or why there are none."""
    groups: dict[int, list[int]] = defaultdict(list)
    for item, value in enumerate(values):
        if value is None:
            return "absent"
        groups[value].append(item)
    return "the same in all images" if len(groups) == 1 else [groups[value] for value in sorted(groups)]


def time_groups(times: Sequence[float], count: int) -> Groups | None:
    """`count` groups of equal size in time order; None where one begins before or as another ends."""
    size, rest = divmod(len(times), count)
    if rest or not size:
        return None
    order = sorted(range(len(times)), key=lambda item: (times[item], item))
    groups = [order[start : start + size] for start in range(0, size * count, size)]
    ends = [(times[group[0]], times[group[-1]]) for group in groups]
    overlap = any(begin <= end for (_, end), (begin, _) in itertools.pairwise(ends))
    return None if overlap else groups


def unwrapped(times: Sequence[float | None]) -> list[float | None]:
    """Seconds of the day that go on counting past midnight, where an examination would last over half a day."""
    known = [time for time in times if time is not None]
    if not known or max(known) - min(known) <= LONGEST_EXAMINATION_S:
        return list(times)
    return [time + DAY_S if time is not None and time < LONGEST_EXAMINATION_S else time for time in times]

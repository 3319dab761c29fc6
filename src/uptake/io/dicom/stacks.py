"""Series cut into stacks: images of one series that lie in one stack of planes and were made alike."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from uptake.io.dicom.geometry import along_normal_mm, position_indices, same_plane
from uptake.io.dicom.headers import Header, Plane
from uptake.io.dicom.moments import phase_count, unwrapped

PRE_WORDS = frozenset({"pre", "precontrast", "native", "without", "wo", "unenhanced"})
POST_WORDS = frozenset(
    {"post", "pos", "postcontrast", "delay", "delayed", "ce", "gd", "gad", "enhanced", "early", "late", "immed"}
)
NEUTRAL_WORDS = frozenset({"c", "ca", "contrast", "ph", "phase", "min", "st", "nd", "rd", "th", "pass"})
T1_ECHO_TIME_MS = 20.0
"""A T1-weighted dynamic has an echo of 1 to 6 ms; T2, diffusion and BOLD series have 25 ms and more."""


@dataclass(frozen=True)
class Stack:
    """Images of one series in parallel planes of one size, made with one echo.

    positions: distinct places along the normal, mm, ascending. phases: how often most of them occur.
    """

    images: tuple[Header, ...]
    positions: tuple[float, ...]
    phases: int

    @property
    def first(self) -> Header:
        """Any one of the images, the same for equal input."""
        return self.images[0]

    @property
    def plane(self) -> Plane:
        """The plane of `first`."""
        if self.first.plane is None:
            raise ValueError("a stack is made of images with a plane")
        return self.first.plane

    @property
    def name(self) -> str:
        """What to call the series in messages."""
        return series_name(self.first)

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the description, lower case, without figures (but t1 and t2 are words)."""
        return tuple(re.findall(r"t[12](?!\d)|[a-z]+", self.first.description.lower()))

    @property
    def bare_name(self) -> tuple[str, ...]:
        """The words without those that tell pre from post."""
        return tuple(word for word in self.words if word not in PRE_WORDS | POST_WORDS | NEUTRAL_WORDS)

    @property
    def says_pre(self) -> bool:
        """Whether the description says that no contrast agent had been given."""
        return not PRE_WORDS.isdisjoint(self.words)

    @property
    def says_post(self) -> bool:
        """Whether the description says that contrast agent had been given."""
        plus_c = re.search(r"\+\s*c(?![a-z])|(?<![a-z])c\s*\+", self.first.description, re.I)
        return not self.says_pre and bool(plus_c or not POST_WORDS.isdisjoint(self.words))

    @property
    def t1_weighted(self) -> bool:
        """Whether the echo is short enough for a T1-weighted series, or unknown."""
        echo = self.first.protocol.echo_time_ms
        return echo is None or echo < T1_ECHO_TIME_MS


def series_name(header: Header) -> str:
    """``series 4 'Dynamic-3dfgre'``."""
    number = "without number" if header.series_number is None else str(header.series_number)
    return f"series {number} '{header.description}'"


def stacks_of(images: Iterable[Header]) -> list[Stack]:
    """The stacks of images that have a plane, largest series first where one holds several."""
    series: dict[str, list[Header]] = defaultdict(list)
    for image in images:
        series[image.series_uid].append(image)
    return [stack for uid in sorted(series) for stack in _stacks_of_series(series[uid])]


def in_order(stacks: Iterable[Stack]) -> list[Stack]:
    """Stacks as they were acquired: by time where all have one, else by series number."""
    listed = sorted(stacks, key=_number_order)
    times = unwrapped([_start_s(stack) for stack in listed])
    known = [time for time in times if time is not None]
    if len(known) < len(listed):
        return listed
    return [stack for _, _, stack in sorted(zip(known, range(len(listed)), listed, strict=True), key=lambda t: t[:2])]


def alike(one: Stack, other: Stack) -> bool:
    """Whether two stacks could be phases of one DCE: same planes, most positions in common, same protocol."""
    same = same_plane(one.plane, other.plane) and overlap(one.positions, other.positions) >= 0.5
    return same and same_protocol(one, other)


def same_protocol(one: Stack, other: Stack) -> bool:
    """Whether repetition time, echo time and flip angle agree to 5 %."""
    a, b = one.first.protocol, other.first.protocol
    return (
        _near(a.repetition_time_ms, b.repetition_time_ms)
        and _near(a.echo_time_ms, b.echo_time_ms)
        and _near(a.flip_angle_deg, b.flip_angle_deg)
    )


def overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """The share of positions that two stacks have in common, of the larger number of positions."""
    indices, _ = position_indices([*one, *other])
    common = len(set(indices[: len(one)]) & set(indices[len(one) :]))
    return common / max(len(one), len(other))


def _stacks_of_series(images: list[Header]) -> list[Stack]:
    groups: list[list[Header]] = []
    for image in sorted(images, key=lambda image: (image.sop_uid, image.frame)):
        for group in groups:
            if _of_one_stack(group[0], image):
                group.append(image)
                break
        else:
            groups.append([image])
    return [_stack(group) for group in groups]


def _of_one_stack(one: Header, other: Header) -> bool:
    if one.plane is None or other.plane is None or one.image_type[2:] != other.image_type[2:]:
        return False
    return same_plane(one.plane, other.plane) and _near(one.protocol.echo_time_ms, other.protocol.echo_time_ms)


def _stack(images: list[Header]) -> Stack:
    offsets = [along_normal_mm(image.plane) for image in images if image.plane is not None]
    indices, positions = position_indices(offsets)
    return Stack(tuple(images), tuple(positions), phase_count(indices))


def covered(stack: Stack) -> float:
    """The share of positions that occur in every phase."""
    offsets = [along_normal_mm(image.plane) for image in stack.images if image.plane is not None]
    counts = Counter(position_indices(offsets)[0])
    return sum(count >= stack.phases for count in counts.values()) / len(counts)


def _number_order(stack: Stack) -> tuple[float, str]:
    number = stack.first.series_number
    return float("inf") if number is None else number, stack.first.series_uid


def _start_s(stack: Stack) -> float | None:
    times = [image.moment.acquisition_s for image in stack.images]
    if None in times:
        times = [image.moment.content_s for image in stack.images]
    return None if None in times else min(time for time in times if time is not None)


def _near(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= 0.05 * max(one, other)

"""What UCSF's derived objects (SER map, DICOM SEG, PE map) record of a study's FTV.

Their private group 0117 holds the volume of interest (VOI), omit regions, thresholds, phase times and the phases that
were used; names and descriptions repeat some of it. Everything is optional and no pixel is read, with one stated
exception (the last source of the VOI below). Element names follow TCIA's dictionary of the group.

Which object wins is said in `derived.ranked`: the SER map, then DICOM SEG, then PE maps; of several runs the latest.
Which place wins, for each value and over all objects:

* VOI: pixel limits (0117,10A1) and (0117,10A2), never the millimetre box; else the bounding box of a VOI-cropped
  *tissue* SEG (not of the PE-thresholded one, which is UCSF's result).
* PE threshold: parameter ``PE_threshold``; ``thresh=NN`` in a series name; ``PE THRESHOLD=NN`` in a derivation
  description; the label of a result, ``FTVpe(PEearly>NN%)``.
* Background threshold: parameter ``pre_contrast_threshold``; ``BACKGROUND=NN`` in a derivation description.
* Phases: indices (0117,1035); the images named in SourceImageSequence; "time points" of the derivation description.
  Where the object counts another number of phases than the study has, the named images go first. Failing all of
  these the early phase alone: a pair of those, or PE1, PE2 in a series name.

Where others disagree, `Recorded.sources` says so in words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import pydicom

from uptake.io.dicom.derived import PE_NAME, Derived, ranked
from uptake.io.dicom.private import Group
from uptake.io.dicom.seg import frame_origins_mm, seg_volume
from uptake.study import Box, Code, Recorded, Refusal
from uptake.volume import Grid, Shape, bounding_slices

T = TypeVar("T")
Triple = tuple[int, int, int]
Reader = tuple[str, Callable[[Derived], T | None]]
"""A place in words, and how it is read there: None where the object does not say."""

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class DceReference:
    """The DCE that the objects are read for.

    sop_uid_to_phase: SOP Instance UID of each image -> its phase, from 0 (empty where unknown).
    dicom_shape: (columns, rows, slices along the normal). affine_dicom: 4 x 4, (column, row, slice) -> LPS mm.
    """

    sop_uid_to_phase: Mapping[str, int]
    n_phases: int
    dicom_shape: Shape
    affine_dicom: npt.NDArray[np.float64]


def read_recorded(datasets: Sequence[pydicom.Dataset], dce: DceReference) -> Recorded:
    """What `datasets` record for `dce`; every value may be absent, and with no datasets all are.

    Headers are enough, but a SEG's pixels are needed for the VOI where its pixel limits are not recorded.
    Raises `Refusal` VOI where the recorded VOI does not fit the volume, PHASES where the recorded phases are not
    three increasing ones of the study's (only asked of a study that has three).
    """
    objects = ranked(datasets, dce.sop_uid_to_phase)
    omit, unknown, omit_words = _omit(objects, dce)
    found: dict[str, _Found[Any] | None] = {
        "voi": _voi(objects, dce),
        "pe_threshold_percent": _best(objects, PE_THRESHOLD),
        "background_threshold": _best(objects, BACKGROUND_THRESHOLD),
        "background_fraction": _best(objects, BACKGROUND_FRACTION),
        "minimum_neighbours": _best(objects, MINIMUM_NEIGHBOURS),
        "phase_times_s": _best(objects, _phase_times(dce.n_phases)),
        "temporal_resolution_s": _best(objects, TEMPORAL_RESOLUTION),
        "ftv_pe_voxels": _best(objects, _counted("FTVpe")),
        "ftv_ser_inclusive_voxels": _best(objects, _counted("FTVser")),
        **_phases(objects, dce),
    }
    known = {name: value for name, value in found.items() if value is not None}
    sources = {name: value.words for name, value in known.items()} | ({"omit": omit_words} if omit_words else {})
    values = {name: value.value for name, value in known.items()}
    return Recorded(omit=omit, omit_unknown=unknown, sources=sources, **values)


@dataclass(frozen=True)
class _Found(Generic[T]):
    value: T
    words: str


def _all(objects: Iterable[Derived], readers: Iterable[Reader[T]]) -> list[tuple[Derived, _Found[T]]]:
    """Every value that is recorded, the one that wins first: place by place, object by object."""
    return [
        (one, _Found(value, f"{place} of the {one.words}"))
        for place, read in readers
        for one in objects
        if (value := read(one)) is not None
    ]


def _best(objects: Sequence[Derived], readers: Iterable[Reader[T]]) -> _Found[T] | None:
    """The value that wins; objects that say otherwise are named in its words."""
    found = _all(objects, readers)
    if not found:
        return None
    winner = found[0][1]
    others = {f"{other.words} says {_say(other.value)}" for _, other in found if other.value != winner.value}
    return _Found(winner.value, "; ".join((winner.words, *sorted(others))))


def _say(value: Any) -> str:  # noqa: ANN401 (a number, or tuples of them)
    """Numbers for people; a pair of corners as from ... to."""
    if not isinstance(value, tuple):
        return f"{value:g}"
    return (" to " if isinstance(value[0], tuple) else ", ").join(map(_say, value))


# Thresholds and times


def _parameter(one: Derived, name: str, low: float, high: float) -> float | None:
    """A number among the parameters of (0117,1010); one outside low to high is as good as absent."""
    for item in one.group.items(0x10) if one.group else ():
        numbers = item.numbers(0x19) or item.numbers(0x18)
        if item.text(0x14) == name and numbers and low <= numbers[0] <= high:
            return numbers[0]
    return None


def _neighbours(one: Derived) -> int | None:
    count = _parameter(one, "minimum_neighbor_count", 0, 26)
    return None if count is None else int(count)


def _background_fraction(one: Derived) -> float | None:
    """The background percentage as a fraction, unless another masking method than PERCENT_MAX is named."""
    items = one.group.items(0x10) if one.group else ()
    methods = {item.text(0x1A) for item in items if item.text(0x14) == "tissue_masking_method"}
    percent = _parameter(one, "PCT_background_threshold", 1, 100)
    return None if percent is None or methods - {"PERCENT_MAX"} else percent / 100


def _number_in(text: str, pattern: str) -> float | None:
    match = re.search(pattern, text, re.IGNORECASE)
    return float(match[1]) if match else None


def _result_labels(one: Derived) -> str:
    return " ".join(item.text(0xB5) for item in one.group.items(0xB0)) if one.group else ""


def _counted(label: str) -> tuple[Reader[int], ...]:
    """The voxels of the result whose label begins so."""

    def read(one: Derived) -> int | None:
        results = one.group.items(0xB0) if one.group else ()
        counts = (item.integers(0xB3, 1) for item in results if item.text(0xB5).startswith(label))
        return next((count[0] for count in counts if count is not None), None)

    return (("result (0117,10B0)", read),)


def _resolution(one: Derived) -> float | None:
    numbers = one.group.numbers(0x31) if one.group else ()
    return numbers[0] if len(numbers) == 1 and numbers[0] > 0 else None


def _phase_times(n_phases: int) -> tuple[Reader[tuple[float, ...]], ...]:
    """Times of as many phases as the study has, increasing; others are as good as absent."""

    def read(one: Derived) -> tuple[float, ...] | None:
        times = one.group.numbers(0x34) if one.group else ()
        return times if len(times) == n_phases and all(b > a for a, b in pairwise(times)) else None

    return (("(0117,1034)", read),)


NUMBER = r"(\d+(?:\.\d+)?)"
PE_THRESHOLD: tuple[Reader[float], ...] = (
    ("parameter PE_threshold", lambda one: _parameter(one, "PE_threshold", 1, 1000)),
    ("thresh= in the name", lambda one: _number_in(one.series_name, rf"\bthresh\s*=\s*{NUMBER}")),
    ("PE THRESHOLD in the description", lambda one: _number_in(one.derivation, rf"\bPE THRESHOLD\s*=\s*{NUMBER}")),
    ("result label", lambda one: _number_in(_result_labels(one), rf"\bPEearly\s*>\s*{NUMBER}\s*%")),
)
BACKGROUND_THRESHOLD: tuple[Reader[float], ...] = (
    ("parameter pre_contrast_threshold", lambda one: _parameter(one, "pre_contrast_threshold", 0, 1e6)),
    ("BACKGROUND in the description", lambda one: _number_in(one.derivation, rf"\bBACKGROUND\s*=\s*{NUMBER}")),
)
BACKGROUND_FRACTION: tuple[Reader[float], ...] = (("parameter PCT_background_threshold", _background_fraction),)
MINIMUM_NEIGHBOURS: tuple[Reader[int], ...] = (("parameter minimum_neighbor_count", _neighbours),)
TEMPORAL_RESOLUTION: tuple[Reader[float], ...] = (("(0117,1031)", _resolution),)


# Phases


def _phases(objects: Sequence[Derived], dce: DceReference) -> dict[str, _Found[Any] | None]:
    """Pre, early and late phase, or the early one alone."""
    if dce.n_phases < 3:
        return {}
    indices: Reader[tuple[int, ...]] = ("(0117,1035)", lambda one: one.group.integers(0x35, 3) if one.group else None)
    images: Reader[tuple[int, ...]] = ("SourceImageSequence", lambda one: _phases_of_images(one, dce))
    points: Reader[tuple[int, ...]] = ("time points in the description", _time_points)
    counts = {n for one in objects if one.group and (n := one.group.integers(0x30, 1))}
    shifted = bool(counts - {(dce.n_phases,)})
    places = (images, indices, points) if shifted else (indices, images, points)
    triple = _best(objects, [(place, _with_length(read, 3)) for place, read in places])
    if triple is not None:
        pre, early, late = triple.value
        if not 0 <= pre < early < late < dce.n_phases:
            raise _phases_refusal(f"phases {_say(triple.value)} ({triple.words})", dce)
        words = f"; it counts {', '.join(str(n) for (n,) in sorted(counts))} phases, the study has {dce.n_phases}"
        return {"phase_indices": replace(triple, words=triple.words + words) if shifted else triple}
    pairs = [(place, _with_length(read, 2)) for place, read in (images, points)]
    return _early_alone([_Found(v.value[1], v.words) for _, v in _all(objects, pairs)] + _named_early(objects), dce)


def _early_alone(found: list[_Found[int]], dce: DceReference) -> dict[str, _Found[Any] | None]:
    """Of several PE maps the earliest is of the early phase; where one phase follows it, that is the late one."""
    if not found:
        return {}
    early = min(found, key=lambda one: one.value)
    if 1 <= early.value < dce.n_phases - 2:
        return {"early_phase_index": early}
    if early.value == dce.n_phases - 2:
        words = f"{early.words}; late is the only phase after it"
        return {"phase_indices": _Found((0, early.value, early.value + 1), words)}
    if dce.n_phases == 3:  # a PE map of the late phase: no other choice of phases is left anyway
        return {}
    raise _phases_refusal(f"early phase {early.value} ({early.words})", dce)


def _with_length(read: Callable[[Derived], tuple[int, ...] | None], count: int) -> Callable[[Derived], Any]:
    def checked(one: Derived) -> tuple[int, ...] | None:
        value = read(one)
        return value if value is not None and len(value) == count else None

    return checked


def _phases_of_images(one: Derived, dce: DceReference) -> tuple[int, ...] | None:
    """The phases that the source images lie in, in time order; None where one of them is unknown."""
    phases = {dce.sop_uid_to_phase.get(uid) for uid in one.source_uids}
    return None if None in phases else tuple(sorted(phase for phase in phases if phase is not None))


def _time_points(one: Derived) -> tuple[int, ...] | None:
    match = re.search(r"time points[^:\r\n]*:\s*(\d+(?:\s*,\s*\d+)+)", one.derivation, re.IGNORECASE)
    return tuple(int(x) for x in match[1].split(",")) if match else None


def _named_early(objects: Iterable[Derived]) -> list[_Found[int]]:
    names = ((one, PE_NAME.search(one.labels)) for one in objects if one.kind == "PE map")
    return [_Found(int(match[1]), f"{match[0]} as the name of the {one.words}") for one, match in names if match]


def _phases_refusal(found: str, dce: DceReference) -> Refusal:
    return Refusal(
        Code.PHASES,
        found=f"recorded in the study: {found}",
        allowed=f"pre, early and late among the phases 0 to {dce.n_phases - 1} that the images make",
        remedy="check that all phases of the study were given, or name them with the setting timing.phases",
    )


# Volume of interest and omit regions


def _voi(objects: Sequence[Derived], dce: DceReference) -> _Found[Box] | None:
    limits = _best(objects, [("(0117,10A1) and (0117,10A2)", _pixel_limits)])
    limits = limits or _best(objects, [("bounding box", lambda one: _tissue_limits(one, dce))])
    if limits is None:
        return None
    start, end = limits.value
    if not all(0 <= a <= b < size for a, b, size in zip(start, end, dce.dicom_shape, strict=True)):
        raise Refusal(
            Code.VOI,
            found=f"recorded VOI {_say(limits.value)} (column, row, slice): {limits.words}",
            allowed=f"a box inside {_say(dce.dicom_shape)} columns, rows and slices",
            remedy="check that all slices of the study were given, or give a VOI with --voi",
        )
    return _Found(Box(start, end), limits.words)


def _pixel_limits(one: Derived) -> tuple[Shape, Shape] | None:
    start, end = (one.group.integers(element, 3) for element in (0xA1, 0xA2)) if one.group else (None, None)
    if start is None or end is None:
        return None
    return (start[0], start[1], start[2]), (end[0], end[1], end[2])


def _tissue_limits(one: Derived, dce: DceReference) -> tuple[Shape, Shape] | None:
    """First and last voxel that a VOI-cropped tissue SEG fills: its frames' slices, its marked columns and rows.

    That can be less than the VOI where no tissue reaches the VOI's sides. A SEG that cannot be placed is no source.
    """
    name = one.series_name.lower()
    if one.kind != "DICOM SEG" or "voi" not in name or "tissue" not in name or "PixelData" not in one.dataset:
        return None
    grid = Grid(dce.dicom_shape, LPS_TO_RAS @ dce.affine_dicom)
    try:
        mask = seg_volume(one.dataset, grid).array
        slices = grid.to_index(frame_origins_mm(one.dataset) * LPS_TO_RAS.diagonal()[:3])[:, 2].round().astype(int)
    except Refusal:
        return None
    columns, rows, _ = bounding_slices(mask)
    if not mask.any():
        return None
    return (columns.start, rows.start, int(slices.min())), (columns.stop - 1, rows.stop - 1, int(slices.max()))


def _omit(objects: Sequence[Derived], dce: DceReference) -> tuple[tuple[Box, ...], tuple[str, ...], str]:
    """Active omit regions as boxes, those that are not understood in words, and the words for both."""
    for one in objects:
        regions = one.group.items(0x22) if one.group else ()
        boxes = (*regions, *(one.group.items(0x20)[1:] if one.group else ()))
        if boxes:
            active = [item for item in boxes if item.integers(0x41, 1) != (0,)]
            read = [_omit_box(item, dce) for item in active]
            words = f"{len(boxes)} in the {one.words}, {len(boxes) - len(active)} of them switched off"
            return (
                tuple(box for box in read if isinstance(box, Box)),
                tuple(f"active omit region in the {one.words}: {text}" for text in read if isinstance(text, str)),
                words,
            )
    return (), (), ""


def _omit_box(item: Group, dce: DceReference) -> Box | str:
    """The box of a region drawn as a rectangle of slices and columns and extruded over rows, else why it is none.

    Vertices and range are taken as the first and last voxel inside. Only this reading has been met in a real study:
    projection axis 1 (rows, counted from 0), transposed, so that x counts slices and y columns.
    """
    if item.text(0x56) != "OMIT":
        return f"of type {item.text(0x56) or 'unknown'} instead of OMIT"
    if item.integers(0x50, 3) != dce.dicom_shape:
        return "drawn on another matrix than the study's"
    if (item.integers(0x51, 1), item.integers(0x52, 1)) != ((1,), (1,)):
        return "projected along another axis than the rows"
    corners, rows = _rectangle(item.numbers(0x53), item.numbers(0x54)), item.integers(0x55, 2)
    if corners is None or rows is None or rows[0] > rows[1]:
        return "not a rectangle along the image axes with a range of rows"
    (first_slice, last_slice), (first_column, last_column) = corners
    start, end = (first_column, rows[0], first_slice), (last_column, rows[1], last_slice)
    inside = min(start) >= 0 and all(b < size for b, size in zip(end, dce.dicom_shape, strict=True))
    return Box(start, end) if inside else f"reaching outside the volume ({_say(start)} to {_say(end)})"


def _rectangle(xs: tuple[float, ...], ys: tuple[float, ...]) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """The ranges of x and y of a polygon whose vertices go round the four corners of an upright rectangle."""
    vertices = list(zip(xs, ys, strict=False))
    x, y = sorted(set(xs)), sorted(set(ys))
    upright = all(a[0] == b[0] or a[1] == b[1] for a, b in zip(vertices, vertices[1:] + vertices[:1], strict=True))
    if len(xs) != len(ys) or len(x) != 2 or len(y) != 2 or set(vertices) != set(product(x, y)) or not upright:
        return None
    return (int(x[0]), int(x[1])), (int(y[0]), int(y[1]))

"""The habits of DICOM files by name, as a user asks for them, and the mixture of them that a cohort can have."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from uptake.io.dicom.write import Habit
from uptake.io.dicom.writing.vendors import Vendor
from uptake.study import SettingsError

VendorChoice = Literal["ge", "siemens", "philips", "mixed"]

HABITS: Mapping[str, Mapping[str, Any]] = {
    "temporal-position": {"ge_times": "temporal-position"},
    "trigger-time": {"ge_times": "trigger-time"},
    "no-times": {"ge_times": "none"},
    "derived-between": {"derived_series": True},
    "varying-tags": {"varying_tags": True},
    "enhanced": {"frames": "enhanced"},
    "rle": {"compression": "rle"},
    "jpeg": {"compression": "jpeg"},
    "jpeg-ls": {"compression": "jpeg-ls"},
    "jpeg-2000": {"compression": "jpeg-2000"},
    "no-ucsf": {"ucsf": False},
}
"""What a study can look like and still be read: names, and what each one sets of `Habit`."""

FILE_DEFECTS: Mapping[str, Mapping[str, Any]] = {
    "missing-slice": {"missing_slice": True},
    "pre-swapped": {"exchanged": True},
}
"""What is wrong with the files and not with the images in them; the images' defects are `uptake.phantom`'s."""

MIXED: tuple[tuple[Vendor, tuple[str, ...]], ...] = (
    ("ge", ()),
    ("siemens", ()),
    ("philips", ()),
    ("ge", ("temporal-position",)),
    ("siemens", ("derived-between",)),
    ("philips", ("jpeg-ls",)),
    ("ge", ("trigger-time",)),
    ("siemens", ("varying-tags",)),
    ("philips", ("enhanced",)),
    ("ge", ("no-times",)),
    ("siemens", ("jpeg",)),
    ("ge", ("varying-tags", "derived-between", "jpeg-2000")),
)
"""The habits that the cases of a mixed cohort take in turn."""


def habit_named(vendor: Vendor, names: Sequence[str]) -> Habit:
    """A vendor's habit with everything that `names`, of `HABITS` and `FILE_DEFECTS`, add to it.

    Raises `SettingsError` for an unknown name and for names that exclude each other.
    """
    chosen: dict[str, Any] = {}
    for name in names:
        for key, value in _known(name).items():
            if chosen.setdefault(key, value) != value:
                raise SettingsError(f"habit {name} does not go together with {key} = {chosen[key]}")
    return Habit(vendor=vendor, **chosen)


def habit_of(number: int, vendor: VendorChoice, names: Sequence[str]) -> tuple[Habit, tuple[str, ...]]:
    """The habit of the `number`-th case (from 0) and the names of what it adds to its vendor's own.

    mixed: the cases go through `MIXED` in turn; only defects may be named beside it.
    Raises `SettingsError`; see `habit_named`.
    """
    if vendor not in get_args(VendorChoice):
        raise SettingsError(f"vendor must be one of {', '.join(get_args(VendorChoice))}, not {vendor!r}")
    if vendor != "mixed":
        return habit_named(vendor, names), tuple(names)
    own = [name for name in names if name in HABITS]
    if own:
        raise SettingsError(f"vendor mixed goes through the habits by itself: name a vendor for {', '.join(own)}")
    chosen, extra = MIXED[number % len(MIXED)]
    return habit_named(chosen, (*extra, *names)), (*extra, *names)


def _known(name: str) -> Mapping[str, Any]:
    everything = {**HABITS, **FILE_DEFECTS}
    if name not in everything:
        near = difflib.get_close_matches(name, everything, 1)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise SettingsError(f"there is no habit {name!r}{hint} There are {', '.join(everything)}")
    return everything[name]

"""Reading UCSF's private group 0117, wherever in the file its block was put and however it was encoded.

Private elements have no fixed tag: the creator at (0117,0010) to (0117,00FF) reserves the block (0117,xx00) to
(0117,xxFF), and items of sequences reserve their own. Writers that do not know the group turn its elements into VR UN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from pydicom.errors import BytesLengthException
from pydicom.values import convert_SQ

GROUP = 0x0117
CREATOR = "UCSF BIRP PRIVATE CREATOR"
UNSIGNED_SHORT = frozenset({0x50, 0x53, 0x54, 0x55, 0xA1, 0xA2})
"""Elements stored as US: what bytes of VR UN are read as; all others are texts or sequences."""

UNCONVERTED = (ArithmeticError, BytesLengthException, TypeError, ValueError)
"""What pydicom raises, when a value is first looked at, for one that its VR does not allow."""


@dataclass(frozen=True)
class Group:
    """UCSF's elements of one dataset or item, by the last two digits of their tag: ``numbers(0x35)`` is (0117,xx35)."""

    dataset: pydicom.Dataset
    block: int

    def numbers(self, element: int) -> tuple[float, ...]:
        """The values of a numeric element; empty where it is absent or not made of finite numbers."""
        value = self._value(element)
        if isinstance(value, bytes):
            value = np.frombuffer(value, "<u2") if element in UNSIGNED_SHORT else _words(value).split("\\")
        values = value if _is_several(value) else (value,)
        try:
            numbers = tuple(float(x) for x in values)
        except (TypeError, ValueError):
            return ()
        return numbers if all(map(math.isfinite, numbers)) else ()

    def integers(self, element: int, count: int) -> tuple[int, ...] | None:
        """Exactly `count` whole numbers, else None."""
        numbers = self.numbers(element)
        if len(numbers) != count or any(x != int(x) for x in numbers):
            return None
        return tuple(int(x) for x in numbers)

    def text(self, element: int) -> str:
        """The text of an element, several values joined by a backslash; empty where it is absent."""
        value = self._value(element)
        if value is None:
            return ""
        if isinstance(value, bytes):
            return _words(value)
        return "\\".join(str(x) for x in value).strip() if _is_several(value) else str(value).strip()

    def items(self, element: int) -> tuple[Group, ...]:
        """The items of a sequence; empty where it is absent or has none."""
        value = self._value(element)
        if isinstance(value, bytes):  # a sequence of VR UN is encoded as implicit little endian (PS3.5 6.2.2)
            value = convert_SQ(value, True, True) if value[:4] == b"\xfe\xff\x00\xe0" else ()
        if not isinstance(value, Sequence) or isinstance(value, str):
            return ()
        return tuple(group_of(item) or Group(item, self.block) for item in value if isinstance(item, pydicom.Dataset))

    def _value(self, element: int) -> Any:  # noqa: ANN401 (whatever pydicom makes of it)
        tag = (GROUP, self.block << 8 | element)
        if tag not in self.dataset:
            return None
        try:
            return self.dataset[tag].value
        except UNCONVERTED:  # as good as absent
            return None


def group_of(dataset: pydicom.Dataset) -> Group | None:
    """UCSF's group in `dataset`, found by its creator; None where there is none."""
    for block in range(0x10, 0x100):
        if (GROUP, block) in dataset:
            creator = dataset[GROUP, block].value
            words = _words(creator) if isinstance(creator, bytes) else str(creator)
            if words.startswith(CREATOR):
                return Group(dataset, block)
    return None


def _is_several(value: object) -> bool:
    return isinstance(value, np.ndarray) or (isinstance(value, Sequence) and not isinstance(value, str | bytes))


def _words(value: bytes) -> str:
    return value.decode("latin-1").strip(" \0")

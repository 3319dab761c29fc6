"""Identifiers of patients as people spell them: ``ISPY1-1002``, ``ISPY1_1002`` and ``1002`` are one patient.

Two spellings are one identifier when they agree without case, separators and leading zeros of the number at the end.
A number alone stands for the only identifier of the other table that ends in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from uptake.study import Code, Refusal

_SEPARATORS = re.compile(r"[\s_\-./]+")
_NUMBERED = re.compile(r"(?P<prefix>.*?)_?0*(?P<number>\d+)")


@dataclass(frozen=True, order=True)
class Key:
    """What is left of an identifier without its spelling: prefix in capitals, number at the end without zeros."""

    prefix: str
    number: str


def key(identifier: str) -> Key:
    """The key of an identifier: ``ISPY1-1002`` -> (ISPY1, 1002), ``1002.0`` (a spreadsheet's) -> ('', 1002)."""
    text = re.sub(r"\.0+$", "", identifier.strip()) if re.fullmatch(r"\s*\d+\.0+\s*", identifier) else identifier
    plain = _SEPARATORS.sub("_", text.strip()).strip("_").upper()
    found = _NUMBERED.fullmatch(plain)
    return Key(found["prefix"].strip("_"), found["number"]) if found else Key(plain, "")


def unique(identifiers: Sequence[str], table: str, spelled: Mapping[str, str]) -> None:
    """Nobody stands in a table twice, in whatever spelling. Raises Refusal CLINICAL naming both rows (from 1).

    spelled: what `spelled_as` made of the identifiers, by which a number alone is known.
    """
    rows: dict[Key, int] = {}
    for row, identifier in enumerate(identifiers, start=1):
        before = rows.setdefault(key(spelled[identifier]), row)
        if before != row:
            raise Refusal(
                Code.CLINICAL,
                found=f"{table}: {identifiers[before - 1]!r} in row {before} and {identifier!r} in row {row} "
                "are one patient",
                allowed="one row per patient",
                remedy="remove the row that does not hold, or give the patients different identifiers",
            )


def spelled_as(identifiers: Sequence[str], reference: Sequence[str], table: str) -> Mapping[str, str]:
    """Each identifier in the spelling of the reference; those it does not know keep their own.

    Raises Refusal CLINICAL where a number alone fits several of the reference.
    """
    known = {key(name): name for name in reference}
    by_number: dict[str, list[str]] = {}
    for found, name in known.items():
        by_number.setdefault(found.number, []).append(name)
    result = {}
    for identifier in identifiers:
        mine = key(identifier)
        if mine in known:
            result[identifier] = known[mine]
            continue
        bare = [
            name for name in by_number.get(mine.number, ()) if mine.number and "" in {mine.prefix, key(name).prefix}
        ]
        if len(bare) > 1:
            raise Refusal(
                Code.CLINICAL,
                found=f"{table}: {identifier!r} could be {' or '.join(sorted(bare))}",
                allowed="identifiers that stand for one patient",
                remedy="write the identifiers in full",
            )
        result[identifier] = bare[0] if bare else identifier
    return result

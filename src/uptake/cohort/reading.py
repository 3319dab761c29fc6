"""What readers did with a case, as an append-only log says it: chains of revisions, decisions, what is in force.

Every reader has a chain of revisions of her own in each case, so that reads are independent; `CONSENSUS` is one more.
Nothing here is stored: every state is worked out from the entries, in the order in which they were written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Action = Literal[
    "saved",
    "imported",
    "approved",
    "rejected",
    "second read",
    "waiting",
    "images accepted",
    "images rejected",
    "voi kept",
    "voi dropped",
]
State = Literal["waiting", "draft", "approved", "rejected", "second read"]
Images = Literal["unseen", "accepted", "rejected"]

CONSENSUS = "consensus"
NAME_LENGTH = 64
REVISIONS = ("saved", "imported")
DECISIONS = ("approved", "rejected", "second read", "waiting")


@dataclass(frozen=True)
class Entry:
    """One thing that a reader did. `number` is its place in the log; `when` is UTC, ISO 8601.

    chain: whose revisions it is about (a reader's name or `CONSENSUS`). revision: the one made or decided on, from 1
    (0: none). parent: what a revision was made from. Volumes in cc, of the primary lesion alone; `sha256` is that of
    the mask's file. blind: whether the reader could not see the others' work when she did it.
    """

    action: Action
    case_id: str
    reader: str
    number: int = 0
    when: str = ""
    chain: str = ""
    revision: int = 0
    parent: str = ""
    seconds_active: float = 0.0
    tool_version: str = ""
    sha256: str = ""
    volume_before_cc: float | None = None
    volume_cc: float | None = None
    satellites_cc: float | None = None
    reason: str = ""
    comment: str = ""
    quality: int | None = None
    corrupted: bool | None = None
    blind: bool = False
    details: str = ""


def valid_name(name: str) -> bool:
    """Whether a text can be a reader's name: 1 to 64 printable characters, and not the name of the joint chain."""
    return name.isprintable() and 1 <= len(name.strip()) <= NAME_LENGTH and name.strip().casefold() != CONSENSUS


def decided(action: Action, reader: str, revision: Entry) -> Entry:
    """The entry with which `reader` decides on a revision: it repeats what the decision was about."""
    return Entry(
        action,
        revision.case_id,
        reader,
        chain=revision.chain,
        revision=revision.revision,
        parent=f"{revision.chain}:{revision.revision}",
        sha256=revision.sha256,
        volume_cc=revision.volume_cc,
        satellites_cc=revision.satellites_cc,
    )


def chains(entries: Sequence[Entry]) -> tuple[str, ...]:
    """The chains of one case that have a revision or a decision, in order of first appearance."""
    return tuple(dict.fromkeys(e.chain for e in entries if e.action in REVISIONS + DECISIONS))


def revisions(entries: Sequence[Entry], chain: str) -> tuple[Entry, ...]:
    """The revisions of one chain of a case, oldest first."""
    return tuple(e for e in entries if e.chain == chain and e.action in REVISIONS)


def latest_revision(entries: Sequence[Entry], chain: str) -> Entry | None:
    """The newest revision of one chain, or None."""
    return next(reversed(revisions(entries, chain)), None)


def decision(entries: Sequence[Entry], chain: str) -> Entry | None:
    """The last decision in one chain, or None."""
    return next((e for e in reversed(entries) if e.chain == chain and e.action in DECISIONS), None)


def chain_state(entries: Sequence[Entry], chain: str) -> State:
    """How one chain stands: a revision that is newer than the last decision is a draft."""
    last = decision(entries, chain)
    newest = latest_revision(entries, chain)
    if newest and (last is None or last.number < newest.number):
        return "draft"
    return last.action if last else "waiting"  # type: ignore[return-value]


def approved(entries: Sequence[Entry], chain: str) -> Entry | None:
    """The revision of a chain that its last decision approves; newer ones, not yet decided on, change nothing."""
    last = decision(entries, chain)
    if last is None or last.action != "approved":
        return None
    return next((e for e in revisions(entries, chain) if e.revision == last.revision), None)


def in_force(entries: Sequence[Entry]) -> Entry | None:
    """The revision of one case that its numbers come from, or None.

    The consensus, if it is approved; else the mask that was approved last by a reader who was not reading blind; else
    the one that a blind reader approved last: a blind second read replaces nobody's mask, consensus does.
    """
    found = [(decision(entries, chain), approved(entries, chain)) for chain in chains(entries)]
    standing = [(last, mask) for last, mask in found if last is not None and mask is not None]
    best = max(standing, key=lambda item: (item[1].chain == CONSENSUS, not item[0].blind, item[0].number), default=None)
    return best[1] if best else None


def case_state(entries: Sequence[Entry], drafts: bool = False) -> State:
    """How a case stands over all chains. drafts: whether any reader has an unsaved draft.

    A second read that somebody asked for stands until another reader has decided. Then a mask in force makes the case
    approved, whoever rejected it beside that; without one the last decision counts.
    """
    if approved(entries, CONSENSUS):
        return "approved"
    if second_read_by(entries) is not None:
        return "second read"
    states = {chain: chain_state(entries, chain) for chain in chains(entries)}
    if in_force(entries):
        return "approved"
    if drafts or "draft" in states.values():
        return "draft"
    last = next((e for e in reversed(entries) if e.action in DECISIONS and e.action != "second read"), None)
    return last.action if last else "waiting"  # type: ignore[return-value]


def second_read_by(entries: Sequence[Entry]) -> str | None:
    """Who asked for a second read that nobody else has answered yet, or None.

    Whoever asked may approve her own mask meanwhile; she takes the wish back with `waiting`.
    """
    asked = next(reversed(_asked(entries)), None)
    if asked is None:
        return None
    answered = any(e.number > asked.number and e.chain != asked.chain and e.action in _ENDS for e in entries)
    return None if answered else asked.reader


def is_blind(entries: Sequence[Entry], reader: str) -> bool:
    """Whether a reader must not see the others' work on this case: a second read was asked of her, still undecided.

    Who asks for one herself, having seen the case openly, is not blinded by another's wish; asking while blind does not
    open anything.
    """
    asked = any(e.reader != reader for e in _asked(entries))
    own = [e for e in entries if e.reader == reader]
    return asked and not any(e.action in _ENDS or (e.action == "second read" and not e.blind) for e in own)


def images_state(entries: Sequence[Entry]) -> tuple[Images, str]:
    """Whether the images were accepted, and the reason that was given."""
    last = next((e for e in reversed(entries) if e.action.startswith("images ")), None)
    if last is None:
        return "unseen", ""
    return ("accepted" if last.action == "images accepted" else "rejected"), last.reason


def voi_kept(entries: Sequence[Entry]) -> Entry | None:
    """The entry that keeps a reader's volume of interest, unless it was dropped since."""
    last = next((e for e in reversed(entries) if e.action.startswith("voi ")), None)
    return last if last and last.action == "voi kept" else None


def rating(entries: Sequence[Entry]) -> tuple[int | None, bool | None]:
    """The last image quality (1 worst to 5 best) and corruption mark that a reader gave, None where none did."""
    quality = next((e.quality for e in reversed(entries) if e.quality is not None), None)
    corrupted = next((e.corrupted for e in reversed(entries) if e.corrupted is not None), None)
    return quality, corrupted


def _asked(entries: Sequence[Entry]) -> list[Entry]:
    """The wishes for a second read that were not taken back."""
    back = {e.chain: e.number for e in entries if e.action == "waiting"}
    return [e for e in entries if e.action == "second read" and back.get(e.chain, 0) < e.number]


_ENDS = ("approved", "rejected")

"""What a reader may change: drafts, revisions, decisions, judgements of images. Every one ends in the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from uptake.cohort import reading
from uptake.cohort.reading import CONSENSUS, DECISIONS, Entry
from uptake.io import revisions
from uptake.io.nifti import read_mask
from uptake.io.revisions import Draft, Stale
from uptake.review.bodies import Bad, labels, text
from uptake.review.description import chain, row
from uptake.review.volumes import MASKS, grid_of
from uptake.volume import Volume


@dataclass(frozen=True)
class By:
    """Who does something in which case, on which chain, seeing which revision of it.

    base: the revision that a draft was drawn on, where the page says so.
    """

    cohort: Path
    folder: Path
    reader: str
    chain: str
    seen: int | None
    seconds_active: float = 0.0
    start: str = ""
    base: int | None = None

    @property
    def case_id(self) -> str:
        """The case."""
        return self.folder.name


def save_draft(by: By, data: bytes) -> dict[str, Any]:
    """Keep an autosave in place of the last one of this chain."""
    seen = _needs_seen(by)
    mask = labels(data, grid_of(by.folder))
    volume = revisions.label_cc(mask, revisions.PRIMARY)
    entries = revisions.entries(by.cohort, by.case_id)
    newest = reading.latest_revision(entries, by.chain)
    last = newest.revision if newest else 0
    base = last if by.base is None else min(by.base, last)
    draft = Draft(seen, "", by.seconds_active, by.start, base, volume, data)
    try:
        saved = revisions.save_draft(by.cohort, by.case_id, by.chain, draft)
    except Stale as error:
        raise Bad(
            409, "another tab has saved a newer draft", "load that draft, or save this one over it with its etag",
            etag=f'"{error.etag}"',
        ) from error  # fmt: skip
    return {"etag": f'"{saved.etag}"', "saved": saved.saved, "volume_cc": volume}


def save_mask(by: By, data: bytes) -> dict[str, Any]:
    """Add a revision drawn in the browser to the chain."""
    _needs_seen(by)
    return keep(by, labels(data, grid_of(by.folder)), Entry("saved", by.case_id, by.reader, chain=by.chain))


def keep(by: By, mask: Volume, entry: Entry, acquired: Volume | None = None) -> dict[str, Any]:
    """Add a revision to the chain; what stands in the log. Raises `Bad` 409 with the winner if it came too late."""
    seen = _needs_seen(by)
    entries = revisions.entries(by.cohort, by.case_id)
    parent = _parent(by, entries)
    made = replace(
        entry,
        parent=parent,
        seconds_active=by.seconds_active,
        volume_before_cc=_parent_cc(by, parent, entries),
        blind=reading.is_blind(entries, by.reader),
    )
    try:
        saved = revisions.save_revision(by.cohort, made, mask, seen, acquired)
    except Stale as error:
        winner = row(error.winner) if error.winner else None
        who = f"{error.winner.reader} saved revision {error.winner.revision}" if error.winner else "nothing is there"
        raise Bad(
            409, f"another save came first: {who}", "look at that revision, then save again on it",
            winner=winner, etag=f'"{error.etag}"',
        ) from error  # fmt: skip
    return {**row(saved), "etag": f'"{saved.revision}"'}


def decide(by: By, values: dict[str, Any]) -> dict[str, Any]:
    """Approve or reject a revision, ask for a second read, or take a decision back; with rating and comment."""
    _needs_seen(by)
    state = values.get("state")
    if state not in DECISIONS:
        raise Bad(422, f"a decision {state!r}", f"one of {', '.join(DECISIONS)}")
    quality, corrupted = _rating(values)
    reason, comment = text(values, "reason"), text(values, "comment")
    if state == "rejected" and not reason.strip():
        raise Bad(422, "a rejection without a reason", "say why, so that others understand it")
    with revisions.writing(by.cohort) as connection:
        entries = revisions.entries_of(connection, by.case_id)
        _not_stale(entries, by)
        number = by.seen if values.get("revision") is None else values["revision"]
        revision = _revision(entries, by.chain, number, state)
        plain = Entry(state, by.case_id, by.reader, chain=by.chain)
        entry = replace(
            reading.decided(state, by.reader, revision) if revision else plain,
            reason=reason,
            comment=comment,
            quality=quality,
            corrupted=corrupted,
            seconds_active=by.seconds_active,
            blind=reading.is_blind(entries, by.reader),
        )
        revisions.append(connection, entry)
        entries = revisions.entries_of(connection, by.case_id)
    return chain(entries, by.chain, reading.is_blind(entries, by.reader))


def judge_images(by: By, values: dict[str, Any]) -> dict[str, Any]:
    """Accept or reject the processed images of a case."""
    state, reason = values.get("state"), text(values, "reason")
    if state not in ("accepted", "rejected"):
        raise Bad(422, f"images {state!r}", "accepted or rejected")
    if state == "rejected" and not reason.strip():
        raise Bad(422, "images rejected without a reason", "say what is wrong with them")
    quality, corrupted = _rating(values)
    with revisions.writing(by.cohort) as connection:
        action: reading.Action = "images accepted" if state == "accepted" else "images rejected"
        entry = Entry(action, by.case_id, by.reader, reason=reason, comment=text(values, "comment"))
        rated = replace(entry, quality=quality, corrupted=corrupted, seconds_active=by.seconds_active)
        revisions.append(connection, rated)
    return {"state": state, "reason": reason}


def _not_stale(entries: Sequence[Entry], by: By) -> None:
    newest = reading.latest_revision(entries, by.chain)
    number = newest.revision if newest else 0
    if number != by.seen:
        winner = row(newest) if newest else None
        raise Bad(409, "the chain has a newer revision", "look at it, then decide", winner=winner, etag=f'"{number}"')


def _revision(entries: Sequence[Entry], name: str, number: object, state: str) -> Entry | None:
    """The revision that a decision is about; approval needs one with a primary lesion in it."""
    found = next((e for e in reading.revisions(entries, name) if e.revision == number), None)
    if found is None and number:
        raise Bad(404, f"the chain has no revision {number}", "decide on a revision of the history")
    if state == "approved" and found is None:
        raise Bad(422, "there is no revision to approve", "save the mask first")
    if state == "approved" and found is not None and not found.volume_cc:
        raise Bad(422, "the mask has no voxel of a primary lesion", "draw it, or reject the case with a reason")
    return found


def _rating(values: dict[str, Any]) -> tuple[int | None, bool | None]:
    quality, corrupted = values.get("quality"), values.get("corrupted")
    if quality is not None and (isinstance(quality, bool) or quality not in (1, 2, 3, 4, 5)):
        raise Bad(422, f"an image quality of {quality!r}", "1 (worst) to 5 (best), or null")
    if corrupted is not None and not isinstance(corrupted, bool):
        raise Bad(422, "corrupted is true, false or null")
    return quality, corrupted


def _parent(by: By, entries: Sequence[Entry]) -> str:
    """What a revision was made from: a start that the case has, else the newest revision of the chain."""
    known = {f"{e.chain}:{e.revision}" for e in entries if e.action in reading.REVISIONS} | set(MASKS) | {"blank"}
    newest = reading.latest_revision(entries, by.chain)
    if by.start in known:
        return by.start
    return f"{by.chain}:{newest.revision}" if newest else "stv_proposal"


def _parent_cc(by: By, parent: str, entries: Sequence[Entry]) -> float | None:
    if parent in MASKS:
        path = by.folder / MASKS[parent]
        return read_mask(path).cc if path.is_file() else None
    if parent == "blank":
        return 0.0
    return next(
        (e.volume_cc for e in entries if e.action in reading.REVISIONS and f"{e.chain}:{e.revision}" == parent), None
    )


def _needs_seen(by: By) -> int:
    if by.seen is None:
        raise Bad(428, "a save without If-Match", 'send the etag that was read last, If-Match: "0" for the first')
    return by.seen


def chain_name(wanted: str, reader: str) -> str:
    """The chain that a request writes to: the reader's own, or the consensus."""
    return CONSENSUS if wanted == CONSENSUS else reader

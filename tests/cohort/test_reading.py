"""How a case stands is worked out from its log alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from uptake.cohort import reading
from uptake.cohort.reading import CONSENSUS, Action, Entry


def log(*lines: tuple[str, Action] | tuple[str, Action, dict[str, object]]) -> tuple[Entry, ...]:
    """Entries from (reader, action[, more]); revisions count up by chain, decisions are about the newest."""
    found: list[Entry] = []
    for number, (reader, action, *more) in enumerate(lines, start=1):
        entry = replace(Entry(action, "ONE", reader, number=number, chain=reader), **(more[0] if more else {}))
        made = sum(e.action in reading.REVISIONS and e.chain == entry.chain for e in found)
        revision = made + (action in reading.REVISIONS)
        found.append(replace(entry, revision=entry.revision or revision, sha256=f"{entry.chain}{revision}"))
    return tuple(found)


JOINT: dict[str, object] = {"chain": CONSENSUS}
BLIND: dict[str, object] = {"blind": True}
READ: tuple[tuple[str, Action], ...] = (("AB", "saved"), ("AB", "approved"))


@pytest.mark.parametrize(
    ("entries", "state", "mask"),
    [
        (log(), "waiting", None),
        (log(("AB", "images accepted")), "waiting", None),
        (log(("AB", "saved")), "draft", None),
        (log(("AB", "saved"), ("AB", "approved")), "approved", ("AB", 1)),
        (log(("AB", "saved"), ("AB", "approved"), ("AB", "saved")), "approved", ("AB", 1)),
        (log(("AB", "saved"), ("AB", "approved"), ("AB", "waiting")), "waiting", None),
        (log(("AB", "saved"), ("AB", "approved"), ("AB", "rejected")), "rejected", None),
        (log(("AB", "saved"), ("AB", "second read")), "second read", None),
        (log(("AB", "saved"), ("AB", "second read"), ("AB", "approved")), "second read", ("AB", 1)),
        (log(("AB", "saved"), ("AB", "second read"), ("AB", "waiting")), "waiting", None),
        (log(("AB", "saved"), ("AB", "second read"), ("CD", "saved"), ("CD", "rejected")), "rejected", None),
        (log(("AB", "saved"), ("AB", "approved"), ("CD", "saved"), ("CD", "approved")), "approved", ("CD", 1)),
        (
            log(("AB", "saved"), ("AB", "approved"), ("CD", "saved"), ("CD", "approved", BLIND)),
            "approved",
            ("AB", 1),
        ),
        (
            log(("AB", "saved"), ("AB", "second read"), ("CD", "saved"), ("CD", "approved", BLIND)),
            "approved",
            ("CD", 1),
        ),
        (log(*READ, ("AB", "saved", JOINT), ("AB", "approved", JOINT), ("AB", "approved")), "approved", (CONSENSUS, 1)),
    ],
)  # fmt: skip
def test_state_and_mask_in_force(entries: tuple[Entry, ...], state: str, mask: tuple[str, int] | None) -> None:
    assert reading.case_state(entries) == state
    found = reading.in_force(entries)
    assert (found and (found.chain, found.revision)) == mask


def test_an_older_revision_can_be_the_approved_one() -> None:
    entries = log(("AB", "saved"), ("AB", "saved"), ("AB", "approved", {"revision": 1}))
    found = reading.in_force(entries)
    assert found is not None
    assert found.revision == 1


def test_an_unsaved_draft_makes_a_waiting_case_a_draft_and_an_approved_one_stays() -> None:
    assert reading.case_state((), drafts=True) == "draft"
    assert reading.case_state(log(("AB", "saved"), ("AB", "approved")), drafts=True) == "approved"


def test_a_second_read_is_blind_until_the_second_reader_has_decided() -> None:
    asked = log(("AB", "saved"), ("AB", "second read"))
    assert reading.second_read_by(asked) == "AB"
    assert reading.is_blind(asked, "CD")
    assert not reading.is_blind(asked, "AB")
    drawn = log(("AB", "saved"), ("AB", "second read"), ("CD", "saved"))
    assert reading.is_blind(drawn, "CD")
    done = log(("AB", "saved"), ("AB", "second read"), ("CD", "saved"), ("CD", "approved"))
    assert not reading.is_blind(done, "CD")
    assert reading.second_read_by(done) is None


def test_asking_for_a_second_read_while_blind_opens_nothing() -> None:
    both = log(("AB", "saved"), ("AB", "second read"), ("CD", "saved"), ("CD", "second read", BLIND))
    assert reading.is_blind(both, "CD")
    assert not reading.is_blind(both, "AB"), "she asked first"


def test_a_wish_that_was_taken_back_blinds_nobody() -> None:
    entries = log(("AB", "saved"), ("AB", "second read"), ("AB", "waiting"))
    assert not reading.is_blind(entries, "CD")
    assert reading.is_blind((*entries, replace(entries[1], number=9)), "CD")


def test_what_was_judged_last_counts() -> None:
    entries = log(
        ("AB", "images rejected", {"reason": "moved", "quality": 2}),
        ("AB", "images accepted", {"corrupted": False}),
        ("AB", "voi kept", {"details": "0,0,0:1,1,1"}),
    )
    assert reading.images_state(entries) == ("accepted", "")
    assert reading.rating(entries) == (2, False)
    assert reading.voi_kept(entries) == entries[2]
    assert reading.voi_kept((*entries, replace(entries[2], action="voi dropped"))) is None
    assert reading.images_state(()) == ("unseen", "")


def test_a_decision_repeats_what_it_was_about() -> None:
    revision = Entry("saved", "ONE", "AB", chain="AB", revision=3, sha256="f00", volume_cc=1.5, satellites_cc=0.2)
    made = reading.decided("approved", "CD", revision)
    assert (made.parent, made.sha256, made.volume_cc, made.reader) == ("AB:3", "f00", 1.5, "CD")

"""Pseudonyms are stable under one key, say nothing, and dates keep their distances."""

from __future__ import annotations

import stat
from datetime import date
from pathlib import Path

import pytest
from pydicom.uid import UID

from uptake.io.archives.names import Names, read_or_make_key
from uptake.study import Refusal, SettingsError

KEY = bytes(range(32))


def test_a_public_collection_keeps_its_names_and_uids() -> None:
    names = Names(True, KEY)
    assert (names.patient("ISPY1_1001"), names.uid("1.2.3")) == ("ISPY1_1001", "1.2.3")


def test_one_key_gives_one_name_and_another_key_another() -> None:
    assert Names(False, KEY).patient("A-1") == Names(False, KEY).patient("A-1")
    assert Names(False, KEY).patient("A-1") != Names(False, bytes(32)).patient("A-1")
    assert Names(False, KEY).patient("A-1") != Names(False, KEY).patient("A-2")


def test_a_pseudonym_holds_nothing_of_the_identifier() -> None:
    made = Names(False, KEY).patient("MILLER 1234567")
    assert len(made) == 13
    assert "MILLER" not in made
    assert not any(part in made for part in ("1234", "4567"))


def test_uids_are_replaced_by_valid_ones_of_root_2_25() -> None:
    made = Names(False, KEY).uid("1.2.840.113619.2.1.1")
    assert made.startswith("2.25.")
    assert UID(made).is_valid
    assert Names(False, KEY).uid("") == ""


def test_dates_move_by_one_number_of_days_per_patient_into_another_century() -> None:
    names = Names(False, KEY)
    first, second = names.shifted("A", "19850412"), names.shifted("A", "19850712")
    assert _day(second) - _day(first) == date(1985, 7, 12) - date(1985, 4, 12)
    assert 2085 <= _day(first).year <= 2095
    assert names.shifted("B", "19850412") != first


@pytest.mark.parametrize("text", [None, "", "unknown", "19851342", "1985"])
def test_what_is_no_date_becomes_empty(text: str | None) -> None:
    assert Names(False, KEY).shifted("A", text) == ""


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    key = read_or_make_key(tmp_path / "key")
    assert len(key) == 32
    assert read_or_make_key(tmp_path / "key") == key
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "not a key", "abcd"])
def test_a_file_without_a_key_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text)
    with pytest.raises(SettingsError, match="holds"):
        read_or_make_key(tmp_path / "key")


def test_a_key_that_cannot_be_written_is_a_refusal(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="could not be written"):
        read_or_make_key(tmp_path / "no folder" / "key")


def _day(text: str) -> date:
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))

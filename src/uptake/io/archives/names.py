"""What a release calls patients, visits, UIDs and dates: the source's own, or keyed names that only the key undoes.

The key stays outside the release. Equal key and equal source give equal names, so that a later release of the same
patients can be joined with an earlier one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from uptake.study import Code, Refusal, SettingsError

KEY_FILE = "release-key"
KEY_BYTES = 32
SHIFT_DAYS = 36525
SHIFT_RANGE_DAYS = 3653
"""Dates move 100 to 110 years ahead, each patient's by one number of days: no shifted date can be taken for a real one,
and intervals between visits are kept."""


@dataclass(frozen=True)
class Names:
    """Names of one source. public: it is a public collection, whose PatientIDs and UIDs are kept."""

    public: bool
    key: bytes

    def patient(self, patient_id: str) -> str:
        """The PatientID, or a pseudonym of 13 characters: ``P-`` and 11 of A-Z and 2-7 (55 bits)."""
        if self.public:
            return patient_id
        return "P-" + base64.b32encode(self._digest("patient", patient_id)).decode()[:11]

    def uid(self, uid: str) -> str:
        """The UID, or a UID of root 2.25 in its place; empty stays empty."""
        return uid if self.public or not uid else self.new_uid(uid)

    def new_uid(self, *parts: str) -> str:
        """A UID of root 2.25 for something that the source does not have, the same for the same `parts`."""
        return f"2.25.{int.from_bytes(self._digest('uid', *parts)[:16], 'big')}"

    def shifted(self, patient_id: str, day: str | None) -> str:
        """A DICOM date (YYYYMMDD) moved by the patient's number of days; empty for none and for what is no date."""
        digest = self._digest("days", patient_id)
        days = SHIFT_DAYS + int.from_bytes(digest[:8], "big") % SHIFT_RANGE_DAYS
        try:
            moved = date(int((day or "")[:4]), int((day or "")[4:6]), int((day or "")[6:8])) + timedelta(days=days)
        except (ValueError, OverflowError):
            return ""
        return moved.strftime("%Y%m%d")

    def _digest(self, *parts: str) -> bytes:
        return hmac.new(self.key, "\0".join(parts).encode(), hashlib.sha256).digest()


def read_or_make_key(path: Path) -> bytes:
    """The key in a file, made anew (for its owner's eyes only) where there is none.

    Raises `SettingsError` for a file that holds no key, `Refusal` NO_SPACE where none can be made.
    """
    if path.is_file():
        return _parsed(path)
    key = secrets.token_bytes(KEY_BYTES)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(key.hex() + "\n")
    except OSError as error:
        raise Refusal(
            Code.NO_SPACE,
            found=f"the key {path.name} could not be written: {error.strerror}",
            allowed="a folder that this user may write to",
            remedy="name another file with --key",
        ) from error
    return key


def _parsed(path: Path) -> bytes:
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError as error:
        raise SettingsError(f"{path.name} holds no key: {2 * KEY_BYTES} hexadecimal digits") from error
    if len(key) != KEY_BYTES:
        raise SettingsError(f"{path.name} holds a key of {len(key)} bytes, not of {KEY_BYTES}")
    return key

"""A person's name is found whatever the alphabet, the encoding and the containers that it stands in."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from uptake.io.archives.gate import Gate
from uptake.io.archives.identifiers import Needle

pytest.importorskip("ahocorasick_rs", reason="the extra 'release' is not installed")

NAMES = ("Quinterella^Marguerita", "Müller-Lüdenscheidt^Jürgen", "O'Rourke^Fionnuala", "Иванова^Мария", "山田^太郎")
WRITTEN: dict[str, Callable[[str], bytes]] = {
    "UTF-8": lambda text: text.encode(),
    "capitals": lambda text: text.upper().encode(),
    "small letters": lambda text: text.lower().encode(),
    "decomposed": lambda text: unicodedata.normalize("NFD", text).encode(),
    "UTF-16": lambda text: text.encode("utf-16-le"),
    "UTF-16, big end first": lambda text: text.encode("utf-16-be"),
    "UTF-32": lambda text: text.encode("utf-32-le"),
    "JSON": lambda text: json.dumps(text).encode(),
    "a representation": lambda text: ascii(text).encode(),
    "numbered entities": lambda text: "".join(f"&#{ord(letter)};" for letter in text).encode(),
    "percent signs": lambda text: quote(text, safe="").encode(),
    "base64": lambda text: base64.b64encode(b"of " + text.encode()),
    "hexadecimal": lambda text: text.encode().hex().encode(),
    "two lines": lambda text: text.replace(" ", "\n    ").encode(),
    "marks inside": lambda text: f"{text[:2]}<b>{text[2:]}</b>".encode(),
}


def _zipped(data: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", data)
    return packed.getvalue()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zlib": zlib.compress,
    "zip": _zipped,
}


@pytest.fixture(scope="module")
def gate() -> Gate:
    return Gate([Needle(name, "name", "PatientName (0010,0010)") for name in NAMES])


@st.composite
def leaked(draw: st.DrawFn) -> tuple[str, bytes]:
    """Bytes that hold a name, and in words how."""
    family, first = draw(st.sampled_from(NAMES)).split("^")
    words = (first, family) if draw(st.booleans()) else (family, first)
    written = draw(st.sampled_from(sorted(WRITTEN)))
    text = draw(st.sampled_from(("^", " ", ", ", "_", "-"))).join(words)
    around = (draw(st.text("measured in 2.5 cm; ", max_size=20)).encode() for _ in range(2))
    data = WRITTEN[written](text).join((next(around) + b" ", b" " + next(around)))
    containers = draw(st.lists(st.sampled_from(sorted(PACKED)), max_size=2))
    for container in containers:
        data = PACKED[container](data)
    return f"{text} in {written}, in {containers}", data


@given(leaked())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_name_is_found_however_it_is_written_and_packed(
    gate: Gate, tmp_path: Path, planted: tuple[str, bytes]
) -> None:
    how, data = planted
    (tmp_path / "file").write_bytes(data)
    assert gate.search(tmp_path / "file", "file"), how


@pytest.mark.parametrize("words", ["??????^?????", "Lena Park^Schmitt", "mueller", "Lüdenscheidt", "ORourke", "Jürgen"])
def test_parts_of_names_count_and_what_an_encoding_cannot_hold_is_no_question_mark(
    gate: Gate, tmp_path: Path, words: str
) -> None:
    (tmp_path / "file").write_text(f"seen: {words}.")
    assert bool(gate.search(tmp_path / "file", "file")) == (words not in ("??????^?????", "Lena Park^Schmitt"))

"""The gate: no byte of a release holds a name, identifier, date, time or free text of its source.

A value is looked for in every spelling that a program or a person is likely to give it: names in both orders and
joined by eight separators; dates in 30 forms; UTF-8, Latin-1, UTF-16, UTF-32, hexadecimal and the three alignments of
base64; in any case. What counts as found depends on how telling it is, so that numbers of an image or table are no
alarm (characters beyond ASCII count as the bytes of their UTF-8):

* eight characters or more: anywhere, also among voxels and packed bytes (digits alone: as a whole number);
* four to seven with a letter, and digits of six or seven: as a whole word, not among voxels and packed bytes;
* four or five digits (from 1000 on), and times as six digits: as a whole word in names and short text fields (file
  names, DICOM elements, NIfTI and gzip headers) alone, because tables are full of such numbers;
* fewer than four: not looked for. Single words that the program itself writes neither, but names made of them are.
"""

from __future__ import annotations

import base64
import itertools
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from uptake.io.archives.identifiers import Needle, own_words, words_of
from uptake.io.archives.streams import Stream, file_streams
from uptake.study import SettingsError

Rule = Literal["anywhere", "number", "word", "field", "encoded"]
SEPARATORS = ("", " ", "^", ", ", "_", "-", ".")
WRITTEN_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "å": "aa", "ø": "oe", "æ": "ae",
                             "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "Å": "Aa", "Ø": "Oe", "Æ": "Ae"})  # fmt: skip
MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
          "december")  # fmt: skip
UID = re.compile(rb"(?<![\d.])[0-2](?:\.(?:0|[1-9]\d*)){4,}(?![\d])")
CHECKSUM_DIGITS = 32
SHORTEST_ENCODED = 8
SMALLEST_NUMBER = 1000
"""Below it a number in a name is that of a phase (0001) or a visit."""
CLEAR = frozenset(b"0123456789abcdefghijklmnopqrstuvwxyz")
HEX = frozenset(b"0123456789abcdef")


@dataclass(frozen=True)
class Leak:
    """Something of the source in a file: where, and which attribute it is. The value itself is not repeated."""

    file: str
    place: str
    what: str


@dataclass(frozen=True, slots=True)
class _Pattern:
    rule: Rule
    what: str


class Gate:
    """Searches files for the needles of all sources at once: one pass of an automaton over every byte.

    allowed: values that a release may hold; a needle found inside one of them there is none. uids: UIDs that may not
    occur. Raises `SettingsError` where the extra 'release' is not installed.
    """

    def __init__(self, needles: Iterable[Needle], uids: Iterable[str] = (), allowed: Collection[str] = ()) -> None:
        try:
            from ahocorasick_rs import BytesAhoCorasick, Implementation
        except ModuleNotFoundError as missing:
            raise SettingsError("a release needs the extra 'release': pip install 'uptake[release]'") from missing
        self.uids = frozenset(uid.encode() for uid in uids)
        self.allowed = frozenset(spelt for text in allowed for spelt in _plain(text))
        self.patterns: dict[bytes, _Pattern] = {}
        self.unsearched: list[Needle] = []
        self.values = 0
        for needle in sorted(set(needles), key=lambda n: (n.kind, n.text, n.what)):
            self._add(needle)
        self.texts = tuple(self.patterns)
        self.automaton = BytesAhoCorasick(self.texts, implementation=Implementation.ContiguousNFA)
        self.inside = self._inside_allowed()

    def search(self, path: Path, name: str, *, contents: bool = True) -> tuple[Leak, ...]:
        """The leaks of one file, each attribute once per place; without `contents` those of its name alone."""
        streams = itertools.islice(file_streams(path, name), None if contents else 1)
        found: dict[tuple[str, str], Leak] = {}
        for stream in streams:
            for what in self._in_stream(stream):
                of_place = stream.place.partition(", ")[0], what  # not again where it is read in another way
                found.setdefault(of_place, Leak(name, stream.place, what))
        return tuple(sorted(found.values(), key=lambda leak: (leak.place, leak.what)))

    def _inside_allowed(self) -> dict[int, set[tuple[bytes, int]]]:
        """For each pattern the allowed values that contain it, and where."""
        inside: dict[int, set[tuple[bytes, int]]] = {}
        for text in self.allowed:
            for index, start, _ in self.automaton.find_matches_as_indexes(text, overlapping=True):
                inside.setdefault(index, set()).add((text, start))
        return inside

    def _add(self, needle: Needle) -> None:
        if _plain(needle.text) & self.allowed:
            return
        looked_for = False
        for pattern, rule in _spellings(needle):
            self.patterns.setdefault(pattern, _Pattern(rule, needle.what))
            looked_for = True
        self.values += looked_for
        if not looked_for:
            self.unsearched.append(needle)

    def _in_stream(self, stream: Stream) -> Iterator[str]:
        data = stream.data.lower()
        for index, start, end in self.automaton.find_matches_as_indexes(data, overlapping=True):
            pattern = self.patterns[self.texts[index]]
            if _counts(pattern.rule, data, start, end, stream.kind) and not self._allowed(index, data, start):
                yield pattern.what
        if self.uids and stream.kind in ("name", "field", "text"):
            for wide in (data, data.replace(b"\0", b"")):  # as it stands, and UTF-16 as UTF-8
                if any(match[0] in self.uids for match in UID.finditer(wide)):
                    yield "a UID"

    def _allowed(self, index: int, data: bytes, start: int) -> bool:
        return any(
            data.startswith(text, start - offset) for text, offset in self.inside.get(index, ()) if start >= offset
        )


def _counts(rule: Rule, data: bytes, start: int, end: int, kind: str) -> bool:
    """Whether an occurrence is one: see the module."""
    packed = kind in ("voxels", "binary")
    if rule == "encoded":
        return not packed
    if rule == "anywhere":
        return not packed or end - start >= 12 or _whole_word(data, start, end)
    if rule == "word":
        return not packed and _whole_word(data, start, end)
    if rule == "field":
        return kind in ("name", "field") and _whole_number(data, start, end)
    return (not packed or (end - start >= 8 and _whole_word(data, start, end))) and _whole_number(data, start, end)


def _whole_word(data: bytes, start: int, end: int) -> bool:
    before, after = data[start - 1 : start], data[end : end + 1]
    return not (before and before[0] in CLEAR) and not (after and after[0] in CLEAR)


def _whole_number(data: bytes, start: int, end: int) -> bool:
    """No digit beside it, no decimal point between it and a digit, and not inside a checksum."""
    before, after = data[max(0, start - 2) : start], data[end : end + 2]
    if before[-1:].isdigit() or after[:1].isdigit():
        return False
    if (before[-1:] == b"." and before[:1].isdigit()) or (after[:1] == b"." and after[1:].isdigit()):
        return False
    low, high = start, end
    while low > 0 and data[low - 1] in HEX:
        low -= 1
    while high < len(data) and data[high] in HEX:
        high += 1
    return high - low < CHECKSUM_DIGITS


def _spellings(needle: Needle) -> Iterator[tuple[bytes, Rule]]:
    """Every pattern of a value in lower case, with the rule by which it counts."""
    if needle.kind == "date":
        texts: Iterable[str] = _dates(needle.text)
    elif needle.kind == "time":
        texts = _times(needle.text)
    elif needle.kind == "name":
        texts = _names(needle.text)
    else:
        texts = _texts(needle)
    for text in texts:
        rule = _rule(text, needle.kind)
        if rule is not None:
            yield from ((plain, rule) for plain in _plain(text))
            if _size(text) >= 6:
                yield from ((packed, "encoded") for packed in _encoded(text, deep=needle.kind not in ("date", "time")))


def _rule(text: str, kind: str) -> Rule | None:
    """How telling a text is; None where it is too short to look for, or a word that the program writes itself."""
    words = words_of(text)
    if _size(text) < 4 or not words:
        return None
    if text.isdigit():
        if len(text) < 6 or (kind == "time" and len(text) == 6):
            return "field" if int(text) >= SMALLEST_NUMBER else None
        return "number"
    if re.fullmatch(r"[\d.:/ -]+", text):
        return "number"
    if len(words) == 1 and words[0] == text.lower() and text.lower() in own_words():
        return None
    numbered = kind == "name" and any(letter.isdigit() for letter in text)  # a study's number, as in 1001^ISPY1
    return "anywhere" if _size(text) >= 8 and not numbered else "word"


def _size(text: str) -> int:
    """How much a text tells: its bytes in UTF-8, of which a Chinese character has three."""
    return len(text.encode())


def _texts(needle: Needle) -> set[str]:
    """A value as it stands, in one line, its lines, and of an identifier its unusual words and other separators."""
    text = needle.text
    texts = {text, " ".join(text.split()), *(line.strip() for line in text.splitlines())}
    if needle.kind == "identifier":
        texts |= {word for word in re.findall(r"[^\W_]+", text) if len(word) >= 4}
        texts |= {re.sub(r"[\W_]+", separator, text) for separator in ("", "_", "-", ".", " ")}
    return {t for t in texts if t}


def _names(text: str) -> set[str]:
    """A person's name: its words, their parts, and every two words in both orders."""
    groups = [part for group in text.split("=") for part in group.split("^")]
    words = [word for part in groups for word in re.split(r"[\s,]+", part) if len(word) >= 2]
    words += [bare for word in words if (bare := re.sub(r"[\W_]+", "", word)) != word and bare.isalpha()]
    parts = {part for word in words for part in re.split(r"[\W_]+", word) if part.isalpha()}
    pairs = {f"{a}{sep}{b}" for a in words for b in words if a != b for sep in SEPARATORS}
    pairs |= {f"{a},{b}" for a in words for b in words if a != b and not re.search(r"\d", a + b)}  # no cells of CSV
    single = {word for word in {*words, *parts} if len(word) > 3 or (not word.isascii() and len(word) > 1)}
    return {text, *single, *(p for p in pairs if _size(p) >= 6)}


def _dates(text: str) -> set[str]:
    y, m, d = text[:4], text[4:6], text[6:]
    try:
        day = date(int(y), int(m), int(d))
    except ValueError:
        return {text}
    month = MONTHS[day.month - 1]
    short = month[:3]
    days, names = (d, str(day.day)), (month, short)
    spelt = {f"{a} {b}{sep}{y}" for n in days for m_ in names for a, b in ((n, m_), (m_, n)) for sep in (" ", ", ")}
    spelt |= {f"{d}-{short}-{y}", f"{day.day}-{short}-{y}", f"{d}{short}{y}", f"{d}.{short}.{y}", f"{y}-{short}-{d}"}
    spelt |= {sep.join(order) for sep in "-/._ " for order in ((y, m, d), (d, m, y), (m, d, y))}
    spelt |= {sep.join(order) for sep in "-/." for order in ((y, str(day.month), str(day.day)),
              (str(day.day), str(day.month), y), (str(day.month), str(day.day), y))}  # fmt: skip
    spelt |= {sep.join(order) for sep in "-/." for order in ((y[2:], m, d), (d, m, y[2:]), (m, d, y[2:]))}
    return spelt | {text, d + m + y, m + d + y}


def _times(text: str) -> set[str]:
    whole, _, fraction = text.partition(".")
    clocks = {whole, f"{whole[:2]}:{whole[2:4]}:{whole[4:]}"}
    return clocks | ({f"{clock}.{fraction}" for clock in clocks} if fraction else set())


def _plain(text: str) -> set[bytes]:
    """The bytes of a text in UTF-8 and Latin-1, composed and not, with and without its accents; lower case.

    The search is in ASCII's lower case; other letters are looked for as they stand, in capitals, in small ones and as
    a title.
    """
    cased = {text} if text.isascii() else {text, text.lower(), text.upper(), text.title()}
    spelt: set[bytes] = set()
    for one in cased:
        spelt |= {unicodedata.normalize(form, one).encode() for form in ("NFC", "NFD")}
        folded = unicodedata.normalize("NFKD", one).encode("ascii", "ignore")
        spelt |= {folded} if len(folded) >= len(text) else set()
        spelt |= _as(unicodedata.normalize("NFC", one), "latin-1") | _as(one.translate(WRITTEN_OUT), "ascii")
    return {b.lower() for b in spelt if b}


def _as(text: str, encoding: str) -> set[bytes]:
    """The bytes of a text in an encoding; none where that has not all of its letters."""
    try:
        return {text.encode(encoding)}
    except UnicodeEncodeError:
        return set()


def _encoded(text: str, *, deep: bool) -> set[bytes]:
    """UTF-16 and UTF-32 of either order, and where `deep` hexadecimal and the three alignments of base64; lower case.

    Of Latin letters both orders hold the same run of bytes; the zeros at its ends are left out.
    """
    cased = {text.lower(), text} if text.isascii() else {text, text.lower(), text.upper(), text.title()}
    spelt = {
        one.encode(f"utf-{bits}-{order}").strip(b"\0") for one in cased for bits in (16, 32) for order in ("le", "be")
    }
    if deep:
        cased |= {form(text) for form in (str.upper, str.lower, str.title)}
        spelt |= {one.encode().hex().encode() for one in cased}
        spelt |= {packed for one in cased for packed in _base64(one.encode())}
    return {b.lower() for b in spelt if len(b) >= SHORTEST_ENCODED}


def _base64(raw: bytes) -> Iterator[bytes]:
    """What base64 makes of these bytes whatever stands before and after them."""
    for before in range(3):
        packed = base64.b64encode(b"\0" * before + raw)
        padding = packed.count(b"=")
        yield packed[(0, 2, 3)[before] : len(packed) - (padding + 1 if padding else 0)]

"""Every byte of a file as streams that can be searched: its name, its bytes, and what is packed inside them.

Nothing is skipped: containers (gzip, bzip2, xz, zip and with it XLSX, DICOM, NIfTI, PNG, zlib wherever it begins) are
opened and their insides given as streams of their own, and their packed bytes are a stream as well.
"""

from __future__ import annotations

import bz2
import html
import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote_to_bytes

import pydicom

from uptake.io.dicom.lenient import MALFORMED, quiet

Kind = Literal["name", "field", "text", "binary", "voxels"]
MAX_DEPTH = 4
GZIP, ZIP, PNG, DICM = b"\x1f\x8b", b"PK\x03\x04", b"\x89PNG\r\n\x1a\n", b"DICM"
NIFTI_FIELDS = {"data_type": (4, 14), "db_name": (14, 32), "descrip": (148, 228), "aux_file": (228, 252),
                "intent_name": (328, 344)}  # fmt: skip
NIFTI_HEADER = 352
ESCAPE = re.compile(rb"((?:\\u[0-9a-fA-F]{4})+)|\\x([0-9a-fA-F]{2})|\\([\"'/\\ntrf])")
ZLIB = re.compile(b"\x78[" + re.escape(bytes(b for b in range(256) if (0x7800 + b) % 31 == 0 and not b & 0x20)) + b"]")
SHORTEST_INNER = 4
BZIP2, XZ = b"BZh", b"\xfd7zXZ\x00"


@dataclass(frozen=True)
class Stream:
    """Some bytes and where they stand. kind: a name, a short text field, running text, packed bytes, voxels."""

    place: str
    data: bytes
    kind: Kind


def file_streams(path: Path, name: str) -> Iterator[Stream]:
    """The streams of one file of a release; `name` is its path inside it."""
    yield Stream("its name", name.encode(), "name")
    yield from _streams(path.read_bytes(), "", 0)


def _streams(data: bytes, place: str, depth: int) -> Iterator[Stream]:
    if depth > MAX_DEPTH:
        yield Stream(f"{place}: containers too deep to open", data, "text")
    elif data.startswith(GZIP):
        yield from _gzip(data, place, depth)
    elif data.startswith(ZIP):
        yield from _zip(data, place, depth)
    elif data.startswith(PNG):
        yield from _png(data, place, depth)
    elif data.startswith((BZIP2, XZ)):
        yield from _squeezed(data, place, depth)
    elif data[128:132] == DICM:
        yield from _dicom(data, place, depth)
    elif data[344:348] in (b"n+1\0", b"ni1\0"):
        yield from _nifti(data, place, depth)
    else:
        yield from _text(data, place or "its content", depth)


def _text(data: bytes, place: str, depth: int) -> Iterator[Stream]:
    """A text as it stands and as it reads: escapes and entities resolved, marks taken out, in one line, unpacked."""
    yield Stream(place, data, "text")
    if b"&" in data and b";" in data:
        yield Stream(f"{place}, entities resolved", html.unescape(data.decode("utf-8", "replace")).encode(), "text")
    if b"\\" in data:
        yield Stream(f"{place}, escapes resolved", ESCAPE.sub(_resolved, data), "text")
    if re.search(rb"%[0-9A-Fa-f]{2}", data):
        yield Stream(f"{place}, percent signs resolved", unquote_to_bytes(data), "text")
    if b"<" in data:
        yield Stream(f"{place}, marks taken out", re.sub(rb"<[^<>]*>", b"", data), "text")
    if b'""' in data:
        yield Stream(f"{place}, quotes resolved", data.replace(b'""', b'"'), "text")
    yield Stream(f"{place}, in one line", re.sub(rb"[ \t]*[\r\n]\s*", b" ", data), "text")
    for inner in _inflated(data):
        yield from _streams(inner, f"{place}, zlib: ", depth + 1)


def _resolved(found: re.Match[bytes]) -> bytes:
    """The character that a backslash stands for in JSON and in Python."""
    pairs, byte, letter = found[1], found[2], found[3]
    if pairs:
        units = bytes.fromhex(pairs.replace(rb"\u", b"").decode())
        return units.decode("utf-16-be", "replace").encode()
    return chr(int(byte, 16)).encode() if byte else b" " if letter in b"ntrf" else letter


def _gzip(data: bytes, place: str, depth: int) -> Iterator[Stream]:
    """Every member, the header's name and comment, and bytes after the last member."""
    yield Stream(f"{place}packed bytes", data, "binary")
    rest, number = data, 0
    while rest.startswith(GZIP) and len(rest) > 18:
        number += 1
        yield Stream(f"{place}header of gzip member {number}", rest[:512] if rest[3] else rest[:10], "field")
        unpacker = zlib.decompressobj(31)
        try:
            inner = unpacker.decompress(rest) + unpacker.flush()
        except zlib.error:
            yield Stream(f"{place}damaged gzip member {number}", rest, "text")
            return
        yield from _streams(inner, f"{place}gzip: ", depth + 1)
        rest = unpacker.unused_data
    if rest:
        yield Stream(f"{place}after the gzip stream", rest, "text")


def _zip(data: bytes, place: str, depth: int) -> Iterator[Stream]:
    yield Stream(f"{place}packed bytes", data, "binary")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield Stream(f"{place}comment of the zip", archive.comment, "field")
            for entry in archive.infolist():
                yield Stream(f"{place}name of the member {entry.filename}", entry.filename.encode(), "name")
                yield Stream(
                    f"{place}comment and extra field of {entry.filename}", entry.comment + entry.extra, "field"
                )
                yield from _streams(archive.read(entry), f"{place}{entry.filename}: ", depth + 1)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError):
        yield Stream(f"{place}damaged zip", data, "text")


def _squeezed(data: bytes, place: str, depth: int) -> Iterator[Stream]:
    yield Stream(f"{place}packed bytes", data, "binary")
    try:
        inner = bz2.decompress(data) if data.startswith(BZIP2) else lzma.decompress(data)
    except (OSError, ValueError, EOFError, lzma.LZMAError):
        yield from _text(data, f"{place}damaged archive", depth)
        return
    yield from _streams(inner, f"{place}unpacked: ", depth + 1)


def _png(data: bytes, place: str, depth: int) -> Iterator[Stream]:
    """Chunks: pixels as packed bytes, everything else as text, unpacked where it is packed."""
    at = len(PNG)
    while at + 12 <= len(data):
        (length,), kind = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + length]
        at += 12 + length
        if kind == b"IDAT":
            yield Stream(f"{place}PNG pixels", body, "binary")
            continue
        yield Stream(f"{place}PNG chunk {kind.decode('latin-1')}", body, "field")
        for inner in _inflated(body):
            yield from _text(inner, f"{place}PNG chunk {kind.decode('latin-1')}", depth + 1)
    yield Stream(f"{place}after the PNG", data[at:], "text")


def _inflated(data: bytes) -> Iterator[bytes]:
    """What unpacks wherever a zlib stream may begin: its two bytes of header are a multiple of 31."""
    for start in (found.start() for found in ZLIB.finditer(data)):
        try:
            inner = zlib.decompressobj().decompress(data[start:])
        except zlib.error:
            continue
        if len(inner) >= SHORTEST_INNER:
            yield inner


def _nifti(data: bytes, place: str, depth: int) -> Iterator[Stream]:
    """Text fields, whatever stands between header and voxels, voxels, and bytes after them."""
    start = int(min(max(_float(data[108:112]), NIFTI_HEADER), len(data)))
    for name, (low, high) in NIFTI_FIELDS.items():
        yield Stream(f"{place}NIfTI {name}", data[low:high].strip(b"\0"), "field")
    yield Stream(f"{place}NIfTI header", data[:348], "field")
    yield from _text(data[348:start], f"{place}NIfTI extension", depth)
    shape = struct.unpack("<8h", data[40:56])
    count = 1
    for size in shape[1 : 1 + max(0, min(shape[0], 7))]:
        count *= max(size, 1)
    end = min(len(data), start + count * struct.unpack("<h", data[72:74])[0] // 8)
    yield Stream(f"{place}NIfTI voxels", data[start:end], "voxels")
    yield from _text(data[end:], f"{place}after the voxels", depth)


def _float(raw: bytes) -> float:
    value = struct.unpack("<f", raw)[0]
    return float(value) if 0 <= value < 2**31 else 0.0


def _dicom(data: bytes, place: str, depth: int) -> Iterator[Stream]:
    """The preamble, every element of text on its own, the whole header as text, the pixels."""
    yield Stream(f"{place}DICOM preamble", data[:128].strip(b"\0"), "field")
    try:
        with quiet():
            handle = io.BytesIO(data)
            dataset = pydicom.dcmread(handle, stop_before_pixels=True)
            end = handle.tell()
            fields = [*_fields(dataset.file_meta, place, depth), *_fields(dataset, place, depth)]
            pixels = pydicom.dcmread(io.BytesIO(data), specific_tags=["PixelData"]).get("PixelData", b"")
    except MALFORMED:
        yield from _text(data, f"{place}damaged DICOM", depth)
        return
    yield from fields
    yield Stream(f"{place}DICOM header", data[:end], "text")
    kind: Kind = "voxels" if len(data) - end <= len(pixels) + 64 else "text"
    yield Stream(f"{place}DICOM pixels" if kind == "voxels" else f"{place}after the DICOM header", data[end:], kind)


def _fields(dataset: pydicom.Dataset, place: str, depth: int) -> Iterator[Stream]:
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from _fields(item, place, depth)
        elif isinstance(element.value, bytes):
            yield Stream(f"{place}DICOM {element.name} {element.tag}", element.value, "field")
            yield from _streams(element.value, f"{place}DICOM {element.name} {element.tag}", depth + 1)
        elif element.VR not in ("DS", "IS", "FD", "FL", "US", "UL", "SS", "SL", "UI", "AT", "SV", "UV"):
            words = str(element.value).encode()
            yield Stream(f"{place}DICOM {element.name} {element.tag}", words, "field")
            yield Stream(f"{place}DICOM {element.name} {element.tag}, in one line", b" ".join(words.split()), "field")

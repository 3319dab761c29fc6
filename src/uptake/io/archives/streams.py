"""Every byte of a file as streams that can be searched: its name, its bytes, and what is packed inside them.

Nothing is skipped: containers (gzip, zip and with it XLSX, DICOM, NIfTI, PNG) are opened and their insides given as
streams of their own, and their packed bytes are a stream as well.
"""

from __future__ import annotations

import html
import io
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
UNICODE_ESCAPE = re.compile(rb"\\u([0-9a-fA-F]{4})")


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
        yield from _png(data, place)
    elif data[128:132] == DICM:
        yield from _dicom(data, place)
    elif data[344:348] in (b"n+1\0", b"ni1\0"):
        yield from _nifti(data, place)
    else:
        yield from _text(data, place or "its content")


def _text(data: bytes, place: str) -> Iterator[Stream]:
    """A text as it stands and, where it has escapes, as it reads."""
    yield Stream(place, data, "text")
    if b"&" in data and b";" in data:
        yield Stream(f"{place}, entities resolved", html.unescape(data.decode("utf-8", "replace")).encode(), "text")
    if b"\\u" in data:
        resolved = UNICODE_ESCAPE.sub(lambda m: chr(int(m[1], 16)).encode("utf-8", "replace"), data)
        yield Stream(f"{place}, escapes resolved", resolved, "text")
    if re.search(rb"%[0-9A-Fa-f]{2}", data):
        yield Stream(f"{place}, percent signs resolved", unquote_to_bytes(data), "text")


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


def _png(data: bytes, place: str) -> Iterator[Stream]:
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
        if kind in (b"zTXt", b"iTXt", b"eXIf", b"iCCP"):
            yield from (Stream(f"{place}PNG chunk {kind.decode()}", text, "text") for text in _inflated(body))
    yield Stream(f"{place}after the PNG", data[at:], "text")


def _inflated(body: bytes) -> Iterator[bytes]:
    for start in (n for n, byte in enumerate(body) if byte == 0x78):
        try:
            yield zlib.decompressobj().decompress(body[start:])
        except zlib.error:
            continue


def _nifti(data: bytes, place: str) -> Iterator[Stream]:
    """Text fields, whatever stands between header and voxels, voxels, and bytes after them."""
    start = int(min(max(_float(data[108:112]), NIFTI_HEADER), len(data)))
    for name, (low, high) in NIFTI_FIELDS.items():
        yield Stream(f"{place}NIfTI {name}", data[low:high].strip(b"\0"), "field")
    yield Stream(f"{place}NIfTI header", data[:348], "field")
    yield Stream(f"{place}NIfTI extension", data[348:start], "text")
    shape = struct.unpack("<8h", data[40:56])
    count = 1
    for size in shape[1 : 1 + max(0, min(shape[0], 7))]:
        count *= max(size, 1)
    end = min(len(data), start + count * struct.unpack("<h", data[72:74])[0] // 8)
    yield Stream(f"{place}NIfTI voxels", data[start:end], "voxels")
    yield Stream(f"{place}after the voxels", data[end:], "text")


def _float(raw: bytes) -> float:
    value = struct.unpack("<f", raw)[0]
    return float(value) if 0 <= value < 2**31 else 0.0


def _dicom(data: bytes, place: str) -> Iterator[Stream]:
    """The preamble, every element of text on its own, the whole header as text, the pixels."""
    yield Stream(f"{place}DICOM preamble", data[:128].strip(b"\0"), "field")
    try:
        with quiet():
            handle = io.BytesIO(data)
            dataset = pydicom.dcmread(handle, stop_before_pixels=True)
            end = handle.tell()
            fields = [*_fields(dataset.file_meta, place), *_fields(dataset, place)]
            pixels = pydicom.dcmread(io.BytesIO(data), specific_tags=["PixelData"]).get("PixelData", b"")
    except MALFORMED:
        yield from _text(data, f"{place}damaged DICOM")
        return
    yield from fields
    yield Stream(f"{place}DICOM header", data[:end], "text")
    kind: Kind = "voxels" if len(data) - end <= len(pixels) + 64 else "text"
    yield Stream(f"{place}DICOM pixels" if kind == "voxels" else f"{place}after the DICOM header", data[end:], kind)


def _fields(dataset: pydicom.Dataset, place: str) -> Iterator[Stream]:
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from _fields(item, place)
        elif isinstance(element.value, bytes):
            yield Stream(f"{place}DICOM {element.name} {element.tag}", element.value, "field")
        elif element.VR not in ("DS", "IS", "FD", "FL", "US", "UL", "SS", "SL", "UI", "AT", "SV", "UV"):
            yield Stream(f"{place}DICOM {element.name} {element.tag}", str(element.value).encode(), "field")

"""What comes in: bodies of a bounded size, decompressed to a bounded size, checked before anything is kept."""

from __future__ import annotations

import json
import zlib
from typing import Any

import numpy as np
from starlette.requests import ClientDisconnect, Request

from uptake.cohort.reading import CONSENSUS, valid_name
from uptake.io.revisions import PRIMARY, SATELLITE
from uptake.study import UptakeError
from uptake.volume import Grid, Volume

JSON_BYTES = 64 * 1024
SPARE_BYTES = 64 * 1024
UPLOAD_BYTES = 256 * 2**20
TEXT_LENGTH = 4000


class Bad(UptakeError):
    """A request that cannot be done: the HTTP status, what is wrong, what to do, and what else the answer says."""

    def __init__(self, status: int, error: str, remedy: str = "", **more: Any) -> None:  # noqa: ANN401 (JSON)
        super().__init__(status, error, remedy)
        self.status, self.error, self.remedy, self.more = status, error, remedy, more


async def body(request: Request, limit: int) -> bytes:
    """The body of a request, of at most `limit` bytes. Raises `Bad` 413 without reading on."""
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > limit:
        raise Bad(413, f"a body of {length} bytes", f"at most {limit} bytes are taken here")
    received = bytearray()
    try:
        async for piece in request.stream():
            received += piece
            if len(received) > limit:
                raise Bad(413, f"a body of more than {limit} bytes", f"at most {limit} bytes are taken here")
    except ClientDisconnect as error:
        raise Bad(400, "the browser went away before the end of the body", "send it again") from error
    return bytes(received)


def parsed(data: bytes) -> dict[str, Any]:
    """The body as a JSON object. Raises `Bad` 400."""
    try:
        found = json.loads(data or b"{}")
    except (ValueError, RecursionError) as error:
        raise Bad(400, "the body is no JSON", "send a JSON object") from error
    if not isinstance(found, dict):
        raise Bad(400, "the body is no JSON object", "send a JSON object")
    return found


def text(values: dict[str, Any], name: str) -> str:
    """A text of the body, '' where there is none. Raises `Bad` 422 for anything else, and for one too long."""
    value = values.get(name) or ""
    if not isinstance(value, str) or len(value) > TEXT_LENGTH:
        raise Bad(422, f"{name} is no text of at most {TEXT_LENGTH} characters")
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise Bad(422, f"{name} holds half a character, which cannot be kept", "send whole characters")
    return value


def reader_name(value: object) -> str:
    """A reader's name. Raises `Bad` 422 for what is none."""
    if not isinstance(value, str) or not valid_name(value):
        raise Bad(422, f"a reader's name has 1 to 64 printable characters and is not {CONSENSUS!r}", "give your name")
    return value.strip()


def unpacked(data: bytes, size: int) -> bytes:
    """The `size` bytes that gzip `data` holds: never more are made. Raises `Bad` 413 for more, 422 for junk."""
    machine = zlib.decompressobj(wbits=31)
    try:
        plain = machine.decompress(data, size + 1)
    except zlib.error as error:
        raise Bad(422, "the body is no gzip", "send the mask's voxels as gzip") from error
    if len(plain) > size:
        raise Bad(413, f"more than the {size} voxels of the case's grid", "send one byte per voxel of the 1 mm grid")
    if len(plain) < size or not machine.eof or machine.unused_data:
        raise Bad(422, f"{len(plain)} bytes are not the {size} voxels of the case's grid", "send one byte per voxel")
    return plain


def labels(data: bytes, grid: Grid) -> Volume:
    """A mask as the page sends it, gzip of uint8 with i fastest, on the case's own grid. Raises `Bad` 413 or 422."""
    array = np.frombuffer(unpacked(data, int(np.prod(grid.shape))), dtype=np.uint8).reshape(grid.shape, order="F")
    if array.max(initial=0) > SATELLITE:
        raise Bad(
            422, f"a mask with the label {array.max()}", f"0, {PRIMARY} (primary lesion) or {SATELLITE} (satellite)"
        )
    return Volume(array, grid)

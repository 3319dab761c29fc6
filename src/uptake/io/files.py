"""Files are written whole or not at all, and a disk that cannot take them is a refusal, not a traceback."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from uptake.study import Code, Refusal

NOT_WRITABLE = frozenset(
    {
        errno.EACCES,
        errno.EDQUOT,
        errno.EEXIST,
        errno.EFBIG,
        errno.EIO,
        errno.EISDIR,
        errno.ENAMETOOLONG,
        errno.ENOSPC,
        errno.ENOTDIR,
        errno.EPERM,
        errno.EROFS,
    }
)
"""Errors of the operating system that say: this output cannot be written here."""


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open `path` for writing bytes; it appears under its name only when the block ends without an error.

    The bytes go to ``.<name>.partial`` in the same folder (made if needed), which is renamed at the end and removed
    on failure. A killed process leaves at most that partial file, which the next write replaces.
    Raises `Refusal` NO_SPACE where the folder cannot be written or is full.
    """
    partial = path.with_name(f".{path.name}.partial")
    with writable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as handle:
                yield handle
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """Turn the operating system's "no space" and "not permitted" into a `Refusal` NO_SPACE that names the file only."""
    try:
        yield
    except OSError as error:
        if error.errno not in NOT_WRITABLE:
            raise
        raise Refusal(
            Code.NO_SPACE,
            found=f"{path.name} could not be written: {error.strerror}",
            allowed="an output folder that this user may write to, with room for the results",
            remedy="free space or choose another output folder, then run again: what is done is kept",
        ) from error


def write_bytes_whole(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all; see `whole_file` for the errors."""
    with whole_file(path) as handle:
        handle.write(data)


def write_json_whole(path: Path, value: Any) -> None:  # noqa: ANN401 (any JSON value)
    """Write a JSON value (keys in the given order, two spaces, UTF-8, shortest floats), whole or not at all.

    Raises `ValueError` for NaN or an infinity: JSON has none, so a missing number is null with its reason beside it.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes_whole(path, text.encode() + b"\n")

"""Where bytes come from: files in folders, and members of zips, which are read in memory and never unpacked."""

from __future__ import annotations

import hashlib
import io
import lzma
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from uptake.study import Code, Refusal

MAX_MEMBER_BYTES = 2**30
"""Largest member of an archive, decompressed."""
MAX_ARCHIVE_BYTES = 2**38
"""Most that an archive may hold, decompressed, the archives inside it counted with it."""
MAX_RATIO = 200
"""Most by which something of `RATIO_FROM_BYTES` or more may be compressed: images reach 2 to 10, masks about 1000."""
RATIO_FROM_BYTES = 2**25
"""Below this size any ratio is harmless (an empty mask of 8 MB shrinks a thousandfold)."""
MAX_DEPTH = 3
"""Archives inside archives."""

HEAD_BYTES = 256
CHUNK_BYTES = 2**20
DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError, OSError)

Wanted = Callable[[str, bytes], bool]
"""Whether a file is wanted, from its name and its first `HEAD_BYTES`."""


@dataclass(frozen=True, slots=True)
class FileRef:
    """One file of a source.

    path: the file, or the outermost archive that holds it. members: the names that lead to it from archive to
    archive, () for a file of its own. name: what to call it in messages, relative to the source. sha256: of its bytes
    when it was scanned.
    """

    path: Path
    members: tuple[str, ...]
    name: str
    sha256: str

    @property
    def member(self) -> str | None:
        """The name inside the innermost archive, None for a file of its own."""
        return self.members[-1] if self.members else None

    def read(self) -> bytes:
        """The bytes that were scanned. Raises `Refusal` UNREADABLE where they are gone or have changed."""
        return next(read_all([self]))


def files_below(root: Path) -> Iterator[Path]:
    """Every file at or below `root` in the order of names, each folder once however it is linked."""
    if not root.is_dir():
        yield root
        return
    seen = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        folders.sort()
        inode = (Path(folder).stat().st_dev, Path(folder).stat().st_ino)
        if inode in seen:
            folders.clear()
            continue
        seen.add(inode)
        yield from (Path(folder, name) for name in sorted(names) if Path(folder, name).is_file())


def is_archive(name: str) -> bool:
    """Whether a file is taken for an archive: by its name, because spreadsheets are zips as well."""
    return name.lower().endswith(".zip")


def archive_members(path: Path, wanted: Wanted) -> Iterator[tuple[tuple[str, ...], bytes]]:
    """(names from archive to archive, bytes) of every wanted member of a zip and of the zips in it.

    Raises `Refusal`: UNSAFE_ARCHIVE for a name that leads out of the archive (``..``, absolute, a drive letter, a
    symbolic link) or more data than the limits of this module allow, counted while decompressing because the declared
    sizes may lie; UNREADABLE for an archive that is damaged or encrypted. Nothing of a refused archive is to be used.
    """
    try:
        with path.open("rb") as handle:
            yield from _members(handle, (), wanted, _Spent())
    except DAMAGED as error:
        raise _damaged(f"the archive {path.name}", error) from error


def read_all(refs: Sequence[FileRef]) -> Iterator[bytes]:
    """The bytes of each file in turn; every archive is opened once.

    Raises `Refusal` UNREADABLE where a file is gone or is no longer the one that was scanned.
    """
    opened: dict[tuple[Path, tuple[str, ...]], zipfile.ZipFile] = {}
    with ExitStack() as stack:
        for ref in refs:
            try:
                data = _read(ref.path, ref.members, opened, stack)
            except (*DAMAGED, KeyError) as error:
                raise _damaged(ref.name, error) from error
            if hashlib.sha256(data).hexdigest() != ref.sha256:
                raise Refusal(
                    Code.UNREADABLE,
                    found=f"{ref.name} has changed since the sources were scanned",
                    allowed="sources that nothing writes to during a run",
                    remedy="run again when the sources are complete",
                )
            yield data


@dataclass
class _Spent:
    packed: int = 0
    unpacked: int = 0

    def add(self, packed: int, unpacked: int) -> None:
        self.packed += packed
        self.unpacked += unpacked
        _check_size("the archive", self.packed, self.unpacked, MAX_ARCHIVE_BYTES)


def _members(
    handle: IO[bytes], outer: tuple[str, ...], wanted: Wanted, spent: _Spent
) -> Iterator[tuple[tuple[str, ...], bytes]]:
    if len(outer) >= MAX_DEPTH:
        raise _unsafe(f"archives inside archives, {len(outer)} deep ({'/'.join(outer)})", f"at most {MAX_DEPTH}")
    with zipfile.ZipFile(handle) as archive:
        entries = archive.infolist()
        for entry in entries:
            _check_entry(entry)
        _check_declared(entries)
        for entry in sorted(entries, key=lambda entry: entry.header_offset):
            data = None if entry.is_dir() else _decompressed(archive, entry, wanted, spent)
            members = (*outer, entry.filename)
            if data is not None and is_archive(entry.filename):
                yield from _members(io.BytesIO(data), members, wanted, spent)
            elif data is not None:
                yield members, data


def _check_entry(entry: zipfile.ZipInfo) -> None:
    for name in (entry.filename, entry.orig_filename):
        parts = re.split(r"[/\\]", name)
        if ".." in parts or not parts[0] or re.match(r"[A-Za-z]:", name):
            raise _unsafe(f"a member named {name!r}", "names that stay inside the archive")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise _unsafe(f"the member {entry.filename!r} is a symbolic link", "plain files")
    if entry.flag_bits & 1:
        raise Refusal(
            Code.UNREADABLE,
            found=f"the member {entry.filename!r} is encrypted",
            allowed="archives without a password",
            remedy="unpack the archive with its password and give the folder",
        )


def _check_declared(entries: Sequence[zipfile.ZipInfo]) -> None:
    for entry in entries:
        _check_size(f"the member {entry.filename!r}", entry.compress_size, entry.file_size, MAX_MEMBER_BYTES)
    packed, unpacked = sum(e.compress_size for e in entries), sum(e.file_size for e in entries)
    _check_size("the archive", packed, unpacked, MAX_ARCHIVE_BYTES)


def _check_size(what: str, packed: int, unpacked: int, limit: int) -> None:
    if unpacked > limit:
        raise _unsafe(f"{what} grows beyond {limit} bytes", f"at most {limit} bytes")
    if unpacked >= RATIO_FROM_BYTES and unpacked > MAX_RATIO * packed:
        raise _unsafe(
            f"{what} grows from {packed} to {unpacked} bytes or more",
            f"a growth of at most {MAX_RATIO} times from {RATIO_FROM_BYTES} bytes on",
        )


def _decompressed(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, wanted: Wanted, spent: _Spent) -> bytes | None:
    with archive.open(entry) as handle:
        head = handle.read(HEAD_BYTES)
        if not is_archive(entry.filename) and not wanted(entry.filename, head):
            return None
        data = bytearray(head)
        while chunk := handle.read(CHUNK_BYTES):
            data += chunk
            _check_size(f"the member {entry.filename!r}", entry.compress_size, len(data), MAX_MEMBER_BYTES)
    spent.add(entry.compress_size, len(data))
    return bytes(data)


def _read(
    path: Path,
    members: tuple[str, ...],
    opened: dict[tuple[Path, tuple[str, ...]], zipfile.ZipFile],
    stack: ExitStack,
) -> bytes:
    if not members:
        return path.read_bytes()
    outer = members[:-1]
    if (path, outer) not in opened:
        handle = path.open("rb") if not outer else io.BytesIO(_read(path, outer, opened, stack))
        opened[path, outer] = stack.enter_context(zipfile.ZipFile(stack.enter_context(handle)))
    return opened[path, outer].read(members[-1])


def _damaged(what: str, error: BaseException) -> Refusal:
    return Refusal(
        Code.UNREADABLE,
        found=f"{what} cannot be read ({type(error).__name__})",
        allowed="files and archives that are whole and not encrypted",
        remedy="copy or download it again",
    )


def _unsafe(found: str, allowed: str) -> Refusal:
    return Refusal(
        Code.UNSAFE_ARCHIVE,
        found=found,
        allowed=allowed,
        remedy="if the archive can be trusted, unpack it and give the folder",
    )

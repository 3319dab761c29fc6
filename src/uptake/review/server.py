"""The server on this machine: one socket on the loopback address, one line when it is ready."""

from __future__ import annotations

import os
import socket
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import uvicorn

from uptake.cohort.reading import CONSENSUS, valid_name
from uptake.io import revisions
from uptake.io.store import open_cohort
from uptake.review.app import Workbench, application
from uptake.review.guard import Sessions
from uptake.review.pages import VIEWER, listed
from uptake.review.worklist import Worklist
from uptake.study import SettingsError

ADDRESS = "127.0.0.1"
LOOPBACK = (ADDRESS, "localhost")
NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p", "afs", "lustre", "beegfs"})
PORT = 8411
"""The same at every start, so that what a browser kept for its page is found again."""
TRIES = 20
OPENER = "review/open.html"


def check_address(host: str) -> None:
    """Refuse any address but loopback: the workbench shows patients' images and has no accounts."""
    if host not in LOOPBACK:
        raise SettingsError(
            f"the review answers on this machine only ({' or '.join(LOOPBACK)}), not on {host!r}; "
            "from another machine reach it through `ssh -L 8411:127.0.0.1:8411`"
        )


def viewer_installed() -> bool:
    """Whether the viewer that the page needs is there: it comes from npm when the environment is made."""
    return VIEWER in listed()


def network_disk(cohort: Path) -> str:
    """The kind of network disk that a cohort lies on, '' for a local one: the record's locks need a local disk."""
    path = cohort.resolve()
    mounts = {Path(part.mountpoint): part.fstype for part in psutil.disk_partitions(all=True)}
    mount = next((folder for folder in (path, *path.parents) if folder in mounts), None)
    kind = mounts[mount] if mount else ""
    return kind if kind in NETWORK else ""


@dataclass(frozen=True)
class Link:
    """Where the workbench can be opened. The token opens it: who has the link reads and writes as a reader."""

    url: str
    port: int


@dataclass(frozen=True)
class Wish:
    """How a workbench is to be served. port: None: the usual one, or the next that is free. cases: empty: all."""

    port: int | None = None
    reader: str = ""
    browser: bool = True
    cases: tuple[str, ...] = ()


def serve(cohort: Path, wish: Wish, ready: Callable[[Link], None]) -> None:
    """Serve a cohort's workbench until interrupted; `ready` is told the link when the server answers.

    Raises CohortError for no cohort, SettingsError for a port that cannot be had, a case or a reader's name that is
    none.
    """
    opened = open_cohort(cohort)
    unknown = sorted(set(wish.cases) - set(opened.case_ids))
    if unknown:
        raise SettingsError(f"there is no case {', '.join(unknown)}; there are {', '.join(opened.case_ids) or 'none'}")
    if wish.reader and not valid_name(wish.reader):
        raise SettingsError(f"a reader's name has 1 to 64 printable characters and is not {CONSENSUS!r}")
    revisions.sweep(opened.path)
    listening = listen(wish.port)
    number = listening.getsockname()[1]
    sessions = Sessions(number, reader=wish.reader.strip())
    link = Link(f"http://{ADDRESS}:{number}/?token={sessions.token}", number)
    bench = Workbench(opened, sessions, Worklist(opened, frozenset(wish.cases)))
    page = opened.path / OPENER
    server = server_of(bench, lambda: _announce(link, page if wish.browser else None, ready))
    try:
        with listening:
            server.run(sockets=[listening])
    finally:
        page.unlink(missing_ok=True)


def server_of(bench: Workbench, ready: Callable[[], None]) -> uvicorn.Server:
    """The server of a workbench, not yet started. ready: called when it answers."""
    config = uvicorn.Config(
        application(bench),
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=5,
        h11_max_incomplete_event_size=32 * 1024,
    )
    return _Server(config, ready)


def listen(port: int | None) -> socket.socket:
    """A listening socket of the loopback address. Raises SettingsError where the port cannot be had."""
    wanted = [port] if port is not None else [*range(PORT, PORT + TRIES), 0]
    for number in wanted:
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((ADDRESS, number))
        except OSError as error:
            made.close()
            if port is not None:
                raise SettingsError(f"port {port} of {ADDRESS} cannot be had: {error.strerror}") from error
        else:
            made.listen(128)
            return made
    raise SettingsError("no port of this machine is free")


class _Server(uvicorn.Server):
    """uvicorn's server that says when it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self.ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, then say so."""
        await super().startup(sockets)
        self.ready()


def _announce(link: Link, page: Path | None, ready: Callable[[Link], None]) -> None:
    ready(link)
    if page is not None:
        write_opener(page, link)
        webbrowser.open(page.resolve().as_uri())


def write_opener(page: Path, link: Link) -> None:
    """A page that leads to the link, for this user's eyes only: everybody may read the arguments of a process."""
    page.parent.mkdir(parents=True, exist_ok=True)
    page.unlink(missing_ok=True)
    with os.fdopen(os.open(page, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(f'<!doctype html><meta http-equiv="refresh" content="0;url={link.url}"><title>uptake</title>')

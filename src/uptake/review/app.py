"""The routes: what may be asked, by which method. Every id is looked up; no path is ever made of one."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from uptake.cohort import reading
from uptake.cohort.reading import CONSENSUS, Entry
from uptake.io import revisions
from uptake.io.store import Cohort
from uptake.review import acquired, compare, description, handoff, writes
from uptake.review.acquired import Acquisitions, curve
from uptake.review.audit import audit_csv
from uptake.review.bodies import JSON_BYTES, SPARE_BYTES, UPLOAD_BYTES, Bad, body, parsed, reader_name, unpacked
from uptake.review.guard import Guard, Session, Sessions, refused
from uptake.review.leases import Leases
from uptake.review.pages import Pages
from uptake.review.volumes import Kept, grid_of, nifti_bytes, plain_picture, raw, volume, zipped
from uptake.review.worklist import Worklist
from uptake.study import CohortError, Refusal, SettingsError
from uptake.volume import Volume

NIFTI = "application/octet-stream"
READER_HEADER = "x-uptake-reader"
"""Who the page says is reading, percent-encoded: a write of a page that another name has overtaken is refused."""
DIGITS = 9
REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
)
"""A report has its style and script within it: it gets an origin of its own, from which it can ask for nothing."""


@dataclass
class Workbench:
    """What a running server knows: the cohort, who is there, and results worth keeping."""

    cohort: Cohort
    sessions: Sessions
    worklist: Worklist
    pages: Pages = field(default_factory=Pages)
    kept: Kept = field(default_factory=Kept)
    leases: Leases = field(default_factory=Leases)

    def __post_init__(self) -> None:
        """What is read of the acquired images belongs to the cohort."""
        self.acquisitions = Acquisitions(self.cohort)


@dataclass(frozen=True)
class Asked:
    """One request with its case looked up, its body read and its reader known."""

    bench: Workbench
    request: Request
    session: Session
    folder: Path
    data: bytes

    @property
    def reader(self) -> str:
        """Who asks."""
        return self.session.reader

    @property
    def path(self) -> Path:
        """The cohort folder."""
        return self.bench.cohort.path

    def by(self) -> writes.By:
        """Who writes on which chain, with what she has seen. Raises `Bad` where no reader was named."""
        if not self.reader:
            raise Bad(403, "nobody has said who is reading", "give a reader's name first")
        page = self.request.headers.get(READER_HEADER)
        if page is not None and unquote(page) != self.reader:  # a name given in one tab is that of all tabs
            raise Bad(403, f"this browser reads as {self.reader} now", "load the page again")
        query, tag = self.request.query_params, self.request.headers.get("if-match")
        number = (tag or "").removeprefix("W/").strip('"')
        if tag is not None and not (number.isascii() and number.isdigit() and len(number) <= 18):
            raise Bad(400, f"If-Match: {tag[:40]!r} is no etag of this server", "send the etag that was read last")
        chain = writes.chain_name(query.get("chain", ""), self.reader)
        if chain == CONSENSUS and reading.is_blind(revisions.entries(self.path, self.folder.name), self.reader):
            raise Bad(403, "a blind second read has no part in the consensus yet", "decide on your own read first")
        seconds, base = _seconds(query.get("active", "0")), _numbers(query.get("base", ""))
        return writes.By(self.path, self.folder, self.reader, chain, None if tag is None else int(number),
                         seconds, query.get("start", ""), base[0] if base else None)  # fmt: skip


Answer = Callable[[Asked], Response]


def application(bench: Workbench) -> Guard:
    """The server's ASGI application."""
    errors = {
        HTTPException: _http_error,
        Bad: _bad,
        Refusal: _refusal,
        CohortError: _unusable,
        SettingsError: _unusable,
    }
    return Guard(Starlette(routes=_routes(bench), exception_handlers=errors), bench.sessions)


def _routes(bench: Workbench) -> list[Route]:
    def route(path: str, answer: Answer, method: str = "GET", limit: int = JSON_BYTES) -> tuple[str, str, Any]:
        return path, method, _endpoint(bench, answer, limit)

    case = "/api/cases/{case_id}"
    found = [
        route("/", lambda a: a.bench.pages.static("index.html")),
        route("/case/{case_id}", lambda a: a.bench.pages.static("case.html")),
        route("/static/{name:path}", lambda a: a.bench.pages.static(a.request.path_params["name"])),
        route("/favicon.ico", lambda a: a.bench.pages.static("favicon.svg")),
        route("/api/session", _session),
        route("/api/session", _name, "PUT"),
        route("/api/cases", _cases),
        route("/api/audit.csv", _audit),
        route("/api/agreement.csv", _agreements),
        route(case, _case),
        route(f"{case}/thumbnail", _thumbnail),
        route(f"{case}/report", _report),
        route(f"{case}/volumes/{{name}}", _volume),
        route(f"{case}/revisions/{{number}}", _revision),
        route(f"{case}/draft", _draft),
        route(f"{case}/draft", lambda a: JSONResponse(writes.save_draft(a.by(), a.data)), "PUT", -1),
        route(f"{case}/mask", lambda a: JSONResponse(writes.save_mask(a.by(), a.data)), "PUT", -1),
        route(f"{case}/decision", lambda a: JSONResponse(writes.decide(a.by(), parsed(a.data))), "PUT"),
        route(f"{case}/images", lambda a: JSONResponse(writes.judge_images(a.by(), parsed(a.data))), "PUT"),
        route(f"{case}/curve", _curve),
        route(f"{case}/voi", _voi, "PUT"),
        route(f"{case}/voi/ftv", _voi_mask),
        route(f"{case}/agreement", _agreement),
        route(f"{case}/combined/{{rule}}", _combined),
        route(f"{case}/handoff", _handoff),
        route(f"{case}/import", _import, "POST", UPLOAD_BYTES),
        route(f"{case}/open", _open, "POST"),
        route(f"{case}/close", _close, "POST"),
    ]
    return _by_path(found)


def _by_path(found: list[tuple[str, str, Any]]) -> list[Route]:
    """One route per path, so that a wrong method is answered 405 with the right ones."""
    paths: dict[str, dict[str, Any]] = {}
    for path, method, endpoint in found:
        paths.setdefault(path, {})[method] = endpoint

    def chosen(methods: dict[str, Any]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            answer: Response = await methods["GET" if request.method == "HEAD" else request.method](request)
            return answer

        return endpoint

    return [Route(path, chosen(methods), methods=list(methods)) for path, methods in paths.items()]


def _endpoint(bench: Workbench, answer: Answer, limit: int) -> Callable[[Request], Awaitable[Response]]:
    """Look the case up, read the body, then answer in a thread: files and arrays must not hold up other requests."""

    @functools.wraps(answer)
    async def endpoint(request: Request) -> Response:
        folder = bench.cohort.path
        if "case_id" in request.path_params:
            found = await run_in_threadpool(bench.worklist.folder, request.path_params["case_id"])
            if found is None:
                raise Bad(404, "there is no such case", "choose one of the worklist")
            folder = found
        most = limit if limit >= 0 else await run_in_threadpool(_mask_limit, folder)
        data = await body(request, most)
        asked = Asked(bench, request, request.scope["session"], folder, data)
        return await run_in_threadpool(answer, asked)

    return endpoint


def _session(asked: Asked) -> Response:
    names = sorted({e.reader for e in revisions.entries(asked.path)} - {""})
    return JSONResponse({"reader": asked.reader or None, "readers": names, "version": metadata.version("uptake"),
                         "cohort": asked.path.resolve().name})  # fmt: skip


def _name(asked: Asked) -> Response:
    asked.session.reader = reader_name(parsed(asked.data).get("reader"))
    return _session(asked)


def _cases(asked: Asked) -> Response:
    rows = asked.bench.worklist.rows(asked.reader, asked.bench.leases.all())
    return JSONResponse({"cases": rows, "refused": asked.bench.worklist.refused()})


def _case(asked: Asked) -> Response:
    facts = asked.bench.worklist.facts(asked.folder.name)
    return JSONResponse(description.describe(asked.path, asked.folder, asked.reader, facts, asked.bench.kept))


def _volume(asked: Asked) -> Response:
    data = volume(asked.folder, asked.request.path_params["name"], asked.bench.kept)
    if data is None:
        raise Bad(404, "there is no such volume", "see the case's description for its volumes")
    return _nifti(asked, data)


def _revision(asked: Asked) -> Response:
    entries = revisions.entries(asked.path, asked.folder.name)
    number = _numbers(asked.request.path_params["number"])
    found = next((e for e in entries if [e.number] == number and e.action in reading.REVISIONS), None)
    if found is None:
        raise Bad(404, "there is no such revision", "see the case's history")
    if reading.is_blind(entries, asked.reader) and found.reader != asked.reader:
        raise Bad(403, "this is a blind second read", "decide on your own read first")
    return _nifti(asked, revisions.mask_bytes(asked.path, found))


def _draft(asked: Asked) -> Response:
    chain = writes.chain_name(asked.request.query_params.get("chain", ""), asked.reader)
    if chain == CONSENSUS:
        _seen_entries(asked)
    found = revisions.read_draft(asked.path, asked.folder.name, chain)
    if found is None:
        raise Bad(404, "there is no draft", "start from a mask of the case")
    return _nifti(asked, nifti_bytes(_labels(found.voxels, asked.folder)))


def _curve(asked: Asked) -> Response:
    query = asked.request.query_params
    try:
        x, y, z = (float(query[name]) for name in "xyz")
    except (KeyError, ValueError) as error:
        raise Bad(422, "a point has x, y and z in RAS mm") from error
    if not all(abs(value) < 1e5 for value in (x, y, z)):
        raise Bad(422, "a point has x, y and z in RAS mm")
    return JSONResponse(curve(asked.bench.acquisitions.of(asked.folder), (x, y, z)))


def _voi(asked: Asked) -> Response:
    """The FTV of another box at once; with ``?keep=1`` the box is the case's from the next run on."""
    values, keep = parsed(asked.data), "keep" in asked.request.query_params
    reader = asked.by().reader
    if values.get("drop") is True:
        acquired.keep_voi(asked.path, asked.folder, reader, None, None)
        return JSONResponse({"kept": False})
    known = asked.bench.acquisitions.of(asked.folder)
    first, last, box = acquired.asked_box(known, values.get("first"), values.get("last"))
    found = asked.bench.acquisitions.ftv(asked.folder, box)
    if keep:
        acquired.keep_voi(asked.path, asked.folder, reader, box, found)
    return JSONResponse({**acquired.recomputed(known, found, first, last, asked.folder), "kept": keep})


def _voi_mask(asked: Asked) -> Response:
    known, query = asked.bench.acquisitions.of(asked.folder), asked.request.query_params
    ends = [_numbers(query.get(name, "")) for name in ("first", "last")]
    _, _, box = acquired.asked_box(known, *ends)
    return _nifti(asked, acquired.mask_bytes(asked.bench.acquisitions.ftv(asked.folder, box), asked.folder))


def _agreement(asked: Asked) -> Response:
    return JSONResponse(compare.compared(asked.path, asked.folder.name, _seen_entries(asked)))


def _combined(asked: Asked) -> Response:
    return _nifti(asked, compare.combined_bytes(asked.path, _seen_entries(asked), asked.request.path_params["rule"]))


def _agreements(asked: Asked) -> Response:
    return _csv(compare.agreement_csv(asked.path, asked.reader), "agreement.csv")


def _handoff(asked: Asked) -> Response:
    tool = asked.request.query_params.get("tool", "itk-snap")
    if tool not in handoff.TOOLS:
        raise Bad(422, "a case is handed to another program", f"tool is one of {', '.join(handoff.TOOLS)}")
    case_id = asked.folder.name
    data = handoff.zipped(case_id, handoff.files(asked.bench.cohort, case_id, tool, asked.reader))
    named = {"content-disposition": f'attachment; filename="{case_id}-{tool}.zip"'}
    return Response(data, media_type="application/zip", headers=named)


def _import(asked: Asked) -> Response:
    return JSONResponse(handoff.take_upload(asked.by(), asked.request.query_params.get("name", ""), asked.data))


def _seen_entries(asked: Asked) -> tuple[Entry, ...]:
    """A case's log for what compares readers, which a blind reader must not see."""
    entries = revisions.entries(asked.path, asked.folder.name)
    if reading.is_blind(entries, asked.reader):
        raise Bad(403, "this is a blind second read", "decide on your own read first")
    return entries


def _open(asked: Asked) -> Response:
    asked.bench.leases.take(asked.folder.name, asked.reader)
    return JSONResponse({"open_by": asked.bench.leases.others(asked.folder.name, asked.reader)})


def _close(asked: Asked) -> Response:
    asked.bench.leases.leave(asked.folder.name, asked.reader)
    return JSONResponse({"open_by": asked.bench.leases.others(asked.folder.name, asked.reader)})


def _thumbnail(asked: Asked) -> Response:
    """The case's small picture; a blind reader gets one without outlines where the run's shows a reader's mask."""
    drawn = asked.bench.worklist.facts(asked.folder.name).stv_source == "reader"
    if drawn and reading.is_blind(revisions.entries(asked.path, asked.folder.name), asked.reader):
        return Response(plain_picture(asked.folder, asked.bench.kept), media_type="image/png")
    return _file(asked.folder / "thumbnail.png", "image/png")


def _report(asked: Asked) -> Response:
    if reading.is_blind(revisions.entries(asked.path, asked.folder.name), asked.reader):
        raise Bad(
            403, "this is a blind second read, and the report may show the first", "decide on your own read first"
        )
    answer = _file(asked.folder / "report.html", "text/html")
    answer.headers["content-security-policy"] = REPORT_POLICY
    return answer


def _audit(asked: Asked) -> Response:
    return _csv(audit_csv(asked.path, asked.reader), "audit.csv")


def _csv(text: str, name: str) -> Response:
    return Response(text, media_type="text/csv", headers={"content-disposition": f'attachment; filename="{name}"'})


def _numbers(text: str) -> list[int]:
    parts = text.split(",")
    plain = all(part.isascii() and part.isdigit() and len(part) <= DIGITS for part in parts)
    return [int(part) for part in parts] if plain else []


def _file(path: Path, kind: str) -> Response:
    if not path.is_file():
        raise Bad(404, f"the case has no {path.name}", "run `uptake run` on the cohort")
    return Response(path.read_bytes(), media_type=kind)


def _nifti(asked: Asked, data: bytes) -> Response:
    return Response(raw(data) if "raw" in asked.request.query_params else zipped(data), media_type=NIFTI)


def _labels(voxels: bytes, folder: Path) -> Volume:
    grid = grid_of(folder)
    plain = unpacked(voxels, int(np.prod(grid.shape)))
    return Volume(np.frombuffer(plain, dtype=np.uint8).reshape(grid.shape, order="F"), grid)


def _mask_limit(folder: Path) -> int:
    """No gzip of a mask is larger than its voxels and a little."""
    i, j, k = grid_of(folder).shape
    return i * j * k + SPARE_BYTES


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 1e7:
        raise Bad(422, f"active={value[:40]!r} is no number of seconds")
    return seconds


async def _bad(_: Request, error: Exception) -> Response:
    assert isinstance(error, Bad)  # noqa: S101 (starlette's handlers are typed so)
    return JSONResponse({"error": error.error, "remedy": error.remedy, **error.more}, error.status)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    answer = refused(error.status_code, str(error.detail), "see the documentation of the review")
    answer.headers.update(error.headers or {})
    return answer


async def _refusal(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)  # noqa: S101
    return JSONResponse(
        {"error": error.found, "allowed": error.allowed, "remedy": error.remedy, "code": error.code}, 422
    )


async def _unusable(_: Request, error: Exception) -> Response:
    return refused(503, str(error), "look at the cohort folder, then try again")

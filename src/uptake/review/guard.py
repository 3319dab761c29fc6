"""Who may ask: every request passes here before anything else looks at it.

Loopback alone does not keep a page out: any site that the reader visits can send requests to her own machine, and a
name can be rebound to it. So the Host must be ours, a secret from the printed link is turned into a strict cookie, a
write also needs our Origin and a header that no foreign page can set, and what leaves may load nothing from elsewhere.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

WRITES = frozenset({"PUT", "POST", "DELETE", "PATCH"})
CUSTOM_HEADER = "x-uptake"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' data: blob:; "
    "img-src 'self' data: blob:; font-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
REMEDY = "open the link that `uptake review` printed when it started"
NO_SESSION = (
    '<!doctype html><html lang="en"><meta charset="utf-8">{again}<title>uptake review</title>'
    "<p>This browser has no session with the review: open the link that <code>uptake review</code> printed "
    "when it started.</p></html>"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


@dataclass
class Session:
    """One browser that came with the token: who reads in it."""

    reader: str = ""


@dataclass
class Sessions:
    """The sessions of a running server. They live in memory: a new server has a new token and new cookies."""

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    reader: str = ""
    known: dict[str, Session] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def cookie(self) -> str:
        """The cookie's name: browsers share cookies between ports, so each port has its own."""
        return f"uptake_{self.port}"

    @property
    def hosts(self) -> frozenset[str]:
        """What the Host header may say."""
        return frozenset({f"127.0.0.1:{self.port}", f"localhost:{self.port}"})

    def begin(self, token: str) -> str | None:
        """A new session's secret for the right token, else None."""
        if not hmac.compare_digest(token.encode(), self.token.encode()):
            return None
        secret = secrets.token_urlsafe(32)
        with self.lock:
            self.known[secret] = Session(self.reader)
        return secret

    def find(self, secret: str) -> Session | None:
        """The session of a cookie."""
        with self.lock:
            return self.known.get(secret)


class Guard:
    """ASGI middleware: refuses what must not come in, adds the headers to whatever goes out."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self.app, self.sessions = app, sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on one request."""
        if scope["type"] != "http":  # no web sockets are served
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        request = Request(scope, receive)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_extra(message["headers"])]
            await send(message)

        answer = self._refusal(request)
        await (answer or self.app)(scope, receive, guarded)

    def _refusal(self, request: Request) -> Response | None:
        """An answer instead of the app's: a refusal, or the token's exchange. None: the request may pass."""
        if request.headers.get("host", "") not in self.sessions.hosts:
            return refused(421, "this server answers to 127.0.0.1 and localhost only", "open the link that was printed")
        if request.method in WRITES and (why := self._foreign(request)):
            return refused(403, why, "use the page of this server")
        if request.method == "GET" and request.url.path == "/" and "token" in request.query_params:
            return self._exchanged(request)
        session = self.sessions.find(request.cookies.get(self.sessions.cookie, ""))
        if session is None:
            return _no_session(request)
        request.scope["session"] = session
        return None

    @staticmethod
    def _foreign(request: Request) -> str | None:
        if request.headers.get("origin") != f"http://{request.headers['host']}":  # the Host is one of ours
            return "a write from another origin"
        if request.headers.get(CUSTOM_HEADER) != "1":
            return "a write without the header X-Uptake: 1"
        return None

    def _exchanged(self, request: Request) -> Response:
        tokens = parse_qs(request.url.query).get("token", [""])
        secret = self.sessions.begin(tokens[0])
        if secret is None:
            return refused(403, "the token is not this server's", "open the link that was printed last")
        answer = RedirectResponse("/", 303)
        answer.set_cookie(self.sessions.cookie, secret, httponly=True, samesite="strict", path="/")
        return answer


def _no_session(request: Request) -> Response:
    """The refusal of who has no session; to a browser as a page.

    A strict cookie does not come with a navigation that another site, or a file, began: so the page asks once more by
    itself, and that request is ours.
    """
    if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
        again = "" if "again" in request.query_params else '<meta http-equiv="refresh" content="0;url=?again=1">'
        return HTMLResponse(NO_SESSION.format(again=again), 401)
    return refused(401, "no session", REMEDY)


def refused(status: int, error: str, remedy: str = "") -> JSONResponse:
    """An answer that says what is wrong and what to do."""
    return JSONResponse({"error": error, "remedy": remedy}, status)


def _extra(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    there = {name.lower() for name, _ in headers}
    extra = {**HEADERS, "cache-control": "no-store"}
    return [(name.encode(), value.encode()) for name, value in extra.items() if name.encode() not in there]

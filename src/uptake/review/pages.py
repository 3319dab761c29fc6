"""The page's own files, from a fixed list made when the server starts: no request names a path."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from starlette.responses import FileResponse, Response

from uptake.review.bodies import Bad

FOLDER = Path(__file__).parent / "page"
VIEWER = "vendor/niivue.js"
KINDS = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


def listed() -> dict[str, Path]:
    """The files that are served, by name relative to the page's folder."""
    return {path.relative_to(FOLDER).as_posix(): path for path in sorted(FOLDER.rglob("*")) if path.suffix in KINDS}


@dataclass
class Pages:
    """The files of the page."""

    files: dict[str, Path] = field(default_factory=listed)

    def static(self, name: str) -> Response:
        """A file of the list; a script or style is asked for again after each start. Raises `Bad` 404."""
        path = self.files.get(name)
        if path is None:
            raise Bad(404, "there is no such file", "reload the page")
        kind = KINDS[path.suffix]
        return FileResponse(path, headers={"content-type": kind, "cache-control": "no-cache"})

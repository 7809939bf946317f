"""Serves the dashboard: the files that `dashboard/build.py` puts beside this module, from memory.

Whatever no route takes is a view's address and gets the page, which is the same for all of them; `/assets` and what
belongs to programs (`/api`, `/v1`) do not. The files have names made from their contents and are kept by browsers for
good; the page names them, so it is asked for anew each time.
"""

import gzip
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

BUILT: Final = Path(__file__).parent / "built"
PAGE: Final = "/index.html"
NO_VIEWS: Final = ("/api/", "/v1/", "/assets/")
SMALLEST_COMPRESSED_BYTES: Final = 1000

HEADERS: Final = {
    # Nothing but our own files runs, and nobody puts the page into a frame.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Vary": "Accept-Encoding",
}
KEPT: Final = "public, max-age=31536000, immutable"
ASKED_ANEW: Final = "no-cache"

NOT_BUILT: Final = "The dashboard was not built. In a checkout `make env` builds it; the API answers under /api/v1.\n"


@dataclass(frozen=True, slots=True)
class Views:
    """Stands for a route where requests are counted by their route."""

    path_format: str = "/{view}"


@dataclass(frozen=True, slots=True)
class File:
    """A built file, as it is and compressed."""

    content: bytes
    compressed: bytes | None
    media_type: str
    cache_control: str


class Dashboard:
    """Stands behind the application's routes; what is no address of a view goes on to `otherwise`."""

    def __init__(self, otherwise: ASGIApp, folder: Path = BUILT) -> None:
        self._otherwise = otherwise
        self._files = read_files(folder)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers with a file or the page."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self._otherwise(scope, receive, send)
            return
        path = str(scope["path"])
        file = self._files.get(path)
        if file is None and path.startswith(NO_VIEWS):
            await self._otherwise(scope, receive, send)
            return
        scope["route"] = Views()
        response = self._response(Request(scope), file or self._files.get(PAGE))
        await response(scope, receive, send)

    def _response(self, request: Request, file: File | None) -> Response:
        if file is None:
            return PlainTextResponse(NOT_BUILT, 503)
        headers = {**HEADERS, "Cache-Control": file.cache_control}
        content = file.content
        if file.compressed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            content, headers["Content-Encoding"] = file.compressed, "gzip"
        return Response(content, media_type=file.media_type, headers=headers)


def read_files(folder: Path) -> Mapping[str, File]:
    """The built files by their path in a URL; none where nothing was built."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {f"/{path.relative_to(folder).as_posix()}": _read(path, folder) for path in files}


def _read(path: Path, folder: Path) -> File:
    content = path.read_bytes()
    compressed = gzip.compress(content, 9) if len(content) >= SMALLEST_COMPRESSED_BYTES else None
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    is_named_by_content = path.parent == folder / "assets"
    return File(content, compressed, media_type, KEPT if is_named_by_content else ASKED_ANEW)

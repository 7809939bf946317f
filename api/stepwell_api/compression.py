"""Compresses JSON answers for clients that take it: what a browser waits for is mostly names and figures that repeat.

Only answers to questions (GET) that are in one piece: exports choose their own compression, events have to go out as
they come. An answer holds no secret that a guess in the same answer could be compared with (BREACH): keys are told by
no GET.
"""

import asyncio
import zlib
from collections.abc import Callable, Mapping
from typing import Final

import zstandard
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SMALLEST_BYTES: Final = 1_000
COMPRESSED_INLINE_BYTES: Final = 100_000
"""More is compressed in a thread: neither compressor keeps the interpreter's lock."""
ZSTD_LEVEL: Final = 3
GZIP_LEVEL: Final = 4


def _zstd(body: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(body)


def _gzip(body: bytes) -> bytes:
    stream = zlib.compressobj(GZIP_LEVEL, wbits=16 + zlib.MAX_WBITS)
    return stream.compress(body) + stream.flush()


COMPRESSORS: Final[Mapping[str, Callable[[bytes], bytes]]] = {"zstd": _zstd, "gzip": _gzip}
"""By their names in ``Accept-Encoding``, the best first."""


class CompressingMiddleware:
    """Wraps the application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on and compresses its answer."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        encoding = accepted(Headers(scope=scope).get("accept-encoding", ""))
        await self._app(scope, receive, _Answer(send, encoding))


class _Answer:
    """Holds an answer's head back until its body tells whether it is in one piece."""

    def __init__(self, send: Send, encoding: str | None) -> None:
        self._send = send
        self._encoding = encoding
        self._head: Message | None = None

    async def __call__(self, message: Message) -> None:
        """Takes a part of the answer."""
        if message["type"] == "http.response.start":
            self._head = message
            return
        head, self._head = self._head, None
        if head is not None:
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                message = await self._compressed(head, message)
            await self._send(head)
        await self._send(message)

    async def _compressed(self, head: Message, message: Message) -> Message:
        headers, body = MutableHeaders(raw=head["headers"]), message.get("body", b"")
        is_json = "json" in headers.get("content-type", "")
        if not is_json or "content-encoding" in headers or len(body) < SMALLEST_BYTES:
            return message
        headers.add_vary_header("Accept-Encoding")
        if self._encoding is None:
            return message
        compress = COMPRESSORS[self._encoding]
        smaller = compress(body) if len(body) <= COMPRESSED_INLINE_BYTES else await asyncio.to_thread(compress, body)
        headers["Content-Encoding"] = self._encoding
        headers["Content-Length"] = str(len(smaller))
        return {**message, "body": smaller}


def accepted(header: str) -> str | None:
    """The best encoding that an ``Accept-Encoding`` takes (RFC 9110, 12.5.3); ``None`` for none of ours."""
    weights = {}
    for part in header.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        weights[name] = not any(_is_zero(parameter) for parameter in parameters)
    return next((name for name in COMPRESSORS if weights.get(name, weights.get("*", False))), None)


def _is_zero(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    return name.strip() == "q" and value.strip().strip("0") in ("", ".")

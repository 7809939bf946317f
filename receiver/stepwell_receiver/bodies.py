"""Request bodies: read from the network and decompressed, never beyond a bound.

Both bounds hold while reading: a body that is too large is refused at the first byte too many, and what a small
compressed body unfolds to never stands in memory beyond the limit.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Generator, Hashable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum
from io import BytesIO
from typing import Final, TypeAlias, cast

import zstandard

from stepwell_receiver.errors import (
    BodyTooLargeError,
    MalformedBodyError,
    OverloadedError,
    UnsupportedEncodingError,
    UnsupportedMediaTypeError,
)
from stepwell_storage.sharing import Room

try:
    from isal.igzip_lib import IsalError as InflateError
    from isal.isal_zlib import decompressobj
except ImportError:  # there is no wheel of it for this platform; the standard library takes three times as long
    from zlib import decompressobj  # type: ignore[assignment]
    from zlib import error as InflateError  # type: ignore[assignment]  # noqa: N812

# isal declares its class of errors as if it were an error.
_FORMAT_ERRORS: Final = cast("tuple[type[Exception], ...]", (zlib.error, InflateError, zstandard.ZstdError))
PATIENCE_S: Final = 60.0
"""How long a body may take to arrive: the largest one at 10 Mbit/s."""
_SLICE_BYTES: Final = 64 * 1024
_ZSTD_SLICE_BYTES: Final = 256
"""zstd has no bound on the output of one call; four bytes unfold to 128 KiB at most, so this makes 8 MiB."""
_MAX_ZSTD_WINDOW_BYTES: Final = 128 * 1024 * 1024
"""The reference tool's own bound. A frame's header reserves it, but only what is written occupies memory."""
_MAX_PARTS: Final = 1_000
"""Gzip members or zstd frames of one body: many tiny ones cost far more time than bytes."""
GZIP_MAGIC: Final = b"\x1f\x8b"
_GZIP, _ZLIB, _RAW_DEFLATE = zlib.MAX_WBITS | 16, zlib.MAX_WBITS, -zlib.MAX_WBITS

Chunks: TypeAlias = Iterator[bytes]


class MediaType(StrEnum):
    """OTLP's two encodings."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


class ReadBudget:
    """Bounds the memory of all bodies that are being read at the same time; no key fills more than its part."""

    def __init__(self, limit_bytes: int, key_share: float = 1.0) -> None:
        self._room = Room(limit_bytes, key_share)

    @contextmanager
    def reader(self, key: Hashable = None) -> Iterator[Callable[[int], None]]:
        """Gives a function to charge bytes with as they arrive; leaving the context gives them back.

        Raises:
            OverloadedError: from that function, when nothing is left, in all or for the key.
        """
        charged_bytes = 0

        def charge(count: int) -> None:
            nonlocal charged_bytes
            if not self._room.fits(count, key):
                raise OverloadedError("Too many large requests at the same time; send it again later")
            self._room.take(count, key)
            charged_bytes += count

        try:
            yield charge
        finally:
            if charged_bytes:
                self._room.give_back(charged_bytes, key)


@asynccontextmanager
async def within_patience() -> AsyncIterator[None]:
    """Gives up on a body that takes too long, since its part of the budget is lost to others meanwhile.

    Raises:
        OverloadedError: it did.
    """
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield
    except TimeoutError:
        raise OverloadedError(f"The body did not arrive within {PATIENCE_S:.0f} s; send smaller batches") from None


def media_type_of(content_type: str | None) -> MediaType:
    """The media type in a Content-Type header, in any case and with any parameters.

    Raises:
        UnsupportedMediaTypeError: it is none of OTLP's, or missing.
    """
    name = (content_type or "").partition(";")[0].strip().lower()
    try:
        return MediaType(name)
    except ValueError:
        told = f"Content-Type {name!r} is not supported" if name else "Content-Type is missing"
        raise UnsupportedMediaTypeError(f"{told}; use {MediaType.PROTOBUF} or {MediaType.JSON}") from None


def encoding_of(content_encoding: str | None) -> str:
    """The name in a Content-Encoding header that `decompress` takes.

    Raises:
        UnsupportedEncodingError: it is none of `ENCODINGS`, or several at once.
    """
    name = (content_encoding or "identity").strip().lower()
    if name not in _DECOMPRESSORS:
        raise UnsupportedEncodingError(f"Content-Encoding {name!r} is not supported; use {', '.join(ENCODINGS)}")
    return name


async def read_body(
    stream: AsyncIterator[bytes], headers: Mapping[str, str], *, limit_bytes: int, charge: Callable[[int], None]
) -> bytes:
    """Reads a body as it is on the wire; `charge` learns of every chunk.

    Raises:
        BodyTooLargeError: more than `limit_bytes` arrived, or are announced in Content-Length.
    """
    announced = headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit_bytes:
        raise too_large(limit_bytes)
    chunks: list[bytes] = []
    size_bytes = 0
    async for chunk in stream:
        size_bytes += len(chunk)
        if size_bytes > limit_bytes:
            raise too_large(limit_bytes)
        charge(len(chunk))
        chunks.append(chunk)
    return b"".join(chunks)


def decompress(body: bytes, encoding: str, *, limit_bytes: int) -> bytes:
    """Undoes one of `ENCODINGS`.

    Raises:
        BodyTooLargeError: it unfolds to more than `limit_bytes`.
        MalformedBodyError: it is not what `encoding` says, or cut off.
    """
    if not body or encoding == "identity":
        return body
    output = BytesIO()
    try:
        for chunk in _DECOMPRESSORS[encoding](body):
            if output.tell() + len(chunk) > limit_bytes:
                raise too_large(limit_bytes)
            output.write(chunk)
    except _FORMAT_ERRORS as error:
        raise MalformedBodyError(f"The body is not {encoding}, as its Content-Encoding says: {error}") from error
    return output.getvalue()


def too_large(limit_bytes: int) -> BodyTooLargeError:
    """The refusal that names the bound."""
    return BodyTooLargeError(f"The body exceeds {limit_bytes:,} bytes (after decompression); send smaller batches")


def _gunzip(body: bytes) -> Chunks:
    """All members of a gzip body: RFC 1952 allows several one after the other."""
    start = 0
    for _ in range(_MAX_PARTS):
        if start == len(body):
            return
        if not body.startswith(GZIP_MAGIC, start):
            if start and not body[start:].strip(b"\0"):
                return  # zeros pad the last member, as some writers do
            raise zlib.error("no gzip member where one should start")
        start = yield from _inflate(body, _GZIP, start)
    raise zlib.error(f"more than {_MAX_PARTS} members")


def _undeflate(body: bytes) -> Chunks:
    """HTTP's ``deflate`` is the zlib format (RFC 9110, 8.4.1.2), but some senders leave its header out."""
    end = yield from _inflate(body, _ZLIB if has_zlib_header(body) else _RAW_DEFLATE, 0)
    if end < len(body):
        raise zlib.error("bytes follow the end of the stream")


def has_zlib_header(body: bytes) -> bool:
    """Whether the first two bytes are a zlib header (RFC 1950, 2.2)."""
    return len(body) > 1 and body[0] & 0x0F == zlib.DEFLATED and int.from_bytes(body[:2]) % 31 == 0


def _inflate(body: bytes, window_bits: int, start: int) -> Generator[bytes, None, int]:
    """Yields one stream's output in slices; returns where it ends."""
    stream = decompressobj(window_bits)
    view = memoryview(body)
    for position in range(start, len(body), _SLICE_BYTES):
        pending: bytes | memoryview = view[position : position + _SLICE_BYTES]
        is_full = True  # output may be left even where no input is
        while (pending or is_full) and not stream.eof:
            output = stream.decompress(pending, _SLICE_BYTES)
            yield output
            pending, is_full = stream.unconsumed_tail, len(output) == _SLICE_BYTES
        if stream.eof:
            return min(position + _SLICE_BYTES, len(body)) - len(stream.unused_data)
    raise zlib.error("the stream is cut off")


def _unzstd(body: bytes) -> Chunks:
    """All frames of a zstd body (RFC 8878, 3.1), skippable ones included."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_ZSTD_WINDOW_BYTES)
    start = 0
    for _ in range(_MAX_PARTS):
        if start == len(body):
            return
        frame = decompressor.decompressobj()
        for position in range(start, len(body), _ZSTD_SLICE_BYTES):
            yield frame.decompress(body[position : position + _ZSTD_SLICE_BYTES])
            if frame.eof:
                start = min(position + _ZSTD_SLICE_BYTES, len(body)) - len(frame.unused_data)
                break
        else:
            raise zstandard.ZstdError("the frame is cut off")
    raise zstandard.ZstdError(f"more than {_MAX_PARTS} frames")


_DECOMPRESSORS: Final[Mapping[str, Callable[[bytes], Chunks]]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _undeflate,
    "zstd": _unzstd,
    "identity": lambda body: iter((body,)),
}
ENCODINGS: Final = ("gzip", "deflate", "zstd", "identity")

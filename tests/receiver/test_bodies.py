"""Bodies: every encoding in every shape that is allowed, and a bound that holds while they unfold."""

import gzip
import secrets
import zlib
from collections.abc import AsyncIterator

import pytest
import zstandard
from tests.receiver.otlp import raw_deflate

from stepwell_receiver.bodies import MediaType, ReadBudget, decompress, encoding_of, media_type_of, read_body
from stepwell_receiver.errors import (
    BodyTooLargeError,
    MalformedBodyError,
    OverloadedError,
    UnsupportedEncodingError,
    UnsupportedMediaTypeError,
)

LIMIT = 1_000_000
CONTENT = secrets.token_bytes(200_000) + b"a" * 300_000
FRAME = zstandard.compress(CONTENT)
SKIPPABLE_FRAME = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        pytest.param("identity", CONTENT, id="identity"),
        pytest.param("gzip", gzip.compress(CONTENT), id="gzip"),
        pytest.param("gzip", gzip.compress(CONTENT[:250]) + gzip.compress(CONTENT[250:]), id="concatenated-gzip"),
        pytest.param("gzip", gzip.compress(CONTENT) + bytes(64), id="gzip-padded-with-zeros"),
        pytest.param("x-gzip", gzip.compress(CONTENT), id="x-gzip"),
        pytest.param("deflate", zlib.compress(CONTENT), id="deflate-with-header"),
        pytest.param("deflate", raw_deflate(CONTENT), id="deflate-without-header"),
        pytest.param("zstd", FRAME, id="zstd"),
        pytest.param("zstd", zstandard.compress(CONTENT[:9]) + zstandard.compress(CONTENT[9:]), id="two-zstd-frames"),
        pytest.param("zstd", SKIPPABLE_FRAME + FRAME, id="skippable-zstd-frame"),
        pytest.param("zstd", zstandard.ZstdCompressor(level=22).compress(CONTENT), id="zstd-at-its-highest-level"),
    ],
)
def test_content_comes_back(encoding: str, body: bytes) -> None:
    assert decompress(body, encoding, limit_bytes=LIMIT) == CONTENT
    assert decompress(body, encoding, limit_bytes=len(CONTENT)) == CONTENT


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "identity"])
def test_empty_body_is_empty_in_every_encoding(encoding: str) -> None:
    assert decompress(b"", encoding, limit_bytes=LIMIT) == b""


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        pytest.param("gzip", gzip.compress(CONTENT)[:-1], id="truncated-gzip"),
        pytest.param("gzip", gzip.compress(CONTENT)[:1000], id="truncated-gzip-data"),
        pytest.param("gzip", gzip.compress(CONTENT)[:5], id="truncated-gzip-header"),
        pytest.param("gzip", gzip.compress(CONTENT) + gzip.compress(CONTENT)[:-4], id="truncated-second-member"),
        pytest.param("gzip", gzip.compress(CONTENT) + b"junk", id="junk-after-gzip"),
        pytest.param("gzip", gzip.compress(CONTENT)[:-8] + bytes(8), id="gzip-checksum"),
        pytest.param("gzip", b"\x0a\x02\x12\x00", id="gzip-is-plain"),
        pytest.param("gzip", gzip.compress(b"") * 1_001, id="swarm-of-gzip-members"),
        pytest.param("deflate", zlib.compress(CONTENT)[:-1], id="truncated-deflate"),
        pytest.param("deflate", raw_deflate(CONTENT)[:-1], id="truncated-raw-deflate"),
        pytest.param("deflate", zlib.compress(CONTENT) + b"x", id="junk-after-deflate"),
        pytest.param("deflate", b"\xff" * 20, id="deflate-is-plain"),
        pytest.param("zstd", FRAME[:-1], id="truncated-zstd"),
        pytest.param("zstd", FRAME[:3], id="truncated-zstd-header"),
        pytest.param("zstd", FRAME + b"xx", id="junk-after-zstd"),
        pytest.param("zstd", b"\x0a\x02\x12\x00", id="zstd-is-plain"),
        pytest.param("zstd", zstandard.compress(b"") * 1_001, id="swarm-of-zstd-frames"),
    ],
)
def test_corrupt_stream_is_a_malformed_body(encoding: str, body: bytes) -> None:
    with pytest.raises(MalformedBodyError, match=encoding):
        decompress(body, encoding, limit_bytes=LIMIT)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        pytest.param("gzip", gzip.compress(bytes(LIMIT + 1)), id="gzip"),
        pytest.param("gzip", gzip.compress(bytes(LIMIT)) + gzip.compress(b"x"), id="second-gzip-member"),
        pytest.param("deflate", zlib.compress(bytes(LIMIT + 1)), id="deflate"),
        pytest.param("zstd", zstandard.compress(bytes(LIMIT + 1)), id="zstd"),
        pytest.param("zstd", zstandard.compress(bytes(LIMIT)) + zstandard.compress(b"x"), id="second-zstd-frame"),
    ],
)
def test_one_byte_too_many_is_too_large(encoding: str, body: bytes) -> None:
    with pytest.raises(BodyTooLargeError, match="1,000,000 bytes"):
        decompress(body, encoding, limit_bytes=LIMIT)
    assert len(decompress(body, encoding, limit_bytes=LIMIT + 1)) == LIMIT + 1


async def _chunks(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def test_body_is_read_to_its_limit_and_charged() -> None:
    charged: list[int] = []
    body = await read_body(_chunks(b"ab", b"", b"cd"), {}, limit_bytes=4, charge=charged.append)
    assert (body, sum(charged)) == (b"abcd", 4)


async def test_body_over_the_limit_is_not_read_on() -> None:
    stream = _chunks(b"ab", b"cde", b"never read")
    with pytest.raises(BodyTooLargeError):
        await read_body(stream, {}, limit_bytes=4, charge=lambda _: None)
    assert [chunk async for chunk in stream] == [b"never read"]


async def test_announced_length_over_the_limit_is_refused_unread() -> None:
    stream = _chunks(b"ab")
    with pytest.raises(BodyTooLargeError):
        await read_body(stream, {"content-length": "5"}, limit_bytes=4, charge=lambda _: None)
    assert [chunk async for chunk in stream] == [b"ab"]


def test_budget_is_shared_and_given_back() -> None:
    budget = ReadBudget(10)
    with budget.reader() as first:
        first(6)
        with budget.reader() as second:
            second(4)
            with pytest.raises(OverloadedError):
                second(1)
        first(4)
    with budget.reader() as third:
        third(10)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param("application/json", MediaType.JSON, id="json"),
        pytest.param("application/json; charset=utf-8", MediaType.JSON, id="json-with-charset"),
        pytest.param("Application/JSON", MediaType.JSON, id="upper-case"),
        pytest.param(" application/x-protobuf ;q=1", MediaType.PROTOBUF, id="spaces"),
    ],
)
def test_media_type_is_recognised(header: str, expected: MediaType) -> None:
    assert media_type_of(header) is expected


@pytest.mark.parametrize("header", [None, "", "text/plain", "application/protobuf", "json", ";"])
def test_other_media_type_is_refused_with_the_two_supported(header: str | None) -> None:
    with pytest.raises(UnsupportedMediaTypeError, match="application/x-protobuf or application/json"):
        media_type_of(header)


@pytest.mark.parametrize(
    ("header", "expected"), [(None, "identity"), ("", "identity"), ("GZip", "gzip"), (" zstd ", "zstd")]
)
def test_encoding_is_recognised(header: str | None, expected: str) -> None:
    assert encoding_of(header) == expected


@pytest.mark.parametrize("header", ["br", "snappy", "gzip, gzip", "gzip,zstd"])
def test_other_encoding_is_refused_with_the_supported_ones(header: str) -> None:
    with pytest.raises(UnsupportedEncodingError, match="gzip, deflate, zstd, identity"):
        encoding_of(header)

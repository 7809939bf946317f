"""Answers come compressed where the client takes it, and only those that are worth it."""

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from stepwell_api.compression import CompressingMiddleware, accepted

LONG = {"items": ["the same again"] * 200}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b'{"a": '
        yield b"1" * 2_000 + b"}"

    answers: dict[str, Response] = {
        "/long": JSONResponse(LONG),
        "/short": JSONResponse({"items": []}),
        "/text": Response("a" * 5_000, media_type="text/event-stream"),
        "/pieces": StreamingResponse(pieces(), media_type="application/json"),
    }
    await answers[scope["path"]](scope, receive, send)


def client() -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(CompressingMiddleware(app)), base_url="http://stepwell")


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip", "gzip"),
        ("GZIP;q=0.5", "gzip"),
        ("zstd;q=0, gzip;q=1.0", "gzip"),
        ("*", "zstd"),
        ("*, zstd; q=0.000", "gzip"),
        ("br", None),
        ("identity", None),
        ("", None),
    ],
)
def test_encoding_is_the_best_that_is_accepted(header: str, encoding: str | None) -> None:
    assert accepted(header) == encoding


@pytest.mark.parametrize("encoding", ["zstd", "gzip"])
async def test_long_answer_is_compressed_and_reads_the_same(encoding: str) -> None:
    async with client() as asking:
        answer = await asking.get("/long", headers={"accept-encoding": encoding})
    assert answer.json() == LONG
    assert (answer.headers["content-encoding"], answer.headers["vary"]) == (encoding, "Accept-Encoding")
    assert int(answer.headers["content-length"]) < 300


@pytest.mark.parametrize(
    ("path", "encoding"), [("/long", "identity"), ("/short", "gzip"), ("/text", "gzip"), ("/pieces", "gzip")]
)
async def test_what_is_not_worth_it_goes_out_as_it_is(path: str, encoding: str) -> None:
    async with client() as asking:
        answer = await asking.get(path, headers={"accept-encoding": encoding})
    assert "content-encoding" not in answer.headers
    assert ("vary" in answer.headers) == (path == "/long")

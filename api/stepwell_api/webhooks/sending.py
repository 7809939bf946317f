"""One call to a webhook: a POST over HTTP/1.1 to an address that was checked, bounded in time and size.

Not by a common HTTP client: those look names up by themselves, follow redirects, obey proxies of the environment, and
read answers of any size.
"""

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Final

import h11

from stepwell_api.webhooks.addresses import Network, RefusedAddressError, Target, parse_url, resolve

TIMEOUT_S: Final = 15.0
"""For the whole call, the lookup of the name included."""
CONNECT_TIMEOUT_S: Final = 3.0
"""For one address of several."""
MAX_BODY_BYTES: Final = 256 * 1024
MAX_RESPONSE_BYTES: Final = 64 * 1024
MAX_HEAD_BYTES: Final = 32 * 1024
_READ_BYTES: Final = 16 * 1024
_RETRIED: Final = frozenset((408, 425, 429))


class Outcome(StrEnum):
    """What became of one attempt."""

    DELIVERED = "delivered"
    RETRY = "retry"
    """It may go well another time."""
    REFUSED = "refused"
    """It will not."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a call."""

    outcome: Outcome
    reason: str | None = None
    http_status: int | None = None
    body: bytes = b""
    """At most `MAX_RESPONSE_BYTES`."""
    retry_after_s: float | None = None
    duration_ms: float = 0.0


class _AnswerTooLargeError(Exception):
    """The receiver answers more than is read."""


async def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    allowed: Sequence[Network] = (),
    timeout_s: float = TIMEOUT_S,
) -> Answer:
    """Sends the body as JSON; every failure is an answer."""
    began_s = time.monotonic()
    answer = await _tried(url, body, headers, allowed, timeout_s)
    duration_ms = (time.monotonic() - began_s) * 1000
    return Answer(
        answer.outcome, answer.reason, answer.http_status, answer.body, answer.retry_after_s, round(duration_ms, 3)
    )


async def _tried(
    url: str, body: bytes, headers: Mapping[str, str], allowed: Sequence[Network], timeout_s: float
) -> Answer:
    if len(body) > MAX_BODY_BYTES:
        return Answer(Outcome.REFUSED, f"The body is larger than {MAX_BODY_BYTES} bytes")
    try:
        async with asyncio.timeout(timeout_s):
            target = parse_url(url)
            reader, writer = await _connect(target, await resolve(target, allowed))
            return await _call(reader, writer, target, body, headers)
    except RefusedAddressError as error:
        return Answer(Outcome.REFUSED, str(error))
    except TimeoutError:
        return Answer(Outcome.RETRY, f"No answer within {timeout_s:g} s")
    except _AnswerTooLargeError:
        return Answer(Outcome.REFUSED, f"The answer is larger than {MAX_RESPONSE_BYTES} bytes")
    except h11.RemoteProtocolError as error:
        return Answer(Outcome.RETRY, f"The answer is no HTTP: {error}")
    except ssl.SSLError as error:
        return Answer(Outcome.RETRY, f"No safe connection: {error.reason or error}")
    except (OSError, UnicodeError) as error:
        return Answer(Outcome.RETRY, f"No connection: {error}")


async def _connect(target: Target, addresses: Sequence[str]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """To the first address that takes the connection; the certificate is the host's."""
    secured: dict[str, Any] = {"ssl": _tls(), "server_hostname": target.host} if target.scheme == "https" else {}
    for address in addresses[:-1]:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                return await asyncio.open_connection(address, target.port, **secured)
    return await asyncio.open_connection(addresses[-1], target.port, **secured)


async def _call(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    target: Target,
    body: bytes,
    headers: Mapping[str, str],
) -> Answer:
    try:
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
        request = h11.Request(
            method="POST",
            target=target.path,
            headers=[
                ("host", target.authority),
                ("content-type", "application/json"),
                ("content-length", str(len(body))),
                ("user-agent", "Stepwell-Webhook/1"),
                ("connection", "close"),
                *headers.items(),
            ],
        )
        for event in (request, h11.Data(body), h11.EndOfMessage()):
            writer.write(connection.send(event) or b"")
        await writer.drain()
        return _judged(*await _read(reader, connection))
    finally:
        writer.close()
        with suppress(OSError, TimeoutError):
            await writer.wait_closed()


async def _read(reader: asyncio.StreamReader, connection: h11.Connection) -> tuple[h11.Response, bytes]:
    """The response and its body; informational ones before it are passed over."""
    response: h11.Response | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_READ_BYTES))
        elif isinstance(event, h11.Response):
            response = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > MAX_RESPONSE_BYTES:
                raise _AnswerTooLargeError
        elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            if response is None:
                raise h11.RemoteProtocolError("the connection ended before an answer")
            return response, bytes(body)


def _judged(response: h11.Response, body: bytes) -> Answer:
    status = response.status_code
    if 200 <= status < 300:
        return Answer(Outcome.DELIVERED, None, status, body)
    if 300 <= status < 400:
        return Answer(Outcome.REFUSED, f"HTTP {status}: redirects are not followed", status, body)
    if status >= 500 or status in _RETRIED:
        return Answer(Outcome.RETRY, f"HTTP {status}", status, body, _retry_after_s(response))
    return Answer(Outcome.REFUSED, f"HTTP {status}", status, body)


def _retry_after_s(response: h11.Response) -> float | None:
    """Seconds, where the receiver says some; dates are left alone, since its clock may be off."""
    for name, value in response.headers:
        if name == b"retry-after" and value.isdigit() and len(value) <= 6:
            return float(value)
    return None


@cache
def _tls() -> ssl.SSLContext:
    """Verifies certificates by the system's roots."""
    return ssl.create_default_context()

"""Carries encoded spans to the backend: one request at a time, over a connection that is kept.

An answer is told as one of `Answer`, whatever the other side does; nothing is raised.
"""

from __future__ import annotations

import base64
import encodings.idna
import gzip
import http.client
import importlib
import ssl
import urllib.request
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

if TYPE_CHECKING:
    from stepwell.environment import Target

MAX_ANSWER_BYTES: Final = 65_536
MAX_RETRY_AFTER_S: Final = 30.0
_RETRYABLE: Final = frozenset((408, 429, 502, 503, 504))
_TOO_LARGE: Final = 413
_READY: Final = encodings.idna.nameprep
"""Loaded here, since a process that forks while its exporting thread loads what host names need leaves a child that
cannot load it any more."""
_USER_AGENT: Final = "stepwell-python"
_GRPC_METHOD: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_GRPC_RETRYABLE: Final = frozenset(
    ("CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS")
)
_GRPC_DETAILS: Final = "grpc-status-details-bin"


class Outcome(Enum):
    """What became of a request."""

    TAKEN = "taken"
    LATER = "later"
    """Sending the same again may help."""
    TOO_LARGE = "too large"
    """Less at once may be taken."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Answer:
    """An outcome, why, when to try again at the earliest, and the body of a success."""

    outcome: Outcome
    reason: str = ""
    retry_after_s: float = 0.0
    body: bytes = b""


class Transport(Protocol):
    """Sends one encoded ``ExportTraceServiceRequest``."""

    def send(self, body: bytes) -> Answer:
        """Sends the body and waits for the answer, for the target's timeout at most."""

    def close(self) -> None:
        """Ends the connection."""

    def abandon(self) -> None:
        """Lets go of a connection that belongs to the parent of a fork, which goes on with it."""


def transport_to(target: Target) -> Transport:
    """The transport of the target's protocol.

    Raises:
        ImportError: gRPC is asked for and not installed.
    """
    return GrpcTransport(target) if target.protocol == "grpc" else HttpTransport(target)


class HttpTransport:
    """OTLP over HTTP with the standard library's client, which no instrumentation of HTTP libraries reports."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._url = urlsplit(target.url)
        self._path = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        self._connection: http.client.HTTPConnection | None = None
        self._headers = {
            "content-type": "application/x-protobuf",
            "user-agent": _USER_AGENT,
            **({"content-encoding": "gzip"} if target.compression == "gzip" else {}),
            **_basic(self._url),
            **target.headers,
        }

    def send(self, body: bytes) -> Answer:
        """A connection that the other side has closed meanwhile is opened anew, once."""
        if self._target.compression == "gzip":
            body = gzip.compress(body, 1)
        was_open = self._connection is not None
        answer = self._tried(body)
        if answer is None and was_open:
            answer = self._tried(body)
        return answer or Answer(Outcome.LATER, "the connection was closed")

    def _tried(self, body: bytes) -> Answer | None:
        """The answer; ``None`` where the other side closed the connection instead."""
        try:
            return self._post(body)
        except ConnectionRefusedError as error:
            self.close()
            return Answer(Outcome.LATER, _told(error))
        except ConnectionError:
            self.close()
            return None
        except Exception as error:
            # Half a request was sent, perhaps; the next needs a connection of its own.
            self.close()
            return Answer(Outcome.LATER, _told(error))

    def close(self) -> None:
        """Ends the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def abandon(self) -> None:
        """Closes this process' copy of the socket, of which the other side learns nothing."""
        self.close()

    def _post(self, body: bytes) -> Answer:
        connection = self._connection or self._opened()
        self._connection = connection
        connection.request("POST", self._path, body, self._headers)
        response = connection.getresponse()
        answer = response.read(MAX_ANSWER_BYTES)
        if not response.isclosed() or response.will_close:
            self.close()
        return _answer(response.status, response.headers.get("retry-after"), answer)

    def _opened(self) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "127.0.0.1", self._url.port
        is_secure = self._url.scheme == "https"
        proxy = _proxy_of(self._url)
        tls = _tls(self._target) if is_secure else None
        at = (proxy.hostname or "", proxy.port or 80) if proxy else (host, port)
        made = self._connection_to(*at, tls)
        if proxy:
            made.set_tunnel(host, port or (443 if is_secure else 80), _proxy_headers(proxy))
        return made

    def _connection_to(self, host: str, port: int | None, tls: ssl.SSLContext | None) -> http.client.HTTPConnection:
        if tls is None:
            return http.client.HTTPConnection(host, port, timeout=self._target.timeout_s)
        return http.client.HTTPSConnection(host, port, timeout=self._target.timeout_s, context=tls)


class GrpcTransport:
    """OTLP over gRPC; needs the extra ``stepwell[grpc]``."""

    def __init__(self, target: Target) -> None:
        import grpc

        # What is loaded when a channel is made and when a call fails, for the reason that `_READY` tells.
        for name in ("grpc._channel", "google.rpc.error_details_pb2", "google.rpc.status_pb2"):
            importlib.import_module(name)
        self._grpc: Any = grpc
        self._target = target
        self._channel: Any = None

    def send(self, body: bytes) -> Answer:
        """The channel is opened with the first request, so that a fork finds none."""
        try:
            call = self._opened()
            metadata = tuple(self._target.headers.items())
            answer = call(body, timeout=self._target.timeout_s, metadata=metadata)
        except self._grpc.RpcError as error:
            code, details = error.code().name, dict(error.trailing_metadata() or ()).get(_GRPC_DETAILS, b"")
            return _grpc_answer(code, f"{code}: {error.details()}", _retry_delay_s(details))
        except (OSError, ValueError) as error:
            return Answer(Outcome.LATER, _told(error))
        return Answer(Outcome.TAKEN, body=answer)

    def close(self) -> None:
        """Ends the connection."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def abandon(self) -> None:
        """Closing would take the threads of the channel, which the fork has left behind."""
        self._channel = None

    def _opened(self) -> Any:
        if self._channel is None:
            self._channel = self._new_channel()
        return self._channel.unary_unary(_GRPC_METHOD)

    def _new_channel(self) -> Any:
        url = urlsplit(self._target.url)
        if url.scheme != "https":
            return self._grpc.insecure_channel(url.netloc)
        credentials = self._grpc.ssl_channel_credentials(
            _bytes_of(self._target.certificate_file),
            _bytes_of(self._target.client_key_file),
            _bytes_of(self._target.client_certificate_file),
        )
        return self._grpc.secure_channel(url.netloc, credentials)


def _answer(status: int, retry_after: str | None, body: bytes) -> Answer:
    if 200 <= status < 300:
        return Answer(Outcome.TAKEN, body=body)
    if status in _RETRYABLE:
        return Answer(Outcome.LATER, f"HTTP {status}", _seconds(retry_after))
    if status == _TOO_LARGE:
        return Answer(Outcome.TOO_LARGE, f"HTTP {status}")
    return Answer(Outcome.REFUSED, f"HTTP {status}")


def _grpc_answer(code: str, reason: str, retry_delay_s: float | None) -> Answer:
    """As the OTLP specification has it: exhausted may be tried again where a delay is told; else it was too much."""
    if code == "RESOURCE_EXHAUSTED" and retry_delay_s is None:
        return Answer(Outcome.TOO_LARGE, reason)
    is_retryable = code in _GRPC_RETRYABLE or code == "RESOURCE_EXHAUSTED"
    return Answer(Outcome.LATER if is_retryable else Outcome.REFUSED, reason, retry_delay_s or 0.0)


def _retry_delay_s(details: bytes) -> float | None:
    """The delay of a ``RetryInfo`` in the encoded status; ``None`` where there is none."""
    from google.rpc.error_details_pb2 import RetryInfo
    from google.rpc.status_pb2 import Status

    try:
        for detail in Status.FromString(details).details:
            told = RetryInfo()
            if detail.Unpack(told):
                delay_s: float = told.retry_delay.seconds + told.retry_delay.nanos / 1e9
                return min(max(delay_s, 0.0), MAX_RETRY_AFTER_S)
    except Exception:
        return None
    return None


def _seconds(retry_after: str | None) -> float:
    """Seconds of a ``Retry-After``; 0 where it is a date or nonsense."""
    try:
        return min(max(float(retry_after or 0), 0.0), MAX_RETRY_AFTER_S)
    except ValueError:
        return 0.0


def _told(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}"[:200].split())


def _tls(target: Target) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=target.certificate_file)
    if target.client_certificate_file:
        made.load_cert_chain(target.client_certificate_file, target.client_key_file)
    return made


def _proxy_of(url: SplitResult) -> SplitResult | None:
    """The proxy that the environment names for this address."""
    host = url.hostname or ""
    found = urllib.request.getproxies_environment().get(url.scheme)
    if not found or urllib.request.proxy_bypass(host) or host in ("127.0.0.1", "localhost", "::1"):
        return None
    return urlsplit(found if "://" in found else f"http://{found}")


def _proxy_headers(proxy: SplitResult) -> dict[str, str]:
    return {f"proxy-{name}": value for name, value in _basic(proxy).items()}


def _basic(url: SplitResult) -> dict[str, str]:
    """The header for a name and password in a URL."""
    if not url.username:
        return {}
    pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
    return {"authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def _bytes_of(path: str | None) -> bytes | None:
    return Path(path).read_bytes() if path else None

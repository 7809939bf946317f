"""Sends requests over connections that stay open, as fast as they are acknowledged or at a fixed rate.

At a fixed rate (an open loop) every request has a time at which it is due, whatever became of those before, and its
latency counts from then: a server that stalls is charged for everything that should have come meanwhile.
What is refused for the moment is sent again after a pause, as exporters do; what is refused for good ends the run.
"""

import http.client
import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol
from urllib.parse import urlsplit

import grpc
from bench.bodies import Compression, Request
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

Transport = Literal["http", "grpc"]

EXPORT: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
BUSY_HTTP: Final = (429, 502, 503, 504)
BUSY_GRPC: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
PAUSE_S: Final = 0.2
"""Before trying again, where the server does not say how long."""
LONGEST_ANSWER_S: Final = 120.0
LONGEST_REFUSAL_S: Final = 120.0
START_S: Final = 0.1
"""From the call to the first request, so that all connections are there."""


class RefusedError(Exception):
    """A request was answered with what no second try would mend, or stored in part."""


class Connection(Protocol):
    """One open connection."""

    def post(self, body: bytes) -> float | None:
        """Sends and waits for the answer: ``None`` when acknowledged, else the seconds to wait before trying again.

        Raises:
            RefusedError: trying again would not help.
        """


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """When a request was due (the clock is `time.perf_counter`), when it was acknowledged, and how often refused."""

    place: int
    due_s: float
    done_s: float
    refusals: int

    @property
    def latency_ms(self) -> float:
        """From when it was due."""
        return (self.done_s - self.due_s) * 1000


@dataclass(slots=True)
class Sent:
    """What became of all requests; in no order."""

    start_s: float
    acknowledged: list[Acknowledged] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    """What ended the run."""

    @property
    def last_s(self) -> float:
        """When the last one was acknowledged."""
        return max(answer.done_s for answer in self.acknowledged)

    @property
    def refusals(self) -> int:
        """How often a request had to be sent again."""
        return sum(answer.refusals for answer in self.acknowledged)


class HttpConnection:
    """OTLP/HTTP with protobuf."""

    def __init__(self, url: str, compression: Compression = "none", headers: Mapping[str, str] | None = None) -> None:
        """`url` is that of the server; the bodies are compressed already."""
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=LONGEST_ANSWER_S)
        self._headers = {"Content-Type": "application/x-protobuf", **(headers or {})}
        if compression == "gzip":
            self._headers["Content-Encoding"] = "gzip"

    def post(self, body: bytes) -> float | None:
        """See `Connection`; a connection that the server closed is opened again."""
        try:
            self._connection.request("POST", "/v1/traces", body, self._headers)
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return PAUSE_S
        if response.status in BUSY_HTTP:
            return float(response.headers.get("Retry-After", PAUSE_S))
        if response.status != http.HTTPStatus.OK:
            raise RefusedError(f"HTTP {response.status}: {answer[:300]!r}")
        _check(answer)
        return None


class GrpcConnection:
    """OTLP/gRPC on a channel of its own; gzip happens here while the clock runs, in gRPC's C core."""

    def __init__(self, target: str, compression: Compression = "none") -> None:
        self._channel = grpc.insecure_channel(
            target,
            options=[("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)],
            compression=grpc.Compression.Gzip if compression == "gzip" else grpc.Compression.NoCompression,
        )
        self._export: Callable[..., bytes] = self._channel.unary_unary(EXPORT)

    def post(self, body: bytes) -> float | None:
        """See `Connection`."""
        try:
            answer = self._export(body, timeout=LONGEST_ANSWER_S)
        except grpc.RpcError as error:
            if error.code() in BUSY_GRPC:
                return PAUSE_S
            raise RefusedError(f"{error.code()}: {error.details()}") from error
        _check(answer)
        return None


def _check(answer: bytes) -> None:
    """A full success tells nothing, or that nothing was rejected."""
    response = ExportTraceServiceResponse()
    try:
        response.ParseFromString(answer)
    except DecodeError as error:
        raise RefusedError(f"An answer is no OTLP: {answer[:300]!r}") from error
    if response.partial_success.rejected_spans:
        raise RefusedError(f"Spans were rejected: {response.partial_success.error_message}")


def send(
    requests: Sequence[Request],
    connect: Callable[[], Connection],
    *,
    connections: int,
    spans_per_s: float | None = None,
    start_s: float | None = None,
) -> Sent:
    """Sends all of them in their order, and returns when the last one is acknowledged.

    `spans_per_s` asks for an open loop; `start_s` (of `time.perf_counter`) is when its first request is due.

    Raises:
        RefusedError: a request was refused for good, or not stored as a whole.
    """
    sent = Sent(time.perf_counter() + START_S if start_s is None else start_s)
    places = iter(range(len(requests)))
    due_s = schedule(requests, sent.start_s, spans_per_s) if spans_per_s else None
    lock = threading.Lock()

    def work() -> None:
        try:
            connection = connect()
            while not sent.failures:
                with lock:
                    place = next(places, None)
                if place is None:
                    return
                # In a closed loop a request is due when its connection is free for it.
                wanted_s = due_s[place] if due_s else max(sent.start_s, time.perf_counter())
                sent.acknowledged.append(_deliver(connection, requests[place].body, place, wanted_s))
        except Exception as error:  # the border of the thread; told below
            sent.failures.append(error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for failure in sent.failures:
        raise failure
    return sent


def schedule(requests: Sequence[Request], start_s: float, spans_per_s: float) -> list[float]:
    """When each request is due so that spans arrive at this rate."""
    before = itertools.accumulate((request.spans for request in requests), initial=0)
    return [start_s + spans / spans_per_s for spans in before]


def _deliver(connection: Connection, body: bytes, place: int, due_s: float) -> Acknowledged:
    """Sends until it is acknowledged, or has been refused for long."""
    time.sleep(max(due_s - time.perf_counter(), 0.0))
    refusals, deadline_s = 0, time.perf_counter() + LONGEST_REFUSAL_S
    while (pause_s := connection.post(body)) is not None:
        if time.perf_counter() > deadline_s:
            raise RefusedError(f"Request {place} was refused for {LONGEST_REFUSAL_S:.0f} s")
        refusals += 1
        time.sleep(pause_s)
    return Acknowledged(place, due_s, time.perf_counter(), refusals)

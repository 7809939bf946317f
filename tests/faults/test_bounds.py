"""Whatever is thrown at a receiver, its memory stays bounded and it goes on taking what is right."""

import gzip
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import httpx
import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.faults.stack import FREE_OTLP_PORTS
from tests.lifecycle.process_table import needs_process_table
from tests.lifecycle.running import running
from tests.receiver.otlp import JSON, PROTOBUF, TRACE_EXPORT, Client, make_span, trace_request

MEMORY_MB = 400
MB = 1_000_000

pytestmark = [needs_process_table, pytest.mark.timeout(240)]


@dataclass(frozen=True, slots=True)
class Target:
    """A receiver process."""

    pid: int
    otlp_http: str
    otlp_grpc: str

    @property
    def peak_mb(self) -> float:
        """The most resident memory that it ever had."""
        [line] = [line for line in Path(f"/proc/{self.pid}/status").read_text().splitlines() if "VmHWM" in line]
        return int(line.split()[1]) * 1024 / MB

    def post(self, body: bytes, media_type: str = PROTOBUF, encoding: str = "identity") -> int:
        """Status of the answer."""
        headers = {"content-type": media_type, "content-encoding": encoding}
        return httpx.post(f"{self.otlp_http}/v1/traces", content=body, headers=headers, timeout=120).status_code

    def connect(self) -> socket.socket:
        """A connection of its own."""
        address = urlsplit(self.otlp_http)
        return socket.create_connection((address.hostname or "", address.port or 0))


@pytest.fixture
def target(database_url: str, tmp_path: Path) -> Iterator[Target]:
    """A receiver alone."""
    with running(tmp_path, "receiver", "--database-url", database_url, *FREE_OTLP_PORTS) as command:
        addresses = command.ready()
        yield Target(command.process.pid, addresses["otlp_http"], addresses["otlp_grpc"])


def spans(count: int, size_bytes: int, character: str = "w") -> ExportTraceServiceRequest:
    """A request of spans with a text of so many characters each."""
    attributes = {"gen_ai.input.messages": character * size_bytes} if size_bytes else {}
    return trace_request(*[make_span(attributes=attributes) for _ in range(count)])


def large_bodies(target: Target) -> None:
    """More than the queue and the budget of reading hold, compressed and not."""
    body = spans(5_000, 5_000).SerializeToString()
    packed = gzip.compress(body, 1)
    with ThreadPoolExecutor(8) as threads:
        sent = [threads.submit(target.post, packed, encoding="gzip") for _ in range(4)]
        sent += [threads.submit(target.post, body) for _ in range(4)]
        answers = {one.result() for one in sent}
    assert 200 in answers
    assert answers <= {200, 503}


def wide_text(target: Target) -> None:
    """Characters that take four bytes each in memory."""
    body = spans(1_000, 15_000, "🌊").SerializeToString()
    assert len(body) > 60 * MB
    assert target.post(body) == 200


def tiny_spans(target: Target) -> None:
    """Thousands of small spans, which take far more memory than their bytes."""
    body = spans(30_000, 0).SerializeToString()
    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(target.post, [body] * 4)) <= {200, 503}


def json_documents(target: Target) -> None:
    """Deeply nested, of many empty values, and rightful ones."""
    nested = b'{"resourceSpans":' + b"[" * 20_000_000
    empty = b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + b"{}," * 20_000_000 + b"{}]}]}]}"
    rightful = json_format.MessageToJson(spans(2_000, 5_000)).encode()
    with ThreadPoolExecutor(6) as threads:
        answers = threads.map(lambda body: target.post(body, JSON), [nested, empty, nested, empty, rightful, rightful])
        told = list(answers)
    assert set(told[:4]) <= {400, 413, 503}
    assert set(told[4:]) <= {200, 503}


def grpc_flood(target: Target) -> None:
    """Large messages over many connections at once."""
    body = spans(100, 140_000).SerializeToString()

    def export(_: int) -> grpc.StatusCode:
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(target.otlp_grpc, options=options) as channel:
            call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(TRACE_EXPORT)
            try:
                call(body, timeout=120)
            except grpc.RpcError as error:
                code: grpc.StatusCode = error.code()
                return code
            return grpc.StatusCode.OK

    with ThreadPoolExecutor(32) as threads:
        assert set(threads.map(export, range(64))) <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}


def idle_and_slow(target: Target) -> None:
    """A thousand connections that say nothing, and others that never end what they began."""
    head = f"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: {PROTOBUF}\r\nContent-Length: 60000000\r\n\r\n"
    with ExitStack() as connections:
        for _ in range(800):
            connections.enter_context(target.connect())
        slow = [connections.enter_context(target.connect()) for _ in range(200)]
        for connection in slow:
            connection.settimeout(0.2)
            connection.sendall(head.encode() + bytes(100_000))
        assert target.post(trace_request(make_span()).SerializeToString()) == 200


@pytest.mark.parametrize(
    "attack", [large_bodies, wide_text, tiny_spans, json_documents, grpc_flood, idle_and_slow], ids=lambda a: a.__name__
)
def test_memory_stays_bounded(target: Target, attack: Callable[[Target], None]) -> None:
    attack(target)
    peak_mb = target.peak_mb
    print(f"{attack.__name__}: {peak_mb:.0f} MB")
    assert peak_mb < MEMORY_MB
    client = Client(target.otlp_http, target.otlp_grpc)
    assert client.post(trace_request(make_span())).status_code == 200
    client.export(trace_request(make_span()))
    client.close()

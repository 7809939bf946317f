"""What waits for the backend is sent together, and by itself where that is too much at once."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler

import grpc
import pytest
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext
from tests.instrumentation.backends import Backend, backend, plain_success, status
from tests.instrumentation.collectors import collector

from stepwell import notices
from stepwell.buffer import Buffer
from stepwell.encoding import Encoder
from stepwell.environment import Target
from stepwell.transport import transport_to

SPANS = 50
LARGE = 2_000


def body(number: int, text: str = "") -> bytes:
    """A request of one span."""
    context = SpanContext(1, number + 1, is_remote=False)
    span = ReadableSpan(f"s{number}", context, resource=Resource({}), attributes={"t": text}, start_time=1, end_time=2)
    ((encoded, _),) = Encoder().requests([span], 1, 10**6)
    return encoded


@contextmanager
def filled(target: Target, max_spans: int, texts: dict[int, str]) -> Iterator[Buffer]:
    with ExitStack() as stack:

        def connect() -> object:
            made = transport_to(target)
            stack.callback(made.close)
            return made

        buffer = Buffer(connect, 10**7, max_spans)  # type: ignore[arg-type]
        for number in range(SPANS):
            buffer.add(body(number, texts.get(number, "")), 1)
        yield buffer


def to(found: Backend) -> Target:
    return Target(protocol="http", url=f"{found.url}/v1/traces")


def test_requests_that_wait_are_sent_together() -> None:
    with backend() as found:
        found.answer = status(503)
        with filled(to(found), 20, {}) as buffer:
            assert buffer.send()
            found.bodies.clear()
            found.answer = plain_success
            assert not buffer.send(insist=True)
        assert found.finished == [f"s{number}" for number in range(SPANS)]
        assert len(found.bodies) == 3
    assert not buffer.holds_any


def refuse_large(request: BaseHTTPRequestHandler) -> None:
    status(413 if int(request.headers["content-length"]) > LARGE else 200)(request)


def test_too_much_at_once_is_sent_in_parts_over_http() -> None:
    before = notices.counts().get("spans_dropped", 0)
    with backend() as found:
        found.answer = refuse_large
        with filled(to(found), SPANS, {7: "x" * LARGE}) as buffer:
            assert not buffer.send()
        small = [ExportTraceServiceRequest.FromString(sent) for sent in found.bodies if len(sent) <= LARGE]
    assert len(small) == SPANS - 1
    assert notices.counts()["spans_dropped"] == before + 1


def test_too_much_at_once_is_sent_in_parts_over_grpc() -> None:
    def refuse(request: ExportTraceServiceRequest, context: grpc.ServicerContext) -> None:
        if request.ByteSize() > LARGE:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too large")

    before = notices.counts().get("spans_dropped", 0)
    with collector() as found:
        found.refuse = refuse
        with filled(Target(protocol="grpc", url=found.url), SPANS, {7: "x" * LARGE}) as buffer:
            assert not buffer.send()
        assert len(found.spans) == SPANS - 1
    assert notices.counts()["spans_dropped"] == before + 1


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED])
def test_delay_that_a_grpc_backend_tells_is_kept(code: grpc.StatusCode) -> None:
    delay = Packed()
    delay.Pack(RetryInfo(retry_delay=Duration(seconds=20)))
    details = Status(code=code.value[0], details=[delay]).SerializeToString()

    def refuse(request: ExportTraceServiceRequest, context: grpc.ServicerContext) -> None:
        context.set_trailing_metadata((("grpc-status-details-bin", details),))
        context.abort(code, "later")

    with collector() as found:
        found.refuse = refuse
        with filled(Target(protocol="grpc", url=found.url), SPANS, {}) as buffer:
            assert buffer.send()
            assert 19 < buffer.wait_s() <= 20

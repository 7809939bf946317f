"""Builds OTLP requests with the official messages, and speaks to a receiver over HTTP and gRPC."""

import gzip
import secrets
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import grpc
import httpx
import zstandard
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import Span

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
START_NS: Final = 1_790_000_000_000_000_000
TRACE_EXPORT: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
LOGS_EXPORT: Final = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
METRICS_EXPORT: Final = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"

Stored = Callable[[bytes], list[dict[str, Any]]]
"""The fixture `stored`: the rows of a trace."""
Send = Callable[[ExportTraceServiceRequest], bytes]
"""The fixture `send`: sends traces that are taken, and gives the encoded response."""


def any_value(value: object) -> AnyValue:
    """A plain value as OTLP carries it."""
    if value is None:
        return AnyValue()
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, bytes):
        return AnyValue(bytes_value=value)
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[any_value(item) for item in value]))
    if isinstance(value, dict):
        return AnyValue(kvlist_value=KeyValueList(values=key_values(value)))
    return AnyValue(string_value=str(value))


def key_values(attributes: Mapping[str, object]) -> list[KeyValue]:
    """Attributes as OTLP carries them."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in attributes.items()]


def make_span(*, attributes: Mapping[str, object] | None = None, **fields: Any) -> Span:
    """A valid span with ids of its own; `fields` overrule."""
    defaults = {
        "trace_id": secrets.token_bytes(16),
        "span_id": secrets.token_bytes(8),
        "name": "work",
        "kind": Span.SPAN_KIND_INTERNAL,
        "start_time_unix_nano": START_NS,
        "end_time_unix_nano": START_NS + 5_000_000,
    }
    return Span(**{**defaults, **fields}, attributes=key_values(attributes or {}))


def trace_request(*spans: Span, resource: Mapping[str, object] | None = None) -> ExportTraceServiceRequest:
    """A request with the spans under one resource and scope."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.extend(key_values(resource or {"service.name": "shop"}))
    scope = group.scope_spans.add()
    scope.scope.name = "tests"
    scope.spans.extend(spans)
    return request


def field(number: int, content: bytes) -> bytes:
    """One length-delimited field, as bytes on the wire."""
    size, length = len(content), b""
    while size > 0x7F:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def logs_request(records: int = 2) -> ExportLogsServiceRequest:
    """A request of log records as an SDK sends them."""
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.extend(key_values({"service.name": "shop"}))
    for number in range(records):
        record = group.scope_logs.add().log_records.add()
        record.time_unix_nano = record.observed_time_unix_nano = START_NS
        record.severity_number = 9  # type: ignore[assignment]
        record.body.string_value = f"record {number}"
        record.trace_id, record.span_id = secrets.token_bytes(16), secrets.token_bytes(8)
    return request


def metrics_request() -> ExportMetricsServiceRequest:
    """A request with one metric of each common kind."""
    request = ExportMetricsServiceRequest()
    metrics = request.resource_metrics.add().scope_metrics.add().metrics
    gauge = metrics.add(name="queue.size", description="Waiting", unit="1").gauge.data_points.add()
    gauge.time_unix_nano, gauge.as_int = START_NS, 4
    total = metrics.add(name="requests", unit="1").sum.data_points.add()
    total.time_unix_nano, total.as_double = START_NS, 1.5
    spread = metrics.add(name="duration", unit="s").histogram.data_points.add()
    spread.time_unix_nano, spread.count = START_NS, 3
    return request


def raw_deflate(data: bytes) -> bytes:
    """Deflate without the zlib header, as some senders write it."""
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


COMPRESSORS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.compress,
    "identity": bytes,
}


class Client:
    """Sends to one receiver over both transports."""

    def __init__(self, http_url: str, grpc_address: str) -> None:
        self.http = httpx.Client(base_url=http_url, timeout=30)
        self.grpc_address = grpc_address
        self._channel = grpc.insecure_channel(
            grpc_address, options=[("grpc.max_send_message_length", -1), ("grpc.enable_retries", 0)]
        )

    def post(
        self, body: bytes | Message, *, path: str = "/v1/traces", content_type: str = PROTOBUF, **headers: str
    ) -> httpx.Response:
        """One request; header names are written with underscores."""
        content = body.SerializeToString() if isinstance(body, Message) else body
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post(path, content=content, headers={"content-type": content_type, **names})

    def export(
        self,
        body: bytes | Message,
        *,
        method: str = TRACE_EXPORT,
        metadata: Iterable[tuple[str, str]] = (),
        compression: grpc.Compression = grpc.Compression.NoCompression,
    ) -> bytes:
        """One call; raises `grpc.RpcError`."""
        content = body.SerializeToString() if isinstance(body, Message) else body
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(method)
        answer: bytes = call(content, metadata=tuple(metadata), compression=compression, timeout=30)
        return answer

    def close(self) -> None:
        """Ends the connections."""
        self.http.close()
        self._channel.close()


def rpc_status(error: grpc.RpcError) -> Status:
    """The Status in a failed call's trailer."""
    assert isinstance(error, grpc.Call)
    [details] = [value for key, value in error.trailing_metadata() or () if key == "grpc-status-details-bin"]
    assert isinstance(details, bytes)
    return Status.FromString(details)


def partial_success(answer: bytes) -> tuple[int, str]:
    """Rejected spans and message; fails where partial success is unset."""
    response = ExportTraceServiceResponse.FromString(answer)
    assert response.HasField("partial_success")
    return response.partial_success.rejected_spans, response.partial_success.error_message

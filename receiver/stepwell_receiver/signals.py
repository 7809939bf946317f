"""OTLP's signals: where each is sent, what its messages are called, and how to tell them apart on the wire."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from stepwell_receiver import envelope
from stepwell_receiver.errors import MalformedBodyError, WrongSignalError

_SAMPLE = 8


@dataclass(frozen=True, slots=True)
class Signal:
    """One kind of telemetry, with all the names that OTLP gives it."""

    name: str
    path: str
    grpc_service: str
    item: str
    """One item of it, in words."""
    groups_key: str
    """JSON names of the resource groups, of the scope groups in them, and of the items in those."""
    scopes_key: str
    items_key: str
    response: type[Message]
    rejected_field: str


TRACES: Final = Signal(
    "traces",
    "/v1/traces",
    "opentelemetry.proto.collector.trace.v1.TraceService",
    "span",
    "resourceSpans",
    "scopeSpans",
    "spans",
    ExportTraceServiceResponse,
    "rejected_spans",
)
LOGS: Final = Signal(
    "logs",
    "/v1/logs",
    "opentelemetry.proto.collector.logs.v1.LogsService",
    "log record",
    "resourceLogs",
    "scopeLogs",
    "logRecords",
    ExportLogsServiceResponse,
    "rejected_log_records",
)
METRICS: Final = Signal(
    "metrics",
    "/v1/metrics",
    "opentelemetry.proto.collector.metrics.v1.MetricsService",
    "metric",
    "resourceMetrics",
    "scopeMetrics",
    "metrics",
    ExportMetricsServiceResponse,
    "rejected_data_points",
)
SIGNALS: Final = (TRACES, LOGS, METRICS)


def refuse_other_signal(expected: Signal, items: Iterable[bytes]) -> None:
    """Refuses items of another signal: their field numbers overlap, so that they decode as nonsense, not as errors.

    Raises:
        WrongSignalError: each of the first items looks like one of the same other signal.
        MalformedBodyError: an item is no protobuf message.
    """
    kinds = {_signal_of(item) for item in islice(items, _SAMPLE)}
    if len(kinds) == 1 and (found := kinds.pop()) not in (None, expected):
        raise wrong_signal(expected, found)


def refuse_other_keys(expected: Signal, document: Mapping[str, object]) -> None:
    """Refuses the JSON of another signal.

    Raises:
        WrongSignalError: the document holds another signal's groups and none of the expected ones.
        MalformedBodyError: its names are protobuf's, which would all be ignored as unknown, and its data with them.
    """
    if expected.groups_key in document:
        return
    if names := [name for name in document if name.startswith("resource_")]:
        raise MalformedBodyError(f"OTLP/JSON names are lowerCamelCase: {expected.groups_key!r}, not {names[0]!r}")
    for signal in SIGNALS:
        if signal.groups_key in document:
            raise wrong_signal(expected, signal)


def wrong_signal(expected: Signal, found: Signal) -> WrongSignalError:
    """The refusal that names the right place."""
    return WrongSignalError(
        f"The body holds {found.name}, but {expected.path} ({expected.grpc_service}) takes {expected.name}; "
        f"send {found.name} to {found.path} ({found.grpc_service})"
    )


def _signal_of(item: bytes) -> Signal | None:
    """What the wire types of an item's fields say it is; ``None`` where they fit no signal, or several.

    Span: ids are bytes (1, 2), start and end are fixed64 (7, 8). LogRecord: times are fixed64 (1, 11), severity is a
    varint (2). Metric: name (1) and description (2) are text, its data a message (5, 7, 9, 10, 11), nothing fixed64.
    """
    types: dict[int, int] = {}
    sizes: dict[int, int] = {}
    for number, wire_type, start, end in envelope.fields(item):
        types[number] = wire_type
        sizes[number] = end - start
    fixed = {number for number, wire_type in types.items() if wire_type == envelope.FIXED64}
    if fixed & {1, 11} or types.get(2) == envelope.VARINT:
        return LOGS
    if fixed & {7, 8} or (sizes.get(1), sizes.get(2)) == (16, 8):
        return TRACES
    has_data = any(types.get(number) == envelope.LENGTH_DELIMITED for number in (5, 7, 9, 10, 11))
    return METRICS if has_data and types.get(1) == envelope.LENGTH_DELIMITED else None

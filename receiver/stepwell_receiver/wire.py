"""OTLP traces, logs and metrics as plain data, whatever encoding they came in.

`protobuf` and `json` decode request bodies into these shapes, `mapping` turns them into steps, `logs` into log records
of steps, `memory` into samples. Text is valid UTF-8 without NUL characters; ids are raw bytes as sent (their length is
not checked yet).
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import TypeAlias

Value: TypeAlias = "str | bool | int | float | bytes | list[Value] | dict[str, Value] | None"
Attributes: TypeAlias = dict[str, Value]

STATUS_UNSET, STATUS_OK, STATUS_ERROR = 0, 1, 2
KIND_INTERNAL, KIND_SERVER, KIND_CLIENT, KIND_PRODUCER, KIND_CONSUMER = 1, 2, 3, 4, 5
DELTA = 1
"""Aggregation temporality of a sum that tells changes."""
NO_RECORDED_VALUE = 1
"""Flag of a data point without a value."""


@dataclass(slots=True)
class Event:
    """A span event; `time_ns` since 1970 UTC."""

    name: str
    time_ns: int
    attributes: Attributes


@dataclass(slots=True)
class Link:
    """A span link; ids as raw bytes."""

    trace_id: bytes
    span_id: bytes
    attributes: Attributes


@dataclass(slots=True)
class Scope:
    """The instrumentation scope of a group of spans."""

    name: str = ""
    version: str = ""
    attributes: Attributes = field(default_factory=dict)


@dataclass(slots=True)
class Span:
    """One span as sent. `parent_span_id` is empty for a root; times are nanoseconds since 1970 UTC."""

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes
    name: str
    kind: int
    start_ns: int
    end_ns: int
    attributes: Attributes
    events: list[Event]
    links: list[Link]
    status_code: int
    status_message: str
    flags: int
    wire_bytes: int = field(default=0, compare=False)
    """How long it was in protobuf's encoding, which bounds each value in it; 0 where that is not known."""


@dataclass(slots=True)
class SpanGroup:
    """Spans of one resource and scope."""

    resource: Attributes
    scope: Scope
    spans: list[Span]


@dataclass(slots=True)
class TraceRequest:
    """A decoded ``ExportTraceServiceRequest``."""

    groups: list[SpanGroup]
    rejected: Counter[str] = field(default_factory=Counter)
    """Spans that could not be read at all, by reason; they are in no group."""


@dataclass(slots=True)
class LogRecord:
    """One log record as sent; the ids are those of the span in which it was written, or empty. Times are 0 if unset."""

    trace_id: bytes
    span_id: bytes
    time_ns: int
    observed_ns: int
    event_name: str
    severity_number: int
    severity_text: str
    body: Value
    attributes: Attributes


@dataclass(slots=True)
class LogRequest:
    """A decoded ``ExportLogsServiceRequest``; resources and scopes are those of the spans, so they are not kept."""

    records: list[LogRecord]
    rejected: Counter[str] = field(default_factory=Counter)
    """Records that could not be read at all, by reason."""


@dataclass(slots=True)
class Point:
    """A data point of a gauge or a sum; `time_ns` is 0 if unset, the value ``None`` where none was recorded."""

    time_ns: int
    value: int | float | None
    attributes: Attributes


@dataclass(slots=True)
class Metric:
    """A metric with its points; those of a kind that is no number at a time (histograms) have none."""

    name: str
    unit: str
    is_level: bool
    """What goes up and down, told as it stands: a gauge, or a cumulative sum that is not monotonic."""
    points: list[Point]


@dataclass(slots=True)
class MetricGroup:
    """Metrics of one resource and scope."""

    resource: Attributes
    metrics: list[Metric]


@dataclass(slots=True)
class MetricRequest:
    """A decoded ``ExportMetricsServiceRequest``, as far as it was asked for."""

    groups: list[MetricGroup]
    unread: Counter[str] = field(default_factory=Counter)
    """Metrics that nobody asked for, by name."""
    rejected: Counter[str] = field(default_factory=Counter)
    """Metrics that could not be read at all, by reason."""

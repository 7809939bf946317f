"""Whatever bytes arrive, the decoders give a request or say what is wrong with the body, and nothing else."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE
from tests.receiver.otlp import COMPRESSORS, START_NS, key_values, logs_request, make_span, trace_request

from stepwell_receiver import bodies, memory, protobuf, wire
from stepwell_receiver import json as otlp_json
from stepwell_receiver.errors import BodyTooLargeError, MalformedBodyError
from stepwell_receiver.validation import reject_invalid, rejection_message

VALID = trace_request(
    make_span(trace_id=b"t" * 16, span_id=b"s" * 8, attributes={"a": [1, {"b": b"c"}], "d": "e" * 200}),
    make_span(trace_id=b"t" * 16, span_id=b"r" * 8, name="ü", attributes={"x": True, "y": 0.5, "z": -1}),
).SerializeToString()

METRICS = ExportMetricsServiceRequest()
GROUP = METRICS.resource_metrics.add()
GROUP.resource.attributes.extend(key_values({"service.name": "s"}))
LEVEL = GROUP.scope_metrics.add().metrics.add(name="process.memory.usage", unit="By").sum
LEVEL.aggregation_temporality = AGGREGATION_TEMPORALITY_CUMULATIVE
LEVEL.data_points.add(time_unix_nano=START_NS, as_int=7, attributes=key_values({"type": "rss"}))
VALID_METRICS = METRICS.SerializeToString()

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(("\0", "\ud800"))
)
NAMES = st.sampled_from(
    (
        *("resourceSpans", "scopeSpans", "spans", "resource", "scope", "attributes", "key", "value", "values"),
        *("traceId", "spanId", "parentSpanId", "name", "kind", "startTimeUnixNano", "endTimeUnixNano", "events"),
        *("links", "status", "code", "message", "flags", "timeUnixNano", "stringValue", "intValue", "boolValue"),
        *("doubleValue", "bytesValue", "arrayValue", "kvlistValue", "scopeLogs", "logRecords", "scopeMetrics"),
        *("metrics", "gauge", "sum", "dataPoints", "asInt", "asDouble", "unit", "isMonotonic"),
    )
)
OTLP_LIKE = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=10,
)


def decoded(decode: Callable[[bytes], wire.TraceRequest], body: bytes) -> wire.TraceRequest | None:
    """The request, checked; ``None`` where the decoder says what is wrong with the body."""
    try:
        request = decode(body)
    except MalformedBodyError:
        return None
    check(request)
    return request


def counted(decode: Callable[[bytes], int], body: bytes) -> int | None:
    """The number of items; ``None`` where the decoder says what is wrong with the body."""
    try:
        return decode(body)
    except MalformedBodyError:
        return None


def decode_logs(body: bytes) -> int:
    return _number_of_logs(protobuf.decode_logs(body))


def decode_json_logs(body: bytes) -> int:
    return _number_of_logs(otlp_json.decode_logs(body))


def _number_of_logs(request: wire.LogRequest) -> int:
    return len(request.records) + request.rejected.total()


def decode_metrics(body: bytes) -> int:
    """All that a receiver does with the metrics of a body; the number of samples and of metrics without any."""
    return _number_of_metrics(protobuf.decode_metrics(body, memory.tells_memory))


def decode_json_metrics(body: bytes) -> int:
    return _number_of_metrics(otlp_json.decode_metrics(body, memory.tells_memory))


def _number_of_metrics(request: wire.MetricRequest) -> int:
    mapped = memory.map_metrics(request)
    assert bool(memory.warning(mapped.unstored)) == bool(mapped.unstored)
    assert all(sample.memory_mb > 0 for sample in mapped.samples)
    return len(mapped.samples) + mapped.unstored.total() + request.rejected.total()


def check(request: wire.TraceRequest) -> None:
    """Holds a decoded request to what `wire` promises, after validation."""
    reject_invalid(request)
    for span in (span for group in request.groups for span in group.spans):
        assert (len(span.trace_id), len(span.span_id)) == (16, 8)
        assert len(span.parent_span_id) in (0, 8)
        for text in texts([span.name, span.status_message, span.attributes, [e.attributes for e in span.events]]):
            assert "\0" not in text
            text.encode()
    assert all(count > 0 for count in request.rejected.values())
    assert bool(rejection_message(request.rejected)) == bool(request.rejected)


def texts(value: Any) -> list[str]:
    """All text in a value, keys included."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in texts(part)]
    if isinstance(value, list):
        return [text for part in value for text in texts(part)]
    return []


@given(st.binary(max_size=400))
@example(b"\x0a\x00")
@settings(max_examples=300, deadline=None)
def test_any_bytes_as_protobuf(body: bytes) -> None:
    decoded(protobuf.decode_traces, body)
    counted(decode_logs, body)
    counted(decode_metrics, body)


@given(st.integers(0, len(VALID) - 1), st.binary(max_size=4), st.integers(0, 4))
@settings(max_examples=500, deadline=None)
def test_valid_protobuf_with_a_few_bytes_changed(position: int, replacement: bytes, removed: int) -> None:
    body = VALID[:position] + replacement + VALID[position + removed :]
    decoded(protobuf.decode_traces, body)
    counted(decode_logs, body)


@given(st.integers(0, len(VALID_METRICS) - 1), st.binary(max_size=4), st.integers(0, 4))
@settings(max_examples=300, deadline=None)
def test_valid_metrics_with_a_few_bytes_changed(position: int, replacement: bytes, removed: int) -> None:
    counted(decode_metrics, VALID_METRICS[:position] + replacement + VALID_METRICS[position + removed :])


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_as_json(body: bytes) -> None:
    decoded(otlp_json.decode_traces, body)


@given(OTLP_LIKE)
@settings(max_examples=200, deadline=None)
def test_any_document_as_json(document: object) -> None:
    body = json.dumps({"resourceSpans": document}).encode()
    decoded(otlp_json.decode_traces, body)
    counted(decode_json_logs, json.dumps({"resourceLogs": document}).encode())
    counted(decode_json_metrics, json.dumps({"resourceMetrics": document}).encode())


@given(st.dictionaries(NAMES, OTLP_LIKE, max_size=6))
@settings(max_examples=200, deadline=None)
def test_any_span_as_json_is_taken_or_rejected_alone(span: dict[str, object]) -> None:
    good = {"traceId": "11" * 16, "spanId": "22" * 8}
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span, good]}]}]}).encode()

    request = decoded(otlp_json.decode_traces, body)

    assert request is not None
    spans = request.groups[0].spans
    assert len(spans) + request.rejected.total() == 2
    assert spans[-1].span_id == bytes.fromhex("22" * 8)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_compressed_bytes_with_a_few_changed(encoding: str, data: st.DataObject) -> None:
    body = COMPRESSORS[encoding](VALID)
    position = data.draw(st.integers(0, len(body)))
    body = body[:position] + data.draw(st.binary(max_size=3)) + body[position + data.draw(st.integers(0, 3)) :]

    with suppress(MalformedBodyError, BodyTooLargeError):
        assert len(bodies.decompress(body, encoding, limit_bytes=10_000)) <= 10_000


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_bytes_after_logs_lose_none_of_them(tail: bytes) -> None:
    count = counted(decode_logs, logs_request(records=2).SerializeToString() + tail)
    assert count is None or count >= 2

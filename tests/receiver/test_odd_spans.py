"""Odd spans, over HTTP and gRPC, on a real database: what is kept, what is rejected alone, what its sender hears."""

import json
import secrets
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.receiver.otlp import (
    JSON,
    START_NS,
    Client,
    Send,
    Stored,
    make_span,
    partial_success,
    trace_request,
)

from stepwell_storage.settings import Settings


@pytest.mark.parametrize(
    ("fields", "explanation"),
    [
        pytest.param({"trace_id": bytes(16)}, "1 with an invalid trace id", id="zero-trace-id"),
        pytest.param({"trace_id": b"\x01" * 15}, "1 with an invalid trace id", id="short-trace-id"),
        pytest.param({"trace_id": b""}, "1 with an invalid trace id", id="no-trace-id"),
        pytest.param({"span_id": bytes(8)}, "1 with an invalid span id", id="zero-span-id"),
        pytest.param({"span_id": b"\x01" * 16}, "1 with an invalid span id", id="long-span-id"),
        pytest.param({"parent_span_id": b"\x01" * 3}, "1 with an invalid parent span id", id="short-parent-id"),
    ],
)
def test_span_with_bad_ids_is_rejected_and_others_kept(
    send: Send, stored: Stored, fields: dict[str, Any], explanation: str
) -> None:
    trace_id = secrets.token_bytes(16)
    good = make_span(trace_id=trace_id)
    bad = make_span(**{"trace_id": trace_id, **fields})

    rejected, message = partial_success(send(trace_request(good, bad)))

    assert rejected == 1
    assert explanation in message
    assert [bytes(row["span_id"]) for row in stored(trace_id)] == [good.span_id]


def test_rejections_are_counted_by_reason(client: Client) -> None:
    def count(reason: str) -> float:
        prefix = f'stepwell_spans_rejected_total{{reason="{reason}"}} '
        lines = client.http.get("/metrics").text.splitlines()
        return sum(float(line.removeprefix(prefix)) for line in lines if line.startswith(prefix))

    before = count("invalid_trace_id"), count("invalid_span_id")
    spans = [make_span(trace_id=bytes(16)), make_span(trace_id=b""), make_span(span_id=bytes(8)), make_span()]

    rejected, message = partial_success(client.post(trace_request(*spans)).content)

    assert rejected == 3
    assert message.startswith("3 spans were not stored: ")
    assert "2 with an invalid trace id" in message
    assert "1 with an invalid span id" in message
    assert (count("invalid_trace_id"), count("invalid_span_id")) == (before[0] + 2, before[1] + 1)


def test_parent_of_zeros_is_no_parent(send: Send, stored: Stored) -> None:
    span = make_span(parent_span_id=bytes(8))
    assert send(trace_request(span)) == b""
    assert [row["parent_span_id"] for row in stored(span.trace_id)] == [None]


def test_end_before_start_is_kept(send: Send, stored: Stored) -> None:
    span = make_span(end_time_unix_nano=START_NS - 1_000_000_000)
    assert send(trace_request(span)) == b""
    [row] = stored(span.trace_id)
    assert row["end_time"] >= row["start_time"]
    assert "end_before_start" in row["flags"]


@pytest.mark.parametrize(
    ("start_ns", "year"),
    [
        pytest.param(1_000_000_000, 1970, id="year-1970"),
        pytest.param(4_102_444_800_000_000_000, 2100, id="year-2100"),
        pytest.param((1 << 64) - 2_000_000, 2554, id="end-of-time"),
    ],
)
def test_far_off_clock_is_kept(send: Send, stored: Stored, start_ns: int, year: int) -> None:
    span = make_span(start_time_unix_nano=start_ns, end_time_unix_nano=start_ns + 1_000_000)
    assert send(trace_request(span)) == b""
    assert [row["start_time"].year for row in stored(span.trace_id)] == [year]


def test_span_without_times_is_kept(send: Send, stored: Stored) -> None:
    span = make_span(start_time_unix_nano=0, end_time_unix_nano=0)
    assert send(trace_request(span)) == b""
    assert len(stored(span.trace_id)) == 1


def test_timestamp_out_of_range_is_rejected_and_others_kept(client: Client, stored: Stored) -> None:
    trace_id = secrets.token_hex(16)
    spans = [
        {"traceId": trace_id, "spanId": "11" * 8, "startTimeUnixNano": str(START_NS)},
        {"traceId": trace_id, "spanId": "22" * 8, "startTimeUnixNano": str(1 << 64)},
    ]
    response = client.http.post("/v1/traces", json={"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})

    assert response.status_code == 200
    assert response.json()["partialSuccess"]["rejectedSpans"] == "1"
    assert "timestamp out of range" in response.json()["partialSuccess"]["errorMessage"]
    assert [bytes(row["span_id"]).hex() for row in stored(bytes.fromhex(trace_id))] == ["11" * 8]


def test_nul_characters_are_replaced(send: Send, stored: Stored) -> None:
    attributes = {"k\0": "v\0", "json": '{"a": "\\u0000"}', "nested": ["\0", {"\0": "\\u0000"}]}
    span = make_span(name="na\0me", attributes=attributes, events=[Span.Event(name="\0")])
    assert send(trace_request(span, resource={"service.name": "sh\0op"})) == b""
    [row] = stored(span.trace_id)
    assert (row["name"], row["service_name"]) == ("na\ufffdme", "sh\ufffdop")
    assert row["attributes"]["k\ufffd"] == "v\ufffd"


def test_nul_in_json_is_replaced(client: Client, stored: Stored) -> None:
    trace_id = secrets.token_hex(16)
    span = {"traceId": trace_id, "spanId": "11" * 8, "name": "a\0b\ud800"}
    body = b'{"resourceSpans": [{"scopeSpans": [{"spans": [%s]}]}]}' % json.dumps(span).encode()
    assert client.post(body, content_type=JSON).status_code == 200
    assert [row["name"] for row in stored(bytes.fromhex(trace_id))] == ["a\ufffdb\ufffd"]


def test_bad_utf8_in_one_span_keeps_the_others(client: Client, stored: Stored) -> None:
    trace_id = secrets.token_bytes(16)
    body = trace_request(make_span(trace_id=trace_id, name="BADNAME"), make_span(trace_id=trace_id, name="good"))
    raw = body.SerializeToString().replace(b"BADNAME", b"caf\xe9 \xff!")
    assert client.post(raw).content == b""
    assert client.export(raw) == b""
    assert {row["name"] for row in stored(trace_id)} == {"caf\ufffd \ufffd!", "good"}


def test_attributes_of_one_megabyte_are_kept(send: Send, stored: Stored) -> None:
    span = make_span(attributes={"gen_ai.output.messages": "x" * 1_000_000, "other": "y" * 1_000_000})
    assert send(trace_request(span)) == b""
    assert len(stored(span.trace_id)) == 1


def test_attribute_over_its_bound_is_cut_and_flagged(send: Send, stored: Stored, shared_settings: Settings) -> None:
    span = make_span(attributes={"big": "x" * (2 * shared_settings.max_attribute_bytes), "small": "y"})
    assert send(trace_request(span)) == b""
    [row] = stored(span.trace_id)
    assert "attribute_cut" in row["flags"]
    assert len(row["attributes"]["big"]) <= shared_settings.max_attribute_bytes
    assert row["attributes"]["small"] == "y"


def test_request_of_10_000_spans_is_stored_whole(send: Send, stored: Stored) -> None:
    trace_id = secrets.token_bytes(16)
    spans = [make_span(trace_id=trace_id, attributes={"n": n}) for n in range(10_000)]
    assert send(trace_request(*spans)) == b""
    assert sorted(row["attributes"]["n"] for row in stored(trace_id)) == list(range(10_000))


def test_deeply_nested_attribute_is_kept(send: Send, stored: Stored) -> None:
    value: object = "deep"
    for _ in range(40):
        value = [value]
    span = make_span(attributes={"nested": value, "flat": 1})
    assert send(trace_request(span)) == b""
    assert [row["attributes"]["flat"] for row in stored(span.trace_id)] == [1]


def test_empty_request_succeeds(send: Send, client: Client) -> None:
    assert send(ExportTraceServiceRequest()) == b""
    response = client.post(b"{}", content_type=JSON)
    assert (response.status_code, response.json()) == (200, {})


def test_unknown_fields_are_ignored(client: Client, stored: Stored) -> None:
    span = make_span()
    body = trace_request(span).SerializeToString() + b"\x72\x06future\xf8\x07\x01"
    assert client.post(body).content == b""
    assert client.export(body) == b""
    assert len(stored(span.trace_id)) == 1


def test_span_sent_twice_over_both_transports_is_stored_once(client: Client, stored: Stored) -> None:
    span = make_span()
    assert client.post(trace_request(span)).content == b""
    assert client.export(trace_request(span, span)) == b""
    assert len(stored(span.trace_id)) == 1

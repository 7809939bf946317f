"""OTLP/JSON into plain data: its own rules for ids, integers, enums and unknown names; bad spans fail alone."""

import json
from base64 import b64decode, b64encode
from typing import Any

import pytest
from tests.receiver.otlp import make_span, trace_request

from stepwell_receiver import json as otlp_json
from stepwell_receiver import protobuf, wire
from stepwell_receiver.errors import MalformedBodyError, WrongSignalError
from stepwell_receiver.validation import TOO_DEEP, reject_invalid

TRACE_ID = "5B8EFFF798038103D269B633813FC60C"
SPAN_ID = "EEE19B7EC3C1B174"

GOLDEN = """
{"resourceSpans": [{
  "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}], "droppedAttributesCount": 1},
  "scopeSpans": [{
    "scope": {"name": "lib", "version": "1.0", "attributes": [{"key": "s", "value": {"stringValue": "x"}}]},
    "spans": [{
      "traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174", "parentSpanId": "eee19b7ec3c1b173",
      "name": "chat", "kind": 3, "startTimeUnixNano": "1790000000000000000", "endTimeUnixNano": 1790000000005000001,
      "flags": 769, "traceState": "a=b", "futureField": {"x": [1]},
      "attributes": [
        {"key": "string", "value": {"stringValue": "text"}},
        {"key": "bool", "value": {"boolValue": true}},
        {"key": "int", "value": {"intValue": "-9223372036854775808"}},
        {"key": "int_number", "value": {"intValue": 42}},
        {"key": "double", "value": {"doubleValue": 0.5}},
        {"key": "infinite", "value": {"doubleValue": "-Infinity"}},
        {"key": "bytes", "value": {"bytesValue": "AP//"}},
        {"key": "array", "value": {"arrayValue": {"values": [{"intValue": 1}, {"arrayValue": {}}, {}]}}},
        {"key": "list", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"boolValue": false}}]}}},
        {"key": "future", "value": {"colourValue": "red"}},
        {"key": "nothing"}
      ],
      "events": [{"timeUnixNano": "7", "name": "e", "attributes": [{"key": "k", "value": {"intValue": "1"}}]}],
      "links": [{"traceId": "02020202020202020202020202020202", "spanId": "0303030303030303", "attributes": []}],
      "status": {"code": 2, "message": "no"}
    }]
  }]
}]}
"""


def body_of(*spans: object) -> bytes:
    """A document with the spans under one scope."""
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}).encode()


def span_object(**fields: Any) -> dict[str, Any]:
    """A valid span's JSON; `fields` overrule."""
    return {"traceId": TRACE_ID, "spanId": SPAN_ID, "name": "work", "startTimeUnixNano": "1", **fields}


def decode_one(**fields: Any) -> wire.Span:
    """The span that these fields give."""
    decoded = otlp_json.decode_traces(body_of(span_object(**fields)))
    assert not decoded.rejected
    return decoded.groups[0].spans[0]


def decode_value(value: object) -> wire.Value:
    """What an AnyValue's JSON gives."""
    return decode_one(attributes=[{"key": "k", "value": value}]).attributes["k"]


def test_golden_document_is_decoded_whole() -> None:
    assert otlp_json.decode_traces(GOLDEN.encode()) == wire.TraceRequest(
        [
            wire.SpanGroup(
                {"service.name": "shop"},
                wire.Scope("lib", "1.0", {"s": "x"}),
                [
                    wire.Span(
                        trace_id=bytes.fromhex(TRACE_ID),
                        span_id=bytes.fromhex(SPAN_ID),
                        parent_span_id=bytes.fromhex("eee19b7ec3c1b173"),
                        name="chat",
                        kind=wire.KIND_CLIENT,
                        start_ns=1_790_000_000_000_000_000,
                        end_ns=1_790_000_000_005_000_001,
                        attributes={
                            "string": "text",
                            "bool": True,
                            "int": -(1 << 63),
                            "int_number": 42,
                            "double": 0.5,
                            "infinite": float("-inf"),
                            "bytes": b"\x00\xff\xff",
                            "array": [1, [], None],
                            "list": {"k": False},
                            "future": None,
                            "nothing": None,
                        },
                        events=[wire.Event("e", 7, {"k": 1})],
                        links=[wire.Link(b"\x02" * 16, b"\x03" * 8, {})],
                        status_code=wire.STATUS_ERROR,
                        status_message="no",
                        flags=769,
                    )
                ],
            )
        ]
    )


@pytest.mark.parametrize(
    "document",
    [
        pytest.param("{}", id="empty-object"),
        pytest.param('{"resourceSpans": []}', id="no-groups"),
        pytest.param('{"resourceSpans": null}', id="null"),
        pytest.param('{"futureThings": [1]}', id="unknown-names-only"),
    ],
)
def test_empty_request_has_no_groups(document: str) -> None:
    assert otlp_json.decode_traces(document.encode()) == wire.TraceRequest([])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param({"intValue": "7"}, 7, id="integer-as-string"),
        pytest.param({"intValue": 7.0}, 7, id="integer-as-float"),
        pytest.param({"intValue": 1e300}, 1e300, id="integer-beyond-64-bits-is-a-double"),
        pytest.param({"intValue": str(1 << 63)}, float(1 << 63), id="text-beyond-64-bits-is-a-double"),
        pytest.param({"doubleValue": 3}, 3.0, id="double-without-fraction"),
        pytest.param({"doubleValue": "1.5"}, 1.5, id="double-as-string"),
        pytest.param({"bytesValue": "-_8"}, b"\xfb\xff", id="url-safe-base64-without-padding"),
        pytest.param({"bytesValue": "DEADBEEF"}, b64decode("DEADBEEF"), id="base64-that-looks-like-hex"),
    ],
)
def test_lenient_values(value: dict[str, Any], expected: object) -> None:
    decoded = decode_value(value)
    assert decoded == expected
    assert type(decoded) is type(expected)


def test_enum_names_are_understood_though_numbers_are_the_rule() -> None:
    span = decode_one(kind="SPAN_KIND_CLIENT", status={"code": "STATUS_CODE_ERROR"})
    assert (span.kind, span.status_code) == (wire.KIND_CLIENT, wire.STATUS_ERROR)


@pytest.mark.parametrize("trace_id", [TRACE_ID.lower(), TRACE_ID, TRACE_ID.swapcase()])
def test_hex_ids_in_any_case(trace_id: str) -> None:
    assert decode_one(traceId=trace_id).trace_id == bytes.fromhex(TRACE_ID)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        pytest.param({"traceId": b64encode(bytes(range(16))).decode()}, "invalid_trace_id", id="base64-trace-id"),
        pytest.param({"traceId": TRACE_ID[:-1]}, "invalid_trace_id", id="odd-trace-id"),
        pytest.param({"traceId": None}, "invalid_trace_id", id="no-trace-id"),
        pytest.param({"spanId": "xyz"}, "invalid_span_id", id="span-id-no-hex"),
        pytest.param({"spanId": TRACE_ID}, "invalid_span_id", id="long-span-id"),
        pytest.param({"parentSpanId": "no"}, "invalid_parent_span_id", id="parent-no-hex"),
        pytest.param({"startTimeUnixNano": -1}, "timestamp_out_of_range", id="before-1970"),
        pytest.param({"endTimeUnixNano": str(1 << 64)}, "timestamp_out_of_range", id="beyond-64-bits"),
        pytest.param({"startTimeUnixNano": 1 << 70}, "timestamp_out_of_range", id="number-beyond-64-bits"),
    ],
)
def test_bad_ids_and_times_get_their_own_reason(fields: dict[str, Any], reason: str) -> None:
    request = otlp_json.decode_traces(body_of(span_object(**fields), span_object()))
    reject_invalid(request)

    assert request.rejected == {reason: 1}
    assert len(request.groups[0].spans) == 1


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param("span", id="no-object"),
        pytest.param(span_object(traceId=5), id="id-is-number"),
        pytest.param(span_object(name=["x"]), id="name-is-list"),
        pytest.param(span_object(startTimeUnixNano="soon"), id="time-is-text"),
        pytest.param(span_object(startTimeUnixNano=True), id="time-is-boolean"),
        pytest.param(span_object(startTimeUnixNano="1" * 5000), id="time-has-5000-digits"),
        pytest.param(span_object(kind="CLIENTELE"), id="unknown-enum-name"),
        pytest.param(span_object(attributes={"a": "b"}), id="attributes-as-object"),
        pytest.param(span_object(attributes=[{"key": "k", "value": "plain"}]), id="value-not-wrapped"),
        pytest.param(span_object(attributes=[{"key": "k", "value": {"intValue": 1.5}}]), id="fraction-as-integer"),
        pytest.param(span_object(attributes=[{"key": "k", "value": {"boolValue": "true"}}]), id="boolean-as-text"),
        pytest.param(span_object(attributes=[{"key": "k", "value": {"bytesValue": "?"}}]), id="no-base64"),
        pytest.param(span_object(attributes=[{"key": "k", "value": {"doubleValue": "much"}}]), id="no-double"),
        pytest.param(span_object(events=[1]), id="event-is-number"),
        pytest.param(span_object(status="ERROR"), id="status-is-text"),
    ],
)
def test_span_of_wrong_types_is_rejected_alone(bad: object) -> None:
    request = otlp_json.decode_traces(body_of(span_object(name="first"), bad, span_object(name="last")))

    assert [span.name for span in request.groups[0].spans] == ["first", "last"]
    assert request.rejected == {"malformed": 1}


def test_spans_under_a_broken_resource_are_rejected_and_others_kept() -> None:
    document = json.loads(body_of(span_object(), span_object()))
    document["resourceSpans"][0]["resource"] = {"attributes": "none"}
    document["resourceSpans"] += json.loads(body_of(span_object(name="good")))["resourceSpans"]

    request = otlp_json.decode_traces(json.dumps(document).encode())

    assert [span.name for group in request.groups for span in group.spans] == ["good"]
    assert request.rejected == {"malformed": 2}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(b"a\\u0000b", "a\ufffdb", id="nul"),
        pytest.param(b"a\\ud800b", "a\ufffdb", id="lone-surrogate"),
        pytest.param(b"\\ud83d\\ude00", "😀", id="surrogate-pair"),
        pytest.param(b"\\udc00\\u0000\\ud83d\\ude00", "\ufffd\ufffd😀", id="all-of-them"),
        pytest.param(b"caf\xe9", "caf\ufffd", id="bad-utf8"),
    ],
)
def test_text_is_cleaned(raw: bytes, expected: str) -> None:
    body = body_of(span_object(name="NAME", attributes=[{"key": "NAME", "value": {"stringValue": "NAME"}}]))

    [span] = otlp_json.decode_traces(body.replace(b"NAME", raw)).groups[0].spans

    assert (span.name, span.attributes) == (expected, {expected: expected})


@pytest.mark.parametrize("depth", [100, 300])
def test_deeply_nested_value_is_cut_at_its_depth(depth: int) -> None:
    value: dict[str, Any] = {"stringValue": "deep"}
    for _ in range(depth):
        value = {"arrayValue": {"values": [value]}}

    decoded, levels = decode_value(value), 0
    while isinstance(decoded, list):
        decoded, levels = decoded[0], levels + 1
    assert (decoded, levels) == (TOO_DEEP, 32)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{nope", id="cut-off"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="list"),
        pytest.param(b'"text"', id="string"),
        pytest.param(b'{"resourceSpans": 1}', id="groups-are-number"),
        pytest.param(b'{"resourceSpans": [1]}', id="group-is-number"),
        pytest.param(b'{"resourceSpans": [{"scopeSpans": {}}]}', id="scopes-are-object"),
        pytest.param(b'{"resourceSpans": [{"scopeSpans": [{"spans": "x"}]}]}', id="spans-are-text"),
        pytest.param(b"[" * 200_000, id="nested-without-end"),
        pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, id="nested-objects"),
        pytest.param(b'{"resourceSpans": ' + b"1" * 10_000 + b"}", id="huge-number"),
        pytest.param(trace_request(make_span()).SerializeToString(), id="protobuf"),
    ],
)
def test_broken_document_is_a_malformed_body(body: bytes) -> None:
    with pytest.raises(MalformedBodyError):
        otlp_json.decode_traces(body)


@pytest.mark.parametrize(
    ("key", "path"),
    [
        pytest.param("resourceLogs", "/v1/logs", id="logs"),
        pytest.param("resourceMetrics", "/v1/metrics", id="metrics"),
    ],
)
def test_other_signal_is_refused_with_its_path(key: str, path: str) -> None:
    with pytest.raises(WrongSignalError, match=f"send .* to {path}"):
        otlp_json.decode_traces(json.dumps({key: []}).encode())


def test_names_in_snake_case_are_refused_with_the_right_one() -> None:
    with pytest.raises(MalformedBodyError, match="resourceSpans"):
        otlp_json.decode_traces(b'{"resource_spans": [{}]}')


def test_metrics_are_decoded_as_far_as_they_are_wanted() -> None:
    point = {"timeUnixNano": "7", "asInt": "5", "attributes": [{"key": "type", "value": {"stringValue": "rss"}}]}
    sent: list[dict[str, Any]] = [
        {"name": "level", "unit": "By", "sum": {"aggregationTemporality": 2, "dataPoints": [point]}},
        {"name": "gauge", "gauge": {"dataPoints": [{"timeUnixNano": 8, "asDouble": 1.5}, {"flags": 1, "asInt": 1}]}},
        {"name": "delta", "sum": {"aggregationTemporality": "AGGREGATION_TEMPORALITY_DELTA"}},
        {"name": "counter", "sum": {"aggregationTemporality": 2, "isMonotonic": True}},
        {"name": "unwanted", "histogram": 7},
    ]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "s"}}]}
    body = {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": sent}]}]}

    request = otlp_json.decode_metrics(json.dumps(body).encode(), lambda name: name != "unwanted")

    assert (request.unread, request.rejected) == ({"unwanted": 1}, {})
    (group,) = request.groups
    assert group.resource == {"service.name": "s"}
    assert group.metrics == [
        wire.Metric("level", "By", True, [wire.Point(7, 5, {"type": "rss"})]),
        wire.Metric("gauge", "", True, [wire.Point(8, 1.5, {}), wire.Point(0, None, {})]),
        wire.Metric("delta", "", False, []),
        wire.Metric("counter", "", False, []),
    ]


def test_json_and_protobuf_of_one_request_decode_alike() -> None:
    attributes = {"s": "ü", "i": 5, "d": 1.25, "b": b"\x01", "a": [1, "x"], "m": {"k": True}}
    span = make_span(trace_id=bytes.fromhex(TRACE_ID), span_id=bytes.fromhex(SPAN_ID), attributes=attributes)
    as_json = span_object(
        kind=1,
        startTimeUnixNano=str(span.start_time_unix_nano),
        endTimeUnixNano=str(span.end_time_unix_nano),
        attributes=[
            {"key": "s", "value": {"stringValue": "ü"}},
            {"key": "i", "value": {"intValue": "5"}},
            {"key": "d", "value": {"doubleValue": 1.25}},
            {"key": "b", "value": {"bytesValue": "AQ=="}},
            {"key": "a", "value": {"arrayValue": {"values": [{"intValue": 1}, {"stringValue": "x"}]}}},
            {"key": "m", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"boolValue": True}}]}}},
        ],
    )

    from_protobuf = protobuf.decode_traces(trace_request(span).SerializeToString())
    from_json = otlp_json.decode_traces(body_of(as_json))

    assert from_json.groups[0].spans == from_protobuf.groups[0].spans

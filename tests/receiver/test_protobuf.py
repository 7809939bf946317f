"""Protobuf bodies into plain data: all kinds of values, and every way in which bytes can be wrong."""

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from tests.receiver.otlp import START_NS, field, key_values, logs_request, make_span, metrics_request, trace_request

from stepwell_receiver import envelope, protobuf, wire
from stepwell_receiver.errors import BodyTooLargeError, MalformedBodyError, WrongSignalError
from stepwell_receiver.validation import TOO_DEEP, Reason

TRACE_ID = bytes.fromhex("5b8efff798038103d269b633813fc60c")
SPAN_ID = bytes.fromhex("eee19b7ec3c1b174")


def enveloped(*spans: bytes) -> bytes:
    """Encoded spans, which need not be valid, in an envelope that is."""
    return field(1, field(2, b"".join(field(2, span) for span in spans)))


def decode(request: ExportTraceServiceRequest) -> list[wire.Span]:
    """The spans of a request."""
    decoded = protobuf.decode_traces(request.SerializeToString())
    assert not decoded.rejected
    return [span for group in decoded.groups for span in group.spans]


def test_every_field_of_a_span_is_decoded() -> None:
    span = make_span(
        trace_id=TRACE_ID,
        span_id=SPAN_ID,
        parent_span_id=b"\x01" * 8,
        name="chat",
        kind=Span.SPAN_KIND_CLIENT,
        attributes={"a": 1},
        status=Status(code=Status.STATUS_CODE_ERROR, message="no"),
        flags=0x301,
        events=[Span.Event(name="e", time_unix_nano=7, attributes=key_values({"k": True}))],
        links=[Span.Link(trace_id=b"\x02" * 16, span_id=b"\x03" * 8, attributes=key_values({"l": 0.5}))],
    )
    request = trace_request(span, resource={"service.name": "shop"})
    request.resource_spans[0].scope_spans[0].scope.version = "2"
    request.resource_spans[0].scope_spans[0].scope.attributes.extend(key_values({"s": "x"}))

    decoded = protobuf.decode_traces(request.SerializeToString())

    assert decoded == wire.TraceRequest(
        [
            wire.SpanGroup(
                {"service.name": "shop"},
                wire.Scope("tests", "2", {"s": "x"}),
                [
                    wire.Span(
                        trace_id=TRACE_ID,
                        span_id=SPAN_ID,
                        parent_span_id=b"\x01" * 8,
                        name="chat",
                        kind=wire.KIND_CLIENT,
                        start_ns=START_NS,
                        end_ns=START_NS + 5_000_000,
                        attributes={"a": 1},
                        events=[wire.Event("e", 7, {"k": True})],
                        links=[wire.Link(b"\x02" * 16, b"\x03" * 8, {"l": 0.5})],
                        status_code=wire.STATUS_ERROR,
                        status_message="no",
                        flags=0x301,
                    )
                ],
            )
        ]
    )


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("text", id="string"),
        pytest.param("", id="empty-string"),
        pytest.param("ü 漢 😀", id="unicode"),
        pytest.param("x" * 1000, id="string-longer-than-the-cache"),
        pytest.param(True, id="true"),
        pytest.param(False, id="false"),
        pytest.param(0, id="zero"),
        pytest.param(-(1 << 63), id="smallest-integer"),
        pytest.param((1 << 63) - 1, id="largest-integer"),
        pytest.param(0.1, id="double"),
        pytest.param(float("inf"), id="infinity"),
        pytest.param(b"\x00\xff", id="bytes"),
        pytest.param(None, id="nothing"),
        pytest.param([], id="empty-array"),
        pytest.param([1, "a", [True, None], {"k": [b"b"]}], id="mixed-array"),
        pytest.param({}, id="empty-list"),
        pytest.param({"a": {"b": {"c": [1.5]}}}, id="nested-list"),
    ],
)
def test_value_of_every_kind_is_decoded(value: object) -> None:
    [span] = decode(trace_request(make_span(attributes={"key": value})))

    assert span.attributes == {"key": value}
    assert type(span.attributes["key"]) is type(value)


def test_same_attribute_bytes_give_the_same_value_again() -> None:
    request = trace_request(make_span(attributes={"n": 1, "t": "x"}), make_span(attributes={"n": True, "t": "x"}))

    assert [span.attributes for span in decode(request)] == [{"n": 1, "t": "x"}, {"n": True, "t": "x"}]


@given(
    key=st.text(max_size=3) | st.sampled_from(("k" * 127, "k" * 128)),
    length=st.sampled_from((0, 1, 80, 127, 128, 129, 2_000, 16_379, 16_383, 16_384, 70_000)),
    form=st.sampled_from(("plain", "value first", "something after", "text twice", "cut off", "number")),
)
def test_attribute_reads_the_same_in_every_form_and_length(key: str, length: int, form: str) -> None:
    text = field(1, b"x" * length)
    value = {"text twice": text + field(1, b"y" * length), "number": b"\x18\x05"}.get(form, text)
    parts = [field(1, key.encode()), field(2, value)]
    if form == "value first":
        parts.reverse()
    encoded = b"".join(parts) + (field(7, b"?") if form == "something after" else b"")
    encoded = encoded[:-1] if form == "cut off" else encoded
    span = make_span(trace_id=TRACE_ID, span_id=SPAN_ID).SerializeToString()

    decoded = protobuf.decode_traces(enveloped(span + field(9, encoded)))

    try:
        official = KeyValue.FromString(encoded)
    except DecodeError:
        assert decoded.rejected == {Reason.MALFORMED: 1}
        return
    kind = official.value.WhichOneof("value")
    assert kind is not None
    expected = {official.key: getattr(official.value, kind)}
    assert decoded.groups[0].spans[0].attributes == expected


def test_empty_request_has_no_groups() -> None:
    assert protobuf.decode_traces(b"") == wire.TraceRequest([])


def test_group_without_spans_is_kept() -> None:
    assert decode(trace_request()) == []


def test_unknown_fields_are_ignored() -> None:
    unknown = field(14, b"future") + b"\xf8\x07\x01"  # fields 14 and 127
    span = make_span(attributes={"a": "b"}).SerializeToString() + unknown
    body = field(1, field(2, field(2, span) + unknown) + unknown) + unknown

    decoded = protobuf.decode_traces(body)

    assert [span.attributes for span in decoded.groups[0].spans] == [{"a": "b"}]


def test_resource_in_two_parts_is_merged() -> None:
    parts = [field(1, field(1, pair.SerializeToString())) for pair in key_values({"a": 1, "b": 2})]
    body = field(1, b"".join(parts) + field(2, b""))

    assert protobuf.decode_traces(body).groups[0].resource == {"a": 1, "b": 2}


def test_bad_utf8_in_one_span_keeps_the_others() -> None:
    bad = make_span(trace_id=TRACE_ID).SerializeToString() + field(5, b"caf\xe9 \xff!")
    good = make_span(name="good").SerializeToString()

    spans = protobuf.decode_traces(enveloped(bad, good)).groups[0].spans

    assert [span.name for span in spans] == ["caf\ufffd \ufffd!", "good"]


def test_bad_utf8_in_an_attribute_is_replaced() -> None:
    span = make_span().SerializeToString() + field(9, field(1, b"k\xff") + field(2, field(1, b"v\xfe")))

    [decoded] = protobuf.decode_traces(enveloped(span)).groups[0].spans

    assert decoded.attributes == {"k\ufffd": "v\ufffd"}


def test_nul_characters_are_replaced_everywhere() -> None:
    span = make_span(
        name="a\0b",
        attributes={"k\0": ["\0", {"\0": "x\0"}]},
        status=Status(message="\0"),
        events=[Span.Event(name="e\0")],
    )

    [decoded] = decode(trace_request(span))

    assert decoded.name == "a\ufffdb"
    assert decoded.attributes == {"k\ufffd": ["\ufffd", {"\ufffd": "x\ufffd"}]}
    assert decoded.status_message == "\ufffd"
    assert decoded.events[0].name == "e\ufffd"


@pytest.mark.parametrize("kind", ["array", "kvlist"])
def test_deeply_nested_value_is_cut_at_its_depth(kind: str) -> None:
    content = field(1, b"deep")
    for _ in range(5_000):
        content = (
            field(5, field(1, content)) if kind == "array" else field(6, field(1, field(1, b"k") + field(2, content)))
        )
    span = make_span().SerializeToString() + field(9, field(1, b"key") + field(2, content))

    [decoded] = protobuf.decode_traces(enveloped(span)).groups[0].spans

    value, depth = decoded.attributes["key"], 0
    while isinstance(value, (list, dict)):
        value, depth = (value[0] if isinstance(value, list) else value["k"]), depth + 1
    assert (value, depth) == (TOO_DEEP, 32)


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param(b"\xff\xff", id="garbage"),
        pytest.param(make_span().SerializeToString()[:-3], id="cut-off"),
        pytest.param(make_span().SerializeToString() + field(9, b"\x0a\x05x"), id="broken-attribute"),
        pytest.param(make_span().SerializeToString() + field(9, field(2, field(5, b"\x0a\x7f"))), id="broken-array"),
        pytest.param(make_span().SerializeToString() + field(11, b"\x09\x00"), id="broken-event"),
    ],
)
def test_damaged_span_is_rejected_alone(damaged: bytes) -> None:
    decoded = protobuf.decode_traces(enveloped(damaged, make_span(name="good").SerializeToString()))

    assert [span.name for span in decoded.groups[0].spans] == ["good"]
    assert decoded.rejected == {"malformed": 1}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\xff" * 40, id="ones"),
        pytest.param(b"\x00" * 40, id="zeros"),
        pytest.param(b"this is not protobuf", id="text"),
        pytest.param(b"x" * 40, id="unknown-fields-only"),
        pytest.param(b'{"resourceSpans": []}', id="json"),
        pytest.param(trace_request(make_span()).SerializeToString()[:-1], id="cut-off"),
        pytest.param(trace_request(make_span()).SerializeToString() + b"\x0a", id="tag-without-value"),
        pytest.param(field(1, field(1, b"\x0a\x09") + field(2, b"")), id="broken-resource"),
        pytest.param(field(1, field(2, field(1, b"\x0a\x09"))), id="broken-scope"),
        pytest.param(b"\x0a" + b"\xff" * 9 + b"\x01", id="length-beyond-the-end"),
        pytest.param(b"\x0b\x0c", id="groups-of-proto2"),
    ],
)
def test_structural_damage_is_a_malformed_body(body: bytes) -> None:
    with pytest.raises(MalformedBodyError):
        protobuf.decode_traces(body)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        pytest.param(logs_request().SerializeToString(), "/v1/logs", id="logs"),
        pytest.param(metrics_request().SerializeToString(), "/v1/metrics", id="metrics"),
    ],
)
def test_other_signal_is_refused_with_its_path(body: bytes, path: str) -> None:
    with pytest.raises(WrongSignalError, match=f"send .* to {path}"):
        protobuf.decode_traces(body)


def test_traces_are_refused_as_logs_and_as_metrics() -> None:
    body = trace_request(make_span(), make_span()).SerializeToString()
    with pytest.raises(WrongSignalError, match="/v1/traces"):
        protobuf.decode_logs(body)
    with pytest.raises(WrongSignalError, match="/v1/traces"):
        protobuf.decode_metrics(body, lambda _: True)


def test_metrics_that_nobody_wants_are_counted_by_name() -> None:
    request = protobuf.decode_metrics(metrics_request().SerializeToString(), lambda name: name == "queue.size")
    assert request.unread == {"requests": 1, "duration": 1}
    ((gauge,),) = [group.metrics for group in request.groups]
    assert gauge == wire.Metric("queue.size", "1", True, [wire.Point(START_NS, 4, {})])


def test_kind_of_a_metric_tells_whether_it_is_a_level() -> None:
    request = protobuf.decode_metrics(metrics_request().SerializeToString(), lambda _: True)
    assert [(metric.is_level, len(metric.points)) for metric in request.groups[0].metrics] == [
        (True, 1),
        (True, 1),
        (True, 0),
    ]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(enveloped(*[b""] * (envelope.MAX_ITEMS + 1)), id="spans"),
        pytest.param(field(1, b"") * (envelope.MAX_ITEMS + 1), id="resource-groups"),
        pytest.param(field(1, field(2, b"") * (envelope.MAX_ITEMS + 1)), id="scope-groups"),
        pytest.param(field(1, field(2, enveloped()) * 3) + b"\x18\x00" * (envelope.MAX_ITEMS + 1), id="unknown-fields"),
    ],
)
def test_swarm_of_tiny_items_is_too_large(body: bytes) -> None:
    with pytest.raises(BodyTooLargeError, match="200,000"):
        protobuf.decode_traces(body)

"""Every bad input by name, over HTTP and gRPC, on a real database: what the sender is told, and what is kept."""

import gzip
import json
import secrets
import zlib
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.receiver.otlp import (
    COMPRESSORS,
    JSON,
    LOGS_EXPORT,
    METRICS_EXPORT,
    PROTOBUF,
    START_NS,
    Client,
    logs_request,
    make_span,
    metrics_request,
    partial_success,
    rpc_status,
    trace_request,
)

from stepwell_storage.settings import Settings

Stored = Callable[[bytes], list[dict[str, Any]]]
Send = Callable[[ExportTraceServiceRequest], bytes]


@pytest.fixture(params=["http", "grpc"])
def send(request: pytest.FixtureRequest, client: Client) -> Send:
    """Sends traces that are taken, over either transport; gives the encoded response."""

    def by_http(body: ExportTraceServiceRequest) -> bytes:
        response = client.post(body)
        assert (response.status_code, response.headers["content-type"]) == (200, PROTOBUF)
        return response.content

    return by_http if request.param == "http" else client.export


def refusal(client: Client, body: bytes | Message, **options: str) -> tuple[int, Status]:
    """The HTTP status and the body of a refused request in protobuf."""
    response = client.post(body, **options)
    assert response.headers["content-type"] == PROTOBUF
    return response.status_code, Status.FromString(response.content)


def grpc_refusal(client: Client, body: bytes | Message, **options: Any) -> grpc.RpcError:
    """The error of a refused call."""
    with pytest.raises(grpc.RpcError) as raised:
        client.export(body, **options)
    return raised.value


def assert_bad_request(status: Status, *words: str) -> None:
    """Holds a Status to INVALID_ARGUMENT with BadRequest details and these words."""
    details = BadRequest()
    assert status.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert status.details[0].Unpack(details)
    assert details.field_violations[0].description == status.message
    for word in words:
        assert word in status.message


@pytest.mark.parametrize("body", [b"\xff" * 64, b"not protobuf at all", bytes(64), b"xxxx", b'{"resourceSpans":[]}'])
def test_garbage_body_is_a_bad_request(client: Client, body: bytes) -> None:
    code, status = refusal(client, body)
    assert code == 400
    assert_bad_request(status)

    error = grpc_refusal(client, body)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert_bad_request(rpc_status(error))


def test_garbage_json_is_a_bad_request_in_json(client: Client) -> None:
    response = client.post(b"{nope", content_type=JSON)

    assert (response.status_code, response.headers["content-type"]) == (400, JSON)
    assert_bad_request(json_format.Parse(response.content, Status()), "not JSON")


@pytest.mark.parametrize("path", ["/v1/logs", "/v1/metrics"])
def test_garbage_is_a_bad_request_for_logs_and_metrics_too(client: Client, path: str) -> None:
    assert refusal(client, b"\xff" * 64, path=path)[0] == 400
    assert client.post(b"{nope", path=path, content_type=JSON).status_code == 400


def test_garbage_over_grpc_is_invalid_for_logs_and_metrics_too(client: Client) -> None:
    for method in (LOGS_EXPORT, METRICS_EXPORT):
        assert grpc_refusal(client, b"\xff" * 64, method=method).code() is grpc.StatusCode.INVALID_ARGUMENT


def test_truncated_gzip_is_a_bad_request(client: Client) -> None:
    body = gzip.compress(trace_request(make_span()).SerializeToString())
    code, status = refusal(client, body[:-5], content_encoding="gzip")
    assert code == 400
    assert_bad_request(status, "gzip", "cut off")


def test_concatenated_gzip_members_are_read_to_the_last(client: Client, stored: Stored) -> None:
    span = make_span(attributes={"k": "v" * 500})
    content = trace_request(span).SerializeToString()
    body = b"".join(gzip.compress(content[at : at + 100]) for at in range(0, len(content), 100))

    response = client.post(body, content_encoding="gzip")

    assert (response.status_code, response.content) == (200, b"")
    assert [row["attributes"]["k"] for row in stored(span.trace_id)] == ["v" * 500]


def test_gzip_header_on_a_plain_body_is_a_bad_request(client: Client) -> None:
    code, status = refusal(client, trace_request(make_span()), content_encoding="gzip")
    assert code == 400
    assert_bad_request(status, "gzip", "Content-Encoding")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_bomb_is_too_large(client: Client, encoding: str, shared_settings: Settings) -> None:
    body = COMPRESSORS[encoding](bytes(shared_settings.max_request_bytes + 1))
    code, status = refusal(client, body, content_encoding=encoding)
    assert (code, status.code) == (413, grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])
    assert "67,108,864 bytes" in status.message


def test_gzip_bomb_over_grpc_is_exhausting(client: Client, shared_settings: Settings) -> None:
    error = grpc_refusal(client, bytes(shared_settings.max_request_bytes + 1), compression=grpc.Compression.Gzip)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_oversized_request_is_too_large(client: Client, shared_settings: Settings) -> None:
    body = bytes(shared_settings.max_request_bytes + 1)
    assert refusal(client, body)[0] == 413
    assert grpc_refusal(client, body).code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_oversized_request_without_announced_length_is_too_large(client: Client, shared_settings: Settings) -> None:
    chunk = bytes(1 << 20)
    chunks = (chunk for _ in range(shared_settings.max_request_bytes // len(chunk) + 1))
    response = client.http.post("/v1/traces", content=chunks, headers={"content-type": PROTOBUF})
    assert response.status_code == 413


@pytest.mark.parametrize("content_type", ["text/plain", "application/protobuf", "multipart/form-data", ""])
def test_wrong_content_type_is_unsupported(client: Client, content_type: str) -> None:
    response = client.post(trace_request(make_span()), content_type=content_type)
    assert (response.status_code, response.headers["content-type"]) == (415, JSON)
    assert "use application/x-protobuf or application/json" in response.json()["message"]


@pytest.mark.parametrize("content_type", ["Application/X-Protobuf", "APPLICATION/X-PROTOBUF; charset=binary"])
def test_content_type_in_other_case_is_taken(client: Client, stored: Stored, content_type: str) -> None:
    span = make_span()
    response = client.post(trace_request(span), content_type=content_type)
    assert (response.status_code, response.headers["content-type"]) == (200, PROTOBUF)
    assert len(stored(span.trace_id)) == 1


def test_unknown_encoding_is_unsupported(client: Client) -> None:
    response = client.post(trace_request(make_span()), content_encoding="br")
    assert response.status_code == 415
    assert response.headers["accept-encoding"] == "gzip, deflate, zstd, identity"
    assert "'br' is not supported" in Status.FromString(response.content).message


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs", "/v1/metrics"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_wrong_method_is_told_the_right_one(client: Client, path: str, method: str) -> None:
    response = client.http.request(method, path)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


def test_wrong_path_is_told_the_right_ones(client: Client) -> None:
    response = client.post(b"", path="/v1/trace")
    assert response.status_code == 404
    assert "/v1/traces" in response.json()["message"]


def test_logs_sent_to_the_traces_path_are_refused_with_theirs(client: Client) -> None:
    code, status = refusal(client, logs_request())
    assert code == 400
    assert_bad_request(status, "logs", "/v1/logs")

    response = client.post(b'{"resourceLogs": [{}]}', content_type=JSON)
    assert response.status_code == 400
    assert "/v1/logs" in response.json()["message"]

    error = grpc_refusal(client, logs_request())
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert_bad_request(rpc_status(error), "logs.v1.LogsService")


def test_metrics_sent_to_the_traces_path_are_refused_with_theirs(client: Client) -> None:
    code, status = refusal(client, metrics_request())
    assert code == 400
    assert_bad_request(status, "metrics", "/v1/metrics")


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


def test_bad_utf8_in_one_span_keeps_the_others(send: Send, client: Client, stored: Stored) -> None:
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


@pytest.mark.parametrize("encoding", list(COMPRESSORS))
def test_every_encoding_is_taken(client: Client, stored: Stored, encoding: str) -> None:
    span = make_span()
    body = COMPRESSORS[encoding](trace_request(span).SerializeToString())
    assert client.post(body, content_encoding=encoding).content == b""
    assert len(stored(span.trace_id)) == 1


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_every_compression_of_grpc_is_taken(client: Client, stored: Stored, compression: grpc.Compression) -> None:
    span = make_span()
    assert client.export(trace_request(span), compression=compression) == b""
    assert len(stored(span.trace_id)) == 1


def test_compressed_json_is_taken(client: Client, stored: Stored) -> None:
    trace_id = secrets.token_hex(16)
    body = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"%s","spanId":"%s"}]}]}]}' % (
        trace_id.upper().encode(),
        b"AB" * 8,
    )
    response = client.post(
        zlib.compress(body), content_type="application/json;charset=utf-8", content_encoding="deflate"
    )
    assert (response.status_code, response.headers["content-type"], response.json()) == (200, JSON, {})
    assert len(stored(bytes.fromhex(trace_id))) == 1


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress], ids=["gzip", "deflate"])
def test_truncated_message_over_grpc_is_invalid(client: Client, compress: Callable[[bytes], bytes]) -> None:
    error = grpc_refusal(client, compress(trace_request(make_span()).SerializeToString())[:-5])
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert_bad_request(rpc_status(error), "cut off")

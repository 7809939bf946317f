"""Every bad input by name, over HTTP and gRPC, on a real database: what the sender is told, and what is kept."""

import gzip
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
from tests.receiver.otlp import (
    COMPRESSORS,
    JSON,
    LOGS_EXPORT,
    METRICS_EXPORT,
    PROTOBUF,
    Client,
    Stored,
    logs_request,
    make_span,
    metrics_request,
    rpc_status,
    trace_request,
)

from stepwell_storage.settings import Settings


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

"""The table of errors: what each means on either transport, and the Status that says so."""

import json

import pytest
from google.protobuf import json_format
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from stepwell_receiver import errors, status
from stepwell_receiver.bodies import MediaType
from stepwell_receiver.signals import LOGS, TRACES
from stepwell_receiver.validation import EXPLANATIONS, Reason, rejection_message
from stepwell_storage.errors import DatabaseUnavailableError, QueueFullError, StorageError


@pytest.mark.parametrize(
    ("error", "grpc_code", "http_status", "retry_after"),
    [
        pytest.param(errors.MalformedBodyError("x"), 3, 400, None, id="malformed"),
        pytest.param(errors.WrongSignalError("x"), 3, 400, None, id="wrong-signal"),
        pytest.param(errors.UnauthenticatedError("x"), 16, 401, None, id="unauthenticated"),
        pytest.param(errors.BodyTooLargeError("x"), 8, 413, None, id="too-large"),
        pytest.param(errors.UnsupportedMediaTypeError("x"), 3, 415, None, id="media-type"),
        pytest.param(errors.UnsupportedEncodingError("x"), 12, 415, None, id="encoding"),
        pytest.param(errors.OverloadedError("x"), 14, 503, "1", id="overloaded"),
        pytest.param(QueueFullError("x", retry_after_s=2.2), 14, 503, "3", id="queue-full"),
        pytest.param(DatabaseUnavailableError("x", retry_after_s=0.2), 14, 503, "1", id="database-away"),
        pytest.param(StorageError("x"), 13, 500, None, id="other-storage-error"),
        pytest.param(ValueError("x"), 13, 500, None, id="unexpected"),
    ],
)
def test_meaning_of_each_error(error: Exception, grpc_code: int, http_status: int, retry_after: str | None) -> None:
    meaning = errors.meaning_of(error)

    assert (meaning.grpc_code, meaning.http_status) == (grpc_code, http_status)
    assert meaning.is_retryable is (retry_after is not None)
    assert status.retry_after_header(error) == ({} if retry_after is None else {"retry-after": retry_after})
    assert status.failure(error).code == grpc_code


def test_every_error_of_the_receiver_stands_in_the_table() -> None:
    raised = {
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ReceiverError)
    }
    startup_only = {errors.ReceiverError, errors.PortTakenError}
    for kind in raised - startup_only:
        assert errors.meaning_of(kind("x")) is not errors.UNEXPECTED


def test_retry_info_holds_the_exact_delay() -> None:
    retry = RetryInfo()
    assert status.failure(QueueFullError("x", retry_after_s=0.25)).details[0].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 250


def test_unexpected_error_keeps_its_details_to_the_log() -> None:
    told = status.failure(KeyError("secret"))
    assert "secret" not in str(told)
    assert not told.details


def test_status_has_the_same_content_in_both_encodings() -> None:
    told = status.failure(errors.MalformedBodyError("broken"))
    in_json = status.encode(told, MediaType.JSON)

    assert Status.FromString(status.encode(told, MediaType.PROTOBUF)) == told
    assert json_format.Parse(in_json, Status()) == told
    assert json.loads(in_json) == {
        "code": 3,
        "message": "broken",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": [{"field": "body", "description": "broken"}],
            }
        ],
    }
    assert told.details[0].Is(BadRequest.DESCRIPTOR)


def test_full_success_leaves_partial_success_unset() -> None:
    assert status.encode(status.success(TRACES), MediaType.PROTOBUF) == b""
    assert status.encode(status.success(LOGS), MediaType.JSON) == b"{}"


def test_partial_success_has_counts_and_a_bounded_message() -> None:
    response = status.success(TRACES, rejected=3, message="x" * 100_000)
    assert isinstance(response, ExportTraceServiceResponse)
    assert response.partial_success.rejected_spans == 3
    assert len(response.partial_success.error_message) == status.MAX_MESSAGE_CHARACTERS
    assert json.loads(status.encode(response, MediaType.JSON))["partialSuccess"]["rejectedSpans"] == "3"


def test_every_reason_that_a_sender_hears_of_is_explained() -> None:
    assert set(Reason) - set(EXPLANATIONS) == {Reason.INTERNAL_ERROR}
    assert rejection_message({}) == ""
    assert rejection_message({Reason.MALFORMED: 1}) == "1 span was not stored: 1 that cannot be decoded"
    assert rejection_message({"novel": 2}) == "2 spans were not stored: 2 novel"

"""Logs and metrics are acknowledged, so that a sender of everything works, with a warning that none is stored."""

import json

import pytest
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from tests.receiver.otlp import JSON, LOGS_EXPORT, METRICS_EXPORT, Client, logs_request, metrics_request

LOGS_WARNING = "Stepwell stores traces only: 2 log records received, none stored"
METRICS_WARNING = "Stepwell stores traces only: 3 metrics received, none stored"


def unstored(client: Client, signal: str) -> float:
    """The metric that counts them."""
    prefix = f'stepwell_records_unstored_total{{signal="{signal}"}} '
    lines = client.http.get("/metrics").text.splitlines()
    return sum(float(line.removeprefix(prefix)) for line in lines if line.startswith(prefix))


def test_logs_succeed_with_a_warning(client: Client) -> None:
    before = unstored(client, "logs")
    answers = [client.post(logs_request(), path="/v1/logs").content, client.export(logs_request(), method=LOGS_EXPORT)]
    for answer in answers:
        partial = ExportLogsServiceResponse.FromString(answer).partial_success
        assert (partial.rejected_log_records, partial.error_message) == (0, LOGS_WARNING)
    assert unstored(client, "logs") == before + 4


def test_metrics_succeed_with_a_warning(client: Client) -> None:
    before = unstored(client, "metrics")
    answers = [
        client.post(metrics_request(), path="/v1/metrics").content,
        client.export(metrics_request(), method=METRICS_EXPORT),
    ]
    for answer in answers:
        partial = ExportMetricsServiceResponse.FromString(answer).partial_success
        assert (partial.rejected_data_points, partial.error_message) == (0, METRICS_WARNING)
    assert unstored(client, "metrics") == before + 6


def test_logs_in_json_are_answered_in_json(client: Client) -> None:
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "x"}}]}]}]}
    response = client.post(json.dumps(body).encode(), path="/v1/logs", content_type=JSON)
    assert response.json() == {
        "partialSuccess": {"errorMessage": "Stepwell stores traces only: 1 log record received, none stored"}
    }


@pytest.mark.parametrize("path", ["/v1/logs", "/v1/metrics"])
def test_empty_request_succeeds_without_a_warning(client: Client, path: str) -> None:
    response = client.post(b"", path=path)
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize(
    ("request_", "path", "right_path"),
    [
        pytest.param(logs_request(), "/v1/metrics", "/v1/logs", id="logs-as-metrics"),
        pytest.param(metrics_request(), "/v1/logs", "/v1/metrics", id="metrics-as-logs"),
    ],
)
def test_signal_on_the_wrong_path_is_refused(client: Client, request_: Message, path: str, right_path: str) -> None:
    response = client.post(request_, path=path)
    assert response.status_code == 400
    assert right_path.encode() in response.content

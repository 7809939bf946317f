"""Metrics are acknowledged, so that a sender of everything works, with a warning that none is stored."""

import json

import pytest
from google.protobuf.message import Message
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from tests.receiver.otlp import JSON, METRICS_EXPORT, Client, logs_request, make_span, metrics_request, trace_request

METRICS_WARNING = "Stepwell stores traces and logs only: 3 metrics received, none stored"


def unstored(client: Client, signal: str) -> float:
    """The metric that counts them."""
    prefix = f'stepwell_records_unstored_total{{signal="{signal}"}} '
    lines = client.http.get("/metrics").text.splitlines()
    return sum(float(line.removeprefix(prefix)) for line in lines if line.startswith(prefix))


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


def test_metrics_in_json_are_answered_in_json(client: Client) -> None:
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "x"}]}]}]}
    response = client.post(json.dumps(body).encode(), path="/v1/metrics", content_type=JSON)
    assert response.json() == {
        "partialSuccess": {"errorMessage": "Stepwell stores traces and logs only: 1 metric received, none stored"}
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
        pytest.param(trace_request(make_span()), "/v1/logs", "/v1/traces", id="traces-as-logs"),
    ],
)
def test_signal_on_the_wrong_path_is_refused(client: Client, request_: Message, path: str, right_path: str) -> None:
    response = client.post(request_, path=path)
    assert response.status_code == 400
    assert right_path.encode() in response.content

"""Metrics that tell a process' memory are stored; all others are acknowledged, named, and not stored."""

import json
import secrets
from typing import Any

import psycopg
import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE
from tests.receiver.otlp import (
    JSON,
    METRICS_EXPORT,
    START_NS,
    Client,
    field,
    key_values,
    logs_request,
    make_span,
    metrics_request,
    trace_request,
)

from stepwell_receiver import processes
from stepwell_storage.settings import Settings

KEPT = "Of metrics Stepwell stores the memory of processes that their resource tells, as gauges or levels in bytes"


def memory_request(resource: dict[str, Any], *points: tuple[int, float]) -> ExportMetricsServiceRequest:
    """A request with ``process.memory.usage`` at some nanoseconds after the start."""
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    group.resource.attributes.extend(key_values(resource))
    metric = group.scope_metrics.add().metrics.add(name="process.memory.usage", unit="By")
    metric.sum.aggregation_temporality = AGGREGATION_TEMPORALITY_CUMULATIVE
    for at_ns, value in points:
        metric.sum.data_points.add(time_unix_nano=START_NS + at_ns, as_double=value)
    return request


@pytest.fixture
def process() -> dict[str, Any]:
    """A resource of a process of its own."""
    return {"service.name": "agents", "service.instance.id": secrets.token_hex(8)}


def samples(settings: Settings, resource: dict[str, Any]) -> list[tuple[float, bool]]:
    query = "SELECT memory_mb, is_resident FROM analytics.memory_samples WHERE process_key = %s ORDER BY time"
    with psycopg.connect(settings.database_url) as connection:
        return connection.execute(query, (processes.key_of(resource),)).fetchall()


def unstored(client: Client) -> float:
    """The metric that counts them."""
    prefix = 'stepwell_records_unstored_total{signal="metrics"} '
    lines = client.http.get("/metrics").text.splitlines()
    return sum(float(line.removeprefix(prefix)) for line in lines if line.startswith(prefix))


def partial(answer: bytes) -> tuple[int, str]:
    told = ExportMetricsServiceResponse.FromString(answer).partial_success
    return told.rejected_data_points, told.error_message


@pytest.mark.parametrize("transport", ["http", "grpc", "json"])
def test_memory_of_a_process_is_stored_once(
    client: Client, shared_settings: Settings, process: dict[str, Any], transport: str
) -> None:
    request = memory_request(process, (0, 250e6), (1000, 300e6))
    for _ in range(2):
        if transport == "grpc":
            answer = client.export(request, method=METRICS_EXPORT)
        elif transport == "http":
            answer = client.post(request, path="/v1/metrics").content
        else:
            body = json.dumps(MessageToDict(request, use_integers_for_enums=True)).encode()
            response = client.post(body, path="/v1/metrics", content_type=JSON)
            answer = b"" if response.json() == {} else response.content
        assert answer == b""
    assert samples(shared_settings, process) == [(250.0, True), (300.0, True)]


def test_of_two_samples_of_one_moment_the_larger_stays(
    client: Client, shared_settings: Settings, process: dict[str, Any]
) -> None:
    for points in ([(0, 2e6), (0, 1e6)], [(0, 3e6)], [(0, 2e6)]):
        client.post(memory_request(process, *points), path="/v1/metrics")
    assert samples(shared_settings, process) == [(3.0, True)]


def test_metrics_that_tell_no_memory_succeed_with_a_warning_that_names_them(client: Client) -> None:
    before = unstored(client)
    answers = [
        client.post(metrics_request(), path="/v1/metrics").content,
        client.export(metrics_request(), method=METRICS_EXPORT),
    ]
    assert [partial(answer) for answer in answers] == [
        (0, f"3 metrics were not stored: duration, queue.size, requests. {KEPT}")
    ] * 2
    assert unstored(client) == before + 6


def test_metrics_in_json_are_answered_in_json(client: Client) -> None:
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "x"}]}]}]}
    response = client.post(json.dumps(body).encode(), path="/v1/metrics", content_type=JSON)
    assert response.json() == {"partialSuccess": {"errorMessage": f"1 metric was not stored: x. {KEPT}"}}


def test_memory_of_no_known_process_is_named_as_well(client: Client) -> None:
    answer = client.post(memory_request({"cloud.region": "eu"}, (0, 1e6)), path="/v1/metrics").content
    assert partial(answer) == (0, f"1 metric was not stored: process.memory.usage. {KEPT}")


def test_warning_is_bounded_however_many_names_there_are(client: Client) -> None:
    request = ExportMetricsServiceRequest()
    metrics = request.resource_metrics.add().scope_metrics.add().metrics
    for number in range(1000):
        metrics.add(name=f"{number:04}" + "x" * 1000).gauge.data_points.add(time_unix_nano=START_NS, as_int=1)
    rejected, message = partial(client.post(request, path="/v1/metrics").content)
    assert rejected == 0
    assert "and 995 more names" in message
    assert len(message) < 1000


def test_damaged_metric_is_rejected_and_its_neighbours_are_stored(
    client: Client, shared_settings: Settings, process: dict[str, Any]
) -> None:
    request = memory_request(process, (0, 5e6))
    damaged = field(1, field(2, field(2, b"\x0a\xff")))  # a name that is longer than its metric
    answer = client.post(request.SerializeToString() + damaged, path="/v1/metrics").content
    assert partial(answer) == (1, "1 metric was not stored: 1 that cannot be decoded")
    assert samples(shared_settings, process) == [(5.0, True)]


def test_wrong_types_in_json_are_rejected_one_by_one(client: Client) -> None:
    bad: list[Any] = [7, {"name": 7}, {"name": "process.memory.usage", "gauge": {"dataPoints": [{"asInt": "x"}]}}]
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": bad}]}]}
    response = client.post(json.dumps(body).encode(), path="/v1/metrics", content_type=JSON)
    assert response.json()["partialSuccess"]["rejectedDataPoints"] == "3"


def test_more_points_than_a_request_may_hold_are_refused(client: Client, process: dict[str, Any]) -> None:
    gauge = field(7, field(1, b"") * 200_001)
    metric = field(1, b"process.memory.usage") + gauge
    response = client.post(field(1, field(2, field(2, metric))), path="/v1/metrics")
    assert response.status_code == 413


@pytest.mark.parametrize("path", ["/v1/logs", "/v1/metrics"])
def test_empty_request_succeeds_without_a_warning(client: Client, path: str) -> None:
    response = client.post(b"", path=path)
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize(
    ("request_", "path", "right_path"),
    [
        pytest.param(logs_request(), "/v1/metrics", "/v1/logs", id="logs-as-metrics"),
        pytest.param(trace_request(make_span()), "/v1/metrics", "/v1/traces", id="traces-as-metrics"),
        pytest.param(metrics_request(), "/v1/logs", "/v1/metrics", id="metrics-as-logs"),
        pytest.param(trace_request(make_span()), "/v1/logs", "/v1/traces", id="traces-as-logs"),
    ],
)
def test_signal_on_the_wrong_path_is_refused(client: Client, request_: Message, path: str, right_path: str) -> None:
    response = client.post(request_, path=path)
    assert response.status_code == 400
    assert right_path.encode() in response.content

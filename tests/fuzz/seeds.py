"""Where fuzzing starts: the captures of real frameworks, each as one request small enough to be tried often."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.captures import captures
from tests.fuzz.mutation import Request, as_json
from tests.receiver.otlp import COMPRESSORS, START_NS, metrics_request

MAX_SEED_BYTES: Final = 48 * 1024


@cache
def seeds() -> Mapping[str, list[bytes]]:
    """Bodies to start from, by target."""
    traces = list(_requests("traces", ExportTraceServiceRequest))
    logs = list(_requests("logs", ExportLogsServiceRequest))
    small = min((request.SerializeToString() for request in traces), key=len)
    return {
        "traces_protobuf": [request.SerializeToString() for request in traces],
        "traces_json": [as_json(request) for request in traces],
        "logs_protobuf": [request.SerializeToString() for request in logs],
        "logs_json": [as_json(request) for request in logs],
        "metrics_protobuf": [metrics_request().SerializeToString(), _memory().SerializeToString()],
        "metrics_json": [as_json(metrics_request()), as_json(_memory())],
        "compressed": [compress(small) for compress in COMPRESSORS.values()],
    }


def _memory() -> ExportMetricsServiceRequest:
    """The memory of a process, which is kept."""
    request = metrics_request()
    group = request.resource_metrics[0]
    for key, text in (
        ("service.name", "shop"),
        ("service.instance.id", "one"),
        ("host.name", "h"),
        ("process.pid", "7"),
    ):
        group.resource.attributes.add(key=key).value.string_value = text
    metric = group.scope_metrics[0].metrics.add(name="process.memory.usage", unit="By")
    point = metric.gauge.data_points.add(as_int=150_000_000, time_unix_nano=START_NS)
    point.attributes.add(key="type").value.string_value = "rss"
    return request


def _requests(signal: str, kind: type[Request]) -> Iterator[Request]:
    """For each capture all that it sent of a signal, as far as it fits into one seed."""
    for capture in captures():
        request = kind()
        for body in capture.bodies(signal):
            if request.ByteSize() + len(body) <= MAX_SEED_BYTES:
                request.MergeFromString(body)
        if request.ByteSize():
            yield request

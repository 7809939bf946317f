"""OpenTelemetry's own exporters as clients, in every compression, against the database."""

from collections.abc import Callable

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from tests.receiver.otlp import Stored
from tests.receiver.running import Running


def http_exporter(compression: Compression) -> Callable[[Running], SpanExporter]:
    """Over HTTP."""
    return lambda running: HttpExporter(endpoint=f"{running.otlp_http}/v1/traces", compression=compression)


def grpc_exporter(compression: grpc.Compression) -> Callable[[Running], SpanExporter]:
    """Over gRPC."""
    return lambda running: GrpcExporter(endpoint=running.otlp_grpc, insecure=True, compression=compression)


@pytest.mark.parametrize(
    "make_exporter",
    [
        pytest.param(http_exporter(Compression.NoCompression), id="http"),
        pytest.param(http_exporter(Compression.Gzip), id="http-gzip"),
        pytest.param(http_exporter(Compression.Deflate), id="http-deflate"),
        pytest.param(grpc_exporter(grpc.Compression.NoCompression), id="grpc"),
        pytest.param(grpc_exporter(grpc.Compression.Gzip), id="grpc-gzip"),
    ],
)
def test_spans_of_the_official_exporter_are_stored(
    running: Running, stored: Stored, make_exporter: Callable[[Running], SpanExporter]
) -> None:
    provider = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(make_exporter(running), max_export_batch_size=100))
    tracer = provider.get_tracer("tests", "1.0")

    with tracer.start_as_current_span("invoke_agent planner") as root:
        root.set_attribute("gen_ai.operation.name", "invoke_agent")
        for number in range(250):
            with tracer.start_as_current_span("execute_tool search") as span:
                span.set_attributes({"number": number, "words": ["a", "b"], "share": 0.5, "done": True})
                span.add_event("found", {"hits": number})
    provider.shutdown()

    rows = stored(root.get_span_context().trace_id.to_bytes(16))
    calls = [row for row in rows if row["parent_span_id"] is not None]
    assert len(rows) == 251
    assert sorted(row["attributes"]["number"] for row in calls) == list(range(250))
    assert {row["service_name"] for row in rows} == {"shop"}
    assert {row["scope_name"] for row in rows} == {"tests"}
    assert {bytes(row["parent_span_id"]) for row in calls} == {root.get_span_context().span_id.to_bytes(8)}

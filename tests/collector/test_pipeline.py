"""Spans on their way through real Collectors, with the configurations in deploy/collector."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.trace import Status, StatusCode
from tests.collector.running import Collector, free_port, running_collector
from tests.faults.exactness import assert_exact, stored
from tests.faults.traffic import EXPORT_TIMEOUT_S, Sending, Traffic, traffic
from tests.faults.whole import Whole, whole
from tests.lifecycle.process_table import until

RUNS, SPANS_PER_RUN = 1_000, 100
DELIVERED_TIMEOUT_S = 300.0


def _address() -> str:
    return f"127.0.0.1:{free_port()}"


@dataclass
class Pipeline:
    """Programs → agent → gateway → Stepwell, each with addresses that outlive it, and a place for sampled traces."""

    folder: Path
    stepwell_ports: tuple[int, int] = field(default_factory=lambda: (free_port(), free_port()))
    agent_settings: dict[str, str] = field(default_factory=dict)
    gateway_settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Chooses the addresses."""
        self.gateway_settings = {
            "STEPWELL": f"http://127.0.0.1:{self.stepwell_ports[0]}",
            "TRACES": _address(),
            "TRACES_INSECURE": "true",
            "LISTEN_GRPC": _address(),
            "LISTEN_HTTP": _address(),
        }
        self.agent_settings = {
            "GATEWAY": self.gateway_settings["LISTEN_GRPC"],
            "GATEWAY_INSECURE": "true",
            "LISTEN_GRPC": _address(),
            "LISTEN_HTTP": _address(),
        }

    def agent(self, resources: ExitStack) -> Collector:
        """Beside the programs."""
        return resources.enter_context(running_collector("agent.yaml", self.folder / "agent", self.agent_settings))

    def gateway(self, resources: ExitStack) -> Collector:
        """In the middle."""
        return resources.enter_context(
            running_collector("gateway.yaml", self.folder / "gateway", self.gateway_settings)
        )

    def stepwell(self, resources: ExitStack) -> Whole:
        """At the end."""
        http, grpc = self.stepwell_ports
        ports = ("--port", "0", "--otlp-http-port", str(http), "--otlp-grpc-port", str(grpc))
        return resources.enter_context(whole(self.folder, self.folder / "data", *ports))

    def exporters(self) -> list[SpanExporter]:
        """Official ones, to the agent, over both transports."""
        settings = self.agent_settings
        return [
            HttpExporter(endpoint=f"http://{settings['LISTEN_HTTP']}/v1/traces", timeout=EXPORT_TIMEOUT_S),
            GrpcExporter(endpoint=settings["LISTEN_GRPC"], insecure=True, timeout=EXPORT_TIMEOUT_S),
        ]


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    """Nothing of it runs yet."""
    return Pipeline(tmp_path)


@pytest.fixture
def resources() -> Iterator[ExitStack]:
    """Ends what a test started."""
    with ExitStack() as started:
        yield started


def _arrived(stepwell: Whole, sent: Traffic) -> None:
    until(lambda: len(stored(stepwell.database_url, sent)) == len(sent.spans), "all spans", DELIVERED_TIMEOUT_S)
    assert_exact(stepwell.database_url, sent, fold_timeout_s=DELIVERED_TIMEOUT_S)


@pytest.mark.timeout(900)  # the Collector is built in it, the first time
def test_everything_arrives_once_though_stepwell_is_away_and_collectors_are_killed(
    pipeline: Pipeline, resources: ExitStack
) -> None:
    sent = traffic("collector", runs=RUNS, spans_per_run=SPANS_PER_RUN, spans_per_batch=500, repeated_share=0)
    agent, gateway = pipeline.agent(resources), pipeline.gateway(resources)
    with ExitStack() as first:
        pipeline.stepwell(first)
        with Sending(sent.batches, pipeline.exporters()) as sending:
            until(lambda: len(sending.acknowledged) > len(sent.spans) // 4, "a quarter is sent")
            first.close()
            until(lambda: len(sending.acknowledged) > len(sent.spans) // 2, "half of it is sent")
            gateway.kill()
    agent.kill()
    pipeline.gateway(resources)
    pipeline.agent(resources)
    _arrived(pipeline.stepwell(resources), sent)


class Traces(TraceServiceServicer):
    """Takes the place of Jaeger or Tempo: keeps the spans that come, by trace."""

    def __init__(self) -> None:
        self.spans: dict[int, set[str]] = {}

    def Export(  # noqa: N802, the protocol's name
        self, request: ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> ExportTraceServiceResponse:
        """Takes a request."""
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.setdefault(int.from_bytes(span.trace_id), set()).add(span.name)
        return ExportTraceServiceResponse()


@pytest.fixture
def traces(pipeline: Pipeline) -> Iterator[Traces]:
    """Listens where the gateway sends its sample."""
    sink = Traces()
    server = grpc.server(ThreadPoolExecutor(2))
    add_TraceServiceServicer_to_server(sink, server)  # type: ignore[no-untyped-call]
    server.add_insecure_port(pipeline.gateway_settings["TRACES"])
    server.start()
    yield sink
    server.stop(None)


@pytest.mark.timeout(900)
def test_sample_keeps_whole_traces_of_agents_and_failures(
    pipeline: Pipeline, resources: ExitStack, traces: Traces
) -> None:
    pipeline.gateway_settings |= {"TRACES_WAIT": "1s", "TRACES_PERCENT": "0"}
    pipeline.gateway(resources)
    provider = TracerProvider(shutdown_on_exit=False)
    endpoint = pipeline.gateway_settings["LISTEN_GRPC"]
    provider.add_span_processor(SimpleSpanProcessor(GrpcExporter(endpoint=endpoint, insecure=True)))
    tracer = provider.get_tracer("tests")

    for _ in range(20):
        with tracer.start_as_current_span("GET /health"):
            pass
    with (
        tracer.start_as_current_span("POST /ask") as asked,
        tracer.start_as_current_span("chat", attributes={"openinference.span.kind": "LLM"}),
    ):
        pass
    with tracer.start_as_current_span("POST /pay") as failed:
        failed.set_status(Status(StatusCode.ERROR))

    wanted = {
        asked.get_span_context().trace_id: {"POST /ask", "chat"},
        failed.get_span_context().trace_id: {"POST /pay"},
    }
    until(lambda: traces.spans == wanted, "the sample", DELIVERED_TIMEOUT_S)
    provider.shutdown()

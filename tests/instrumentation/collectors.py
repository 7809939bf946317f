"""A backend over gRPC that keeps what it gets."""

from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.instrumentation.backends import spans_in


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps requests and their metadata."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[ExportTraceServiceRequest] = []
        self.metadata: list[dict[str, str]] = []
        self.refuse: Callable[[ExportTraceServiceRequest, grpc.ServicerContext], None] = lambda request, context: None
        """Ends the call where a request is not to be taken."""

    def Export(  # noqa: N802
        self, request: ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> ExportTraceServiceResponse:
        """Takes what is not refused."""
        self.refuse(request, context)
        self.requests.append(request)
        self.metadata.append({key: str(value) for key, value in context.invocation_metadata()})
        return ExportTraceServiceResponse()

    @property
    def spans(self) -> list[Span]:
        """All spans so far."""
        return spans_in(self.requests)


@contextmanager
def collector() -> Iterator[Collector]:
    """A collector for as long as the block runs."""
    found = Collector()
    server = grpc.server(futures.ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(found, server)  # type: ignore[no-untyped-call]
    found.url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield found
    finally:
        server.stop(None).wait()

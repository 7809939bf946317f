"""The demo's telemetry, set up as a user would: official SDK and exporter, and who asked for each run on its root span.

Two deployments send side by side, one in production and the next version in staging.
"""

import json
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from pydantic_ai.capabilities import Instrumentation
from pydantic_ai.models.instrumented import InstrumentationSettings

from stepwell import semconv

PRODUCTION = {"deployment.environment.name": "production", "service.version": "2.3.0"}
STAGING = {"deployment.environment.name": "staging", "service.version": "2.4.0-rc.1"}
LARGEST_QUEUE = 1_000_000
"""More spans than a demo has: none may be dropped before it is sent."""


@dataclass(slots=True)
class Origin:
    """Who started a run, and the trace that it became."""

    user_id: str
    trace_id: str = ""

    def attributes(self) -> dict[str, str]:
        """What the run's root span says of it."""
        return {
            "user.id": self.user_id,
            "session.id": f"chat-{self.user_id}",
            semconv.TRIGGER_TYPE: "api",
            semconv.TRIGGER_SOURCE: json.dumps({"channel": "chat"}),
        }


current_origin: ContextVar[Origin | None] = ContextVar("current_origin", default=None)


class OriginProcessor(SpanProcessor):
    """Writes the current origin's attributes on root spans, and the trace id into the origin."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Called by the SDK as a span starts."""
        origin = current_origin.get()
        if origin is None or span.parent is not None:
            return
        origin.trace_id = f"{span.get_span_context().trace_id:032x}"
        span.set_attributes(origin.attributes())


class Telemetry:
    """The way out for both deployments: one exporter, one queue."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._queue = BatchSpanProcessor(exporter, max_queue_size=LARGEST_QUEUE, schedule_delay_millis=250)
        self.production = _instrumentation(PRODUCTION, self._queue)
        self.staging = _instrumentation(STAGING, self._queue)

    def close(self) -> None:
        """Sends what is still queued."""
        self._queue.shutdown()  # type: ignore[no-untyped-call]


def open_telemetry(otlp_http: str, key: str | None) -> Telemetry:
    """Telemetry that goes to an OTLP/HTTP receiver; `key` is the API key where one is needed."""
    headers = {"X-Stepwell-Key": key} if key else None
    return Telemetry(OTLPSpanExporter(endpoint=f"{otlp_http}/v1/traces", headers=headers))


def _instrumentation(deployment: Mapping[str, str], queue: BatchSpanProcessor) -> Instrumentation:
    resource = Resource.create({"service.name": "support-desk", **deployment})
    provider = TracerProvider(resource=resource, sampler=ALWAYS_ON, shutdown_on_exit=False)
    provider.add_span_processor(OriginProcessor())
    provider.add_span_processor(queue)
    return Instrumentation(settings=InstrumentationSettings(tracer_provider=provider))

"""The span processor: every span goes to the exporter when it starts and when it ends."""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from stepwell import notices, resources
from stepwell.exporting import Exporter


class LiveSpanProcessor(SpanProcessor):
    """Sends live spans at the start and finished ones at the end, of every sampled span of its provider."""

    def __init__(self, exporter: Exporter) -> None:
        self._exporter = exporter

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Called in the thread that starts the span."""
        try:
            if _is_sampled(span):
                self._exporter.start(span)
        except Exception as error:
            notices.count("step_failed", "A span could not be reported: %s", error)

    def on_end(self, span: ReadableSpan) -> None:
        """Called in the thread that ends the span."""
        try:
            resources.count_span(span)
            if _is_sampled(span):
                self._exporter.end(span)
        except Exception as error:
            notices.count("step_failed", "A span could not be reported: %s", error)

    def shutdown(self) -> None:
        """Sends what is left; called when the provider is shut down."""
        self._exporter.flush(self._exporter.pace.exit_timeout_s, is_final=True)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Sends everything that has ended; whether it was done in time."""
        return self._exporter.flush(timeout_millis / 1e3)


def _is_sampled(span: ReadableSpan) -> bool:
    found = span.get_span_context()
    return found is not None and found.trace_flags.sampled

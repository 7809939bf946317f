"""What all steps of this process share: where they go, how much of them is told, and by which clock.

`configuration` and `testing` set it; without either, steps go to whatever tracer provider the process has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind

from stepwell.redaction import Level, Redaction, rules

SCOPE = "stepwell"
DEFAULT_MAX_ATTRIBUTE_BYTES = 65_536

Starter: TypeAlias = Callable[[str, Context, SpanKind, dict[str, Any], int | None], Span]
"""Starts a span: name, context around it, kind, attributes of OpenTelemetry's kinds, start time."""


def by(tracer: trace.Tracer) -> Starter:
    """Starts spans by any tracer."""

    def start(name: str, outside: Context, kind: SpanKind, attributes: dict[str, Any], start_ns: int | None) -> Span:
        return tracer.start_span(name, outside, kind, attributes, start_time=start_ns)

    return start


@dataclass(frozen=True, slots=True)
class Runtime:
    """How this process reports its steps."""

    level: Level = "redacted"
    redaction: Redaction = field(default_factory=lambda: rules("redacted"))
    max_attribute_bytes: int = DEFAULT_MAX_ATTRIBUTE_BYTES
    start: Starter = field(default_factory=lambda: by(trace.get_tracer(SCOPE)))
    is_bound: bool = False
    """Whether what starts is known to be reported; else the process may have no tracer provider yet."""
    now_ns: Callable[[], int | None] = lambda: None
    """Start and end times; ``None`` leaves them to the SDK."""

    touch: Callable[[int], None] = lambda span_id: None
    """Sends a running span again, of this id, since it has something to tell that cannot wait for its end."""

    @property
    def reports(self) -> bool:
        """Whether steps go anywhere; where not, functions run as if they were not decorated."""
        return self.is_bound or not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


_current = Runtime()


def current() -> Runtime:
    """The runtime in use."""
    return _current


def use(runtime: Runtime) -> Runtime:
    """Puts another runtime in use; gives the one before."""
    global _current
    before, _current = _current, runtime
    return before

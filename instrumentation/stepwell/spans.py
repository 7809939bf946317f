"""Makes the spans of our steps: what OpenTelemetry's SDK makes, without what it does for spans of unknown origin.

The SDK asks its sampler, copies and checks each attribute, and makes lists for events and links that most steps never
have. Where its sampler takes everything and the attributes are ours, none of that has an effect; it costs an agent
more than all the rest of a step. Anything else is left to the SDK. The spans have the SDK's class as their base, so
that every processor and exporter takes them.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace import sampling
from opentelemetry.trace import Span, SpanContext, SpanKind, Status, TraceFlags

from stepwell.runtime import Starter, by

_UNSET: Final = Status()
_TAKE_ALL: Final = (sampling.ALWAYS_ON, sampling.DEFAULT_ON)
_RANDOM: Final = 0x02
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_NO_METRICS: Final = ("NoneType", "NoOpTracerMetrics")


def starter(tracer: trace.Tracer) -> Starter:
    """How spans are started with a tracer: as here, where that gives what the tracer would, else by the tracer."""
    if type(tracer) is sdk.Tracer and _takes_all(tracer):
        return _Maker(tracer).start
    return by(tracer)


def _takes_all(tracer: sdk.Tracer) -> bool:
    """Whether the SDK would take each span that has no parent or a sampled one, as it is, and count none."""
    try:
        is_enabled = getattr(tracer, "_is_enabled", lambda: True)
        return (
            any(tracer.sampler is sampler for sampler in _TAKE_ALL)
            and tracer._span_limits.max_span_attribute_length is None
            and type(getattr(tracer, "_tracer_metrics", None)).__name__ in _NO_METRICS
            and bool(is_enabled())
        )
    except AttributeError:
        return False


class _Maker:
    """Makes spans for one tracer of the SDK."""

    def __init__(self, tracer: sdk.Tracer) -> None:
        self.tracer = tracer
        self.scope = tracer._instrumentation_scope
        self.limits = tracer._span_limits
        self.processor = tracer.span_processor
        self.on_ending: Callable[[sdk.Span], None] | None = getattr(self.processor, "_on_ending", None)
        self._ids = tracer.id_generator
        at_most = self.limits.max_span_attributes
        self._max_attributes = sys.maxsize if at_most is None else at_most
        is_random = getattr(self._ids, "is_trace_id_random", lambda: False)()
        self._root_flags = TraceFlags(_SAMPLED | _RANDOM) if is_random else _SAMPLED

    def start(
        self, name: str, outside: Context, kind: SpanKind, attributes: dict[str, Any], start_ns: int | None
    ) -> Span:
        """Starts a span, and tells the processors."""
        parent: SpanContext | None = trace.get_current_span(outside).get_span_context()
        if parent is None or not parent.is_valid:
            parent = None
            trace_id = self._ids.generate_trace_id()
            context = SpanContext(trace_id, self._ids.generate_span_id(), False, self._root_flags)
        elif parent.trace_flags & _SAMPLED:
            flags = parent.trace_flags if parent.trace_flags <= _SAMPLED | _RANDOM else _SAMPLED
            context = SpanContext(parent.trace_id, self._ids.generate_span_id(), False, flags, parent.trace_state)
        else:
            return self.tracer.start_span(name, outside, kind, attributes, start_time=start_ns)
        span = StepSpan(self, name, kind, context, parent)
        span._attributes = attributes
        if len(attributes) > self._max_attributes:
            span.become_full()
        span._start_time = time.time_ns() if start_ns is None else start_ns
        self.processor.on_start(span, outside)
        return span


class StepSpan(sdk.Span):
    """A span of ours; its fields have the names that the SDK's own have.

    Attributes are a plain dictionary of known kinds until somebody else adds some; events and links likewise.
    """

    _attributes: Any
    _events: Any = ()
    _links: Any = ()
    _status = _UNSET
    _end_time: int | None = None
    _sampler = None
    _trace_config = None
    _record_exception = True
    _set_status_on_exception = True
    _record_end_metrics = None

    def __init__(
        self, maker: _Maker, name: str, kind: SpanKind, context: SpanContext, parent: SpanContext | None
    ) -> None:
        self._name, self._kind, self._context, self._parent = name, kind, context, parent
        self._lock = threading.Lock()
        self._resource = maker.tracer.resource
        self._instrumentation_scope = maker.scope
        self._instrumentation_info = maker.tracer.instrumentation_info
        self._limits = maker.limits
        self._span_processor = maker.processor
        self._tell_ending = maker.on_ending

    @property
    def attributes(self) -> Mapping[str, Any]:
        """A view; of a span that runs, of the attributes that it has now, since its thread may add some."""
        held = self._attributes
        return MappingProxyType(held.copy() if self._end_time is None and type(held) is dict else held)

    def tell(self, attributes: Mapping[str, Any]) -> None:
        """As `set_attributes`, of text, numbers and booleans that are known to be that."""
        if type(self._attributes) is dict and self._end_time is None:
            self._attributes.update(attributes)
        else:
            self.set_attributes(attributes)

    def set_attribute(self, key: str, value: Any) -> None:
        """As the SDK does, with its checks and limits."""
        self.become_full()
        super().set_attribute(key, value)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """As the SDK does, with its checks and limits."""
        self.become_full()
        super().set_attributes(attributes)

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        """As the SDK does."""
        self.become_full()
        super().add_event(name, attributes, timestamp)

    def add_link(self, context: SpanContext, attributes: Any = None) -> None:
        """As the SDK does."""
        self.become_full()
        super().add_link(context, attributes)

    def end(self, end_time: int | None = None) -> None:
        """Ends the span and hands it on as it is; only the first call counts."""
        with self._lock:
            if self._end_time is not None:
                return
            self._end_time = time.time_ns() if end_time is None else end_time
        if self._tell_ending is not None:
            self._tell_ending(self)
        self._span_processor.on_end(self)

    def become_full(self) -> None:
        """Has what the SDK's methods work on."""
        with self._lock:
            if type(self._attributes) is dict and self._end_time is None:
                limits = self._limits
                self._attributes = BoundedAttributes(limits.max_span_attributes, self._attributes, immutable=False)
                self._events = self._new_events()  # type: ignore[no-untyped-call]
                self._links = self._new_links(())

"""Spans of ours are to every processor, exporter and caller what the SDK's are."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanLimits, SpanProcessor, TracerProvider, sampling
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags, TraceState

from stepwell import runtime, spans
from stepwell.testing import START_NS, FixedIds

ATTRIBUTES: dict[str, Any] = {"text": "a", "number": 1, "share": 0.5, "flag": True, "list": ("a", "b")}
SAMPLED = SpanContext(7, 8, is_remote=True, trace_flags=TraceFlags(3), trace_state=TraceState([("a", "1")]))
UNSAMPLED = SpanContext(7, 8, is_remote=True)


class Kept(SpanProcessor):
    """Keeps what it is told of spans, at their start and at their end."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        span.set_attribute("seen", True)
        self.told.append(("start", plain(span)))

    def on_end(self, span: ReadableSpan) -> None:
        self.told.append(("end", plain(span)))


def plain(span: ReadableSpan) -> Any:
    found = span.get_span_context()
    counts = (span.dropped_attributes, span.dropped_events, span.dropped_links)
    return json.loads(span.to_json()), found, span.parent, span.instrumentation_scope, counts


def both(use: Callable[[trace.Span], object], above: SpanContext | None = None, **provider: Any) -> list[Any]:
    """What a processor was told, and the kind of span: of one that the SDK starts, and of one of ours."""
    found = []
    for of in (runtime.by, spans.starter):
        kept = Kept()
        made = TracerProvider(id_generator=FixedIds(), shutdown_on_exit=False, **provider)
        made.add_span_processor(kept)
        outside = trace.set_span_in_context(NonRecordingSpan(above), Context()) if above else Context()
        start = of(made.get_tracer("scope", "1"))
        span = start("name", outside, SpanKind.CLIENT, dict(ATTRIBUTES), START_NS)
        use(span)
        span.end(START_NS + 5)
        found.append((kept.told, span.is_recording(), span.get_span_context()))
    return found


def change(span: trace.Span) -> None:
    span.set_attribute("more", [1, 2])
    span.set_attributes({"text": "b", "none": None})
    span.add_event("happened", {"k": "v"}, START_NS + 1)
    span.add_link(SAMPLED, {"why": "x"})
    span.update_name("renamed")
    span.set_status(StatusCode.ERROR, "broken")


def record(span: trace.Span) -> None:
    span.record_exception(ValueError("no"), timestamp=START_NS + 2)


USES: dict[str, Callable[[trace.Span], object]] = {
    "nothing": lambda span: None,
    "changes": change,
    "an exception": record,
    "an end": lambda span: span.end(START_NS + 3),
}


@pytest.mark.parametrize("above", [None, SAMPLED, UNSAMPLED], ids=["root", "sampled", "unsampled"])
@pytest.mark.parametrize("use", USES)
@pytest.mark.filterwarnings("ignore")
def test_span_is_told_as_the_sdk_tells_it(use: str, above: SpanContext | None) -> None:
    theirs, ours = both(USES[use], above)
    assert ours == theirs


LIMITS = SpanLimits(max_span_attributes=3, max_events=1)


@pytest.mark.parametrize(
    "provider",
    [
        {"span_limits": LIMITS},
        {"span_limits": SpanLimits(max_span_attribute_length=2)},
        {"sampler": sampling.ALWAYS_OFF},
        {"sampler": sampling.ParentBased(sampling.TraceIdRatioBased(0.0))},
    ],
    ids=["few attributes", "short attributes", "off", "ratio"],
)
def test_limits_and_samplers_of_a_provider_hold(provider: dict[str, Any]) -> None:
    theirs, ours = both(change, **provider)
    assert ours == theirs


def test_span_that_has_ended_stays_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    made = TracerProvider(shutdown_on_exit=False)
    span = spans.starter(made.get_tracer("scope"))("name", context.Context(), SpanKind.INTERNAL, {"a": 1}, None)
    assert isinstance(span, spans.StepSpan)
    span.end()
    before = span.to_json()
    span.tell({"b": 2})
    span.add_event("late")
    span.set_status(StatusCode.ERROR)
    span.end()
    assert span.to_json() == before
    assert "ended span" in caplog.text

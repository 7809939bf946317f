"""Requests that we write are those that OpenTelemetry's own exporter writes of the same spans."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags, TraceState, set_span_in_context
from opentelemetry.trace.span import NonRecordingSpan

from stepwell import notices
from stepwell.encoding import Encoder

PLENTY = 10**9
FAR = SpanContext(
    2**127 + 5, 2**63 + 7, is_remote=True, trace_flags=TraceFlags(1), trace_state=TraceState([("a", "1")])
)
NEAR = SpanContext(2**126, 2**62, is_remote=False)

INTEGERS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(codec="utf-8"))
PLAIN = TEXTS | INTEGERS | st.booleans() | st.floats(allow_nan=False) | st.binary()
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4))


def decoded(spans: list[ReadableSpan], max_spans: int = PLENTY, max_bytes: int = PLENTY) -> list[Any]:
    requests = list(Encoder().requests(spans, max_spans, max_bytes))
    found = [ExportTraceServiceRequest.FromString(body) for body, _ in requests]
    counts = [sum(len(s.spans) for r in request.resource_spans for s in r.scope_spans) for request in found]
    assert counts == [count for _, count in requests]
    return found


def span_of(attributes: dict[str, Any]) -> ReadableSpan:
    return ReadableSpan(
        "s", SpanContext(1, 2, is_remote=False), resource=Resource({}), attributes=attributes, start_time=1, end_time=2
    )


def varied_spans() -> list[ReadableSpan]:
    """Of several resources and scopes, with everything that a span may have."""
    kept = InMemorySpanExporter()
    for name in ("a", "b"):
        limits = SpanLimits(max_span_attributes=6, max_events=2, max_links=1, max_event_attributes=1)
        provider = TracerProvider(resource=Resource({"service.name": name}, "https://schema/r"), span_limits=limits)
        provider.add_span_processor(SimpleSpanProcessor(kept))
        for tracer in (provider.get_tracer("x", "1", "https://schema/s", {"k": 1}), provider.get_tracer("y")):
            above = set_span_in_context(NonRecordingSpan(FAR))
            for kind in SpanKind:
                span = tracer.start_span(f"{kind.name} ☂", above, kind, links=[Link(NEAR, {"why": "x"})] * 2)
                above = set_span_in_context(span)
                span.set_attributes({f"k{number}": [number, -number] for number in range(8)})
                for number in range(3):
                    span.add_event("told", {"a": 1.5, "b": True}, number)
                span.set_status(StatusCode.ERROR if kind is SpanKind.SERVER else StatusCode.OK, "why" * 100)
                span.end()
            tracer.start_span("bare").end()
        provider.shutdown()
    return list(kept.get_finished_spans())


def test_requests_are_those_of_the_official_exporter() -> None:
    spans = varied_spans()
    assert decoded(spans) == [encode_spans(spans)]


@given(st.dictionaries(TEXTS, VALUES, max_size=5))
def test_values_of_any_kind_are_written_as_the_official_exporter_does(attributes: dict[str, Any]) -> None:
    spans = [span_of(attributes)]
    assert decoded(spans) == [encode_spans(spans)]


@pytest.mark.parametrize(
    ("value", "told"),
    [(2**63, str(2**63)), ("a\ud800b", "a?b"), ({1}, "{1}"), (range(2), [0, 1])],
    ids=["large integer", "lone surrogate", "set", "sequence"],
)
def test_what_otlp_has_no_kind_for_is_told_all_the_same(value: Any, told: Any) -> None:
    (request,) = decoded([span_of({"k": value})])
    (attribute,) = request.resource_spans[0].scope_spans[0].spans[0].attributes
    found = attribute.value
    numbers = [item.int_value for item in found.array_value.values]
    assert (found.string_value or numbers) == told


def test_requests_are_of_bounded_size() -> None:
    spans = [span_of({"text": "x" * 1_000}) for _ in range(10)]
    assert len(decoded(spans, max_spans=4)) == 3
    assert len(decoded(spans, max_bytes=2_500)) == 5
    assert len(decoded([span_of({"text": "x" * 9_000})] * 2, max_bytes=2_500)) == 2


def test_span_that_cannot_be_written_is_counted_and_keeps_none_back() -> None:
    before = notices.counts().get("spans_unreadable", 0)
    (request,) = decoded([ReadableSpan("no ids"), span_of({})])
    assert [span.name for span in request.resource_spans[0].scope_spans[0].spans] == ["s"]
    assert notices.counts()["spans_unreadable"] == before + 1

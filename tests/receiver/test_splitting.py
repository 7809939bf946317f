"""Large requests come apart into small ones that together hold the same."""

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from stepwell_receiver.errors import MalformedBodyError
from stepwell_receiver.splitting import UNDIVIDED_BYTES, is_one_part, split

PART_BYTES = 100_000


def request(*groups: tuple[int, int, int]) -> ExportTraceServiceRequest:
    """Groups as number of scopes, of spans in each, and bytes of a span's name."""
    number = 0
    resources: list[ResourceSpans] = []
    for scopes, spans, size_bytes in groups:
        scoped = []
        for scope in range(scopes):
            scoped.append(ScopeSpans(scope=InstrumentationScope(name=f"scope {scope}"), schema_url="s"))
            for _ in range(spans):
                number += 1
                scoped[-1].spans.append(Span(span_id=number.to_bytes(8), name="n" * size_bytes))
        resource = Resource(dropped_attributes_count=len(resources))
        resources.append(ResourceSpans(resource=resource, scope_spans=scoped, schema_url="r"))
    return ExportTraceServiceRequest(resource_spans=resources)


def spans(body: ExportTraceServiceRequest) -> list[tuple[str, str, str, str, str]]:
    return [
        (str(group.resource), group.schema_url, str(scoped.scope), scoped.schema_url, str(span))
        for group in body.resource_spans
        for scoped in group.scope_spans
        for span in scoped.spans
    ]


@pytest.mark.parametrize(
    "whole",
    [
        pytest.param(request((1, 1500, 1000)), id="one group"),
        pytest.param(request((3, 100, 2000), (2, 1, 10), (1, 900, 1000)), id="several groups"),
        pytest.param(request((1, 60_000, 10)), id="tiny spans"),
        pytest.param(request((2, 1, 1_000_000)), id="spans larger than a part"),
    ],
)
def test_parts_hold_the_same_in_the_same_order(whole: ExportTraceServiceRequest) -> None:
    bodies = list(split(whole.SerializeToString(), part_bytes=PART_BYTES, part_items=1_000))
    parts = [ExportTraceServiceRequest.FromString(body) for body in bodies]
    assert [span for part in parts for span in spans(part)] == spans(whole)
    assert all(len(spans(part)) == 1 or len(body) < 1.2 * PART_BYTES for part, body in zip(parts, bodies, strict=True))
    assert all(1 <= len(spans(part)) <= 1_000 for part in parts)


def test_small_request_stays_whole() -> None:
    body = request((2, 10, 10)).SerializeToString()
    assert list(split(body, part_bytes=10, part_items=1)) == [body]


@pytest.mark.parametrize(
    ("whole", "is_one"),
    [
        pytest.param(request((2, 10, 10)), True, id="small"),
        pytest.param(request((1, 500, 3000)), True, id="few spans"),
        pytest.param(request((1, 60_000, 10)), False, id="many spans"),
        pytest.param(request((1, 5, 1_000_000)), False, id="large spans"),
    ],
)
def test_request_of_few_spans_is_one_part(whole: ExportTraceServiceRequest, is_one: bool) -> None:
    assert is_one_part(whole.SerializeToString()) is is_one


def test_what_is_no_request_is_refused() -> None:
    with pytest.raises(MalformedBodyError):
        list(split(b"\xff" * (UNDIVIDED_BYTES + 1)))

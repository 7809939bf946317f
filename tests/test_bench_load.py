"""The load of the benchmarks: what its truth says is what its requests hold."""

from collections import Counter

import pytest
from bench.bodies import Load, Plan, make_load
from bench.figures import quantile
from bench.sending import schedule
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

PLAN = Plan(spans=2_000, spans_per_request=100)


@pytest.fixture(scope="module")
def load() -> Load:
    return make_load(PLAN)


def spans_of(load: Load) -> list[Span]:
    found: list[Span] = []
    for request in load.requests:
        held = ExportTraceServiceRequest.FromString(request.body)
        spans = [span for group in held.resource_spans for scope in group.scope_spans for span in scope.spans]
        assert len(spans) == request.spans
        found += spans
    return found


def test_every_span_is_sent_once(load: Load) -> None:
    sent = Counter((span.trace_id, span.span_id) for span in spans_of(load))
    assert sent.keys() == load.span_ids
    assert set(sent.values()) == {1}
    assert Counter(trace_id for trace_id, _ in sent) == load.sizes


def test_truth_by_agent_is_what_the_spans_add_up_to(load: Load) -> None:
    spans = spans_of(load)
    roots = [span for span in spans if not span.parent_span_id]
    assert Counter(span.name.removeprefix("invoke_agent ") for span in roots) == {
        name: told.executions for name, told in load.agents.items()
    }
    assert sum(told.failed for told in load.agents.values()) == sum(span.status.code == 2 for span in roots)
    given = [pair.value.int_value for span in spans for pair in span.attributes if pair.key.endswith("input_tokens")]
    assert sum(told.prompt_tokens for told in load.agents.values()) == sum(given)


def test_runs_are_cut_and_come_before_their_agents(load: Load) -> None:
    places = {
        (span.trace_id, span.span_id): place
        for place, request in enumerate(load.requests)
        for group in ExportTraceServiceRequest.FromString(request.body).resource_spans
        for span in group.scope_spans[0].spans
    }
    last = {trace_id: max(place for (t, _), place in places.items() if t == trace_id) for trace_id in load.sizes}
    assert last == load.last_requests
    assert any(place < last[trace_id] for (trace_id, _), place in places.items())


def test_repeated_requests_and_spans_are_no_new_ones(load: Load) -> None:
    repeated = make_load(Plan(spans=2_000, spans_per_request=100, duplicates=0.2))
    assert len(repeated.span_ids) == len(load.span_ids)
    assert Counter((span.trace_id, span.span_id) for span in spans_of(repeated)).keys() == repeated.span_ids
    assert repeated.spans_sent > load.spans_sent


def test_large_and_small_payloads_have_their_sizes(load: Load) -> None:
    assert load.bytes_per_span == pytest.approx(1_900, rel=0.05)
    assert make_load(Plan(spans=2_000, payload="small")).bytes_per_span == pytest.approx(550, rel=0.05)


def test_requests_are_due_at_the_rate_of_their_spans(load: Load) -> None:
    due_s = schedule(load.requests[:4], 10.0, 50.0)
    assert due_s[:4] == [10.0, 12.0, 14.0, 16.0]


@pytest.mark.parametrize(("share", "wanted"), [(0.5, 2), (0.99, 4), (0.25, 1), (0.51, 3)])
def test_quantile_is_the_smallest_that_the_share_does_not_exceed(share: float, wanted: float) -> None:
    assert quantile([4, 2, 1, 3], share) == wanted

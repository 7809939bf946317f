"""Executions are a pure function of the set of spans: no order, batching or repetition changes them."""

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.spans import Sent, agent, chat, exception, steps, tool

from stepwell_storage.fold import fold_trace
from stepwell_storage.model import Step

KINDS = ("agent", "chat", "tool", "chain", "plain", "live")


@st.composite
def traces(draw: st.DrawFn) -> list[Step]:
    """Any tree or heap of up to 25 spans: missing parents, circles, ties in time, failures, live spans."""
    count = draw(st.integers(1, 25))
    sent = []
    for i in range(count):
        parent = draw(st.one_of(st.none(), st.integers(0, count).map(lambda n: f"s{n}")))
        more: dict[str, Any] = {
            "parent": parent,
            "at_ms": draw(st.integers(0, 20)),
            "for_ms": draw(st.integers(-1, 20)),
            "status": draw(st.sampled_from((0, 0, 1, 2))),
            "flags": draw(st.sampled_from((0, 0x100, 0x300))),
            "scope": draw(st.sampled_from(("one", "two"))),
            "events": [exception("TimeoutError", "t")] if draw(st.booleans()) else (),
        }
        sent.append(_span(f"s{i}", draw(st.sampled_from(KINDS)), more))
    return steps(*sent)


def _span(key: str, kind: str, more: dict[str, Any]) -> Sent:
    match kind:
        case "agent":
            return agent(key, **more)
        case "chat":
            return chat(key, attributes={"gen_ai.response.id": f"r{len(key)}"}, **more)
        case "tool":
            return tool(key, **more)
        case "chain":
            return Sent(key, {"openinference.span.kind": "CHAIN"}, **more)
        case "live":
            return Sent(key, {"stepwell.span.state": "started"}, **more)
        case _:
            return Sent(key, **more)


@given(traces(), st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_order_and_repetition_change_nothing(spans: list[Step], chance: random.Random) -> None:
    shuffled = [*spans, *chance.sample(spans, len(spans) // 2)]
    chance.shuffle(shuffled)

    assert fold_trace(shuffled) == fold_trace(spans)


@given(traces())
@settings(max_examples=300, deadline=None)
def test_every_step_is_placed_at_most_once_and_counts_add_up(spans: list[Step]) -> None:
    executions = fold_trace(spans)

    placed = [p.step.span_id for e in executions for p in e.placements]
    assert len(placed) == len(set(placed)) <= len({s.span_id for s in spans})
    for e in executions:
        assert [p.index for p in e.placements] == list(range(e.steps_total))
        assert 0 <= e.steps_completed <= e.steps_total
        counted = [p.step.prompt_tokens for p in e.placements if p.counts_tokens and p.step.prompt_tokens is not None]
        assert (e.prompt_tokens or 0) == sum(counted)
        assert len({e.execution_id for e in executions}) == len(executions)

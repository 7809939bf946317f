"""What is remembered of spans never shows: a span is mapped the same, whatever was mapped before it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.captures import Capture, captures
from tests.spans import Sent, exception, steps

from stepwell_receiver import alike, shapes, wire
from stepwell_receiver.dialects import DIALECTS, SCOPED
from stepwell_receiver.dialects.base import OPERATION_KINDS
from stepwell_receiver.mapping import map_request
from stepwell_receiver.protobuf import decode_traces
from stepwell_storage.model import Step

KEYS = sorted(
    {key for dialect in DIALECTS for keys in dialect.fields.values() for key in keys}
    | {key for dialect in DIALECTS for key in (*dialect.markers, *dialect.input_keys, *dialect.output_keys)}
    | {"gen_ai.operation.name", "error.type", "error.message", "metadata", "stepwell.step.type", "stepwell.span.state"}
    | {"http.method", "http.route", "db.system", "span.kind", "node_type", "stepwell.input", "faas.trigger"}
)
WORDS = ("", "null", "LLM", "AGENT", "tool", "llm", "generation", "task", "gpt-4o", "weather", "error", "started")
JSON = ('{"thread_id": "t", "isError": true}', '[{"role": "user"}]', '{"input": 3, "output": 4}', '"x"', "{")
OTHERS = (None, 1, 1.0, True, 0, False, "1", "True", b"1", ["stop"], [1], {"a": 1}, "y" * 3_000)
VALUES: st.SearchStrategy[Any] = st.sampled_from((*WORDS, *OPERATION_KINDS, *JSON, *OTHERS))
NAMES = ("chat gpt-4o", "invoke_agent x", "x.kickoff", "execute_tool y", "POST", "cron job", "step 1", "tools/call z")
SCOPES = (*sorted(SCOPED), "tests", "openinference.instrumentation.langchain")
EVENTS = (exception("ValueError", "no"), wire.Event("gen_ai.choice", 5, {"finish_reason": "stop", "message": "{}"}))


@st.composite
def similar_spans(draw: st.DrawFn) -> list[Sent]:
    """Spans of few shapes, so that much of one may be taken for another's."""
    sets_of_keys = draw(st.lists(st.lists(st.sampled_from(KEYS), max_size=5, unique=True), min_size=1, max_size=2))
    spans = []
    for number in range(draw(st.integers(4, 10))):
        keys = draw(st.sampled_from(sets_of_keys))
        spans.append(
            Sent(
                str(number),
                {key: draw(VALUES) for key in keys},
                name=draw(st.sampled_from(NAMES)),
                kind=draw(st.integers(0, 5)),
                status=draw(st.integers(0, 2)),
                scope=draw(st.sampled_from(SCOPES)),
                events=draw(st.lists(st.sampled_from(EVENTS), max_size=2)),
            )
        )
    return spans


def fresh_step(sent: Sent) -> Step:
    """The span as a process maps it that has seen no other."""
    shapes.forget()
    return steps(sent)[0]


@given(similar_spans())
def test_a_span_is_mapped_the_same_whatever_came_before(spans: list[Sent]) -> None:
    alone = [fresh_step(span) for span in spans]
    shapes.forget()
    for _ in range(3):
        assert [steps(span)[0] for span in spans] == alone


@pytest.mark.parametrize("capture", [pytest.param(capture, id=capture.name) for capture in captures()])
def test_captures_are_mapped_the_same_when_everything_is_known(capture: Capture) -> None:
    bodies = list(capture.bodies())
    shapes.forget()
    first = [map_request(decode_traces(body), max_attribute_bytes=1 << 20) for body in bodies]
    for _ in range(2):
        assert [map_request(decode_traces(body), max_attribute_bytes=1 << 20) for body in bodies] == first


def test_values_that_only_look_the_same_are_told_apart() -> None:
    def named(agent: Any) -> Sent:
        return Sent("a", {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": agent})

    for _ in range(3):
        assert [step.agent_name for step in steps(*map(named, (1, True, 1.0, "1", "True")))] == [
            "1",
            "true",
            "1.0",
            "1",
            "True",
        ]


def test_attributes_tell_what_was_asked_of_them() -> None:
    watched = alike.Watched({"a": 1, "b": 2, "c": 3, "d": 4})

    assert "a" in watched
    assert list(watched) == ["a", "b", "c", "d"]
    assert not watched.asked  # which keys there are is known from the shape
    assert (watched.get("b"), watched["c"], watched.get("x")) == (2, 3, None)
    assert list(watched.asked) == ["b", "c"]
    assert {**watched.along_with({"d": 5, "e": 6})} == {"a": 1, "b": 2, "c": 3, "d": 5, "e": 6}
    assert list(watched.asked) == ["b", "c", "a"]


def test_what_is_never_asked_for_again_is_not_remembered() -> None:
    shape = shapes.shape_of({"gen_ai.agent.name": ""})
    for number in range(1_500):
        steps(Sent("a", {"gen_ai.agent.name": f"agent {number}"}))

    assert shape.memo is not None
    assert len(shape.memo.known) < 300


def test_memory_is_bounded_whatever_is_sent() -> None:
    shapes.forget()
    for number in range(20_000):
        steps(Sent("a", {f"{number}".rjust(300, "x"): "x", "gen_ai.agent.name": "a"}), resource={})

    assert shapes.CACHED_BYTES // 4 < shapes.remembered_bytes() <= shapes.CACHED_BYTES

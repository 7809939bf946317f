"""Spans of instrumentations that nobody described are read by the words in their keys, names and kinds."""

from typing import Any

import pytest
from tests.folding import only
from tests.spans import Sent, step

from stepwell_receiver import wire
from stepwell_storage.model import Role, Status


@pytest.mark.parametrize(
    ("attributes", "role"),
    [
        ({"acme.span.kind": "LLM"}, Role.MODEL),
        ({"span.type": "tool"}, Role.TOOL),
        ({"acme.observation.type": "tool_call"}, Role.TOOL),
        ({"run_type": "retriever"}, Role.RETRIEVAL),
        ({"acme.spanKind": "Agent"}, Role.AGENT),
        ({"entity.type": "agent", "span.type": "llm"}, Role.MODEL),
        ({"acme.node.type": "embedding"}, Role.EMBEDDING),
        ({"acme.span.kind": "memory"}, Role.OTHER),
        ({"acme.model": "m", "acme.usage.prompt_tokens": 3}, Role.MODEL),
        ({"car.model": "T", "car.usage.total": 3}, Role.OTHER),
        ({"span.type": "tool", "http.request.method": "GET"}, Role.OTHER),
    ],
)
def test_words_tell_the_kind_of_work(attributes: dict[str, Any], role: Role) -> None:
    assert step(Sent("s", attributes)).role is role


def test_an_unknown_instrumentations_run_is_counted_and_named() -> None:
    run = only(
        Sent("a", {"acme.span.kind": "agent", "acme.agent.name": "buyer", "conversation.id": "c-1"}, for_ms=50),
        Sent(
            "m",
            {
                "acme.span.kind": "llm",
                "acme.llm.modelName": "gpt-4o",
                "acme.usage.inputTokens": 30,
                "acme.usage.outputTokens": 4,
                "acme.llm.finish_reason": "stop",
                "user_id": "u-1",
            },
            "a",
            at_ms=20,
        ),
        Sent("t", {"acme.span.kind": "tool", "acme.tool.name": "search", "output": "x"}, "a", "run tool", at_ms=5),
    )

    assert (run.agent_id, run.status, run.session_id, run.user_id) == ("buyer", Status.SUCCESS, "c-1", "u-1")
    assert (run.prompt_tokens, run.completion_tokens, run.models) == (30, 4, ("gpt-4o",))
    assert [p.step.step_name for p in run.placements] == ["buyer", "search", "m"]


@pytest.mark.parametrize("key", ["thread.id", "mcp.session.id", "tokens"])
def test_words_that_mean_something_else_are_left_alone(key: str) -> None:
    read = step(Sent("s", {"acme.span.kind": "llm", key: "7"}))

    assert (read.session_id, read.conversation_id, read.prompt_tokens) == (None, None, None)


def test_a_plain_function_gets_no_payload_from_its_words() -> None:
    read = step(Sent("s", {"prompt": "x", "result": "y", "user_id": "u"}, kind=wire.KIND_SERVER))

    assert (read.role, read.has_input, read.has_output, read.user_id) == (Role.OTHER, False, False, None)

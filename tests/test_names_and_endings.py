"""Names that are a model's or a method's, sums on wrapped calls, and agents that hold no answer at their end."""

import pytest
from tests.folding import OI, OUTPUT, fold, only
from tests.spans import Sent, agent, chat, exception, step, tool

from stepwell_receiver import wire
from stepwell_receiver.naming import framework_of
from stepwell_storage.model import Role, Status


def test_an_agents_span_that_is_called_after_its_model_names_no_agent() -> None:
    run = only(
        Sent(
            "a",
            {"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "gpt-4o", **OUTPUT},
            name="invoke_agent gpt-4o",
            for_ms=40,
        ),
        chat("c", parent="a"),
    )

    assert (run.agent_id, run.agent_name) == ("shop", None)


def test_a_method_of_the_framework_names_no_agent() -> None:
    run = only(
        Sent("a", {"ai.operationId": "ai.generateText", **OUTPUT}, name="ai.generateText", scope="ai", for_ms=40),
        chat("c", parent="a"),
    )

    assert (run.agent_id, run.agent_name) == ("shop", None)


@pytest.mark.parametrize("pattern", ["Sequential", "Concurrent", "GroupChat", "Magentic", "Handoff"])
def test_a_workflow_that_is_called_after_its_pattern_goes_by_its_first_agent(pattern: str) -> None:
    run = only(
        Sent("w", {"gen_ai.workflow.name": pattern, **OUTPUT}, name=f"invoke_workflow {pattern}", for_ms=50),
        agent("a", "writer", parent="w"),
        agent("b", "reviewer", parent="w", at_ms=20),
    )

    assert run.agent_id == "writer"


@pytest.mark.parametrize(
    ("scope", "framework"),
    [
        ("@arizeai/openinference-instrumentation-langchain", "langchain"),
        ("@traceloop/instrumentation-openai", "openai"),
        ("@opentelemetry/instrumentation-openai", "openai"),
        ("@mastra/otel-exporter", "mastra"),
        ("semantic_kernel.utils.telemetry.agent_diagnostics", "semantic-kernel"),
        ("@acme/app", None),
    ],
)
def test_scopes_of_javascript_packages_tell_the_framework(scope: str, framework: str | None) -> None:
    assert framework_of(scope) == framework


def test_a_tools_span_kind_counts_more_than_the_agents_name_on_it() -> None:
    read = step(
        Sent("s", {"traceloop.span.kind": "tool", "traceloop.entity.name": "search", "gen_ai.agent.name": "buyer"})
    )

    assert (read.role, read.step_name) == (Role.TOOL, "search")


def test_usage_of_a_wrapped_call_counts_where_the_calls_in_it_tell_none() -> None:
    run = only(
        agent("a", attributes=OUTPUT, for_ms=100),
        chat("all", (230, 22), parent="a", for_ms=90, scope="x"),
        chat("first", None, parent="all", at_ms=1, scope="x"),
        tool("t", parent="all", at_ms=20),
        agent("inner", parent="t", at_ms=21, for_ms=8, attributes=OUTPUT),
        chat("inner call", (70, 7), parent="inner", at_ms=22, for_ms=5),
        chat("second", None, parent="all", at_ms=50, scope="x"),
    )

    assert (run.prompt_tokens, run.completion_tokens) == (300, 29)
    assert sum(p.operation == "chat" for p in run.placements) == 3


def test_a_failed_last_call_fails_an_agent_that_holds_no_more_than_its_calls_for_tools() -> None:
    failed = chat(
        "c2", None, reason=None, parent="a", at_ms=30, status=wire.STATUS_ERROR, events=[exception("APIError", "no")]
    )
    run = only(
        agent("a", attributes={"gen_ai.response.finish_reasons": ["tool-calls"], **OUTPUT}, for_ms=50),
        chat("c1", reason="tool-calls", parent="a", at_ms=1),
        tool("t", parent="a", at_ms=15),
        failed,
    )

    assert (run.status, run.error_type) == (Status.FAILED, "APIError")


def test_an_agent_that_stopped_at_its_limit_of_calls_is_a_success() -> None:
    run = only(
        agent("a", attributes={"gen_ai.response.finish_reasons": ["tool-calls"], **OUTPUT}, for_ms=50),
        chat("c1", reason="tool-calls", parent="a", at_ms=1),
        tool("t", parent="a", at_ms=15),
    )

    assert run.status is Status.SUCCESS


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.response.finish_reasons": ["other"], **OUTPUT},
        {"stepwell.output": '{"status":"aborted","reason":"abort"}'},
    ],
    ids=["no known reason", "says so"],
)
def test_an_agent_that_was_broken_off_after_a_tool_is_cancelled(attributes: dict[str, str]) -> None:
    run = only(
        agent("a", attributes=attributes, for_ms=500),
        chat("c1", reason="tool-calls", parent="a", at_ms=1),
        tool("t", parent="a", at_ms=15),
    )

    assert run.status is Status.CANCELLED


def test_an_answer_counts_though_clocks_let_it_begin_a_moment_before_its_tool() -> None:
    run = only(
        agent("a", for_ms=100),
        chat("c1", reason="tool_calls", parent="a", at_ms=1),
        chat("c2", parent="a", at_ms=19.6, for_ms=60),
        tool("t", parent="a", at_ms=20, for_ms=0.1),
    )

    assert run.status is Status.SUCCESS


def test_the_metadata_of_a_span_tells_session_and_user() -> None:
    read = step(Sent("s", {OI: "AGENT", "metadata": '{"sessionId": "s-1", "userId": "u-1", "thread_id": "t-1"}'}))

    assert (read.session_id, read.user_id, read.conversation_id) == ("s-1", "u-1", "t-1")


def test_what_a_span_says_itself_goes_before_its_metadata() -> None:
    told = Sent("s", {OI: "AGENT", "metadata": '{"session_id": "other"}', "session.id": "own"})

    assert step(told).session_id == "own"


def test_parts_of_a_reply_are_no_model_calls() -> None:
    (run,) = fold(
        Sent("m", {OI: "LLM", "mastra.span.type": "model_step"}, name="model_step", for_ms=20),
        Sent("p", {OI: "LLM", "mastra.span.type": "model_chunk"}, "m", "model_chunk", at_ms=3, for_ms=1),
    )

    assert [p.operation for p in run.placements] == ["chat", "function"]


def test_a_finish_reason_is_the_members_name_of_an_enumeration() -> None:
    assert step(chat("c", reason="FinishReason.STOP")).finish_reason == "STOP"


INTERRUPT = exception("langgraph.errors.GraphInterrupt", "(Interrupt(value='book?'),)")


def test_an_agent_that_waits_for_a_person_neither_succeeded_nor_failed_though_its_span_is_fine() -> None:
    paused = [
        agent("a", for_ms=100, status=wire.STATUS_OK, attributes=OUTPUT),
        chat("c", reason="tool_calls", parent="a", at_ms=1),
        tool("t", "book", parent="a", at_ms=20, status=wire.STATUS_OK, events=[INTERRUPT]),
    ]

    run = only(*paused)

    assert (run.status, run.error_type, run.error_step_name) == (Status.CANCELLED, "GraphInterrupt", "book")
    assert only(*paused, chat("c2", parent="a", at_ms=40)).status is Status.SUCCESS


def test_a_graph_that_one_of_its_nodes_interrupts_waits() -> None:
    run = only(
        agent("a", for_ms=100, attributes=OUTPUT),
        chat("c", parent="a", at_ms=1),
        Sent("approve", {OI: "CHAIN"}, parent="a", at_ms=20, status=wire.STATUS_ERROR, events=[INTERRUPT]),
    )

    assert (run.status, run.error_step_name) == (Status.CANCELLED, "approve")


def test_a_tool_that_was_given_something_and_returned_nothing_before_its_run_ended_waits_for_approval() -> None:
    waiting = tool("t", "book", attributes={"stepwell.input": '{"city": "Graz"}'}, parent="a", at_ms=20, for_ms=79)
    run = only(agent("a", for_ms=100), chat("c", parent="a", at_ms=1), waiting)

    assert run.status is Status.CANCELLED
    assert [p.status for p in run.placements] == [Status.SUCCESS, Status.SUCCESS, Status.CANCELLED]


def test_the_tool_that_a_cancelled_run_ended_in_was_cancelled_with_it() -> None:
    run = only(
        agent("a", for_ms=100, status=wire.STATUS_ERROR, events=[exception("CancelledError", "")]),
        chat("c", reason="tool_calls", parent="a", at_ms=1),
        tool("t", parent="a", at_ms=20, for_ms=79),
    )

    assert [(p.operation, p.status) for p in run.placements][-1] == ("execute_tool", Status.CANCELLED)


@pytest.mark.parametrize(
    "output",
    [
        '{"type": "tool", "data": {"content": "{\\"error\\": \\"no such city\\"}", "tool_call_id": "c1"}}',
        '{"output": {"kwargs": {"content": "{\\"error\\": \\"no such city\\"}", "tool_call_id": "c1"}}}',
    ],
    ids=["message", "constructor"],
)
def test_a_tools_message_that_holds_nothing_but_an_error_is_a_failure(output: str) -> None:
    failed = step(tool("t", attributes={"stepwell.output": output}))

    assert (failed.status, failed.error_message) == (Status.FAILED, "no such city")


def test_an_agent_whose_last_reply_is_an_interrupt_waits() -> None:
    def reply(reason: str) -> wire.Event:
        return wire.Event("gen_ai.choice", 0, {"message": "[…]", "finish_reason": reason})

    run = only(
        agent("a", for_ms=100, events=[reply("interrupt")]),
        chat("c", reason=None, parent="a", at_ms=1, events=[reply("tool_use")]),
        tool("t", "book", parent="a", at_ms=20, for_ms=79),
    )

    assert [p.status for p in run.placements] == [Status.SUCCESS, Status.SUCCESS, Status.CANCELLED]
    assert run.status is Status.CANCELLED


def test_a_swarm_without_a_name_goes_by_its_first_agent() -> None:
    swarm = Sent("s", {"gen_ai.operation.name": "invoke_swarm"}, name="invoke_swarm", for_ms=50)

    assert only(swarm, agent("a", "triage", parent="s", at_ms=1)).agent_id == "triage"


def test_the_schema_of_a_tools_parameters_is_no_input() -> None:
    def of_tool(parameters: str) -> bool:
        return step(Sent("t", {OI: "TOOL", "tool.name": "t", "tool.parameters": parameters})).has_input

    assert of_tool('{"city": "Graz"}')
    assert not of_tool('{"properties": {"city": {"type": "string"}}, "type": "object"}')


@pytest.mark.parametrize(("reason", "status"), [("stop", Status.SUCCESS), (None, Status.CANCELLED)])
def test_an_agent_that_says_it_finished_is_not_cancelled_with_its_last_tool(reason: str | None, status: Status) -> None:
    said = {"gen_ai.response.finish_reasons": [reason]} if reason else {}
    run = only(
        agent("a", attributes={**said, **OUTPUT}, for_ms=50),
        chat("c1", parent="a", at_ms=1),
        tool("t", parent="a", at_ms=15, attributes={"error.type": "CancelledError"}),
    )

    assert run.status is status

"""Spans to steps: what each dialect's attributes become, and what happens to odd ones."""

import orjson
import pytest
from tests.spans import MS, START_NS, Sent, agent, chat, exception, request, span_id, step, tool

from stepwell_receiver import wire
from stepwell_receiver.mapping import map_request
from stepwell_storage.model import Checkpoint, Role, Status, StepType

TRACEBACK = "Traceback (most recent call last)\n  File"
OI = "openinference.span.kind"


@pytest.mark.parametrize(
    ("sent", "role", "operation", "step_type", "step_name"),
    [
        pytest.param(agent("a", "planner"), Role.AGENT, "invoke_agent", StepType.ACTION, "planner", id="agent"),
        pytest.param(
            Sent("w", {"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": "nightly"}),
            Role.WORKFLOW, "invoke_workflow", StepType.ACTION, "nightly", id="workflow",
        ),
        pytest.param(
            Sent("c", {"gen_ai.operation.name": "create_agent", "gen_ai.agent.name": "x"}),
            Role.OTHER, "create_agent", StepType.ACTION, "c", id="create-agent-is-no-run",
        ),
        pytest.param(chat("m"), Role.MODEL, "chat", StepType.API_CALL, "chat", id="chat-without-model-name"),
        pytest.param(
            Sent("m", {"gen_ai.operation.name": "generate_content", "gen_ai.request.model": "gemini-2.5-pro"},
                 name="generate_content gemini-2.5-pro"),
            Role.MODEL, "generate_content", StepType.API_CALL, "generate_content", id="generate-content",
        ),
        pytest.param(
            Sent("e", {"gen_ai.operation.name": "embeddings"}, name="embeddings text-embedding-3-small"),
            Role.EMBEDDING, "embeddings", StepType.API_CALL, "embeddings", id="embeddings",
        ),
        pytest.param(tool("t", "lookup"), Role.TOOL, "execute_tool", StepType.ACTION, "lookup", id="tool"),
        pytest.param(
            Sent("x", {"gen_ai.operation.name": "something_new"}, name="new thing"),
            Role.OTHER, "something_new", StepType.ACTION, "new thing", id="unknown-operation-is-no-error",
        ),
        pytest.param(
            Sent("old", {"agent_name": "old_agent", "model_name": "gpt-4o"}, name="agent run"),
            Role.AGENT, "invoke_agent", StepType.ACTION, "old_agent", id="pydantic-ai-1-agent",
        ),
        pytest.param(
            Sent("old", {"gen_ai.tool.name": "lookup"}, name="running tool"),
            Role.TOOL, "execute_tool", StepType.ACTION, "lookup", id="pydantic-ai-1-tool",
        ),
        pytest.param(Sent("g", {OI: "AGENT"}, name="triage"), Role.AGENT, "invoke_agent", StepType.ACTION, "triage",
                     id="openinference-agent-named-by-span"),
        pytest.param(Sent("g", {OI: "CHAIN"}, name="router"), Role.CHAIN, "chain", StepType.DECISION, "router",
                     id="openinference-router"),
        pytest.param(Sent("g", {OI: "CHAIN"}, name="Step 3"), Role.CHAIN, "chain", StepType.LOOP, "Step 3",
                     id="openinference-iteration"),
        pytest.param(Sent("g", {OI: "LLM"}, name="ChatOpenAI"), Role.MODEL, "chat", StepType.API_CALL, "ChatOpenAI",
                     id="openinference-llm"),
        pytest.param(Sent("g", {OI: "TOOL", "tool.name": "lookup"}, name="SimpleTool"), Role.TOOL, "execute_tool",
                     StepType.ACTION, "lookup", id="openinference-tool-named-by-attribute"),
        pytest.param(Sent("g", {OI: "TOOL"}, name="handoff to refunds"), Role.HANDOFF, "handoff", StepType.DECISION,
                     "handoff", id="openinference-hand-off"),
        pytest.param(Sent("g", {OI: "GUARDRAIL"}, name="pii"), Role.GUARDRAIL, "guardrail", StepType.DECISION, "pii",
                     id="openinference-guardrail"),
        pytest.param(Sent("g", {OI: "RETRIEVER"}, name="docs"), Role.RETRIEVAL, "retrieval", StepType.API_CALL, "docs",
                     id="openinference-retriever"),
        pytest.param(Sent("g", {OI: "LLM", "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "both"}),
                     Role.AGENT, "invoke_agent", StepType.ACTION, "both", id="mixed-dialects-trust-the-operation"),
        pytest.param(Sent("h", {"http.request.method": "GET"}, name="GET", kind=wire.KIND_CLIENT),
                     Role.OTHER, "http", StepType.API_CALL, "GET", id="http-client"),
        pytest.param(Sent("h", {"http.request.method": "POST"}, name="POST /chat", kind=wire.KIND_SERVER),
                     Role.OTHER, "http", StepType.ACTION, "POST /chat", id="http-server"),
        pytest.param(Sent("d", {"db.system.name": "postgresql"}, name="SELECT"), Role.OTHER, "database",
                     StepType.API_CALL, "SELECT", id="database"),
        pytest.param(Sent("f", {}, name="parse"), Role.OTHER, "function", StepType.ACTION, "parse", id="function"),
        pytest.param(Sent("f", {"stepwell.step.type": "decision"}, name="parse"), Role.OTHER, "function",
                     StepType.DECISION, "parse", id="our-step-type-wins"),
        pytest.param(Sent("f", {"stepwell.step.type": "nonsense"}, name="parse"), Role.OTHER, "function",
                     StepType.ACTION, "parse", id="an-unknown-step-type-is-ignored"),
    ],
)  # fmt: skip
def test_kind_of_a_span(sent: Sent, role: Role, operation: str, step_type: StepType, step_name: str) -> None:
    mapped = step(sent)

    assert (mapped.role, mapped.operation, mapped.step_type, mapped.step_name) == (
        role, operation, step_type, step_name,
    )  # fmt: skip


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.response.model": "gpt-4o-2026-01-01",
                "gen_ai.response.id": "r1",
                "gen_ai.response.finish_reasons": ["stop"],
                "gen_ai.usage.input_tokens": 120,
                "gen_ai.usage.output_tokens": 18,
                "gen_ai.usage.cache_read.input_tokens": 64,
                "gen_ai.usage.reasoning.output_tokens": 5,
            },
            id="genai-today",
        ),
        pytest.param(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.system": "openai",
                "gen_ai.response.model": "gpt-4o-2026-01-01",
                "gen_ai.response.id": "r1",
                "gen_ai.response.finish_reasons": '["stop"]',
                "gen_ai.usage.prompt_tokens": "120",
                "gen_ai.usage.completion_tokens": 18.0,
                "gen_ai.usage.cache_read_input_tokens": 64,
                "gen_ai.usage.details.reasoning_tokens": 5,
            },
            id="genai-old-names-and-numbers-as-text",
        ),
        pytest.param(
            {
                OI: "LLM",
                "llm.system": "openai",
                "llm.model_name": "gpt-4o-2026-01-01",
                "llm.finish_reason": "stop",
                "llm.token_count.prompt": 120,
                "llm.token_count.completion": 18,
                "llm.token_count.total": 138,
                "llm.token_count.prompt_details.cache_read": 64,
                "llm.token_count.completion_details.reasoning": 5,
                "gen_ai.response.id": "r1",
            },
            id="openinference",
        ),
    ],
)
def test_usage_of_a_model_call_in_every_spelling(attributes: wire.Attributes) -> None:
    mapped = step(Sent("m", attributes))

    assert mapped.model == "gpt-4o-2026-01-01"
    assert (mapped.provider, mapped.response_id, mapped.finish_reason) == ("openai", "r1", "stop")
    assert (mapped.prompt_tokens, mapped.completion_tokens) == (120, 18)
    assert (mapped.cache_read_tokens, mapped.cache_write_tokens, mapped.reasoning_tokens) == (64, None, 5)
    assert mapped.has_output


@pytest.mark.parametrize("count", [-1, "many", True, float("nan"), float("inf"), [], {}, b"5", 2**80, 10**13])
def test_a_token_count_that_is_none_stays_unknown(count: wire.Value) -> None:
    assert step(chat("m", None, attributes={"gen_ai.usage.input_tokens": count})).prompt_tokens is None


@pytest.mark.parametrize(
    ("attributes", "given", "returned"),
    [
        pytest.param({"stepwell.input": '{"q": 1}', "stepwell.output": '"done"', "input.value": "no"},
                     {"q": 1}, "done", id="ours-win"),
        pytest.param({"stepwell.input": "not json", "stepwell.output": "7"}, "not json", 7, id="ours-as-text-or-json"),
        pytest.param({OI: "TOOL", "input.value": '{"id": "A-17"}', "output.value": "ok"}, {"id": "A-17"}, "ok",
                     id="openinference"),
        pytest.param({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.arguments": "[1,2]",
                      "gen_ai.tool.call.result": "3"}, [1, 2], "3", id="tool-result-stays-text"),
        pytest.param({"gen_ai.operation.name": "chat", "gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "hi",
                      "gen_ai.completion.0.content": "ho"},
                     [{"role": "user", "content": "hi"}], [{"content": "ho"}], id="flattened-messages"),
        pytest.param({"gen_ai.operation.name": "invoke_agent", "final_result": "fin",
                      "pydantic_ai.all_messages": '[{"role":"user"},{"role":"assistant"},{"role":"user"}]'},
                     [{"role": "user"}], "fin", id="transcript-until-the-first-reply"),
        pytest.param({"gen_ai.operation.name": "invoke_agent", "gen_ai.output.messages": "[]"}, None, None,
                     id="empty-is-none"),
        pytest.param({OI: "CHAIN", "input.value": '{"broken": '}, '{"broken": ', None, id="broken-json-is-text"),
        pytest.param({OI: "CHAIN", "input.value": '{"a": "\\u0000"}'}, {"a": "�"}, None, id="escaped-nul"),
        pytest.param({OI: "CHAIN", "input.value": '["\\ud800"]'}, '["\\ud800"]', None, id="lone-surrogate-is-text"),
        pytest.param({OI: "CHAIN", "input.value": {"blob": b"\x00\xff"}}, {"blob": "AP8="}, None, id="bytes-as-base64"),
    ],
)  # fmt: skip
def test_input_and_output(attributes: wire.Attributes, given: object, returned: object) -> None:
    mapped = step(Sent("s", attributes))

    assert (mapped.input_json and orjson.loads(mapped.input_json)) == given
    assert (mapped.output_json and orjson.loads(mapped.output_json)) == returned
    assert (mapped.has_input, mapped.has_output) == (given is not None, returned is not None)


def test_message_events_are_input_and_output() -> None:
    events = [
        wire.Event("gen_ai.user.message", START_NS, {"content": "hi"}),
        wire.Event("gen_ai.choice", START_NS, {"message": "ho"}),
    ]

    mapped = step(agent("a", events=events))

    assert orjson.loads(mapped.input_json or "") == [{"role": "user", "content": "hi"}]
    assert orjson.loads(mapped.output_json or "") == [{"message": "ho"}]


@pytest.mark.parametrize(
    ("sent", "status", "error_type", "message"),
    [
        pytest.param(Sent("s"), Status.SUCCESS, None, None, id="unset"),
        pytest.param(Sent("s", status=wire.STATUS_OK), Status.SUCCESS, None, None, id="ok"),
        pytest.param(Sent("s", status=wire.STATUS_ERROR), Status.FAILED, None, None, id="error-alone"),
        pytest.param(Sent("s", status=wire.STATUS_ERROR, message="ConnectionError: db away"), Status.FAILED,
                     "ConnectionError", "ConnectionError: db away", id="type-in-the-message"),
        pytest.param(
            Sent("s", status=wire.STATUS_ERROR, message="ConnectionError('db away')" + TRACEBACK),
            Status.FAILED, "ConnectionError", "ConnectionError('db away')", id="traceback-in-the-message"),
        pytest.param(Sent("s", events=[exception("openai.error.RateLimitError", "slow down")],
                          status=wire.STATUS_ERROR), Status.FAILED, "RateLimitError", "slow down",
                     id="exception-event-short-class"),
        pytest.param(Sent("s", events=[exception("ValueError", "x")]), Status.FAILED, "ValueError", "x",
                     id="exception-on-unset"),
        pytest.param(Sent("s", events=[exception("ValueError", "x")], status=wire.STATUS_OK), Status.SUCCESS, None,
                     None, id="exception-that-was-handled"),
        pytest.param(Sent("s", {"error.type": "TOOL_ERROR"}, status=wire.STATUS_ERROR), Status.FAILED, "TOOL_ERROR",
                     None, id="error-type-attribute"),
        pytest.param(Sent("s", {"error.type": "<class 'openai.BadRequestError'>"}, status=wire.STATUS_ERROR),
                     Status.FAILED, "BadRequestError", None, id="error-type-printed-as-a-class"),
        pytest.param(tool("s", attributes={"gen_ai.tool.status": "error"}, status=wire.STATUS_OK), Status.FAILED,
                     "tool_error", None, id="tool-status"),
        pytest.param(tool("s", status=wire.STATUS_ERROR, message="no such city"), Status.FAILED, "tool_error",
                     "no such city", id="tool-without-a-class"),
        pytest.param(Sent("s", {"strands.cancellation.type": "CancelledError"}), Status.CANCELLED, "CancelledError",
                     None, id="cancellation-attribute"),
        pytest.param(Sent("s", status=wire.STATUS_ERROR, message="gone\n\nTypeError: gone\n    at run (a.mjs:1:2)"),
                     Status.FAILED, "TypeError", "gone", id="javascript-stack"),
        pytest.param(Sent("s", status=wire.STATUS_ERROR, message="Abort\n\nError: Abort\n    at run (a.mjs:1:2)"),
                     Status.CANCELLED, "Error", "Abort", id="javascript-abort"),
        pytest.param(Sent("s", events=[exception("asyncio.exceptions.CancelledError", "")], status=wire.STATUS_ERROR),
                     Status.CANCELLED, "CancelledError", None, id="cancelled"),
        pytest.param(Sent("s", events=[exception("httpx.ReadTimeout", "t")], status=wire.STATUS_ERROR),
                     Status.TIMEOUT, "ReadTimeout", "t", id="timeout"),
        pytest.param(Sent("s", status=wire.STATUS_ERROR, message="could not cancel order 7"), Status.FAILED, None,
                     "could not cancel order 7", id="a-word-in-a-sentence-is-no-type"),
    ],
)  # fmt: skip
def test_outcome_of_a_span(sent: Sent, status: Status, error_type: str | None, message: str | None) -> None:
    mapped = step(sent)

    assert (mapped.status, mapped.error_type, mapped.error_message) == (status, error_type, message)
    assert (mapped.error_json is None) == (status is Status.SUCCESS)


def test_context_comes_from_resource_and_attributes() -> None:
    mapped = step(
        agent(
            "a",
            attributes={
                "gen_ai.conversation.id": "c1",
                "user.id": "u1",
                "gen_ai.agent.version": "7",
                "stepwell.trigger.type": "Webhook",
                "stepwell.trigger.source": '{"hook": 3}',
                "stepwell.runtime_mode": "fast",
                "stepwell.credits": 2.5,
                "stepwell.memory_mb": 300,
            },
            scope="openinference.instrumentation.langchain",
        )
    )

    assert (mapped.conversation_id, mapped.user_id, mapped.agent_version) == ("c1", "u1", "7")
    assert (mapped.trigger_type, mapped.trigger_source_json, mapped.runtime_mode) == ("webhook", '{"hook":3}', "fast")
    assert (mapped.credits, mapped.memory_mb) == (2.5, 300)
    assert (mapped.service_name, mapped.service_version, mapped.environment) == ("shop", "1.4.0", "production")
    assert mapped.framework == "langchain"


def test_checkpoints_are_read_from_events() -> None:
    event = wire.Event(
        "stepwell.checkpoint",
        START_NS + 1_234_567,
        {"stepwell.checkpoint.id": "cp1", "stepwell.checkpoint.state": '{"page": 3}'},
    )

    assert step(Sent("s", events=[event])).checkpoints == (Checkpoint("cp1", START_NS + 1_234_000, '{"page":3}'),)


def test_end_before_start_is_mended_and_flagged() -> None:
    mapped = step(Sent("s", for_ms=-5))

    assert mapped.end_ns == mapped.start_ns == START_NS
    assert (mapped.duration_ms, mapped.flags) == (0.0, ("end_before_start",))


def test_missing_times_are_flagged_and_the_duration_is_unknown() -> None:
    decoded = request(Sent("a"), Sent("b"))
    decoded.groups[0].spans[0].start_ns = 0
    decoded.groups[0].spans[1].end_ns = 0

    no_start, no_end = map_request(decoded, max_attribute_bytes=1000)

    assert (no_start.start_ns, no_start.duration_ms, no_start.flags) == (
        START_NS + 10 * MS, None, ("start_time_missing",),
    )  # fmt: skip
    assert (no_end.end_ns, no_end.duration_ms, no_end.flags) == (None, None, ("end_time_missing",))


def test_times_are_cut_to_the_microsecond_and_durations_are_exact() -> None:
    decoded = request(Sent("a"))
    decoded.groups[0].spans[0].start_ns += 999
    decoded.groups[0].spans[0].end_ns += 1_500

    (mapped,) = map_request(decoded, max_attribute_bytes=1000)

    assert (mapped.start_ns, mapped.end_ns) == (START_NS, START_NS + 10 * MS + 1_000)
    assert mapped.duration_ms == 10.000501


def test_long_attributes_are_cut_and_flagged() -> None:
    decoded = request(Sent("a", {"long": "ä" * 600, "list": ["x" * 900, "y" * 900], "short": "s"}))

    (mapped,) = map_request(decoded, max_attribute_bytes=1001)

    attributes = orjson.loads(mapped.attributes_json or "")
    assert attributes["long"] == "ä" * 500
    assert len(attributes["list"]) == 1001
    assert attributes["short"] == "s"
    assert mapped.flags == ("attribute_cut",)


def test_a_started_span_is_live() -> None:
    mapped = step(agent("a", attributes={"stepwell.span.state": "started"}, for_ms=0))

    assert mapped.is_live
    assert (mapped.status, mapped.end_ns, mapped.duration_ms) == (Status.RUNNING, None, None)


@pytest.mark.parametrize(
    ("pending_parent", "expected"),
    [("00000000000000a1", bytes.fromhex("00000000000000a1")), ("0000000000000000", None), ("zz", None), (None, None)],
)
def test_a_pending_span_of_logfire_is_its_real_span_while_it_runs(
    pending_parent: str | None, expected: bytes | None
) -> None:
    attributes = {"logfire.span_type": "pending_span", "logfire.pending_parent_id": pending_parent}

    mapped = step(agent("pending", "planner", parent="real", attributes=attributes, for_ms=0))

    assert mapped.is_live
    assert (mapped.span_id, mapped.parent_span_id) == (span_id("real"), expected)


@pytest.mark.parametrize(("flags", "remote"), [(0, None), (0x100, False), (0x300, True), (0x301, True)])
def test_the_parent_is_known_to_be_remote_or_not(flags: int, remote: bool | None) -> None:
    assert step(Sent("s", flags=flags)).parent_is_remote is remote


def test_payload_attributes_are_stored_once() -> None:
    mapped = step(Sent("s", {OI: "TOOL", "input.value": "in", "output.value": "out", "tool.name": "t"}))

    assert orjson.loads(mapped.attributes_json or "") == {OI: "TOOL", "tool.name": "t"}


def test_payload_nested_beyond_what_json_writers_take_stays_text() -> None:
    deep = "[" * 900 + "]" * 900

    assert orjson.loads(step(Sent("s", {OI: "CHAIN", "input.value": deep})).input_json or "") == deep


@pytest.mark.parametrize("amount", [1e16, -1e300, "nan", float("inf")])
def test_an_amount_that_no_one_measured_stays_unknown(amount: wire.Value) -> None:
    assert step(Sent("s", {"stepwell.credits": amount})).credits is None

"""What Langfuse's usage classes add up to, tool calls that go through MCP, and streams that a later record tells."""

import json
from typing import Any

import pytest
from tests.folding import only, operations
from tests.spans import REMOTE_KNOWN, Sent, agent, chat, step, tool

from stepwell_storage.model import Role, Status

REMOTE = REMOTE_KNOWN | 0x200


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        pytest.param(
            {"input": 56, "output": 13, "total": 138, "input_cache_read": 64, "output_reasoning": 5},
            (120, 18, 64, 5), id="classes-exclude-each-other",
        ),
        pytest.param(
            {"input": 120, "output": 18, "total": 138, "input_cached_tokens": 64}, (120, 18, 64, None),
            id="a-total-says-that-they-do-not",
        ),
        pytest.param(
            {"input": 50, "output": 18, "cache_read_input_tokens": 64, "cache_creation_input_tokens": 6},
            (120, 18, 64, None), id="caches-beside-the-input",
        ),
        pytest.param(
            {"input": 56, "output": 18, "input_cache_read": 64, "input_priority": 56}, (120, 18, 64, None),
            id="priority-tiers-repeat",
        ),
        pytest.param(
            {
                "prompt_tokens": 120, "completion_tokens": 18, "total_tokens": 138,
                "prompt_tokens_details": {"cached_tokens": 64}, "completion_tokens_details": {"reasoning_tokens": 5},
            },
            (120, 18, 64, 5), id="chat-completions",
        ),
        pytest.param(
            {
                "input_tokens": 120, "output_tokens": 18, "total_tokens": 138,
                "input_tokens_details": {"cached_tokens": 64}, "output_tokens_details": {"reasoning_tokens": 5},
            },
            (120, 18, 64, 5), id="responses",
        ),
        pytest.param(
            {"input_tokens": 56, "output_tokens": 18, "cache_read_input_tokens": 64}, (120, 18, 64, None),
            id="anthropic",
        ),
        pytest.param({"input": 9}, (9, None, None, None), id="input-alone"),
        pytest.param({"input": "?", "output": None}, (None, None, None, None), id="no-counts"),
    ],
)  # fmt: skip
def test_langfuse_classes_add_up_to_prompt_and_completion(
    usage: dict[str, Any], counts: tuple[int | None, ...]
) -> None:
    told = {"langfuse.observation.type": "generation", "langfuse.observation.usage_details": json.dumps(usage)}
    got = step(Sent("m", told))

    assert (got.prompt_tokens, got.completion_tokens, got.cache_read_tokens, got.reasoning_tokens) == counts


@pytest.mark.parametrize(
    ("name", "attributes", "role", "step_name"),
    [
        ("MCP send tools/call lookup", {"mcp.method.name": "tools/call"}, Role.TOOL, "lookup"),
        ("tools/call", {"mcp.method.name": "tools/call", "gen_ai.tool.name": "lookup"}, Role.TOOL, "lookup"),
        ("tools/list", {"mcp.method.name": "tools/list"}, Role.OTHER, "tools/list"),
        ("initialize", {"mcp.method.name": "initialize"}, Role.OTHER, "initialize"),
    ],
)
def test_only_a_request_that_calls_a_tool_is_a_tool_call(
    name: str, attributes: dict[str, Any], role: Role, step_name: str
) -> None:
    got = step(Sent("s", attributes, name=name))

    assert (got.role, got.step_name) == (role, step_name)


def test_a_tool_call_of_agent_client_and_server_is_one_that_failed_if_the_server_says_so() -> None:
    call = {"mcp.method.name": "tools/call"}
    run = only(
        agent("a", "refund", for_ms=90),
        tool("t", "lookup", parent="a", scope="agents", for_ms=30),
        Sent("client", call, "t", "MCP send tools/call lookup", scope="mcp", for_ms=20),
        Sent("server", call | {"error.type": "tool_error"}, "client", "tools/call lookup", scope="mcp", flags=REMOTE),
        chat("c", parent="a", at_ms=40, scope="agents"),
    )

    assert operations(run).count(("execute_tool", "lookup")) == 1
    assert [p.status for p in run.placements if p.operation == "execute_tool"] == [Status.FAILED]
    assert run.status is Status.SUCCESS


def test_the_record_that_tells_a_stream_after_its_end_is_no_further_call() -> None:
    stream = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
    record = stream | {"gen_ai.usage.input_tokens": 7, "gen_ai.usage.output_tokens": 1}
    run = only(
        agent("a", "refund", for_ms=90),
        *(Sent(f"stream{n}", stream, "a", at_ms=20 * n, scope="s") for n in (1, 2)),
        *(Sent(f"record{n}", record, "a", at_ms=20 * n + 15, for_ms=0, scope="s") for n in (1, 2)),
        Sent("instant", record, "a", at_ms=80, for_ms=0, scope="s"),
    )

    assert [operation for operation, _ in operations(run)].count("chat") == 3
    assert run.prompt_tokens == 21


def test_logfires_request_and_response_tell_an_mcp_tool_and_its_error() -> None:
    request = json.dumps({"method": "tools/call", "params": {"name": "lookup", "arguments": {}}})
    told = {"request": request, "response": json.dumps({"isError": True})}
    got = step(Sent("s", told, name="MCP server handle request: tools/call", scope="logfire.mcp"))

    assert (got.role, got.step_name, got.status) == (Role.TOOL, "lookup", Status.FAILED)


def test_a_crews_task_is_no_agent_although_it_names_an_agents_operation() -> None:
    crew = {"gen_ai.operation.name": "invoke_agent", "crewai.crew.name": "desk"}
    task = {"gen_ai.operation.name": "invoke_agent", "traceloop.span.kind": "task"}
    run = only(
        Sent("w", crew, name="crewai.workflow", for_ms=90),
        Sent("t", task, "w", "Refund A-17.task", for_ms=80),
        agent("a", "Clerk", parent="t", for_ms=70),
        chat("c", parent="a"),
    )

    assert run.agent_id == "desk"
    assert operations(run)[1:3] == [("chain", "Refund A-17.task"), ("invoke_agent", "Clerk")]

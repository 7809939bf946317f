"""Each dialect's own attributes, as its instrumentation writes them, become the same fields."""

import json

import pytest
from tests.spans import Sent, exception, step, steps

from stepwell_receiver import wire
from stepwell_storage.fold import fold_trace
from stepwell_storage.model import Role, Status

LOGFIRE = "logfire.msg_template"


@pytest.mark.parametrize(
    ("sent", "role", "operation", "step_name"),
    [
        pytest.param(
            Sent("s", {"ai.operationId": "ai.generateText", "ai.telemetry.functionId": "triage"}, scope="ai"),
            Role.AGENT, "invoke_agent", "triage", id="vercel-run",
        ),
        pytest.param(
            Sent("s", {"ai.operationId": "ai.streamText.doStream"}, name="ai.streamText.doStream", scope="ai"),
            Role.MODEL, "chat", "ai.streamText.doStream", id="vercel-model",
        ),
        pytest.param(
            Sent("s", {"ai.operationId": "ai.toolCall", "ai.toolCall.name": "lookup"}, scope="ai"),
            Role.TOOL, "execute_tool", "lookup", id="vercel-tool",
        ),
        pytest.param(
            Sent("s", {}, name="ai.embed.doEmbed", scope="ai"), Role.EMBEDDING, "embeddings", "ai.embed.doEmbed",
            id="vercel-embedding-by-name",
        ),
        pytest.param(
            Sent(
                "s", {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "(merged tools)"},
                name="execute_tool (merged)", scope="gcp.vertex.agent",
            ),
            Role.OTHER, "function", "execute_tool (merged)", id="joined-answers-of-parallel-tools",
        ),
        pytest.param(
            Sent("s", {"traceloop.span.kind": "workflow", "traceloop.entity.name": "nightly"}, name="nightly.workflow"),
            Role.WORKFLOW, "invoke_workflow", "nightly", id="traceloop-workflow",
        ),
        pytest.param(
            Sent("s", {"traceloop.span.kind": "task", "traceloop.entity.name": "clean"}, name="clean.task"),
            Role.CHAIN, "chain", "clean.task", id="traceloop-task",
        ),
        pytest.param(
            Sent("s", {"traceloop.span.kind": "tool", "traceloop.entity.name": "lookup"}, name="lookup.tool"),
            Role.TOOL, "execute_tool", "lookup", id="traceloop-tool",
        ),
        pytest.param(
            Sent("s", {"llm.request.type": "chat", "gen_ai.request.model": "gpt-4o"}, name="openai.chat"),
            Role.MODEL, "chat", "openai.chat", id="traceloop-model",
        ),
        pytest.param(
            Sent("s", {"langfuse.observation.type": "generation"}, name="answer"), Role.MODEL, "chat", "answer",
            id="langfuse-generation",
        ),
        pytest.param(
            Sent("s", {"langfuse.observation.type": "agent"}, name="triage"), Role.AGENT, "invoke_agent", "triage",
            id="langfuse-agent",
        ),
        pytest.param(
            Sent("s", {"langfuse.observation.type": "span", "gen_ai.operation.name": "chat"}, name="chat"),
            Role.MODEL, "chat", "chat", id="langfuse-span-of-another-dialect",
        ),
        pytest.param(
            Sent("s", {"langsmith.span.kind": "llm"}, name="ChatOpenAI"), Role.MODEL, "chat", "ChatOpenAI",
            id="langsmith-model",
        ),
        pytest.param(
            Sent("s", {"langsmith.span.kind": "tool"}, name="lookup"), Role.TOOL, "execute_tool", "lookup",
            id="langsmith-tool",
        ),
        pytest.param(
            Sent("s", {LOGFIRE: "Agent run: {name!r}", "name": "triage"}, name="Agent run: {name!r}"),
            Role.AGENT, "invoke_agent", "triage", id="logfire-agent-named-by-template",
        ),
        pytest.param(
            Sent("s", {LOGFIRE: "Function: {name}", "name": "lookup"}, name="Function: {name}"),
            Role.TOOL, "execute_tool", "lookup", id="logfire-function",
        ),
        pytest.param(
            Sent("s", {LOGFIRE: "Handoff: a → b", "from_agent": "a", "to_agent": "b"}, name="Handoff: a → b"),
            Role.HANDOFF, "handoff", "handoff", id="logfire-hand-off",
        ),
        pytest.param(
            Sent("s", {LOGFIRE: "Responses API with {gen_ai.request.model!r}", "gen_ai.request.model": "gpt-4o"}),
            Role.MODEL, "chat", "s", id="logfire-responses",
        ),
        pytest.param(
            Sent("s", {}, name="agent_run [triage]", scope="gcp.vertex.agent"), Role.AGENT, "invoke_agent", "triage",
            id="adk-1-agent",
        ),
        pytest.param(
            Sent("s", {"gen_ai.request.model": "gemini-2.5-pro"}, name="call_llm", scope="gcp.vertex.agent"),
            Role.MODEL, "chat", "call_llm", id="adk-1-model",
        ),
        pytest.param(
            Sent("s", {"workflow.name": "essays"}, name="workflow.run", scope="agent_framework"),
            Role.WORKFLOW, "invoke_workflow", "essays", id="agent-framework-workflow",
        ),
        pytest.param(
            Sent("s", {}, name="workflow.build", scope="agent_framework"), Role.OTHER, "function", "workflow.build",
            id="agent-framework-build-is-no-run",
        ),
        pytest.param(
            Sent("s", {"mastra.span.type": "agent_run", "mastra.entity.name": "triage"}, name="agent run: 'triage'"),
            Role.AGENT, "invoke_agent", "triage", id="mastra-agent",
        ),
        pytest.param(
            Sent("s", {"mastra.span.type": "model_step"}, name="step 0"), Role.OTHER, "function", "step 0",
            id="mastra-part-of-a-generation",
        ),
        pytest.param(
            Sent("s", {"haystack.component.type": "OpenAIChatGenerator", "haystack.component.name": "llm"},
                 name="haystack.component.run"),
            Role.MODEL, "chat", "haystack.component.run", id="haystack-generator",
        ),
        pytest.param(
            Sent("s", {"openinference.span.kind": "LLM"}, name="OpenAI._prepare_chat_with_tools",
                 scope="openinference.instrumentation.llama_index"),
            Role.OTHER, "function", "OpenAI._prepare_chat_with_tools", id="llamaindex-preparation-calls-no-model",
        ),
    ],
)  # fmt: skip
def test_kind_of_a_span(sent: Sent, role: Role, operation: str, step_name: str) -> None:
    mapped = step(sent)

    assert (mapped.role, mapped.operation, mapped.step_name) == (role, operation, step_name)


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param(
            {
                "ai.operationId": "ai.generateText.doGenerate",
                "ai.response.model": "gpt-4o",
                "ai.usage.inputTokens": 120,
                "ai.usage.outputTokens": 18,
                "ai.usage.cachedInputTokens": 64,
                "ai.telemetry.metadata.sessionId": "s1",
            },
            id="vercel",
        ),
        pytest.param(
            {
                "llm.request.type": "chat",
                "gen_ai.response.model": "gpt-4o",
                "gen_ai.usage.prompt_tokens": 120,
                "gen_ai.usage.completion_tokens": 18,
                "gen_ai.usage.cache_read_input_tokens": 64,
                "traceloop.association.properties.session_id": "s1",
            },
            id="traceloop",
        ),
        pytest.param(
            {
                "langfuse.observation.type": "generation",
                "langfuse.observation.model.name": "gpt-4o",
                "langfuse.observation.usage_details": '{"input": 56, "output": 18, "input_cached_tokens": 64}',
                "langfuse.session.id": "s1",
            },
            id="langfuse-classes",
        ),
        pytest.param(
            {
                "langsmith.span.kind": "llm",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.usage.input_tokens": 120,
                "gen_ai.usage.output_tokens": 18,
                "gen_ai.usage.cache_read.input_tokens": 64,
                "langsmith.metadata.session_id": "s1",
            },
            id="langsmith",
        ),
    ],
)
def test_usage_of_a_model_call(attributes: wire.Attributes) -> None:
    mapped = step(Sent("m", attributes))

    assert (mapped.model, mapped.session_id) == ("gpt-4o", "s1")
    assert (mapped.prompt_tokens, mapped.completion_tokens, mapped.cache_read_tokens) == (120, 18, 64)


def test_cost_out_of_a_json_object() -> None:
    attributes: wire.Attributes = {
        "langfuse.observation.type": "generation",
        "langfuse.observation.cost_details": '{"input": 0.1, "output": 0.2, "total": 0.3}',
    }

    assert step(Sent("m", attributes)).cost_usd == 0.3


def test_a_bare_attribute_name_means_something_only_in_its_own_dialect() -> None:
    mapped = step(Sent("t", {"gen_ai.operation.name": "execute_tool", "name": "not mine", "input": "nor this"}))

    assert (mapped.step_name, mapped.input_json) == ("t", None)


def test_an_agent_name_in_the_text_of_a_steps_input_names_the_run() -> None:
    scope = "openinference.instrumentation.llama_index"
    event = "AgentInput(input=[], current_agent_name='refund_agent')"
    run = Sent("FunctionAgent.run", {"openinference.span.kind": "CHAIN"}, for_ms=50, scope=scope)
    setup = Sent(
        "setup", {"openinference.span.kind": "CHAIN", "input.value": event}, parent="FunctionAgent.run", scope=scope
    )

    (execution,) = fold_trace(steps(run, setup))

    assert execution.agent_id == "refund_agent"


def test_a_stated_session_wins_over_a_conversation_wherever_it_stands() -> None:
    root = Sent("a", {"gen_ai.operation.name": "invoke_agent", "gen_ai.conversation.id": "thread"}, for_ms=50)
    child = Sent("c", {"gen_ai.operation.name": "chat", "session.id": "session"}, parent="a", at_ms=1)

    assert [e.session_id for e in fold_trace(steps(root))] == ["thread"]
    assert [e.session_id for e in fold_trace(steps(root, child))] == ["session"]


@pytest.mark.parametrize(
    ("sent", "role", "step_name"),
    [
        pytest.param(Sent("s", {}, name="haystack.agent.step.llm"), Role.MODEL, "haystack.agent.step.llm", id="model"),
        pytest.param(
            Sent("s", {"haystack.tool.name": "lookup"}, name="haystack.agent.step.tool"), Role.TOOL, "lookup", id="tool"
        ),
        pytest.param(Sent("s", {}, name="haystack.agent.step"), Role.CHAIN, "haystack.agent.step", id="step"),
    ],
)
def test_steps_of_haystack_agents_are_model_and_tool_calls(sent: Sent, role: Role, step_name: str) -> None:
    mapped = step(sent)

    assert (mapped.role, mapped.step_name) == (role, step_name)


def test_haystack_is_known_whatever_name_the_application_gave_its_tracer() -> None:
    mapped = step(Sent("s", {"haystack.agent.max_steps": 5}, name="haystack.agent.run", scope="my-app"))

    assert mapped.framework == "haystack"


@pytest.mark.parametrize("key", ["haystack.agent.step.llm.output", "haystack.component.output"])
def test_haystacks_usage_stands_in_the_models_reply(key: str) -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 10}
    reply = {"meta": {"model": "gpt-4o", "finish_reason": "stop", "usage": usage}, "content": [{"text": "hi"}]}
    mapped = step(
        Sent(
            "s",
            {key: json.dumps({"replies": [reply]}), "haystack.component.type": "OpenAIChatGenerator"},
            name="haystack.agent.step.llm" if "step" in key else "haystack.component.run",
        )
    )

    assert (mapped.model, mapped.finish_reason) == ("gpt-4o", "stop")
    assert (mapped.prompt_tokens, mapped.completion_tokens) == (100, 10)


def test_haystacks_tool_invoker_is_named_by_the_tool_and_fails_with_it() -> None:
    result = {"result": "no", "error": True, "origin": {"tool_name": "lookup", "arguments": {}}}
    output = json.dumps({"tool_messages": [{"role": "tool", "content": [{"tool_call_result": result}]}]})
    invoker = {"haystack.component.type": "ToolInvoker", "haystack.component.name": "tool_invoker"}
    mapped = step(Sent("s", {**invoker, "haystack.component.output": output}, name="haystack.component.run"))

    assert (mapped.step_name, mapped.status) == ("lookup", Status.FAILED)
    assert step(Sent("s", invoker, name="haystack.component.run")).step_name == "tool_invoker"


def test_a_reply_that_calls_a_tool_stopped_for_it() -> None:
    call = "llm.output_messages.0.message.tool_calls.0.tool_call.function.name"

    assert step(Sent("s", {"openinference.span.kind": "LLM", call: "lookup"})).finish_reason == "tool_calls"
    assert step(Sent("s", {"openinference.span.kind": "LLM"})).finish_reason is None


def test_a_methods_name_is_no_part_of_a_tools_or_a_modules_name() -> None:
    kind = "openinference.span.kind"

    assert step(Sent("s", {kind: "TOOL"}, name="lookup.__call__")).step_name == "lookup"
    assert step(Sent("s", {kind: "AGENT"}, name="poet.on_messages_stream")).span_agent_name == "poet"
    assert step(Sent("s", {kind: "CHAIN"}, name="WeatherDesk.forward")).span_agent_name == "WeatherDesk"


def test_an_invocation_of_googles_kit_is_named_by_its_agent() -> None:
    spans = [
        Sent("i", {}, name="invocation", scope="gcp.vertex.agent"),
        Sent("a", {}, parent="i", name="agent_run [triage]", scope="gcp.vertex.agent"),
    ]

    assert [run.agent_id for run in fold_trace(steps(*spans))] == ["triage"]


def test_a_cancellation_counts_though_the_span_had_said_ok() -> None:
    cancelled = [exception("asyncio.exceptions.CancelledError", "")]

    assert step(Sent("s", events=cancelled, status=wire.STATUS_OK)).status is Status.CANCELLED
    assert step(Sent("s", events=[exception("ValueError", "x")], status=wire.STATUS_OK)).status is Status.SUCCESS


def test_llamaindex_through_openllmetry_tells_its_tools_and_its_first_agent() -> None:
    scope = "opentelemetry.instrumentation.llamaindex"

    def task(key: str, at_ms: int, attributes: dict[str, str]) -> Sent:
        named = {"traceloop.span.kind": "task", "traceloop.entity.name": "AgentWorkflow.task"}
        return Sent(key, named | attributes, parent="w", name="AgentWorkflow.task", at_ms=at_ms, scope=scope)

    def ended(agent: str) -> dict[str, str]:
        return {"traceloop.entity.output": f'{{"current_agent_name": "{agent}"}}'}

    workflow = {"traceloop.span.kind": "workflow", "traceloop.entity.name": "AgentWorkflow.workflow", **ended("clerk")}
    failed = '{"tool_name": "book", "tool_output": {"is_error": true, "content": "no seat"}}'
    mapped = steps(
        Sent("w", workflow, name="AgentWorkflow.workflow", for_ms=90, scope=scope),
        task("a", 1, ended("triage")),
        task("t", 20, {"tool.name": "book", "traceloop.entity.output": failed}),
    )
    (run,) = fold_trace(mapped)

    assert (run.agent_id, run.framework) == ("triage", "llama-index")
    assert [(s.operation, s.step_name, s.status.value) for s in mapped[2:]] == [("execute_tool", "book", "failed")]


def test_a_crew_inside_a_flow_without_a_name_names_the_run() -> None:
    flow = "Flow_51ae3bbf-fa19-4e0b-ba52-41f4a04823ff"
    kinds = {"openinference.span.kind": "CHAIN"}
    (run,) = fold_trace(
        steps(
            Sent("f", kinds, name=f"{flow}.kickoff", for_ms=90),
            Sent("c", {**kinds, "crew_agents": "[]"}, parent="f", name="refund_crew.kickoff", at_ms=1),
            Sent("a", {"openinference.span.kind": "AGENT"}, parent="c", name="Clerk.refund._execute_core", at_ms=2),
        )
    )

    assert run.agent_id == "refund_crew"
    assert [p.operation for p in run.placements] == ["chain", "invoke_workflow", "invoke_agent"]

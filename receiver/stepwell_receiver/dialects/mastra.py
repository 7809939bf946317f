"""Mastra's own span types (attribute ``mastra.span.type``), for spans that name no GenAI operation.

Source: Mastra's documentation of its span types.
"""

from collections.abc import Mapping
from typing import Final

from stepwell_receiver import values
from stepwell_receiver.dialects.base import AGENT, CHAIN, CHAT, FUNCTION, TOOL, WORKFLOW, Dialect, Keys, Kind
from stepwell_receiver.wire import Scope, Span

_KINDS: Final[Mapping[str, Kind]] = {
    "agent_run": AGENT,
    "workflow_run": WORKFLOW,
    "workflow_step": CHAIN,
    "workflow_loop": CHAIN,
    "workflow_parallel": CHAIN,
    "workflow_conditional": CHAIN,
    "llm_generation": CHAT,
    "model_generation": CHAT,
    "tool_call": TOOL,
    "mcp_tool_call": TOOL,
    "client_tool_call": TOOL,
    "provider_tool_call": TOOL,
}

_TYPES_WITH_PAYLOAD: Final = (*_KINDS, "model_step", "model_inference", "processor_run", "generic")

FIELDS: Final[Mapping[str, Keys]] = {
    "own_name": ("mastra.entity.name", "mastra.span.name"),
    "workflow_name": ("mastra.workflow.name", "mastra.workflow.id", "mastra.workflowId"),
    "agent_name": ("mastra.agent.name", "mastra.agentName", "mastra.agent.id", "mastra.agentId"),
    "tool_name": ("mastra.tool.name", "mastra.toolId"),
    "session_id": ("mastra.metadata.sessionId",),
    "conversation_id": ("mastra.threadId", "mastra.metadata.threadId"),
    "user_id": ("mastra.metadata.userId",),
}


_PARTS: Final = frozenset(("model_chunk",))
"""Parts of one reply, which some exporters call a model call of its own."""


def kind(span: Span, scope: Scope) -> Kind | None:
    """By the span type, save where another dialect says what the span is; chunks are parts of one reply."""
    said = values.as_text(values.first(span.attributes, ("mastra.span.type", "mastra.span_type")))
    if said is None:
        return None
    if said in _PARTS:
        return FUNCTION
    if "gen_ai.operation.name" in span.attributes or "openinference.span.kind" in span.attributes:
        return None
    return _KINDS.get(said.lower(), FUNCTION)


DIALECT: Final = Dialect(
    name="mastra",
    kind=kind,
    markers=("mastra.span.type", "mastra.span_type"),
    fields=FIELDS,
    input_keys=("mastra.span.input", *(f"mastra.{said}.input" for said in _TYPES_WITH_PAYLOAD), "input"),
    output_keys=("mastra.span.output", *(f"mastra.{said}.output" for said in _TYPES_WITH_PAYLOAD), "output"),
)

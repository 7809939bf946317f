"""OpenInference: the conventions of Arize's instrumentations (attribute ``openinference.span.kind``).

Source: the OpenInference specification, ``spec/semantic_conventions.md``.
"""

import re
from collections.abc import Mapping
from typing import Final

from stepwell_receiver import values
from stepwell_receiver.dialects.base import CHAIN, FUNCTION, OPERATION_KINDS, WORKFLOW, Dialect, Keys, Kind
from stepwell_receiver.wire import Attributes, Scope, Span
from stepwell_storage.model import Role

FIELDS: Final[Mapping[str, Keys]] = {
    "agent_name": ("agent.name", "graph.node.name"),
    "tool_name": ("tool.name",),
    "model": ("llm.model_name", "embedding.model_name", "reranker.model_name"),
    "provider": ("llm.provider", "llm.system"),
    "response_id": ("llm.response.id",),
    "finish_reason": ("llm.finish_reason",),
    "prompt_tokens": ("llm.token_count.prompt",),
    "completion_tokens": ("llm.token_count.completion",),
    "cache_read_tokens": ("llm.token_count.prompt_details.cache_read",),
    "cache_write_tokens": ("llm.token_count.prompt_details.cache_write",),
    "reasoning_tokens": ("llm.token_count.completion_details.reasoning",),
    "cost_usd": ("llm.cost.total",),
    "session_id": ("session.id",),
    "user_id": ("user.id",),
}

KINDS: Final[Mapping[str, Kind]] = {
    "AGENT": OPERATION_KINDS["invoke_agent"],
    "CHAIN": CHAIN,
    "LLM": OPERATION_KINDS["chat"],
    "TOOL": OPERATION_KINDS["execute_tool"],
    "EMBEDDING": OPERATION_KINDS["embeddings"],
    "RETRIEVER": OPERATION_KINDS["retrieval"],
    "RERANKER": OPERATION_KINDS["rerank"],
    "GUARDRAIL": OPERATION_KINDS["guardrail"],
    "EVALUATOR": FUNCTION,
    "PROMPT": FUNCTION,
}


_OUTPUT_PREFIX: Final = "llm.output_messages."


def kind(span: Span, scope: Scope) -> Kind | None:
    """The span kind decides, save where the GenAI operation name as well says agent or tool; a chain may be a crew."""
    said = span.attributes.get("openinference.span.kind")
    if not isinstance(said, str):
        return None
    operation = span.attributes.get("gen_ai.operation.name")
    if isinstance(operation, str):
        genai = OPERATION_KINDS.get(operation)
        if genai is not None and genai.role in (Role.AGENT, Role.WORKFLOW, Role.TOOL):
            return genai
    if said.upper() == "TOOL" and "tool.name" not in span.attributes and span.name.lower().startswith("handoff"):
        return OPERATION_KINDS["handoff"]
    if said.upper() == "CHAIN" and "crew_agents" in span.attributes:
        return WORKFLOW
    return KINDS.get(said.upper(), FUNCTION)


_METADATA: Final[Mapping[str, str]] = {
    "session_id": "session.id",
    "sessionId": "session.id",
    "thread_id": "gen_ai.conversation.id",
    "threadId": "gen_ai.conversation.id",
    "conversation_id": "gen_ai.conversation.id",
    "conversationId": "gen_ai.conversation.id",
    "user_id": "user.id",
    "userId": "user.id",
}
"""What applications write into a span's metadata, a JSON object, and the name under which it is known."""
_IN_METADATA: Final = re.compile("|".join(f'"{key}"' for key in _METADATA))


def derived(span: Span) -> Attributes:
    """What is told elsewhere: the finish reason by the reply, session and user by the metadata."""
    told = {**asked_for_tools(span), **_not_given(span)}
    metadata = span.attributes.get("metadata")
    if not isinstance(metadata, str) or not _IN_METADATA.search(metadata):
        return told
    parsed = values.parse_container(metadata)
    noted = parsed if isinstance(parsed, dict) else {}
    known = {_METADATA[key]: value for key, value in noted.items() if key in _METADATA and values.as_text(value)}
    return {**told, **{key: value for key, value in known.items() if key not in span.attributes}}


def _not_given(span: Span) -> Attributes:
    """No input where a tool's parameters are the schema that describes them."""
    parameters = span.attributes.get("tool.parameters")
    parsed = values.parse_container(parameters) if isinstance(parameters, str) else None
    is_schema = isinstance(parsed, dict) and isinstance(parsed.get("properties"), dict) and "type" in parsed
    return {"tool.parameters": None} if is_schema else {}


def asked_for_tools(span: Span) -> Attributes:
    """The finish reason that the reply itself shows: a reply that calls a tool stopped to have it run."""
    attributes = span.attributes
    if attributes.get("openinference.span.kind") != "LLM" or "llm.finish_reason" in attributes:
        return {}
    calls = any(key.startswith(_OUTPUT_PREFIX) and ".message.tool_calls." in key for key in attributes)
    return {"llm.finish_reason": "tool_calls"} if calls else {}


DIALECT: Final = Dialect(
    name="openinference",
    kind=kind,
    markers=("openinference.span.kind",),
    fields=FIELDS,
    input_keys=("input.value", "tool.parameters"),
    output_keys=("output.value",),
    input_prefix="llm.input_messages.",
    output_prefix=_OUTPUT_PREFIX,
    derive=derived,
)

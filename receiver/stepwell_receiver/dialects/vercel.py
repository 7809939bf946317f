"""Vercel AI SDK 5 and 6, and the legacy telemetry of 7 (attribute ``ai.operationId``, scope ``ai``).

``ai.generateText`` and its kin are one run of an agent whose only name is the user's ``functionId``; the model calls
are the ``.doGenerate`` and ``.doStream`` spans inside. Source: the SDK's telemetry documentation.
"""

from collections.abc import Mapping
from typing import Final

from stepwell_receiver import values
from stepwell_receiver.dialects.base import AGENT, CHAT, EMBEDDINGS, FUNCTION, RERANK, TOOL, Dialect, Keys, Kind
from stepwell_receiver.wire import Scope, Span

_PLACES: Final = ("ai.telemetry.metadata", "ai.settings.context", "ai.settings.runtimeContext")
"""Where the versions keep what the application says of a call."""

FIELDS: Final[Mapping[str, Keys]] = {
    "agent_name": ("ai.telemetry.functionId",),
    "tool_name": ("ai.toolCall.name",),
    "model": ("ai.response.model", "ai.model.id"),
    "provider": ("ai.model.provider",),
    "response_id": ("ai.response.id",),
    "finish_reason": ("ai.response.finishReason",),
    "prompt_tokens": ("ai.usage.inputTokens", "ai.usage.promptTokens", "ai.usage.tokens"),
    "completion_tokens": ("ai.usage.outputTokens", "ai.usage.completionTokens"),
    "cache_read_tokens": ("ai.usage.cachedInputTokens",),
    "reasoning_tokens": ("ai.usage.reasoningTokens",),
    "session_id": tuple(f"{place}.{key}" for place in _PLACES for key in ("sessionId", "session_id")),
    "conversation_id": tuple(
        f"{place}.{key}" for place in _PLACES for key in ("conversationId", "conversation_id", "threadId", "chatId")
    ),
    "user_id": tuple(f"{place}.{key}" for place in _PLACES for key in ("userId", "user_id")),
}

_KINDS: Final[Mapping[str, Kind]] = {
    "ai.generateText": AGENT,
    "ai.streamText": AGENT,
    "ai.generateObject": AGENT,
    "ai.streamObject": AGENT,
    "ai.toolCall": TOOL,
    "ai.embed.doEmbed": EMBEDDINGS,
    "ai.embedMany.doEmbed": EMBEDDINGS,
    "ai.rerank.doRerank": RERANK,
}


def kind(span: Span, scope: Scope) -> Kind | None:
    """By the operation id, which is the span's name in older versions."""
    operation = values.as_text(span.attributes.get("ai.operationId"))
    if operation is None:
        if scope.name != "ai" or not span.name.startswith("ai."):
            return None
        operation = span.name.partition(" ")[0]
    if operation.endswith((".doGenerate", ".doStream")):
        return CHAT
    return _KINDS.get(operation, FUNCTION)


DIALECT: Final = Dialect(
    name="vercel",
    kind=kind,
    markers=("ai.operationId",),
    scopes=("ai",),
    spans_name_agents=False,
    fields=FIELDS,
    input_keys=("ai.toolCall.args", "ai.toolCall.input", "ai.prompt.messages", "ai.prompt", "ai.value", "ai.values"),
    output_keys=(
        "ai.toolCall.result",
        "ai.toolCall.output",
        "ai.response.object",
        "ai.response.text",
        "ai.response.toolCalls",
    ),
)

"""OpenLLMetry (Traceloop): span kinds of its own for workflows, agents, tasks and tools, request types for models.

Newer versions write OpenTelemetry's operation names as well, which go before. Where there is none, the kind decides,
though the span carries usage: an agent's sums up that of its calls.
"""

from collections.abc import Mapping
from typing import Final

from stepwell_receiver import values
from stepwell_receiver.dialects.base import AGENT, CHAIN, CHAT, EMBEDDINGS, RERANK, TOOL, WORKFLOW, Dialect, Keys, Kind
from stepwell_receiver.wire import Scope, Span

_ASSOCIATED: Final = "traceloop.association.properties."

FIELDS: Final[Mapping[str, Keys]] = {
    "own_name": ("traceloop.entity.name",),
    "workflow_name": ("traceloop.workflow.name",),
    "agent_name": ("crewai.crew.name",),
    "prompt_tokens": ("llm.usage.prompt_tokens",),
    "completion_tokens": ("llm.usage.completion_tokens",),
    "cache_read_tokens": ("llm.usage.cache_read_input_tokens",),
    "session_id": (_ASSOCIATED + "session_id", _ASSOCIATED + "session.id"),
    "conversation_id": (_ASSOCIATED + "conversation_id", _ASSOCIATED + "thread_id"),
    "user_id": (_ASSOCIATED + "user_id", _ASSOCIATED + "user.id"),
}

_KINDS: Final[Mapping[str, Kind]] = {"workflow": WORKFLOW, "agent": AGENT, "task": CHAIN, "tool": TOOL}
_REQUESTS: Final[Mapping[str, Kind]] = {
    "chat": CHAT,
    "completion": Kind(CHAT.role, "text_completion"),
    "embedding": EMBEDDINGS,
    "rerank": RERANK,
}


def kind(span: Span, scope: Scope) -> Kind | None:
    """By the span kind or, for a model call, the request type, for spans that name no GenAI operation."""
    if "gen_ai.operation.name" in span.attributes:
        return None
    said = values.as_text(span.attributes.get("traceloop.span.kind"))
    if said is not None:
        return _KINDS.get(said.lower(), CHAIN)
    requested = values.as_text(span.attributes.get("llm.request.type"))
    return _REQUESTS.get(requested.lower()) if requested else None


DIALECT: Final = Dialect(
    name="traceloop",
    kind=kind,
    markers=("traceloop.span.kind", "llm.request.type"),
    fields=FIELDS,
    input_keys=("traceloop.entity.input",),
    output_keys=("traceloop.entity.output", "crewai.crew.result"),
)

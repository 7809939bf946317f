"""LangSmith's SDK on OpenTelemetry (attribute ``langsmith.span.kind``).

Source: LangSmith's OpenTelemetry attribute mapping; usage and payload stand under OpenTelemetry's older names.
"""

from collections.abc import Mapping
from typing import Final

from stepwell_receiver import values
from stepwell_receiver.dialects.base import (
    CHAIN,
    CHAT,
    EMBEDDINGS,
    FUNCTION,
    OPERATION_KINDS,
    RETRIEVAL,
    TOOL,
    Dialect,
    Keys,
    Kind,
)
from stepwell_receiver.wire import Attributes, Scope, Span
from stepwell_storage.model import Role

_KINDS: Final[Mapping[str, Kind]] = {
    "chain": CHAIN,
    "llm": CHAT,
    "tool": TOOL,
    "retriever": RETRIEVAL,
    "embedding": EMBEDDINGS,
    "prompt": FUNCTION,
    "parser": FUNCTION,
}

FIELDS: Final[Mapping[str, Keys]] = {
    "agent_name": ("langsmith.metadata.lc_agent_name",),
    "model": ("langsmith.metadata.ls_model_name",),
    "provider": ("langsmith.metadata.ls_provider",),
    "session_id": ("langsmith.metadata.session_id",),
    "conversation_id": ("langsmith.metadata.conversation_id", "langsmith.metadata.thread_id"),
    "user_id": ("langsmith.metadata.user_id",),
}


def kind(span: Span, scope: Scope) -> Kind | None:
    """By the span kind, save where an operation name says agent or workflow."""
    said = values.as_text(span.attributes.get("langsmith.span.kind"))
    if said is None:
        return None
    operation = OPERATION_KINDS.get(values.as_text(span.attributes.get("gen_ai.operation.name")) or "")
    if operation is not None and operation.role in (Role.AGENT, Role.WORKFLOW):
        return operation
    return _KINDS.get(said.lower(), CHAIN)


def raised(span: Span) -> Attributes:
    """A tool status for what raised: the SDK records the exception, then marks every span as well ended."""
    failed = any(event.name == "exception" for event in span.events)
    return {"gen_ai.tool.status": "error"} if failed else {}


DIALECT: Final = Dialect(
    name="langsmith",
    kind=kind,
    markers=("langsmith.span.kind",),
    fields=FIELDS,
    input_keys=("gen_ai.prompt", "inputs"),
    output_keys=("gen_ai.completion", "outputs"),
    derive=raised,
)

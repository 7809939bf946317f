"""Logfire's own integrations, whose span names are message templates (attribute ``logfire.msg_template``).

Its OpenAI Agents integration carries the agent's name in ``name``; its OpenAI and Anthropic ones put request and
response under ``request_data`` and ``response_data``. Source: spans that these integrations export.
"""

from collections.abc import Mapping
from typing import Final

from stepwell_receiver import values
from stepwell_receiver.dialects.base import (
    AGENT,
    CHAIN,
    CHAT,
    EMBEDDINGS,
    FUNCTION,
    GUARDRAIL,
    HANDOFF,
    TOOL,
    WORKFLOW,
    Dialect,
    Keys,
    Kind,
)
from stepwell_receiver.wire import Attributes, Scope, Span

_TEMPLATES: Final[tuple[tuple[str, Kind], ...]] = (
    ("OpenAI Agents trace", WORKFLOW),
    ("Agent run", AGENT),
    ("Task: ", WORKFLOW),
    ("Turn ", CHAIN),
    ("Function: ", TOOL),
    ("MCP: list tools", FUNCTION),
    ("MCP: ", TOOL),
    ("Handoff", HANDOFF),
    ("Guardrail", GUARDRAIL),
    ("Responses API", CHAT),
    ("Chat Completion", CHAT),
    ("Chat completion", CHAT),
    ("Message with", CHAT),
    ("Completion with", Kind(CHAT.role, "text_completion")),
    ("Embedding", EMBEDDINGS),
)

FIELDS: Final[Mapping[str, Keys]] = {
    "own_name": ("name",),
    "agent_name": ("agent_name",),
    "session_id": ("group_id",),
}


def kind(span: Span, scope: Scope) -> Kind | None:
    """By how the template begins, for spans that name no GenAI operation."""
    template = values.as_text(span.attributes.get("logfire.msg_template"))
    if template is None or "gen_ai.operation.name" in span.attributes:
        return None
    for start, found in _TEMPLATES:
        if template.startswith(start):
            return found
    return None


def as_told(span: Span) -> Attributes:
    """No session where Logfire writes JSON's word for nothing; the message in an agent's error."""
    told: Attributes = {"group_id": None} if span.attributes.get("group_id") == "null" else {}
    error = span.attributes.get("error")
    parsed = values.parse_container(error) if isinstance(error, str) else error
    message = values.as_text(parsed.get("message")) if isinstance(parsed, dict) else None
    if message:
        details = parsed.get("data") if isinstance(parsed, dict) else None
        cause = values.as_text(values.first(details, ("error", "guardrail"))) if isinstance(details, dict) else None
        told["error.message"] = f"{message}: {cause}" if cause else message
    return told


DIALECT: Final = Dialect(
    name="logfire",
    kind=kind,
    markers=("logfire.msg_template",),
    fields=FIELDS,
    input_keys=("input", "request_data", "raw_input"),
    output_keys=("output", "response_data", "response"),
    derive=as_told,
)

"""Langfuse's SDKs on OpenTelemetry (attribute ``langfuse.observation.type``).

Usage and cost come as JSON objects by class. Source: Langfuse's OpenTelemetry attribute documentation.
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
    RETRIEVAL,
    TOOL,
    Dialect,
    Keys,
    Kind,
)
from stepwell_receiver.wire import Attributes, Scope, Span

_KINDS: Final[Mapping[str, Kind]] = {
    "agent": AGENT,
    "chain": CHAIN,
    "generation": CHAT,
    "embedding": EMBEDDINGS,
    "tool": TOOL,
    "retriever": RETRIEVAL,
    "guardrail": GUARDRAIL,
}
_USAGE: Final = "langfuse.observation.usage_details"
_COST: Final = "langfuse.observation.cost_details"


def kind(span: Span, scope: Scope) -> Kind | None:
    """By the observation type; plain spans and events are functions."""
    said = values.as_text(span.attributes.get("langfuse.observation.type"))
    if said is None or (said == "span" and "gen_ai.operation.name" in span.attributes):
        return None
    return _KINDS.get(said.lower(), FUNCTION)


def classes(span: Span) -> Attributes:
    """Token and cost classes out of their JSON objects, each under the object's key and its own name."""
    found: Attributes = {}
    for key in (_USAGE, _COST):
        told = span.attributes.get(key)
        parsed = values.parse_container(told) if isinstance(told, str) else told
        if isinstance(parsed, dict):
            found.update((f"{key}.{name}", count) for name, count in parsed.items())
    return found


def _usage(*names: str) -> Keys:
    return tuple(f"{_USAGE}.{name}" for name in names)


FIELDS: Final[Mapping[str, Keys]] = {
    "model": ("langfuse.observation.model.name", "langfuse.observation.model"),
    "prompt_tokens": _usage("input", "input_tokens", "prompt_tokens", "promptTokens"),
    "completion_tokens": _usage("output", "output_tokens", "completion_tokens", "completionTokens"),
    "cache_read_tokens": _usage("input_cached_tokens", "cache_read_input_tokens", "input_cache_read"),
    "cache_write_tokens": _usage("cache_creation_input_tokens", "input_cache_creation"),
    "reasoning_tokens": _usage("output_reasoning_tokens", "output_reasoning"),
    "cost_usd": (f"{_COST}.total",),
    "session_id": ("langfuse.session.id", "session.id"),
    "user_id": ("langfuse.user.id", "user.id"),
}

DIALECT: Final = Dialect(
    name="langfuse",
    kind=kind,
    markers=("langfuse.observation.type",),
    fields=FIELDS,
    input_keys=("langfuse.observation.input",),
    output_keys=("langfuse.observation.output",),
    derive=classes,
)

"""Langfuse's SDKs on OpenTelemetry (attribute ``langfuse.observation.type``).

Usage and cost come as JSON objects by class. Source: Langfuse's OpenTelemetry attribute documentation.
"""

from collections.abc import Mapping
from typing import Any, Final

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
_SIDES: Final[Mapping[str, str]] = {
    "prompt": "input_details",
    "input": "input_details",
    "completion": "output_details",
    "output": "output_details",
}
_ANTHROPIC_CACHES: Final = ("cache_read_input_tokens", "cache_creation_input_tokens")
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
    usage, cost = (_object(span, key) for key in (_USAGE, _COST))
    return {f"{_USAGE}.{name}": count for name, count in _with_totals(usage).items()} | {
        f"{_COST}.{name}": amount for name, amount in cost.items()
    }


def _object(span: Span, key: str) -> dict[str, Any]:
    told = span.attributes.get(key)
    parsed = values.parse_container(told) if isinstance(told, str) else told
    return parsed if isinstance(parsed, dict) else {}


def _with_totals(usage: dict[str, Any]) -> dict[str, Any]:
    """The classes, the details of a model vendor's usage among them, and what prompt and completion are in all.

    Langfuse's own classes exclude each other: ``input`` is what no ``input_…`` class and no cache holds. A model
    vendor's usage, which is passed on as it is, has counts that include their details, save Anthropic's caches.
    """
    told = dict(usage)
    for name in [name for name in usage if name.endswith("_details") and isinstance(usage[name], dict)]:
        side = _SIDES.get(name.partition("_")[0])
        told |= {f"{side}.{part}": count for part, count in told.pop(name).items()} if side else {}
    parts = {name: count for name, value in told.items() if (count := values.as_count(value)) is not None}
    for side, other in (("input", "output"), ("output", "input")):
        total = _total(parts, side, other)
        if total is not None:
            told[f"{side}_in_all"] = total
    return told


def _total(parts: Mapping[str, int], side: str, other: str) -> int | None:
    """The tokens of one side: its own count and the classes that this excludes; ``None`` where there is no count."""
    own = parts.get(side, parts.get(f"{side}_tokens"))
    if own is None:
        return None
    classes = _ANTHROPIC_CACHES if side == "input" else ()
    beside = sum(parts.get(name, 0) for name in classes)
    if side in parts:
        beside += sum(parts[name] for name in parts if name.startswith(f"{side}_") and _is_class(name))
    includes = side in parts and parts.get("total") == own + parts.get(other, 0)
    return own if includes else own + beside


def _is_class(name: str) -> bool:
    """Priority tiers repeat what other classes hold; ``input_tokens`` is the vendor's count."""
    return name.partition("_")[2] != "tokens" and not name.partition("_")[2].startswith("priority")


def _usage(*names: str) -> Keys:
    return tuple(f"{_USAGE}.{name}" for name in names)


FIELDS: Final[Mapping[str, Keys]] = {
    "model": ("langfuse.observation.model.name", "langfuse.observation.model"),
    "prompt_tokens": _usage("input_in_all", "prompt_tokens", "promptTokens"),
    "completion_tokens": _usage("output_in_all", "completion_tokens", "completionTokens"),
    "cache_read_tokens": _usage(
        "input_cached_tokens", "cache_read_input_tokens", "input_cache_read", "input_details.cached_tokens"
    ),
    "cache_write_tokens": _usage(
        "cache_creation_input_tokens", "input_cache_creation", "input_details.cache_write_tokens"
    ),
    "reasoning_tokens": _usage("output_reasoning_tokens", "output_reasoning", "output_details.reasoning_tokens"),
    "cost_usd": (f"{_COST}.total",),
    "session_id": ("langfuse.session.id", "session.id"),
    "user_id": ("langfuse.user.id", "user.id"),
    "agent_version": ("langfuse.release", "langfuse.version"),
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

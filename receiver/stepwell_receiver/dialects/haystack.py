"""Haystack's own tracing: pipelines, components and agents' steps (attributes ``haystack.*``).

What a model call used, and which tool an invoker called, stand only in the payload, which Haystack sends if asked to
(``HAYSTACK_CONTENT_TRACING_ENABLED``).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from stepwell_receiver import values
from stepwell_receiver.dialects.base import (
    AGENT,
    CHAIN,
    CHAT,
    EMBEDDINGS,
    FUNCTION,
    RERANK,
    RETRIEVAL,
    TOOL,
    Dialect,
    Keys,
    Kind,
)
from stepwell_receiver.wire import Attributes, Scope, Span

_COMPONENTS: Final[tuple[tuple[str, Kind], ...]] = (
    ("Agent", AGENT),
    ("ToolInvoker", TOOL),
    ("Generator", CHAT),
    ("Embedder", EMBEDDINGS),
    ("Retriever", RETRIEVAL),
    ("Ranker", RERANK),
)

_STEPS: Final[Mapping[str, Kind]] = {
    "haystack.agent.run": AGENT,
    "haystack.agent.step.llm": CHAT,
    "haystack.agent.step.tool": TOOL,
}

FIELDS: Final[Mapping[str, Keys]] = {
    "own_name": ("haystack.agent.name", "haystack.tool.name", "haystack.component.name"),
    "tool_name": ("haystack.tool.name", "haystack.reply.tool_name"),
    "model": ("haystack.reply.model",),
    "finish_reason": ("haystack.reply.finish_reason",),
    "prompt_tokens": ("haystack.reply.prompt_tokens",),
    "completion_tokens": ("haystack.reply.completion_tokens",),
}
_MODEL_OUTPUT: Final = ("haystack.agent.step.llm.output", "haystack.component.output")
_TOOL_CALLS: Final = ("haystack.component.output", "haystack.component.input")


def kind(span: Span, scope: Scope) -> Kind | None:
    """Pipelines are chains; a component is what its class's name ends in."""
    if not span.name.startswith("haystack."):
        return None
    if span.name.startswith("haystack.agent."):
        return _STEPS.get(span.name, CHAIN)
    if "pipeline" in span.name:
        return CHAIN
    component = values.as_text(span.attributes.get("haystack.component.type")) or ""
    for ending, found in _COMPONENTS:
        if component.endswith(ending):
            return found
    return FUNCTION


def of_payload(span: Span) -> Attributes:
    """Model, finish reason and usage of a model's reply, or the tool that an invoker called, from the payload."""
    if span.attributes.get("haystack.tool.error") is True:
        return {"gen_ai.tool.status": "error"}
    component = values.as_text(span.attributes.get("haystack.component.type")) or ""
    if component == "ToolInvoker":
        return _of_invoker(span)
    if span.name != "haystack.agent.step.llm" and not component.endswith("Generator"):
        return {}
    output = next((found for key in _MODEL_OUTPUT if (found := _container(span, key))), {})
    return _of_replies(output.get("replies"), output.get("meta"))


def _of_invoker(span: Span) -> Attributes:
    """The name of the tool, where it is one, and whether any call failed; an invoker that raises tells its input."""
    parts = [part for key in _TOOL_CALLS for part in _parts(_container(span, key))]
    results = [part["tool_call_result"] for part in parts if isinstance(part.get("tool_call_result"), dict)]
    calls = [part.get("tool_call") for part in parts] + [result.get("origin") for result in results]
    names = {call.get("tool_name") for call in calls if isinstance(call, dict)} - {None}
    told: Attributes = {"haystack.reply.tool_name": names.pop()} if len(names) == 1 else {}
    return told | {"gen_ai.tool.status": "error"} if any(result.get("error") is True for result in results) else told


def _container(span: Span, key: str) -> dict[str, Any]:
    given = span.attributes.get(key)
    parsed = values.parse_container(given) if isinstance(given, str) else given
    return parsed if isinstance(parsed, dict) else {}


def _of_replies(replies: Any, metas: Any) -> Attributes:
    """Chat replies carry their metadata, plain texts have theirs beside them; usage is the same in all of a call."""
    first = (replies or [None])[0] if isinstance(replies, list) else None
    meta = first.get("meta") if isinstance(first, dict) else (metas or [None])[0] if isinstance(metas, list) else None
    if not isinstance(meta, dict):
        return {}
    usage = meta.get("usage")
    told = {"model": meta.get("model"), "finish_reason": meta.get("finish_reason") or meta.get("stop_reason")}
    if isinstance(usage, dict):
        told["prompt_tokens"] = usage.get("prompt_tokens", usage.get("input_tokens"))
        told["completion_tokens"] = usage.get("completion_tokens", usage.get("output_tokens"))
    return {"haystack.reply." + name: value for name, value in told.items() if value is not None}


def _parts(container: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The parts of an invoker's result messages; of its input only those of the last message, which it carries out."""
    messages = container.get("tool_messages")
    if not isinstance(messages, list):
        given = container.get("messages")
        messages = given[-1:] if isinstance(given, list) else []
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        yield from (part for part in content or () if isinstance(part, dict))


DIALECT: Final = Dialect(
    name="haystack",
    kind=kind,
    fields=FIELDS,
    input_keys=(
        "haystack.agent.step.llm.input",
        "haystack.agent.step.tool.input",
        "haystack.component.input",
        "haystack.pipeline.input_data",
        "haystack.agent.input",
    ),
    output_keys=(
        "haystack.agent.step.llm.output",
        "haystack.agent.step.tool.output",
        "haystack.component.output",
        "haystack.pipeline.output_data",
        "haystack.agent.output",
    ),
    derive=of_payload,
    framework="haystack",
)

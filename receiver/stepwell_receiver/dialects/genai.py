"""OpenTelemetry's GenAI conventions, in all published spellings of their attribute names.

Source: the registry ``gen_ai`` of OpenTelemetry's semantic conventions; deprecated names (``gen_ai.system``,
``gen_ai.usage.prompt_tokens``, ``gen_ai.prompt``) come after their successors. pydantic-ai's older span formats,
which carry no operation name, are read here as well.
"""

from collections.abc import Mapping
from typing import Final

from stepwell_receiver import values
from stepwell_receiver.dialects.base import CHAIN, OPERATION_KINDS, Dialect, Keys, Kind
from stepwell_receiver.wire import Attributes, Event, Scope, Span, Value
from stepwell_storage.model import Role

FIELDS: Final[Mapping[str, Keys]] = {
    "workflow_name": ("gen_ai.workflow.name",),
    "agent_name": ("gen_ai.agent.name", "agent_name"),
    "agent_ref": ("gen_ai.agent.id",),
    "agent_version": ("gen_ai.agent.version",),
    "tool_name": ("gen_ai.tool.name",),
    "model": ("gen_ai.response.model", "gen_ai.request.model"),
    "provider": ("gen_ai.provider.name", "gen_ai.system"),
    "response_id": ("gen_ai.response.id",),
    "finish_reason": ("gen_ai.response.finish_reasons", "gen_ai.response.finish_reason"),
    "prompt_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "completion_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "cache_read_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.details.cache_read_tokens",
    ),
    "cache_write_tokens": (
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.details.cache_write_tokens",
    ),
    "reasoning_tokens": (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.details.reasoning_tokens",
    ),
    "cost_usd": ("gen_ai.usage.cost", "operation.cost"),
    "session_id": ("session.id",),
    "conversation_id": ("gen_ai.conversation.id",),
    "user_id": ("user.id", "enduser.id"),
}

INPUT_KEYS: Final[Keys] = (
    "gen_ai.input.messages",
    "gen_ai.tool.call.arguments",
    "tool_arguments",
    "gen_ai.prompt",
    "pydantic_ai.all_messages",
    "all_messages_events",
)
MESSAGE_KEYS: Final[Keys] = ("gen_ai.input.messages", "gen_ai.output.messages")
"""Input and output of an event that holds both."""
INPUT_PREFIX: Final = "gen_ai.prompt."
OUTPUT_PREFIX: Final = "gen_ai.completion."
OUTPUT_KEYS: Final[Keys] = (
    "final_result",
    "gen_ai.tool.call.result",
    "tool_response",
    "gen_ai.output.messages",
    "gen_ai.completion",
)


_NAMING_OPERATIONS: Final = frozenset(("invoke_agent", "invoke_workflow", "execute_tool", "create_agent"))
"""Operations that no other span's name begins with."""


def kind(span: Span, scope: Scope) -> Kind | None:
    """The operation name decides; without one, what else only agents, tools or models carry, then the span's name.

    Some instrumentations set the operation name only when the call ends well, but always name the span after it.
    OpenLLMetry writes an agent's operation on the tasks of its crew as well; its own span kind tells them apart.
    """
    attributes = span.attributes
    operation = attributes.get("gen_ai.operation.name")
    if operation == "invoke_agent" and attributes.get("traceloop.span.kind") == "task":
        return CHAIN
    if isinstance(operation, str) and operation:
        return OPERATION_KINDS.get(operation) or Kind(_role_of_unknown(attributes), operation)
    if "traceloop.span.kind" in attributes:
        return None  # it says more than the agent's name, which its spans of every kind carry
    if "gen_ai.tool.name" in attributes:
        return OPERATION_KINDS["execute_tool"]
    if any(key in attributes for key in FIELDS["prompt_tokens"]) or "gen_ai.request.model" in attributes:
        return OPERATION_KINDS["chat"]
    if "gen_ai.agent.name" in attributes or (span.name == "agent run" and "agent_name" in attributes):
        return OPERATION_KINDS["invoke_agent"]
    named = span.name.partition(" ")[0]
    return OPERATION_KINDS[named] if named in _NAMING_OPERATIONS else None


def _role_of_unknown(attributes: Attributes) -> Role:
    """The role behind an operation name that no table lists."""
    if "gen_ai.tool.name" in attributes:
        return Role.TOOL
    if any(key in attributes for key in FIELDS["prompt_tokens"]):
        return Role.MODEL
    return Role.OTHER


def messages_of_events(events: list[Event]) -> tuple[Value, Value]:
    """Input and output from message events, in their order."""
    given: list[Value] = []
    returned: list[Value] = []
    for event in events:
        event_given, event_returned = messages_of(event.name, event.attributes)
        given.extend(event_given)
        returned.extend(event_returned)
    return given or None, returned or None


def messages_of(name: str, content: Attributes) -> tuple[list[Value], list[Value]]:
    """Input and output in one event: ``gen_ai.<role>.message`` is input, ``gen_ai.choice`` is output."""
    if name == "gen_ai.choice":
        return [], [dict(content)]
    if name.startswith("gen_ai.") and name.endswith(".message"):
        role = name.removeprefix("gen_ai.").removesuffix(".message")
        return [{"role": role, **content}], []
    if name == "gen_ai.client.inference.operation.details":
        given, returned = (_some(content.get(key)) for key in MESSAGE_KEYS)
        return given, returned
    return [], []


def finish_reason(events: list[Event]) -> Value:
    """The finish reason that the last reply among message events tells."""
    replies = (event.attributes.get("finish_reason") for event in reversed(events) if event.name == "gen_ai.choice")
    return next((reason for reason in replies if reason), None)


def _some(value: Value) -> list[Value]:
    if isinstance(value, str):
        parsed = values.parse_container(value)
        value = parsed if isinstance(parsed, list) else value
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


DIALECT: Final = Dialect(
    name="genai",
    kind=kind,
    fields=FIELDS,
    input_keys=INPUT_KEYS,
    output_keys=OUTPUT_KEYS,
    input_prefix=INPUT_PREFIX,
    output_prefix=OUTPUT_PREFIX,
)

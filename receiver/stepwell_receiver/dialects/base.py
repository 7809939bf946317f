"""What a dialect tells of a span, and the shape that every dialect module fills.

A dialect is a table: which attribute keys carry which field, and a function that says what kind of work the span is.
`mapping` asks the dialects in order (`dialects.DIALECTS`) for each span; one trace may mix several.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from stepwell_receiver.wire import Attributes, Scope, Span
from stepwell_storage.model import Role

Keys = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """What a span is: its role in the fold and its operation in the contract's vocabulary."""

    role: Role
    operation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One instrumentation's way of writing agents, models and tools on spans.

    `fields` lists for each field of a step the attribute keys that may carry it, best first. ``own_name`` is what the
    span itself is called, whatever its kind; ``agent_name`` the agent that it is or belongs to.
    `kind` gives ``None`` where the dialect cannot tell; the next one is asked.
    Payload is looked for under `input_keys` and `output_keys`, then as messages that are flattened into one attribute
    each below `input_prefix` and `output_prefix`, then in OpenTelemetry's message events.
    `markers` and `scopes` spare asking: where they are given, the dialect knows no span that has none of these
    attribute keys and is of none of these scopes.
    `spans_name_agents` is False where spans are called after a method of the framework, never after the agent.
    `framework` is what wrote the span where its scope does not tell, as with tracers that the application names.
    `derive` gives further attributes that are hidden in the span's name or in JSON text, for `fields` to look up.
    """

    name: str
    kind: Callable[[Span, Scope], Kind | None]
    markers: Keys = ()
    scopes: Keys = ()
    fields: Mapping[str, Keys] = field(default_factory=dict)
    input_keys: Keys = ()
    output_keys: Keys = ()
    input_prefix: str | None = None
    output_prefix: str | None = None
    spans_name_agents: bool = True
    derive: Callable[[Span], Attributes] | None = None
    framework: str | None = None


OPERATION_KINDS: Final[Mapping[str, Kind]] = {
    "invoke_agent": Kind(Role.AGENT, "invoke_agent"),
    "invoke_workflow": Kind(Role.WORKFLOW, "invoke_workflow"),
    "invoke_graph": Kind(Role.WORKFLOW, "invoke_graph"),
    "invoke_swarm": Kind(Role.WORKFLOW, "invoke_swarm"),
    "create_agent": Kind(Role.OTHER, "create_agent"),
    "chat": Kind(Role.MODEL, "chat"),
    "text_completion": Kind(Role.MODEL, "text_completion"),
    "generate_content": Kind(Role.MODEL, "generate_content"),
    "embeddings": Kind(Role.EMBEDDING, "embeddings"),
    "execute_tool": Kind(Role.TOOL, "execute_tool"),
    "retrieval": Kind(Role.RETRIEVAL, "retrieval"),
    "vector_db_retrieve": Kind(Role.RETRIEVAL, "retrieval"),
    "rerank": Kind(Role.RETRIEVAL, "rerank"),
    "guardrail": Kind(Role.GUARDRAIL, "guardrail"),
    "handoff": Kind(Role.HANDOFF, "handoff"),
    "execute_task": Kind(Role.CHAIN, "execute_task"),
    "execute_event_loop_cycle": Kind(Role.CHAIN, "execute_event_loop_cycle"),
    "chain": Kind(Role.CHAIN, "chain"),
}
"""OpenTelemetry's operation names, those seen beyond its registry, and the contract's own words."""

AGENT: Final = OPERATION_KINDS["invoke_agent"]
WORKFLOW: Final = OPERATION_KINDS["invoke_workflow"]
CHAT: Final = OPERATION_KINDS["chat"]
TOOL: Final = OPERATION_KINDS["execute_tool"]
EMBEDDINGS: Final = OPERATION_KINDS["embeddings"]
RETRIEVAL: Final = OPERATION_KINDS["retrieval"]
RERANK: Final = OPERATION_KINDS["rerank"]
GUARDRAIL: Final = OPERATION_KINDS["guardrail"]
HANDOFF: Final = OPERATION_KINDS["handoff"]
CHAIN: Final = OPERATION_KINDS["chain"]
FUNCTION: Final = Kind(Role.OTHER, "function")

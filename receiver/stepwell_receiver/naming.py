"""Names and kinds that a step carries: its own, its agent's, its framework's (contract, chapter 4, "Names")."""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from stepwell_receiver import values
from stepwell_receiver.dialects import Kind
from stepwell_receiver.wire import KIND_CLIENT, KIND_PRODUCER, Span, Value
from stepwell_storage.model import Role, StepType

MODEL_ROLES: Final = frozenset((Role.MODEL, Role.EMBEDDING, Role.RETRIEVAL, Role.AGENT))
"""Roles whose model is worth keeping."""

TRANSCRIPT_KEYS: Final = frozenset(("pydantic_ai.all_messages", "all_messages_events"))
"""Attributes that hold a whole conversation, of which only the part before the first reply is the input."""

CACHED_NAMES: Final = 4_096
"""How many combinations of names are remembered; each name is cut before, so that their memory is bounded."""

_AGENT_ROLES: Final = frozenset((Role.AGENT, Role.WORKFLOW, Role.CHAIN))
_ROLES_OF_INPUT: Final = frozenset(("system", "user", "developer"))

_PREFIXED: Final = re.compile(
    r"^(?:invoke_agent|invoke_workflow|invoke_graph|invoke_swarm|create_agent|agent_run|agent run|workflow|agent|crew)"
    r"[ :]+\[?(?P<name>[^\[\]]+)\]?$"
)
_BRACKETED: Final = re.compile(r"^[\w ]+ ?\[(?P<name>[^\[\]]+)\]$")
_SUFFIXED: Final = re.compile(
    r"^(?P<name>.+?)(?: run|\.(?:kickoff|kickoff_async|a?run|run_stream|a?forward|__call__|a?call|_execute_core|execute"
    r"|a?invoke|stream|on_messages|on_messages_stream|workflow|agent))$"
)
_PLACEHOLDER: Final = re.compile(r"\{[^{}]*\}")
_DANGLING: Final = re.compile(r"(?:[\s:,'\"(\[-]+|\s(?:with|for|of|by|to|from|in))+$")
"""What is left at the end of a message template that was cut before its first placeholder."""
_MODEL_OPERATIONS: Final = ("chat", "text_completion", "generate_content", "embeddings")
_LOOP_NAME: Final = re.compile(
    r"^(?:execute_event_loop_cycle|(?:step|turn|iteration|cycle|loop)(?:[ _#:-]*\d+)?)$", re.I
)
_DECISION_NAME: Final = re.compile(r"(?:^|[ _.-])(?:router?|decide|decision|planner)(?:$|[ _.-])", re.I)

_FRAMEWORKS: Final = {
    "pydantic-ai": "pydantic-ai",
    "strands.telemetry.tracer": "strands",
    "gcp.vertex.agent": "google-adk",
    "agent_framework": "agent-framework",
    "autogen-core": "autogen",
    "mcp-python-sdk": "mcp",
    "com.anthropic.sdk.python": "anthropic",
    "ai": "vercel-ai",
    "gen_ai": "vercel-ai",
    "langsmith": "langsmith",
    "haystack": "haystack",
    "opentelemetry.instrumentation.llamaindex": "llama-index",
    "agno": "agno",
    "stepwell": "stepwell",
}
_INSTRUMENTATION: Final = re.compile(
    r"^(?:(?:openinference|opentelemetry|openlit)[./]instrumentation[./]"
    r"|@[\w-]+/(?:openinference-)?instrumentation-|@(?=(?:mastra|voltagent|genkit-ai)/)|(?=semantic_kernel\.))(?P<name>[a-z0-9_-]+)"
)


class Names(NamedTuple):
    """A step's own name, its agent's name as an attribute states it, and the one that only the span's name tells."""

    step_name: str
    """Empty where nothing names the step."""
    agent_name: str | None
    span_agent_name: str | None


class Stated(NamedTuple):
    """The names that a span's attributes state: the agent that it is or belongs to, the tool that it calls."""

    agent: str | None
    tool: str | None


@lru_cache(maxsize=CACHED_NAMES)
def names_of(span_name: str, role: Role, stated: Stated, models: tuple[str, ...], named_after_agents: bool) -> Names:
    """The names of one span; `models` are the model names that it states.

    `named_after_agents` is False where span names are the framework's own and tell no agent's.
    """
    name = _without_placeholders(span_name)
    told = named_after_agents and role in _AGENT_ROLES
    stripped = _span_agent_name(span_name, stated.agent) if told else None
    if stripped in models:
        stripped = None  # an agent without a name of its own goes by its model in some frameworks
    match role:
        case Role.TOOL:
            step_name = stated.tool or _after(name, "execute_tool") or _without_method(name)
        case Role.AGENT | Role.WORKFLOW:
            step_name = stated.agent or stripped or name
        case Role.MODEL | Role.EMBEDDING:
            step_name = _without_model(name, models)
        case Role.HANDOFF:
            step_name = "handoff"
        case _:
            step_name = name
    return Names(step_name, stated.agent, stripped)


def framework_of(scope_name: str) -> str | None:
    """The framework behind an instrumentation scope; ``None`` where the scope is the application's own."""
    known = _FRAMEWORKS.get(scope_name)
    if known:
        return known
    match = _INSTRUMENTATION.match(scope_name)
    if not match:
        return None
    return re.sub(r"_v\d+$", "", match["name"]).replace("_", "-")


def step_type_of(span: Span, kind: Kind) -> StepType:
    """The specification's step type from a span's kind (contract, chapter 4, vocabularies)."""
    if kind.role in (Role.MODEL, Role.EMBEDDING, Role.RETRIEVAL) or kind.operation == "database":
        return StepType.API_CALL
    if kind.operation == "http":
        return StepType.API_CALL if span.kind in (KIND_CLIENT, KIND_PRODUCER) else StepType.ACTION
    if kind.role in (Role.GUARDRAIL, Role.HANDOFF):
        return StepType.DECISION
    if kind.role in (Role.CHAIN, Role.OTHER):
        if _LOOP_NAME.match(span.name):
            return StepType.LOOP
        if _DECISION_NAME.search(span.name):
            return StepType.DECISION
        if span.kind == KIND_CLIENT and kind.role is Role.OTHER:
            return StepType.API_CALL
    return StepType.ACTION


def until_reply(value: Value) -> Value:
    """A transcript's messages (`TRANSCRIPT_KEYS`) up to the first reply; what is no list as it is."""
    messages = values.parse_container(value) if isinstance(value, str) else value
    if not isinstance(messages, list):
        return value
    given: list[Value] = []
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in _ROLES_OF_INPUT:
            break
        given.append(message)
    return given


def _without_placeholders(name: str) -> str:
    """``Chat completion with {model!r}`` → ``Chat completion``: a message template names what all its spans share."""
    if "{" not in name:
        return name
    head = _DANGLING.sub("", _PLACEHOLDER.split(name, maxsplit=1)[0])
    return head or _PLACEHOLDER.sub("", name).strip(" :,-'\"") or name


def _span_agent_name(name: str, stated: str | None) -> str | None:
    """What the span's name calls the agent; a template does not, and a longer form of the stated name says no more."""
    if _PLACEHOLDER.search(name):
        return None
    stripped = _without_affixes(name)
    return stated if stated and stripped and stated in stripped else stripped


def _without_affixes(name: str) -> str | None:
    """``invoke_agent x``, ``agent_run [x]``, ``x.kickoff``, ``x run`` → ``x``; other names as they are."""
    for pattern in (_PREFIXED, _BRACKETED, _SUFFIXED):
        match = pattern.match(name)
        if match:
            return match["name"].strip() or None
    return name.strip() or None


def _without_method(name: str) -> str:
    """``lookup.__call__`` → ``lookup``."""
    return name.removesuffix(".__call__").removesuffix(".acall") or name


def _without_model(name: str, models: tuple[str, ...]) -> str:
    """``chat gpt-4o-mini`` → ``chat``."""
    for model in models:
        if name.endswith(" " + model):
            return name[: -len(model) - 1].strip()
    operation = name.partition(" ")[0]
    return operation if operation in _MODEL_OPERATIONS else name


def _after(name: str, word: str) -> str | None:
    return name[len(word) :].strip() or None if name.startswith(word + " ") else None

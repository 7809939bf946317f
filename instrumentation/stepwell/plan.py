"""What a decorator or a ``with`` says of a step before it runs: name, kind, attributes and how often it is tried.

Attributes follow OpenTelemetry's GenAI conventions, so that any backend understands them: ``invoke_agent`` for an
agent, ``execute_tool`` for an action, ``chat`` for a model call; what they have no word for is a `step_type`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias

from opentelemetry.trace import SpanKind

from stepwell.semconv import RUNTIME_MODE, STEP_TYPE

StepType: TypeAlias = Literal["api_call", "action", "decision", "loop"]
Kind: TypeAlias = Literal["agent", "step"]

OPERATION: Final = "gen_ai.operation.name"
MODEL_OPERATIONS: Final = frozenset(("chat", "text_completion", "generate_content", "embeddings"))
_PLAIN: Final = frozenset((str, bool, float))
_NAME_KEYS: Final = {"invoke_agent": "gen_ai.agent.name", "execute_tool": "gen_ai.tool.name"}


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a step is tried again after an exception, and how long to wait before.

    The n-th wait is ``delay_s * factor ** (n - 1)``.
    """

    times: int = 0
    on: type[BaseException] | tuple[type[BaseException], ...] = Exception
    delay_s: float = 0.0
    factor: float = 2.0

    def wait_s(self, attempt: int, error: BaseException) -> float | None:
        """Seconds to wait after this failed attempt; ``None`` where it was the last."""
        if attempt > self.times or not isinstance(error, self.on):
            return None
        return float(self.delay_s * self.factor ** (attempt - 1))


@dataclass(frozen=True, slots=True)
class Plan:
    """One step as it is declared; the same for each of its calls."""

    kind: Kind
    name: str | None
    operation: str | None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    captures: bool | None = None
    """Whether input and output are reported; ``None``: as configured."""
    retries: Retries = Retries()
    span_name: str = ""
    span_kind: SpanKind = SpanKind.INTERNAL
    odd: tuple[str, ...] = ()
    """Names of attributes that are no plain text, number or boolean."""

    def named(self, default: str) -> "Plan":
        """The plan with its name, the default where it has none, and with the attributes that follow from it."""
        name = self.name or default
        model = self.attributes.get("gen_ai.request.model")
        attributes = {str(key): value for key, value in self.attributes.items() if key and value is not None}
        if self.operation:
            attributes[OPERATION] = self.operation
        name_key = _NAME_KEYS.get(self.operation or "")
        if name_key:
            attributes[name_key] = name
        span_name = f"{self.operation} {name}" if name_key else name
        if self.operation in MODEL_OPERATIONS and name == self.operation and model:
            span_name = f"{name} {model}"
        odd = tuple(key for key, value in attributes.items() if type(value) not in _PLAIN)
        return replace(self, name=name, attributes=attributes, span_name=span_name, odd=odd)


def of_agent(
    name: str | None,
    *,
    version: str | None,
    agent_id: str | None,
    user_id: str | None,
    session_id: str | None,
    runtime_mode: str | None,
    capture: bool | None,
    attributes: Mapping[str, Any] | None,
) -> Plan:
    """The plan of an agent."""
    stated = {
        "gen_ai.agent.version": version,
        "gen_ai.agent.id": agent_id,
        "user.id": user_id,
        "session.id": session_id,
        RUNTIME_MODE: runtime_mode,
    }
    told = {key: value for key, value in stated.items() if value is not None}
    return Plan("agent", name, "invoke_agent", {**(attributes or {}), **told}, capture)


def of_step(
    name: str | None,
    *,
    step_type: StepType | None,
    operation: str | None = None,
    model: str | None = None,
    provider: str | None = None,
    capture: bool | None = None,
    retries: Retries = Retries(),
    attributes: Mapping[str, Any] | None = None,
) -> Plan:
    """The plan of a step: a tool's call, unless a model, another operation or another type is given."""
    kind: StepType = step_type or ("api_call" if model or operation in MODEL_OPERATIONS else "action")
    if operation is None and (model or kind == "action"):
        operation = "chat" if model else "execute_tool"
    stated = {STEP_TYPE: kind, "gen_ai.request.model": model, "gen_ai.provider.name": provider}
    told = {key: value for key, value in stated.items() if value is not None}
    span_kind = SpanKind.CLIENT if kind == "api_call" else SpanKind.INTERNAL
    return Plan("step", name, operation, {**(attributes or {}), **told}, capture, retries, span_kind=span_kind)

"""Sums and first known values over an execution's steps."""

import math
from collections.abc import Iterable, Sequence
from typing import Final, Literal, TypedDict

from stepwell_storage.model import Role, Step

TextField = Literal[
    "session_id",
    "conversation_id",
    "user_id",
    "environment",
    "runtime_mode",
    "agent_version",
    "service_version",
    "service_name",
]


_AGENTS: Final = frozenset((Role.AGENT, Role.WORKFLOW, Role.CHAIN))
_CARRIERS: Final = _AGENTS | {Role.MODEL}
"""Roles whose payload may be the run's."""
_MODEL, _OTHER = Role.MODEL, Role.OTHER
"""Members of enumerations are looked up slowly by their class, and here for every step."""


class Totals(TypedDict):
    """Fields of an execution: tokens and cost over the steps that count; ``None`` where no step tells."""

    prompt_tokens: int | None
    completion_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None


class Context(TypedDict):
    """Fields of an execution: for whom, where and by what it ran, as the first step that knows tells."""

    session_id: str | None
    user_id: str | None
    environment: str | None
    runtime_mode: str | None
    version: str | None
    service_name: str | None


def totals_of(counted: Sequence[Step]) -> Totals:
    """Sums over the steps whose usage counts."""
    return {
        "prompt_tokens": _sum(step.prompt_tokens for step in counted),
        "completion_tokens": _sum(step.completion_tokens for step in counted),
        "cache_read_tokens": _sum(step.cache_read_tokens for step in counted),
        "cache_write_tokens": _sum(step.cache_write_tokens for step in counted),
        "reasoning_tokens": _sum(step.reasoning_tokens for step in counted),
        "cost_usd": _cost_usd(counted),
    }


def credits_of(members: Sequence[Step], cost_usd: float | None, credits_per_usd: float | None) -> float | None:
    """The credits that the steps state together; else the run's cost at the workspace's rate.

    A rate does not add to stated credits: who states them knows what the run is charged.
    """
    stated = [step.credits for step in members if step.credits is not None]
    if stated:
        return math.fsum(stated)
    return None if cost_usd is None or credits_per_usd is None else cost_usd * credits_per_usd


def context_of(steps: Sequence[Step]) -> Context:
    """What the first step that knows tells, in the given order."""
    return {
        "session_id": _first_known(steps, "session_id") or _first_known(steps, "conversation_id"),
        "user_id": _first_known(steps, "user_id"),
        "environment": _first_known(steps, "environment"),
        "runtime_mode": _first_known(steps, "runtime_mode"),
        "version": _first_known(steps, "agent_version") or _first_known(steps, "service_version"),
        "service_name": _first_known(steps, "service_name"),
    }


def models_of(steps: Sequence[Step]) -> tuple[str, ...]:
    """The different models of the model calls, in order of their first use."""
    return tuple(dict.fromkeys(step.model for step in steps if step.role is _MODEL and step.model))


def framework_of(top: Step | None, members: Sequence[Step]) -> str | None:
    """The top span's framework, else the first agent's, else the first model's or tool's that is known."""
    if top and top.framework:
        return top.framework
    known = [step for step in members if step.framework and step.role is not _OTHER]
    return next((step.framework for step in known if step.role in _AGENTS), known[0].framework if known else None)


def payload_spans(top: Step | None, members: Sequence[Step]) -> tuple[bytes | None, bytes | None]:
    """The spans whose input and output are the run's: the top one, else the first and the last that has any."""
    given = returned = top
    if top is None or not top.has_input:
        given = next((step for step in members if step.has_input and step.role in _CARRIERS), None)
    if top is None or not top.has_output:
        returned = max((s for s in members if s.has_output and s.role in _CARRIERS), key=_end_ns, default=None)
    return given.span_id if given else None, returned.span_id if returned else None


def _first_known(steps: Iterable[Step], name: TextField) -> str | None:
    for step in steps:
        value: str | None = getattr(step, name)
        if value is not None:
            return value
    return None


def _cost_usd(counted: Sequence[Step]) -> float | None:
    """The sum of what the calls cost; unknown as a whole where a call that used tokens has no cost.

    A sum without such a call would look like the run's cost and be less. Rounded once, so that it does not depend on
    the order of the calls.
    """
    if any(step.cost_usd is None and (step.prompt_tokens or step.completion_tokens) for step in counted):
        return None
    costs = [step.cost_usd for step in counted if step.cost_usd is not None]
    return math.fsum(costs) if costs else None


def _end_ns(step: Step) -> int:
    return step.end_ns or 0


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None

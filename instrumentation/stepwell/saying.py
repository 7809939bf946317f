"""What an agent says of the step it is in: ``stepwell.checkpoint(…)``, ``credits(…)``, ``trigger(…)``, ``usage(…)``.

Each is said of the current span, also of one that a framework's instrumentation has made; outside of any it does
nothing.
"""

from __future__ import annotations

from opentelemetry import trace

from stepwell import facts, steps
from stepwell.facts import TriggerType


def checkpoint(state: object = None, *, id: str | None = None) -> str:  # noqa: A002
    """Notes that the agent could go on from here; gives the checkpoint's id.

    Args:
        state: what it takes to go on, as JSON can hold it.
        id: a name of your own; without one, it gets a random one.
    """
    return facts.checkpoint_on(trace.get_current_span(), state, id)


def credits(amount: float) -> None:  # noqa: A001
    """Adds to the credits that the current step consumes; an execution's are those of its steps together."""
    facts.credits_on(trace.get_current_span(), amount)


def trigger(type: TriggerType, source: object = None) -> None:  # noqa: A002
    """Says what started the run: ``manual``, ``scheduled``, ``webhook`` or ``api``, and who or what exactly."""
    run = steps.run_of(steps.current_step())
    facts.trigger_on(trace.get_current_span() if run is None else run.span, type, source)


def usage(
    *,
    input_tokens: int | None = None,
    output_tokens: int | None = None,
    cache_read_tokens: int | None = None,
    cache_write_tokens: int | None = None,
    reasoning_tokens: int | None = None,
    cost_usd: float | None = None,
    model: str | None = None,
    provider: str | None = None,
    response_id: str | None = None,
    finish_reason: str | None = None,
) -> None:
    """Says what a model call used, in the step that calls it, which becomes an ``api_call``; several add up."""
    facts.usage_on(
        trace.get_current_span(),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cache_read_tokens=cache_read_tokens,
        cache_write_tokens=cache_write_tokens,
        reasoning_tokens=reasoning_tokens,
        cost_usd=cost_usd,
        model=model,
        provider=provider,
        response_id=response_id,
        finish_reason=finish_reason,
    )

"""What only the agent itself can tell of its run: checkpoints, credits, what triggered it, what a model call used.

Each is said of the current span, also of one that a framework's instrumentation has made.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from opentelemetry.trace import Span

from stepwell import capture, notices, runtime
from stepwell.plan import OPERATION
from stepwell.semconv import (
    CHECKPOINT_EVENT,
    CHECKPOINT_ID,
    CHECKPOINT_STATE,
    CREDITS,
    STEP_TYPE,
    TRIGGER_SOURCE,
    TRIGGER_TYPE,
)

TriggerType = Literal["manual", "scheduled", "webhook", "api"]

_PLAIN: Final = frozenset((str, bool, float))
_INT64: Final = range(-(2**63), 2**63)
_USAGE_KEYS: Final = {
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cache_read_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_write_tokens": "gen_ai.usage.cache_creation.input_tokens",
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
    "cost_usd": "gen_ai.usage.cost",
}


def checkpoint_on(span: Span, state: object, checkpoint_id: str | None) -> str:
    """Adds a checkpoint to a span; gives its id."""
    found = checkpoint_id or uuid.uuid4().hex
    try:
        attributes: dict[str, Any] = {CHECKPOINT_ID: found}
        used = runtime.current()
        if state is not None and used.level != "off":
            attributes[CHECKPOINT_STATE] = capture.as_json(state, used.redaction, used.max_attribute_bytes)
        if span.is_recording():
            span.add_event(CHECKPOINT_EVENT, attributes, used.now_ns())
            used.touch(span.get_span_context().span_id)
    except Exception as failure:
        _failed(failure)
    return found


def credits_on(span: Span, amount: float) -> None:
    """Adds credits to those that the span has."""
    try:
        if span.is_recording():
            span.set_attribute(CREDITS, _so_far(span, CREDITS) + float(amount))
    except Exception as failure:
        _failed(failure)


def trigger_on(span: Span, kind: TriggerType, source: object) -> None:
    """States what started the run whose span this is."""
    set_attributes(span, {TRIGGER_TYPE: kind} if source is None else {TRIGGER_TYPE: kind, TRIGGER_SOURCE: source})


def usage_on(
    span: Span,
    *,
    model: str | None = None,
    provider: str | None = None,
    response_id: str | None = None,
    finish_reason: str | None = None,
    **counts: float | None,
) -> None:
    """Adds what a model call used to what the span has; a step that was taken for a tool becomes a model call."""
    try:
        if not span.is_recording():
            return
        _make_model_call(span)
        stated = {"gen_ai.request.model": model, "gen_ai.provider.name": provider, "gen_ai.response.id": response_id}
        told: dict[str, Any] = {key: value for key, value in stated.items() if value is not None}
        if finish_reason is not None:
            told["gen_ai.response.finish_reasons"] = (finish_reason,)
        for name, value in counts.items():
            if value is not None:
                key = _USAGE_KEYS[name]
                told[key] = _so_far(span, key) + (float(value) if name == "cost_usd" else int(value))
        span.set_attributes(told)
    except Exception as failure:
        _failed(failure)


def set_attributes(span: Span, attributes: Mapping[str, object]) -> None:
    """Adds attributes; what OpenTelemetry does not take becomes JSON text."""
    try:
        if span.is_recording():
            span.set_attributes({key: attribute(value) for key, value in attributes.items()})
    except Exception as failure:
        _failed(failure)


def _make_model_call(span: Span) -> None:
    attributes = _attributes(span)
    if attributes.get(OPERATION) == "execute_tool" or (STEP_TYPE in attributes and OPERATION not in attributes):
        span.set_attributes({OPERATION: "chat", STEP_TYPE: "api_call"})


def _so_far(span: Span, key: str) -> float:
    value = _attributes(span).get(key)
    return value if isinstance(value, int | float) else 0


def _attributes(span: Span) -> Mapping[str, Any]:
    found = getattr(span, "attributes", None)
    return found if isinstance(found, Mapping) else {}


def attribute(value: object) -> Any:
    """The value where OpenTelemetry takes it: text, numbers, booleans, lists of one of these. JSON text else."""
    if _is_plain(value):
        return value
    if isinstance(value, list | tuple) and value and all(_is_plain(item) for item in value) and _are_alike(value):
        return tuple(value)
    used = runtime.current()
    return capture.as_json(value, used.redaction, used.max_attribute_bytes)


def _is_plain(value: object) -> bool:
    kind = type(value)
    return kind in _PLAIN or (kind is int and value in _INT64)


def _are_alike(values: Sequence[object]) -> bool:
    return len({type(value) for value in values}) == 1


def _failed(failure: Exception) -> None:
    notices.count("step_failed", "A step could not be reported: %s", failure)

"""From OTLP spans to steps: one pure function over a decoded request.

What differs between instrumentations stands in the tables of `dialects`; what holds for every span stands here and
in its neighbours `naming` and `outcome`. Attributes of ours (``stepwell.*``) win over every dialect's.
"""

import re
from dataclasses import dataclass
from typing import Final

from stepwell.semconv import SPAN_STATE, SPAN_STATE_STARTED
from stepwell_receiver import checkpoints, naming, outcome, payload, prices, processes, triggers, values
from stepwell_receiver.dialects import Kind, detect
from stepwell_receiver.fields import Fields
from stepwell_receiver.validation import END_OF_TIME_NS
from stepwell_receiver.wire import Attributes, Event, Scope, Span, TraceRequest, Value
from stepwell_storage.model import Role, Step, StepType

_FLAG_HAS_REMOTE: Final = 0x100
_FLAG_IS_REMOTE: Final = 0x200
_STEP_TYPES: Final = {step_type.value: step_type for step_type in StepType}
_PRICED: Final = frozenset((Role.MODEL, Role.EMBEDDING))
_ENUM_NAME: Final = re.compile(r"^[A-Za-z]*Reason\.")
_ENVIRONMENT_KEYS: Final = ("deployment.environment.name", "deployment.environment")


@dataclass(frozen=True, slots=True)
class _Source:
    """What all spans of one resource and scope share."""

    scope: Scope
    resource: Attributes
    service_name: str | None
    service_version: str | None
    environment: str | None
    framework: str | None
    process_key: bytes | None
    resource_json: str | None
    key_id: str | None


@dataclass(slots=True)
class _Times:
    start_ns: int
    end_ns: int | None
    duration_ms: float | None


@dataclass(frozen=True, slots=True)
class _Usage:
    prompt_tokens: int | None
    completion_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None


def map_request(request: TraceRequest, *, max_attribute_bytes: int, key_id: str | None = None) -> list[Step]:
    """Maps every span of a request whose ids are valid; the order is the request's.

    Args:
        request: a decoded request.
        max_attribute_bytes: longer attribute values are cut, and the step gets the flag ``attribute_cut``.
        key_id: the API key that the request came by.
    """
    steps: list[Step] = []
    for group in request.groups:
        source = _source(_bounded(group.resource, max_attribute_bytes, []), group.scope, key_id)
        steps.extend(_map_span(span, source, max_attribute_bytes) for span in group.spans)
    return steps


def _source(resource: Attributes, scope: Scope, key_id: str | None) -> _Source:
    return _Source(
        scope=scope,
        resource=resource,
        service_name=values.as_name(resource.get("service.name")),
        service_version=values.as_name(resource.get("service.version")),
        environment=values.as_name(values.first(resource, _ENVIRONMENT_KEYS)),
        framework=naming.framework_of(scope.name),
        process_key=processes.key_of(resource),
        resource_json=values.as_json(dict(resource)) if resource else None,
        key_id=key_id,
    )


def _map_span(span: Span, source: _Source, max_attribute_bytes: int) -> Step:
    flags: list[str] = []
    _bound(span, max_attribute_bytes, flags)
    dialect, kind = detect(span, source.scope)
    live = _live_ids(span)
    times = _times(span, flags, is_live=live is not None)
    span_id, parent_id = live or (span.span_id, span.parent_span_id)
    told = {**span.attributes, **dialect.derive(span)} if dialect.derive else span.attributes
    fields = Fields(told, dialect)
    given, returned, consumed = payload.of_span(span, dialect, fields)
    result = outcome.of_span(span, told, is_live=live is not None)
    if kind.role is Role.TOOL:
        result = outcome.of_tool(result, returned)
    models = fields.texts("model")
    model = models[0] if models and kind.role in naming.MODEL_ROLES else None
    stated = _stated_names(fields, kind)
    names = naming.names_of(span, kind, stated, models, named_after_agents=dialect.spans_name_agents)
    usage = _usage(fields)
    finish_reason = _finish_reason(fields.raw("finish_reason"))
    trigger_type, trigger_source = triggers.of_span(span, fields, kind.role, source.resource)
    return Step(
        trace_id=span.trace_id,
        span_id=span_id,
        parent_span_id=parent_id or None,
        parent_is_remote=bool(span.flags & _FLAG_IS_REMOTE) if span.flags & _FLAG_HAS_REMOTE else None,
        start_ns=times.start_ns,
        end_ns=times.end_ns,
        duration_ms=times.duration_ms,
        name=span.name,
        step_name=names.step_name,
        step_type=_STEP_TYPES.get(fields.text("step_type") or "") or naming.step_type_of(span, kind),
        role=kind.role,
        operation=kind.operation[: values.MAX_NAME_CHARACTERS],
        status=result.status,
        error_type=result.error_type,
        error_message=result.error_message,
        agent_name=names.agent_name,
        span_agent_name=names.span_agent_name,
        agent_ref=fields.text("agent_ref"),
        agent_version=fields.text("agent_version"),
        model=model,
        provider=fields.text("provider") if model else None,
        response_id=fields.text("response_id"),
        finish_reason=finish_reason,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        cost_usd=_cost_usd(fields, usage, models, kind.role, None if live else times.start_ns),
        credits=fields.number("credits"),
        memory_mb=fields.number("memory_mb"),
        session_id=fields.text("session_id"),
        conversation_id=fields.text("conversation_id"),
        user_id=fields.text("user_id"),
        trigger_type=trigger_type,
        trigger_source_json=trigger_source,
        runtime_mode=fields.text("runtime_mode"),
        service_name=source.service_name,
        service_version=source.service_version,
        environment=fields.text("environment") or source.environment,
        framework=source.framework or dialect.framework,
        scope_name=values.as_name(source.scope.name),
        process_key=source.process_key,
        has_input=given is not None,
        has_output=payload.is_answer(returned)
        or (kind.role is Role.MODEL and bool(usage.completion_tokens or finish_reason)),
        flags=tuple(dict.fromkeys(flags)),
        checkpoints=checkpoints.of_span(span, fields, result.status),
        is_live=live is not None,
        input_json=given,
        output_json=returned,
        error_json=result.error_json,
        attributes_json=_attributes_json(span.attributes, consumed),
        resource_json=source.resource_json,
        events_json=_events_json(span.events),
        links_json=_links_json(span),
        key_id=source.key_id,
    )


def _usage(fields: Fields) -> _Usage:
    return _Usage(
        prompt_tokens=fields.count("prompt_tokens"),
        completion_tokens=fields.count("completion_tokens"),
        cache_read_tokens=fields.count("cache_read_tokens"),
        cache_write_tokens=fields.count("cache_write_tokens"),
        reasoning_tokens=fields.count("reasoning_tokens"),
    )


def _cost_usd(fields: Fields, usage: _Usage, models: tuple[str, ...], role: Role, at_ns: int | None) -> float | None:
    """The cost that the span states, else the list price of a finished call to a model that is known."""
    stated = fields.number("cost_usd")
    if stated is not None or role not in _PRICED or not models or at_ns is None:
        return stated
    return prices.cost_usd(
        model=models[0],
        requested_model=models[1] if len(models) > 1 else None,
        provider=fields.text("provider"),
        at_ns=at_ns,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        reasoning_tokens=usage.reasoning_tokens,
    )


def _stated_names(fields: Fields, kind: Kind) -> naming.Stated:
    own = fields.text("own_name")
    agent = fields.text("agent_name")
    if kind.role is Role.WORKFLOW:
        agent = own or fields.text("workflow_name") or agent
    elif kind.role is Role.AGENT:
        agent = own or agent
    return naming.Stated(agent=agent, tool=fields.text("tool_name") or own)


def _bound(span: Span, max_bytes: int, flags: list[str]) -> None:
    """Cuts what is too long in a span and mends events whose time no clock shows; sets a flag for each."""
    if len(span.name) > values.MAX_NAME_CHARACTERS:
        span.name = span.name[: values.MAX_NAME_CHARACTERS]
        flags.append("name_cut")
    span.attributes = _bounded(span.attributes, max_bytes, flags)
    for link in span.links:
        link.attributes = _bounded(link.attributes, max_bytes, flags)
    for event in span.events:
        event.attributes = _bounded(event.attributes, max_bytes, flags)
        if not 0 <= event.time_ns < END_OF_TIME_NS:
            event.time_ns = 0
            flags.append("event_time_out_of_range")


def _bounded(attributes: Attributes, max_bytes: int, flags: list[str]) -> Attributes:
    """The attributes with over-long values cut; sets the flag ``attribute_cut``."""
    bounded = {key: values.cut(value, max_bytes) for key, value in attributes.items()}
    if all(bounded[key] is value for key, value in attributes.items()):
        return attributes
    flags.append("attribute_cut")
    return bounded


def _live_ids(span: Span) -> tuple[bytes, bytes] | None:
    """(span id, parent id) of a span that was sent when it started; ``None`` for a finished one.

    Logfire's pending spans are spans of their own below the real one, whose parent an attribute tells.
    """
    if span.attributes.get(SPAN_STATE) == SPAN_STATE_STARTED:
        return span.span_id, span.parent_span_id
    if span.attributes.get("logfire.span_type") != "pending_span" or not any(span.parent_span_id):
        return None
    parent = values.as_text(span.attributes.get("logfire.pending_parent_id")) or ""
    try:
        parent_id = bytes.fromhex(parent)
    except ValueError:
        parent_id = b""
    return span.parent_span_id, parent_id if len(parent_id) == 8 and any(parent_id) else b""


def _times(span: Span, flags: list[str], *, is_live: bool) -> _Times:
    """Start, end and duration, mended where they cannot be: missing times, an end before the start."""
    start_ns, end_ns = span.start_ns, span.end_ns
    if start_ns == 0 and end_ns:
        flags.append("start_time_missing")
        return _Times(_micro(end_ns), _micro(end_ns), None)
    if is_live:
        return _Times(_micro(start_ns), None, None)
    if end_ns == 0:
        flags.append("end_time_missing")
        return _Times(_micro(start_ns), None, None)
    if end_ns < start_ns:
        flags.append("end_before_start")
        end_ns = start_ns
    return _Times(_micro(start_ns), _micro(end_ns), (end_ns - start_ns) / 1e6)


def _micro(time_ns: int) -> int:
    return time_ns - time_ns % 1000


def _finish_reason(value: Value) -> str | None:
    """The first finish reason, also where a list comes as JSON text; of ``FinishReason.STOP`` the member's name."""
    if isinstance(value, str):
        parsed = values.parse_container(value)
        value = parsed if isinstance(parsed, list) else value
    name = values.as_name(value)
    return _ENUM_NAME.sub("", name) if name else None


def _attributes_json(attributes: Attributes, consumed: set[str]) -> str:
    return values.as_json({k: v for k, v in attributes.items() if k not in consumed} if consumed else attributes)


def _events_json(events: list[Event]) -> str | None:
    if not events:
        return None
    rows: list[Value] = [
        {"name": event.name, "time_unix_nano": event.time_ns, "attributes": event.attributes} for event in events
    ]
    return values.as_json(rows)


def _links_json(span: Span) -> str | None:
    if not span.links:
        return None
    rows: list[Value] = [
        {"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex(), "attributes": link.attributes}
        for link in span.links
    ]
    return values.as_json(rows)

"""From OTLP spans to steps: one pure function over a decoded request.

What differs between instrumentations stands in the tables of `dialects`; what holds for every span stands here and
in its neighbours `naming` and `outcome`. Attributes of ours (``stepwell.*``) win over every dialect's.
"""

import re
from collections.abc import Set
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from stepwell.semconv import SPAN_STATE, SPAN_STATE_STARTED
from stepwell_receiver import checkpoints, mending, naming, outcome, payload, prices, processes, triggers, values
from stepwell_receiver.dialects import Dialect, Kind, detect, genai
from stepwell_receiver.fields import Fields
from stepwell_receiver.shapes import shape_of
from stepwell_receiver.wire import Attributes, Event, Scope, Span, TraceRequest, Value
from stepwell_storage.model import Role, Step, StepType

_FLAG_HAS_REMOTE: Final = 0x100
_FLAG_IS_REMOTE: Final = 0x200
_STEP_TYPES: Final = {step_type.value: step_type for step_type in StepType}
_PRICED: Final = frozenset((Role.MODEL, Role.EMBEDDING))
_ENUM_NAME: Final = re.compile(r"^[A-Za-z]*Reason\.")
_LIVE_KEYS: Final = frozenset((SPAN_STATE, "logfire.span_type"))
_ENVIRONMENT_KEYS: Final = ("deployment.environment.name", "deployment.environment")


@dataclass(frozen=True, slots=True)
class _Source:
    """What all spans of one resource and scope share."""

    scope: Scope
    resource: Attributes
    service: tuple[str | None, str | None]
    """Name and version."""
    environment: str | None
    framework: str | None
    place: tuple[str | None, bytes | None]
    """The scope's name, and the key of the process."""
    resource_json: str | None
    key_id: str | None
    max_attribute_bytes: int


class _Usage(NamedTuple):
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
        source = _source(
            mending.bounded(group.resource, max_attribute_bytes, []), group.scope, key_id, max_attribute_bytes
        )
        steps.extend([_map_span(span, source) for span in group.spans])
    return steps


def _source(resource: Attributes, scope: Scope, key_id: str | None, max_attribute_bytes: int) -> _Source:
    return _Source(
        scope=scope,
        resource=resource,
        service=(values.as_name(resource.get("service.name")), values.as_name(resource.get("service.version"))),
        environment=values.as_name(values.first(resource, _ENVIRONMENT_KEYS)),
        framework=naming.framework_of(scope.name),
        place=(values.as_name(scope.name), processes.key_of(resource)),
        resource_json=values.as_json(dict(resource)) if resource else None,
        key_id=key_id,
        max_attribute_bytes=max_attribute_bytes,
    )


def _map_span(span: Span, source: _Source) -> Step:
    flags: list[str] = []
    mending.bound(span, source.max_attribute_bytes, flags)
    dialect, kind, fields = _read(span, source.scope)
    live_ids = _live_ids(span) if fields.shape.has_any(_LIVE_KEYS) else None
    is_live = live_ids is not None
    times = mending.times(span, flags, is_live=is_live)
    given, returned, consumed = payload.of_span(span, dialect, fields)
    result = _outcome(span, kind, fields, returned, is_live=is_live)
    models = fields.texts("model")
    model = _model(span, fields, kind, models)
    names = naming.names_of(span.name, kind.role, _stated_names(fields, kind), models, dialect.spans_name_agents)
    usage = _usage(fields)
    has_output = payload.is_answer(returned) or (kind.role is Role.MODEL and bool(usage.completion_tokens or model[3]))
    return Step(
        *_ids(span, live_ids),
        *times,
        span.name,
        names.step_name or kind.operation,
        _STEP_TYPES.get(fields.text("step_type") or "") or naming.step_type_of(span, kind),
        kind.role,
        kind.operation[: values.MAX_NAME_CHARACTERS],
        *result[:3],
        *names[1:],
        *_agent(fields),
        *model,
        *usage,
        *_amounts(fields, usage, models, kind.role, None if is_live else times.start_ns),
        *_context(span, kind, fields, source),
        source.framework or dialect.framework,
        *source.place,
        given is not None,
        has_output,
        tuple(dict.fromkeys(flags)) if flags else (),
        checkpoints.of_span(span, fields, result.status),
        is_live,
        given,
        returned,
        result.error_json,
        *_documents(span, source, consumed),
    )


def _read(span: Span, scope: Scope) -> tuple[Dialect, Kind, Fields]:
    """Whose span it is, what kind of work, and what its attributes and those that its dialect derives say."""
    shape = shape_of(span.attributes)
    dialect, kind = detect(span, scope, shape.candidates(scope.name))
    derived = dialect.derive(span) if dialect.derive else None
    if not derived:
        return dialect, kind, Fields(span.attributes, dialect, shape)
    told = {**span.attributes, **derived}
    return dialect, kind, Fields(told, dialect, shape_of(told))


def _outcome(span: Span, kind: Kind, fields: Fields, returned: str | None, *, is_live: bool) -> outcome.Outcome:
    result = outcome.of_span(span, fields.attributes, is_live=is_live)
    return outcome.of_tool(result, returned) if kind.role is Role.TOOL else result


def _ids(span: Span, live_ids: tuple[bytes, bytes] | None) -> tuple[bytes, bytes, bytes | None, bool | None]:
    """Fields ``trace_id`` to ``parent_is_remote`` of a step."""
    span_id, parent_id = live_ids or (span.span_id, span.parent_span_id)
    is_remote = bool(span.flags & _FLAG_IS_REMOTE) if span.flags & _FLAG_HAS_REMOTE else None
    return span.trace_id, span_id, parent_id or None, is_remote


_Text: TypeAlias = str | None
_Model: TypeAlias = tuple[_Text, _Text, _Text, _Text]
_Context: TypeAlias = tuple[_Text, _Text, _Text, _Text, _Text, _Text, _Text, _Text, _Text]


def _agent(fields: Fields) -> tuple[_Text, _Text]:
    """Fields ``agent_ref`` and ``agent_version`` of a step."""
    return fields.text("agent_ref"), fields.text("agent_version")


def _model(span: Span, fields: Fields, kind: Kind, models: tuple[str, ...]) -> _Model:
    """Fields ``model`` to ``finish_reason`` of a step."""
    reason = fields.raw("finish_reason")
    if reason is None and span.events:
        reason = genai.finish_reason(span.events)
    model = models[0] if models and kind.role in naming.MODEL_ROLES else None
    provider = fields.text("provider") if model else None
    return model, provider, fields.text("response_id"), _finish_reason(reason)


def _context(span: Span, kind: Kind, fields: Fields, source: _Source) -> _Context:
    """Fields ``session_id`` to ``environment`` of a step."""
    return (
        fields.text("session_id"),
        fields.text("conversation_id"),
        fields.text("user_id"),
        *triggers.of_span(span, fields, kind.role, source.resource),
        fields.text("runtime_mode"),
        *source.service,
        fields.text("environment") or source.environment,
    )


def _usage(fields: Fields) -> _Usage:
    return _Usage(*map(fields.count, _Usage._fields))


def _amounts(
    fields: Fields, usage: _Usage, models: tuple[str, ...], role: Role, at_ns: int | None
) -> tuple[float | None, float | None, float | None]:
    """Fields ``cost_usd`` to ``memory_mb`` of a step."""
    cost_usd = _cost_usd(fields, usage, models, role, at_ns)
    return cost_usd, fields.number("credits"), fields.number("memory_mb")


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


def _finish_reason(value: Value) -> str | None:
    """The first finish reason, also where a list comes as JSON text; of ``FinishReason.STOP`` the member's name."""
    if isinstance(value, str):
        parsed = values.parse_container(value)
        value = parsed if isinstance(parsed, list) else value
    name = values.as_name(value)
    return _ENUM_NAME.sub("", name) if name else None


def _documents(span: Span, source: _Source, consumed: Set[str]) -> tuple[_Text, _Text, _Text, _Text, _Text]:
    """Fields ``attributes_json`` to ``key_id`` of a step; what `consumed` names is its input or output."""
    attributes = span.attributes
    if consumed:
        attributes = {key: value for key, value in attributes.items() if key not in consumed}
    events = _events_json(span.events) if span.events else None
    links = _links_json(span) if span.links else None
    return values.as_json(attributes), source.resource_json, events, links, source.key_id


def _events_json(events: list[Event]) -> str:
    rows: list[Value] = [
        {"name": event.name, "time_unix_nano": event.time_ns, "attributes": event.attributes} for event in events
    ]
    return values.as_json(rows)


def _links_json(span: Span) -> str:
    rows: list[Value] = [
        {"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex(), "attributes": link.attributes}
        for link in span.links
    ]
    return values.as_json(rows)

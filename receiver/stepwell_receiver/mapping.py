"""From OTLP spans to steps: one pure function over a decoded request.

What differs between instrumentations stands in the tables of `dialects`; what holds for every span stands here and
in its neighbours `naming` and `outcome`; what many spans have in common is worked out once for them, in `alike`.
Attributes of ours (``stepwell.*``) win over every dialect's.
"""

import re
from collections.abc import Set
from dataclasses import dataclass
from typing import Final, TypeAlias

from stepwell.semconv import SPAN_STATE, SPAN_STATE_STARTED
from stepwell_receiver import alike, checkpoints, mending, outcome, payload, prices, processes, triggers, values
from stepwell_receiver.alike import Common
from stepwell_receiver.dialects import genai
from stepwell_receiver.fields import Amounts, Fields
from stepwell_receiver.prices import Tariff
from stepwell_receiver.wire import Attributes, Event, Scope, Span, TraceRequest, Value
from stepwell_storage.model import Role, Step

_FLAG_HAS_REMOTE: Final = 0x100
_FLAG_IS_REMOTE: Final = 0x200
_ENUM_NAME: Final = re.compile(r"^[A-Za-z]*Reason\.")
_MODEL, _TOOL = Role.MODEL, Role.TOOL
"""Members of enumerations are looked up slowly by their class, and here for every span."""
_Text: TypeAlias = str | None
_ENVIRONMENT_KEYS: Final = ("deployment.environment.name", "deployment.environment")


@dataclass(frozen=True, slots=True)
class _Source:
    """What all spans of one resource and scope share."""

    scope: Scope
    resource: Attributes
    service: tuple[str | None, str | None]
    """Name and version."""
    environment: str | None
    is_job: bool
    """Whether the resource tells what started its spans."""
    place: tuple[str | None, bytes | None]
    """The scope's name, and the key of the process."""
    resource_json: str | None
    key_id: str | None
    max_attribute_bytes: int


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
        is_job=triggers.is_of_job(resource),
        place=(values.as_name(scope.name), processes.key_of(resource)),
        resource_json=values.as_json(dict(resource)) if resource else None,
        key_id=key_id,
        max_attribute_bytes=max_attribute_bytes,
    )


def _map_span(span: Span, source: _Source) -> Step:
    flags: list[str] = []
    mending.bound(span, source.max_attribute_bytes, flags)
    common = alike.of_span(span, source.scope)
    kind, layout = common.kind, common.layout
    fields = Fields({**span.attributes, **common.derived} if common.derived else span.attributes, layout)
    live_ids = _live_ids(span) if layout.may_be_live else None
    start_ns, end_ns, duration_ms = mending.times(span, flags, is_live=live_ids is not None)
    given, returned, consumed = payload.of_span(span, fields)
    result = _outcome(span, common, fields, returned, is_live=live_ids is not None)
    finish_reason = _finish_reason(span, fields)
    agent_ref, response_id, session_id, conversation_id, user_id = fields.texts_in(layout.texts)
    usage = fields.counts_in(layout.counts)
    has_output = payload.is_answer(returned) or (kind.role is _MODEL and bool(usage[1] or finish_reason))
    # Not by calling `Step`, which takes four times as long for that many fields; the tests compare whole steps.
    return Step._make((
        *_ids(span, live_ids),
        start_ns,
        end_ns,
        duration_ms,
        span.name,
        *common.named,
        *result[:3],
        *common.agent,
        agent_ref,
        *common.model,
        response_id,
        finish_reason,
        *usage,
        *_amounts(fields, usage, common.tariff, None if live_ids else start_ns),
        session_id,
        conversation_id,
        user_id,
        *_trigger(span, fields, common, source),
        common.runtime_mode,
        *source.service,
        common.environment or source.environment,
        common.framework,
        *source.place,
        given is not None,
        has_output,
        tuple(dict.fromkeys(flags)) if flags else (),
        checkpoints.of_span(span, fields, result.status) if span.events or layout.may_have_checkpoint else (),
        live_ids is not None,
        given,
        returned,
        result.error_json,
        *_documents(span, source, consumed),
        None,
    ))  # fmt: skip


def _outcome(span: Span, common: Common, fields: Fields, returned: str | None, *, is_live: bool) -> outcome.Outcome:
    if common.succeeds and not is_live:
        result = outcome.SUCCESS
    else:
        result = outcome.of_span(span, fields.attributes, is_live=is_live)
    return outcome.of_tool(result, returned) if common.kind.role is _TOOL else result


def _trigger(span: Span, fields: Fields, common: Common, source: _Source) -> triggers.Trigger:
    if not (common.may_be_triggered or source.is_job):
        return None, None
    return triggers.of_span(span, fields, common.kind.role, source.resource)


def _ids(span: Span, live_ids: tuple[bytes, bytes] | None) -> tuple[bytes, bytes, bytes | None, bool | None]:
    """Fields ``trace_id`` to ``parent_is_remote`` of a step."""
    span_id, parent_id = live_ids or (span.span_id, span.parent_span_id)
    is_remote = bool(span.flags & _FLAG_IS_REMOTE) if span.flags & _FLAG_HAS_REMOTE else None
    return span.trace_id, span_id, parent_id or None, is_remote


def _amounts(fields: Fields, usage: prices.Tokens, tariff: Tariff | None, at_ns: int | None) -> Amounts:
    """Fields ``cost_usd`` to ``memory_mb`` of a step.

    The cost is what the span states, else the list price of a finished call to a model that is known.
    """
    amounts = fields.amounts_in(fields.layout.amounts)
    if tariff is None or at_ns is None or amounts[0] is not None:
        return amounts
    return prices.call_usd(tariff, at_ns, usage), *amounts[1:]


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


def _finish_reason(span: Span, fields: Fields) -> str | None:
    """The first finish reason, also where a list comes as JSON text; of ``FinishReason.STOP`` the member's name."""
    value = values.first(fields.attributes, fields.layout.finish_reason)
    if value is None:
        if not span.events:
            return None
        value = genai.finish_reason(span.events)
    if isinstance(value, str):
        parsed = values.parse_container(value)
        value = parsed if isinstance(parsed, list) else value
    name = values.as_name(value)
    return _ENUM_NAME.sub("", name) if name and "." in name else name


def _documents(span: Span, source: _Source, consumed: Set[str]) -> tuple[_Text, _Text, _Text, _Text, _Text]:
    """Fields ``attributes_json`` to ``key_id`` of a step; what `consumed` names is its input or output."""
    attributes = span.attributes
    if consumed:
        attributes = attributes.copy()
        for key in consumed:
            attributes.pop(key, None)  # derived ones were never there
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

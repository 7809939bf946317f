"""The last look at every span before it leaves, whoever made it: masked, bounded, without content if so set.

Runs in the exporting thread, so that it costs the agent no latency. A span that needs no change goes out as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, Status

from stepwell import notices
from stepwell.capture import clean, cut
from stepwell.redaction import MASK, Level, Redaction
from stepwell.semconv import SPAN_SEEN_NS, SPAN_STATE, SPAN_STATE_STARTED

_CONTENT: Final = re.compile(
    r"(?:^|[._])(?:inputs?|outputs?|prompts?|completions?|messages?|all_messages|arguments|args|results?|response|content"
    r"|documents?|document|query|statement|parameters|variables|instructions|system_instructions|all_messages_events"
    r"|request_data|state|body|text|object)(?:[._]|$)",
    re.I,
)
"""Names of content in the conventions of agents, model calls, databases and HTTP."""
_NO_CONTENT: Final = re.compile(
    r"^(?:exception\.|error\.|http\.|url\.|stepwell\.(?!input|output|checkpoint\.state)|gen_ai\.response\.|gen_ai\.output\.type)"
    r"|(?:^|[._])(?:id|name|type|role|model|status|finish_reasons?|mime_type|format|system)$",
    re.I,
)
_MAX_JSON_DEPTH: Final = 50
_SHORT: Final = 64
_MAX_UNCHANGED: Final = 4_096


class Outgoing:
    """Rewrites spans by the rules of a level.

    Args:
        level: at ``off`` content is left out.
        redaction: what is masked.
        max_attribute_bytes: longer text is cut, with a marker.
        stated: attributes of the resource that hold where a span's own resource has none.
    """

    def __init__(
        self, level: Level, redaction: Redaction, max_attribute_bytes: int, stated: Mapping[str, str] | None = None
    ) -> None:
        self._drops_content = level == "off"
        self._redaction = redaction
        self._max_bytes = max_attribute_bytes
        self._stated = dict(stated or {})
        self._resources: dict[int, tuple[Resource, Resource]] = {}
        self._unchanged: set[str] = set()
        """Short texts that leave as they are; names of steps, models and the like come again and again."""

    def of(self, span: ReadableSpan) -> ReadableSpan:
        """The span as it may leave."""
        held = span.attributes or {}  # asked for once: each time is another view of them
        attributes = self._attributes(held)
        events = [self._event(event) for event in span.events] if span.events else span.events
        resource = self._resource(span.resource)
        status = self._status(span.status)
        name = self._text(span.name)
        is_same = (
            attributes is held
            and resource is span.resource
            and status is span.status
            and name == span.name
            and all(new is old for new, old in zip(events, span.events, strict=True))
            and not span.links
        )
        if is_same:
            return span
        return ReadableSpan(
            name=name,
            context=span.get_span_context(),
            parent=span.parent,
            resource=resource,
            attributes=attributes,
            events=events,
            links=[Link(link.context, self._attributes(link.attributes or {})) for link in span.links],
            kind=span.kind,
            status=status,
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )

    def _attributes(self, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
        changed: dict[str, Any] = {}
        for key, value in attributes.items():
            new = self._value(key, value)
            if new is not value:
                changed[key] = new
        if not changed:
            return attributes
        merged = {**attributes, **changed}
        return {key: value for key, value in merged.items() if value is not None}

    def _value(self, key: str, value: Any) -> Any:
        """The value to report; the same object where nothing changes, ``None`` where it is left out."""
        kind = type(value)
        if kind is bool or kind is int or kind is float:
            return value if self._redaction.custom is None else self._custom(key, value)
        if self._drops_content and _CONTENT.search(key) and not _NO_CONTENT.search(key):
            return None
        if self._redaction.masks_key(key):
            return MASK
        if kind is str:
            new: Any = self._content(value)
        elif isinstance(value, Sequence) and not isinstance(value, bytes):
            items = [self._content(item) if isinstance(item, str) else item for item in value]
            new = value if all(a is b for a, b in zip(items, value, strict=True)) else items
        else:
            new = value
        return self._custom(key, new)

    def _custom(self, key: str, value: Any) -> Any:
        found = self._redaction.filtered(key, value)
        if found is value or found is None or isinstance(found, bool | int | float):
            return found
        return clean(cut(found, self._max_bytes)) if isinstance(found, str) else MASK

    def _content(self, text: str) -> str:
        if self._redaction.may_hold_keys(text):
            text = self._masked_json(text)
        return self._text(text)

    def _text(self, text: str) -> str:
        if text in self._unchanged:
            return text
        found = clean(cut(self._redaction.text(text), self._max_bytes))
        if found != text:
            return found
        if len(text) <= _SHORT and len(self._unchanged) < _MAX_UNCHANGED:
            self._unchanged.add(text)
        return text

    def _masked_json(self, text: str) -> str:
        """JSON text with what stands under secret names masked; other text as it is."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return self._redaction.masked_pairs(text)
        if not isinstance(value, dict | list):
            return text
        masked = self._masked(value, 0)
        return text if masked == value else json.dumps(masked, ensure_ascii=False)

    def _masked(self, value: Any, depth: int) -> Any:
        if depth > _MAX_JSON_DEPTH:
            return MASK
        if isinstance(value, dict):
            return {
                key: MASK if self._redaction.masks_key(key) else self._masked(item, depth + 1)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self._masked(item, depth + 1) for item in value]
        if isinstance(value, str) and self._redaction.may_hold_keys(value):
            return self._masked_json(value)
        return value

    def _event(self, event: Event) -> Event:
        attributes = event.attributes or {}
        new = self._attributes(attributes)
        return event if new is attributes else Event(event.name, new, event.timestamp)

    def _status(self, status: Status) -> Status:
        told = status.description
        new = self._text(told) if told else told
        return status if new is told or new == told else Status(status.status_code, new)

    def _resource(self, resource: Resource) -> Resource:
        """The resource with what is stated, masked; remembered, since all spans of a provider share one."""
        known = self._resources.get(id(resource))
        if known is not None and known[0] is resource:
            return known[1]
        own = resource.attributes
        missing = {key: value for key, value in self._stated.items() if _is_unknown(own.get(key))}
        attributes = self._attributes({**own, **missing} if missing else own)
        new = resource if attributes is own else Resource(attributes, resource.schema_url)
        if len(self._resources) > 100:
            self._resources.clear()
        self._resources[id(resource)] = (resource, new)
        return new


def started(span: ReadableSpan, seen_ns: int | None = None) -> ReadableSpan:
    """A running span as it is sent before its end: its end is its start, and an attribute says so.

    `seen_ns` is the present where it was sent before, so that the backend knows which report is the latest.
    """
    state: dict[str, Any] = {SPAN_STATE: SPAN_STATE_STARTED}
    if seen_ns is not None:
        state[SPAN_SEEN_NS] = seen_ns
    return ReadableSpan(
        name=span.name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes={**(span.attributes or {}), **state},
        events=tuple(span.events),
        links=tuple(span.links),
        kind=span.kind,
        start_time=span.start_time,
        end_time=span.start_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def checked(outgoing: Outgoing, spans: Sequence[ReadableSpan]) -> list[ReadableSpan]:
    """The spans that can be looked through; one that cannot stays in the process."""
    found = []
    for span in spans:
        try:
            found.append(outgoing.of(span))
        except Exception as error:
            notices.count("spans_unreadable", "A span could not be looked through and is not sent: %s", error)
    return found


def _is_unknown(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.startswith("unknown_service"))

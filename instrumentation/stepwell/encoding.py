"""Writes spans as OTLP requests, in the wire format of Protocol Buffers.

By hand, since the messages' own classes take ten times as long and an agent pays for it; what comes again and again
(names, keys, resources, scopes) is written once. Field numbers: opentelemetry-proto, ``trace_service.proto``,
``trace.proto``, ``resource.proto`` and ``common.proto``; wire format: protobuf.dev, "Encoding".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, Status

from stepwell import notices

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Event
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import Link

_Groups: TypeAlias = dict[int, dict[int, list[bytes]]]
"""Encoded spans by the ids of their resources and scopes."""

_SHORT: Final = 64
_MAX_KNOWN: Final = 100
_HAS_IS_REMOTE: Final = 0x100
_IS_REMOTE: Final = 0x200
_fixed64 = struct.Struct("<Q").pack
_fixed32 = struct.Struct("<I").pack
_double = struct.Struct("<d").pack
_int64_range: Final = range(-(2**63), 2**63)


class Encoder:
    """Puts spans together to requests of bounded size; remembers the resources and scopes that it has met."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, bytes]] = {}
        """By id, what has it, which is held so that the id stays its own, and its first fields."""

    def requests(self, spans: Sequence[ReadableSpan], max_spans: int, max_bytes: int) -> Iterator[tuple[bytes, int]]:
        """Requests, each with the number of its spans; one that cannot be encoded is left out and counted.

        A single span that takes more than `max_bytes` is a request of its own.
        """
        groups: _Groups = {}
        count = size = 0
        for span in spans:
            try:
                encoded = _sized(b"\x12", _span(span))
                resource, scope = self._ids_of(span)
            except Exception as error:
                notices.count("spans_unreadable", "A span could not be encoded and is not sent: %s", error)
                continue
            if count and (count >= max_spans or size + len(encoded) > max_bytes):
                yield self._request(groups), count
                groups, count, size = {}, 0, 0
            groups.setdefault(resource, {}).setdefault(scope, []).append(encoded)
            count += 1
            size += len(encoded)
        if count:
            yield self._request(groups), count
        if len(self._known) > _MAX_KNOWN:
            self._known.clear()

    def _ids_of(self, span: ReadableSpan) -> tuple[int, int]:
        resource, scope = span.resource, span.instrumentation_scope
        if id(resource) not in self._known:
            self._known[id(resource)] = (resource, _sized(b"\x0a", _resource(resource)))
        if id(scope) not in self._known:
            self._known[id(scope)] = (scope, _sized(b"\x0a", _scope(scope)))
        return id(resource), id(scope)

    def _request(self, groups: _Groups) -> bytes:
        """An ``ExportTraceServiceRequest``: spans by resource and, below it, by scope."""
        return b"".join(
            _sized(b"\x0a", self._with_head(resource, [_sized(b"\x12", self._with_head(*of)) for of in scopes.items()]))
            for resource, scopes in groups.items()
        )

    def _with_head(self, known: int, encoded: list[bytes]) -> bytes:
        """``ResourceSpans`` or ``ScopeSpans``, whose fields have the same numbers."""
        of, head = self._known[known]
        return head + b"".join(encoded) + _text(b"\x1a", (of.schema_url or "") if of is not None else "")


def _span(span: ReadableSpan) -> bytes:
    found = span.get_span_context()
    if found is None or span.start_time is None:
        raise ValueError("it has no ids or has not started")
    parent = span.parent
    parts = [
        *(b"\x0a\x10", found.trace_id.to_bytes(16, "big"), b"\x12\x08", found.span_id.to_bytes(8, "big")),
        _text(b"\x1a", found.trace_state.to_header()) if found.trace_state else b"",
        b"\x22\x08" + parent.span_id.to_bytes(8, "big") if parent else b"",
        *(_text(b"\x2a", span.name), b"\x30", _varint(span.kind.value + 1)),
        *(b"\x39", _fixed64(span.start_time), b"\x41", _fixed64(span.end_time or 0)),
        _attributes(b"\x4a", span.attributes, span.dropped_attributes, b"\x50"),
        b"\x85\x01" + _fixed32(_flags(parent)),
    ]
    if span.events:
        parts += [_sized(b"\x5a", _event(event)) for event in span.events]
    if span.links:
        parts += [_sized(b"\x6a", _link(link)) for link in span.links]
    if span.dropped_events or span.dropped_links:
        parts += [_count(b"\x60", span.dropped_events), _count(b"\x70", span.dropped_links)]
    parts.append(b"\x7a\x00" if span.status.is_unset else _sized(b"\x7a", _status(span.status)))
    return b"".join(parts)


def _event(event: Event) -> bytes:
    attributes = _attributes(b"\x1a", event.attributes, event.dropped_attributes, b"\x20")
    return b"\x09" + _fixed64(event.timestamp) + _text(b"\x12", event.name) + attributes


def _link(link: Link) -> bytes:
    to = link.context
    ids = b"\x0a\x10" + to.trace_id.to_bytes(16, "big") + b"\x12\x08" + to.span_id.to_bytes(8, "big")
    state = _text(b"\x1a", to.trace_state.to_header()) if to.trace_state else b""
    attributes = _attributes(b"\x22", link.attributes, link.dropped_attributes, b"\x28")
    return ids + state + attributes + b"\x35" + _fixed32(_flags(to))


def _status(status: Status) -> bytes:
    return _text(b"\x12", status.description or "") + b"\x18" + _varint(status.status_code.value)


def _flags(context: SpanContext | None) -> int:
    return _HAS_IS_REMOTE | (_IS_REMOTE if context is not None and context.is_remote else 0)


def _resource(resource: Resource) -> bytes:
    return _attributes(b"\x0a", resource.attributes, 0, b"\x10")


def _scope(scope: InstrumentationScope | None) -> bytes:
    if scope is None:
        return b""
    attributes = _attributes(b"\x1a", getattr(scope, "attributes", None), 0, b"\x20")
    return _text(b"\x0a", scope.name) + _text(b"\x12", scope.version or "") + attributes


def _attributes(tag: bytes, attributes: Mapping[str, Any] | None, dropped: int, dropped_tag: bytes) -> bytes:
    if not attributes:
        return _count(dropped_tag, dropped)
    parts: list[bytes] = []
    for key, value in attributes.items():
        if type(value) is str and len(value) <= _SHORT:
            parts += (tag, _short_pair(key, value))
        else:
            parts += (tag, _length_first(_key(key) + _length_first(_value(value))))
    parts.append(_count(dropped_tag, dropped))
    return b"".join(parts)


@lru_cache(4_096)
def _short_pair(key: str, value: str) -> bytes:
    """A ``KeyValue`` with its length; names of steps, models and the like come again and again."""
    return _length_first(_key(key) + _length_first(_value(value)))


@lru_cache(1_024)
def _key(key: str) -> bytes:
    """A ``KeyValue`` up to its value's length."""
    return _sized(b"\x0a", key.encode(errors="replace")) + b"\x12"


def _value(value: Any) -> bytes:
    """An ``AnyValue``; of what OTLP has no kind for, the text."""
    if isinstance(value, str):
        return _sized(b"\x0a", value.encode(errors="replace"))
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int) and value in _int64_range:
        return b"\x18" + _varint(value & 0xFFFF_FFFF_FFFF_FFFF)
    if isinstance(value, float):
        return b"\x21" + _double(value)
    return _of_container(value)


def _of_container(value: Any) -> bytes:
    if value is None:
        return b""
    if isinstance(value, bytes):
        return _sized(b"\x3a", value)
    if isinstance(value, Mapping):
        pairs = (_key(str(key)) + _length_first(_value(item)) for key, item in value.items())
        return _sized(b"\x32", b"".join(_sized(b"\x0a", pair) for pair in pairs))
    if isinstance(value, Sequence):
        return _sized(b"\x2a", b"".join(_sized(b"\x0a", _value(item)) for item in value))
    return _sized(b"\x0a", str(value).encode(errors="replace"))


def _text(tag: bytes, text: str) -> bytes:
    """A field of text, which is left out where it is empty."""
    return tag + _length_first(text.encode(errors="replace")) if text else b""


def _count(tag: bytes, count: int) -> bytes:
    return tag + _varint(count) if count else b""


def _sized(tag: bytes, content: bytes) -> bytes:
    return tag + _length_first(content)


def _length_first(content: bytes) -> bytes:
    length = len(content)
    return (_VARINTS[length] if length < len(_VARINTS) else _varint(length)) + content


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; all but the last have their highest bit set."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


_VARINTS: Final = tuple(_varint(number) for number in range(1_024))

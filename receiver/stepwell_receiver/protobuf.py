"""Decodes OTLP's binary encoding into the plain shapes of `wire`.

The envelope is walked by hand (`envelope`), spans are parsed under the schema of `schema`. Attributes come again and
again with the same few values, so short ones are looked up by their encoded bytes. Decoded values may therefore be
shared between spans: read them, never change them.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from google.protobuf.message import DecodeError

from stepwell_receiver import envelope, schema
from stepwell_receiver.errors import MalformedBodyError
from stepwell_receiver.signals import LOGS, TRACES, Signal, refuse_other_signal
from stepwell_receiver.text import text_of
from stepwell_receiver.validation import MAX_DEPTH, TOO_DEEP, Reason
from stepwell_receiver.wire import (
    Attributes,
    Event,
    Link,
    LogRecord,
    LogRequest,
    Scope,
    Span,
    SpanGroup,
    TraceRequest,
    Value,
)

_CACHED_BYTES = 96
_CACHED_ATTRIBUTES = 50_000
_cache: dict[bytes, tuple[str, Value]] = {}


def decode_traces(body: bytes) -> TraceRequest:
    """Decodes an ``ExportTraceServiceRequest``; damaged spans are counted in `TraceRequest.rejected` and left out.

    Raises:
        MalformedBodyError: the body is no such request; `WrongSignalError` where it is one of logs or metrics.
        BodyTooLargeError: it holds more than `envelope.MAX_ITEMS` spans.
    """
    request = TraceRequest(groups=[])
    groups = envelope.read_groups(body)
    for group in groups:
        spans = _decode_spans(group.items, request)
        request.groups.append(SpanGroup(_decode_resource(group.resource), _decode_scope(group.scope), spans))
    if not any(_is_identified(span) for group in request.groups for span in group.spans):
        refuse_other_signal(TRACES, (item for group in groups for item in group.items))
    return request


def decode_logs(body: bytes) -> LogRequest:
    """Decodes an ``ExportLogsServiceRequest``; damaged records are counted in `LogRequest.rejected` and left out.

    Raises:
        MalformedBodyError: the body is no such request; `WrongSignalError` where it is one of traces or metrics.
        BodyTooLargeError: it holds more than `envelope.MAX_ITEMS` records.
    """
    request = LogRequest(records=[])
    items = [item for group in envelope.read_groups(body) for item in group.items]
    for item in items:
        try:
            request.records.append(_log_record(schema.LogRecord.FromString(item)))
        except DecodeError:
            request.rejected[Reason.MALFORMED] += 1
    if not any(map(_is_identified, request.records)):
        refuse_other_signal(LOGS, items)
    return request


def count_items(body: bytes, signal: Signal) -> int:
    """How many items a request of `signal` holds, without decoding them.

    Raises:
        MalformedBodyError, BodyTooLargeError: as for `decode_traces`.
    """
    groups = envelope.read_groups(body)
    refuse_other_signal(signal, (item for group in groups for item in group.items))
    return sum(len(group.items) for group in groups)


def _is_identified(item: Span | LogRecord) -> bool:
    """Whether an item's ids have the right lengths, which those of another signal's items have not."""
    return len(item.trace_id) == 16 and len(item.span_id) == 8


def _decode_spans(items: Sequence[bytes], request: TraceRequest) -> list[Span]:
    spans = []
    for item in items:
        try:
            spans.append(_span(schema.Span.FromString(item)))
        except DecodeError:
            request.rejected[Reason.MALFORMED] += 1
    return spans


def _decode_resource(raw: bytes) -> Attributes:
    try:
        return _attributes(schema.Resource.FromString(raw).attributes)
    except DecodeError as error:
        raise MalformedBodyError(f"A resource in the body is no protobuf Resource: {error}") from error


def _decode_scope(raw: bytes) -> Scope:
    try:
        scope = schema.InstrumentationScope.FromString(raw)
        return Scope(text_of(scope.name), text_of(scope.version), _attributes(scope.attributes))
    except DecodeError as error:
        raise MalformedBodyError(f"A scope in the body is no protobuf InstrumentationScope: {error}") from error


def _span(span: Any) -> Span:
    status = span.status
    return Span(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_span_id,
        name=text_of(span.name),
        kind=span.kind,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        attributes=_attributes(span.attributes),
        events=[Event(text_of(e.name), e.time_unix_nano, _attributes(e.attributes)) for e in span.events],
        links=[Link(link.trace_id, link.span_id, _attributes(link.attributes)) for link in span.links],
        status_code=status.code,
        status_message=text_of(status.message),
        flags=span.flags,
    )


def _log_record(record: Any) -> LogRecord:
    return LogRecord(
        trace_id=record.trace_id,
        span_id=record.span_id,
        time_ns=record.time_unix_nano,
        observed_ns=record.observed_time_unix_nano,
        event_name=text_of(record.event_name),
        severity_number=record.severity_number,
        severity_text=text_of(record.severity_text),
        body=_value(record.body, 0),
        attributes=_attributes(record.attributes),
    )


def _attributes(raw_pairs: Iterable[bytes]) -> Attributes:
    attributes: Attributes = {}
    for raw in raw_pairs:
        if len(raw) > _CACHED_BYTES:
            key, value = _pair(raw, 0)
        elif (pair := _cache.get(raw)) is not None:
            key, value = pair
        else:
            key, value = _remember(raw)
        attributes[key] = value
    return attributes


def _remember(raw: bytes) -> tuple[str, Value]:
    if len(_cache) >= _CACHED_ATTRIBUTES:
        _cache.clear()
    pair = _cache[raw] = _pair(raw, 0)
    return pair


def _pair(raw: bytes, depth: int) -> tuple[str, Value]:
    key_value = schema.KeyValue.FromString(raw)
    return text_of(key_value.key), _value(key_value.value, depth)


def _value(value: Any, depth: int) -> Value:
    """An ``AnyValue`` as plain data; one that holds nothing is ``None``."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return text_of(value.string_value)
    if kind == "array_value":
        if depth == MAX_DEPTH:
            return TOO_DEEP
        return [_value(item, depth + 1) for item in schema.ArrayValue.FromString(value.array_value).values]
    if kind == "kvlist_value":
        if depth == MAX_DEPTH:
            return TOO_DEEP
        pairs = schema.KeyValueList.FromString(value.kvlist_value).values
        return dict(_pair(raw, depth + 1) for raw in pairs)
    scalar: Value = None if kind is None else getattr(value, kind)
    return scalar

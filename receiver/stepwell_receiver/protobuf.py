"""Decodes OTLP's binary encoding into the plain shapes of `wire`.

The envelope is walked by hand (`envelope`), spans are parsed under the schema of `schema`. Attributes come again and
again with the same few values, so short ones are looked up by their encoded bytes. Decoded values may therefore be
shared between spans: read them, never change them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

from google.protobuf.message import DecodeError

from stepwell_receiver import envelope, schema, wire
from stepwell_receiver.errors import MalformedBodyError
from stepwell_receiver.signals import LOGS, METRICS, TRACES, refuse_other_signal
from stepwell_receiver.text import text_of
from stepwell_receiver.validation import MAX_DEPTH, TOO_DEEP, Reason
from stepwell_receiver.wire import (
    Attributes,
    Event,
    Link,
    LogRecord,
    LogRequest,
    Metric,
    MetricGroup,
    MetricRequest,
    Point,
    Scope,
    Span,
    SpanGroup,
    TraceRequest,
    Value,
)

# Fields of Metric that hold numbers at a time, and fields of these.
_GAUGE: Final = 5
_SUM: Final = 7
_POINTS: Final = 1
_TEMPORALITY: Final = 2
_IS_MONOTONIC: Final = 3
_CACHED_BYTES = 96
_CACHED_ATTRIBUTES = 50_000
_cache: dict[bytes, tuple[str, Value]] = {}
_IN_FIELD_1, _IN_FIELD_2 = 0x0A, 0x12
"""Tags of length-delimited fields: of ``KeyValue`` the key and the value, of ``AnyValue`` 1 is a text."""
_ONE_BYTE: Final = 0x7F
"""The largest integer that protobuf writes in one byte."""


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


def decode_metrics(body: bytes, is_wanted: Callable[[str], bool]) -> MetricRequest:
    """Decodes the metrics with wanted names of an ``ExportMetricsServiceRequest``; of the others it reads the name.

    Raises:
        MalformedBodyError: the body is no such request; `WrongSignalError` where it is one of traces or logs.
        BodyTooLargeError: it holds more than `envelope.MAX_ITEMS` metrics, or points of wanted ones.
    """
    request = MetricRequest(groups=[])
    groups = envelope.read_groups(body)
    refuse_other_signal(METRICS, filter(_is_message, (item for group in groups for item in group.items)))
    left = envelope.MAX_ITEMS
    for group in groups:
        metrics = list(_decode_metrics(group.items, is_wanted, request))
        left -= sum(len(metric.points) for metric in metrics)
        envelope.check_left(left)
        if metrics:
            request.groups.append(MetricGroup(_decode_resource(group.resource), metrics))
    return request


def _is_message(item: bytes) -> bool:
    try:
        return all(True for _ in envelope.fields(item))
    except MalformedBodyError:
        return False


def _decode_metrics(
    items: Iterable[bytes], is_wanted: Callable[[str], bool], request: MetricRequest
) -> Iterator[Metric]:
    for item in items:
        try:
            texts, data = _metric_fields(item)
            if not is_wanted(texts[1]):
                request.unread[texts[1]] += 1
            else:
                yield _metric(texts[1], texts[3], data)
        except (DecodeError, MalformedBodyError):
            request.rejected[Reason.MALFORMED] += 1


def _metric_fields(item: bytes) -> tuple[dict[int, str], list[tuple[int, bytes]]]:
    """A metric's name (1) and unit (3), and its data: the number of the field and the message in it."""
    texts = {1: "", 3: ""}
    data = []
    for number, wire_type, start, end in envelope.fields(item):
        if wire_type == envelope.LENGTH_DELIMITED and number in texts:
            texts[number] = text_of(item[start:end])
        elif wire_type == envelope.LENGTH_DELIMITED and number in (_GAUGE, _SUM):
            data.append((number, item[start:end]))
    return texts, data


def _metric(name: str, unit: str, data: Iterable[tuple[int, bytes]]) -> Metric:
    """Splits gauges and sums by hand: only so are their points counted before there is an object for each."""
    metric = Metric(name, unit, is_level=True, points=[])
    for number, message in data:
        for field, wire_type, start, end in envelope.fields(message):
            if field == _POINTS and wire_type == envelope.LENGTH_DELIMITED:
                envelope.check_left(envelope.MAX_ITEMS - len(metric.points))
                metric.points.append(_point(schema.NumberDataPoint.FromString(message[start:end])))
            elif number == _SUM and wire_type == envelope.VARINT:
                told = envelope.integer_at(message, start)
                is_other = (field == _TEMPORALITY and told == wire.DELTA) or (field == _IS_MONOTONIC and told)
                metric.is_level = metric.is_level and not is_other
    return metric


def _point(point: Any) -> Point:
    kind = None if point.flags & wire.NO_RECORDED_VALUE else point.WhichOneof("value")
    return Point(point.time_unix_nano, None if kind is None else getattr(point, kind), _attributes(point.attributes))


def _is_identified(item: Span | LogRecord) -> bool:
    """Whether an item's ids have the right lengths, which those of another signal's items have not."""
    return len(item.trace_id) == 16 and len(item.span_id) == 8


def _decode_spans(items: Sequence[bytes], request: TraceRequest) -> list[Span]:
    spans = []
    for item in items:
        try:
            spans.append(_span(schema.Span.FromString(item), len(item)))
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


def _span(span: Any, wire_bytes: int) -> Span:
    events, links, status = span.events, span.links, span.status
    # By place, because names take a third of the time.
    return Span(
        span.trace_id,
        span.span_id,
        span.parent_span_id,
        text_of(span.name),
        span.kind,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        _attributes(span.attributes),
        [Event(text_of(e.name), e.time_unix_nano, _attributes(e.attributes)) for e in events] if events else [],
        [Link(link.trace_id, link.span_id, _attributes(link.attributes)) for link in links] if links else [],
        status.code,
        text_of(status.message),
        span.flags,
        wire_bytes,
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
        pair = _cache.get(raw) if len(raw) <= _CACHED_BYTES else _text_pair(raw)
        key, value = pair or _remember(raw)
        attributes[key] = value
    return attributes


def _remember(raw: bytes) -> tuple[str, Value]:
    pair = _text_pair(raw) or _pair(raw, 0)
    if len(raw) <= _CACHED_BYTES:
        if len(_cache) >= _CACHED_ATTRIBUTES:
            _cache.clear()
        _cache[raw] = pair
    return pair


def _text_pair(raw: bytes) -> tuple[str, str] | None:
    """A ``KeyValue`` that holds a text of up to 16 KB, as encoders write it: the key, then the value, nothing beside.

    Read by hand, in half the time; ``None`` for everything else.
    """
    try:
        value_at = raw[1] + 2
        if raw[0] != _IN_FIELD_1 or raw[1] > _ONE_BYTE or raw[value_at] != _IN_FIELD_2:
            return None
        # Sizes take one byte or two; written out, because two calls for each text cost as much as all the rest.
        size, at = raw[value_at + 1], value_at + 2
        if size > _ONE_BYTE:
            more = raw[at]
            if more > _ONE_BYTE:
                return None
            size, at = size & _ONE_BYTE | more << 7, at + 1
        if at + size != len(raw) or raw[at] != _IN_FIELD_1:
            return None
        size, at = raw[at + 1], at + 2
        if size > _ONE_BYTE:
            more = raw[at]
            if more > _ONE_BYTE:
                return None
            size, at = size & _ONE_BYTE | more << 7, at + 1
    except IndexError:
        return None
    return (_key_of(raw[2:value_at]), text_of(raw[at:])) if at + size == len(raw) else None


@lru_cache(maxsize=4_096)
def _key_of(raw: bytes) -> str:
    return text_of(raw)


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

"""Decodes OTLP/JSON into the plain shapes of `wire`.

OTLP's JSON is protobuf's with its own rules (OTLP specification, "JSON Protobuf Encoding"): ids are hexadecimal,
enums are numbers, names are lowerCamelCase, unknown names are ignored. 64-bit integers come as strings or numbers.
A span with a value of a wrong type is left out and counted; a broken outer shape refuses the request.
"""

import binascii
import json
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import orjson

from stepwell_receiver import envelope, wire
from stepwell_receiver.errors import BodyTooLargeError, MalformedBodyError
from stepwell_receiver.signals import LOGS, METRICS, TRACES, Signal, refuse_other_keys
from stepwell_receiver.text import clean
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

_UNREADABLE_ID: Final = b"?"
"""Has no valid id's length, so that validation rejects it under the right reason."""
MAX_MEMORY_BYTES: Final = 128 * 1024 * 1024
"""Two bytes of JSON become a hundred and more in memory, and the document has to stand there as a whole."""
_OBJECT_BYTES, _LIST_BYTES, _VALUE_BYTES = 184, 64, 56
_INT64: Final = range(-(1 << 63), 1 << 63)

_Object = Mapping[str, Any]


class _WrongTypeError(Exception):
    """A value is not of the type that its name asks for."""


def decode_traces(body: bytes) -> TraceRequest:
    """Decodes an ``ExportTraceServiceRequest``; malformed spans are counted in `TraceRequest.rejected` and left out.

    Raises:
        MalformedBodyError: the body is no such request; `WrongSignalError` where it is one of logs or metrics.
        BodyTooLargeError: it holds more than `envelope.MAX_ITEMS` spans.
    """
    request = TraceRequest(groups=[])
    for resource, scope, spans in _groups(body, TRACES):
        try:
            group = SpanGroup(_attributes(_object(resource).get("attributes")), _scope(scope), [])
        except _WrongTypeError:
            request.rejected[Reason.MALFORMED] += len(spans)
            continue
        for span in spans:
            try:
                group.spans.append(_span(_object(span)))
            except _WrongTypeError:
                request.rejected[Reason.MALFORMED] += 1
        request.groups.append(group)
    return request


def decode_logs(body: bytes) -> LogRequest:
    """Decodes an ``ExportLogsServiceRequest``; malformed records are counted in `LogRequest.rejected` and left out.

    Raises:
        MalformedBodyError, BodyTooLargeError: as for `decode_traces`.
    """
    request = LogRequest(records=[])
    for _, _, records in _groups(body, LOGS):
        for record in records:
            try:
                request.records.append(_log_record(_object(record)))
            except _WrongTypeError:
                request.rejected[Reason.MALFORMED] += 1
    return request


def decode_metrics(body: bytes, is_wanted: Callable[[str], bool]) -> MetricRequest:
    """Decodes the metrics with wanted names of an ``ExportMetricsServiceRequest``; of the others it reads the name.

    Raises:
        MalformedBodyError, BodyTooLargeError: as for `decode_traces`.
    """
    request = MetricRequest(groups=[])
    for resource, _, items in _groups(body, METRICS):
        try:
            group = MetricGroup(_attributes(_object(resource).get("attributes")), [])
        except _WrongTypeError:
            request.rejected[Reason.MALFORMED] += len(items)
            continue
        for item in items:
            try:
                metric = _object(item)
                name = _text(metric.get("name"))
                if is_wanted(name):
                    group.metrics.append(_metric(name, metric))
                else:
                    request.unread[name] += 1
            except _WrongTypeError:
                request.rejected[Reason.MALFORMED] += 1
        request.groups.append(group)
    return request


def _groups(body: bytes, signal: Signal) -> list[tuple[object, object, list[Any]]]:
    """Each group of items with its resource and its scope, none of them looked at yet."""
    document = _parse(body)
    if not isinstance(document, dict):
        raise MalformedBodyError("The body is JSON, but no object")
    refuse_other_keys(signal, document)
    try:
        groups = list(_walk(document, signal))
    except _WrongTypeError as error:
        raise MalformedBodyError(f"The body is JSON, but no OTLP {signal.name} request: {error}") from error
    if sum(len(items) for _, _, items in groups) > envelope.MAX_ITEMS:
        raise BodyTooLargeError(f"More than {envelope.MAX_ITEMS:,} {signal.item}s in one request; send smaller batches")
    return groups


def _walk(document: _Object, signal: Signal) -> Iterator[tuple[object, object, list[Any]]]:
    for resource_group in map(_object, _list(document.get(signal.groups_key))):
        for scope_group in map(_object, _list(resource_group.get(signal.scopes_key))):
            yield resource_group.get("resource"), scope_group.get("scope"), _list(scope_group.get(signal.items_key))


def _parse(body: bytes) -> object:
    """The document, by the fast parser; by the lenient one where that finds bad UTF-8 or half a surrogate pair."""
    if _memory_bytes(body) > MAX_MEMORY_BYTES:
        raise BodyTooLargeError("The body's JSON unfolds to too many values; send smaller batches, or protobuf")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as strict:
        try:
            return json.loads(body.decode("utf-8-sig", "replace"))
        except RecursionError:
            raise MalformedBodyError("The body is JSON that nests too deeply") from None
        except ValueError:
            raise MalformedBodyError(f"The body is not JSON: {strict}") from strict


def _memory_bytes(body: bytes) -> int:
    """What the document takes at most once it is parsed, without the text of its strings: CPython's smallest sizes."""
    return (
        _OBJECT_BYTES * body.count(b"{")
        + _LIST_BYTES * body.count(b"[")
        + _VALUE_BYTES * (body.count(b",") + body.count(b":"))
    )


def _span(span: _Object) -> Span:
    status = _object(span.get("status"))
    return Span(
        trace_id=_id(span.get("traceId")),
        span_id=_id(span.get("spanId")),
        parent_span_id=_id(span.get("parentSpanId")),
        name=_text(span.get("name")),
        kind=_enum(span.get("kind"), "SPAN_KIND_", _KINDS),
        start_ns=_integer(span.get("startTimeUnixNano")),
        end_ns=_integer(span.get("endTimeUnixNano")),
        attributes=_attributes(span.get("attributes")),
        events=[_event(_object(event)) for event in _list(span.get("events"))],
        links=[_link(_object(link)) for link in _list(span.get("links"))],
        status_code=_enum(status.get("code"), "STATUS_CODE_", _STATUS_CODES),
        status_message=_text(status.get("message")),
        flags=_integer(span.get("flags")),
    )


def _log_record(record: _Object) -> LogRecord:
    return LogRecord(
        trace_id=_id(record.get("traceId")),
        span_id=_id(record.get("spanId")),
        time_ns=_integer(record.get("timeUnixNano")),
        observed_ns=_integer(record.get("observedTimeUnixNano")),
        event_name=_text(record.get("eventName")),
        severity_number=_enum(record.get("severityNumber"), "SEVERITY_NUMBER_", _SEVERITIES),
        severity_text=_text(record.get("severityText")),
        body=_value(_object(record.get("body")), 0),
        attributes=_attributes(record.get("attributes")),
    )


def _metric(name: str, metric: _Object) -> Metric:
    gauge, total = _object(metric.get("gauge")), _object(metric.get("sum"))
    points = [_point(_object(point)) for data in (gauge, total) for point in _list(data.get("dataPoints"))]
    is_delta = _enum(total.get("aggregationTemporality"), "AGGREGATION_TEMPORALITY_", _TEMPORALITIES) == wire.DELTA
    return Metric(_text(name), _text(metric.get("unit")), not (is_delta or total.get("isMonotonic")), points)


def _point(point: _Object) -> Point:
    value: float | None = None
    if not _integer(point.get("flags")) & wire.NO_RECORDED_VALUE:
        if point.get("asDouble") is not None:
            value = _double(point["asDouble"])
        elif point.get("asInt") is not None:
            value = _integer(point["asInt"])
    return Point(_integer(point.get("timeUnixNano")), value, _attributes(point.get("attributes")))


_KINDS: Final = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_TEMPORALITIES: Final = ("UNSPECIFIED", "DELTA", "CUMULATIVE")
_STATUS_CODES: Final = ("UNSET", "OK", "ERROR")
_SEVERITIES: Final = (
    "UNSPECIFIED",
    *(f"{name}{step}" for name in ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL") for step in ("", 2, 3, 4)),
)


def _event(event: _Object) -> Event:
    return Event(_text(event.get("name")), _integer(event.get("timeUnixNano")), _attributes(event.get("attributes")))


def _link(link: _Object) -> Link:
    return Link(_id(link.get("traceId")), _id(link.get("spanId")), _attributes(link.get("attributes")))


def _scope(value: object) -> Scope:
    scope = _object(value)
    return Scope(_text(scope.get("name")), _text(scope.get("version")), _attributes(scope.get("attributes")))


def _attributes(value: object, depth: int = 0) -> Attributes:
    pairs = map(_object, _list(value))
    return {_text(pair.get("key")): _value(_object(pair.get("value")), depth) for pair in pairs}


def _value(value: _Object, depth: int) -> Value:
    """An ``AnyValue`` as plain data; one that holds nothing, or nothing known, is ``None``."""
    for key, content in value.items():
        if key in _SCALARS:
            return _SCALARS[key](content)
        if key in ("arrayValue", "kvlistValue"):
            if depth == MAX_DEPTH:
                return TOO_DEEP
            values = _object(content).get("values")
            if key == "kvlistValue":
                return _attributes(values, depth + 1)
            return [_value(_object(item), depth + 1) for item in _list(values)]
    return None


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise _WrongTypeError("a boolean is expected")


def _int_value(value: object) -> int | float:
    """An attribute's integer; one that 64 bits cannot hold (JavaScript knows no difference) becomes a double."""
    integer = _integer(value)
    if integer in _INT64:
        return integer
    try:
        return float(integer)
    except OverflowError:
        return float("inf") if integer > 0 else float("-inf")


def _double(value: object) -> float:
    """A double; as text it may be ``NaN``, ``Infinity`` or ``-Infinity``."""
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    raise _WrongTypeError("a number is expected")


def _bytes(value: object) -> bytes:
    """Base64, of either alphabet, padded or not."""
    encoded = _text(value).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        raise _WrongTypeError("base64 is expected") from None


def _text(value: object) -> str:
    if isinstance(value, str):
        return clean(value)
    if value is None:
        return ""
    raise _WrongTypeError("a string is expected")


_SCALARS: Final[Mapping[str, Callable[[object], Value]]] = {
    "stringValue": _text,
    "boolValue": _boolean,
    "intValue": _int_value,
    "doubleValue": _double,
    "bytesValue": _bytes,
}


def _integer(value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.isascii() and value.removeprefix("-").isdigit() and len(value) <= 32:
        return int(value)
    raise _WrongTypeError("an integer is expected")


def _enum(value: object, prefix: str, names: tuple[str, ...]) -> int:
    """An enum's number; its name, which OTLP forbids but protobuf's own JSON writes, is understood as well."""
    if isinstance(value, str) and value.removeprefix(prefix) in names:
        return names.index(value.removeprefix(prefix))
    return _integer(value)


def _id(value: object) -> bytes:
    """Hexadecimal in any case; anything else is an id that no validation lets pass."""
    text = _text(value)
    try:
        return binascii.unhexlify(text)
    except ValueError:
        return _UNREADABLE_ID


def _object(value: object) -> _Object:
    if isinstance(value, dict):
        return value
    if value is None:
        return {}
    raise _WrongTypeError("an object is expected")


def _list(value: object) -> list[Any]:
    if isinstance(value, list):
        return value
    if value is None:
        return []
    raise _WrongTypeError("a list is expected")

"""Mutations that know what OTLP is: they take real requests and swap types, names, times, parents and ids in them.

Bytes that are flipped blindly hardly get past the decoder. These stay requests, and so reach mapping, rows and fold.
Everything is drawn from the given `random.Random`, so that a seed tells all.
"""

import base64
import json
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.fuzz import words

Request: TypeAlias = ExportTraceServiceRequest | ExportLogsServiceRequest | ExportMetricsServiceRequest
_IDS: Final = frozenset(("traceId", "spanId", "parentSpanId"))
_MAX_CHANGES: Final = 12


def mutated_traces(body: bytes, chance: random.Random) -> bytes | None:
    """A trace request with a few changes; ``None`` where `body` is none or holds no span."""
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except DecodeError:
        return None
    for _ in range(chance.randint(1, _MAX_CHANGES)):
        scopes = [scope for group in request.resource_spans for scope in group.scope_spans]
        spans = [span for scope in scopes for span in scope.spans]
        if not spans:
            return None
        _change_of(chance)(request, chance.choice(spans), spans, chance)
    return request.SerializeToString()


def mutated_logs(body: bytes, chance: random.Random) -> bytes | None:
    """A log request with a few changes; ``None`` where `body` is none or holds no record."""
    request = ExportLogsServiceRequest()
    try:
        request.ParseFromString(body)
    except DecodeError:
        return None
    records = [r for group in request.resource_logs for scope in group.scope_logs for r in scope.log_records]
    if not records:
        return None
    for _ in range(chance.randint(1, _MAX_CHANGES)):
        record = chance.choice(records)
        match chance.randrange(5):
            case 0:
                record.body.CopyFrom(any_value(chance))
            case 1:
                record.event_name = chance.choice((*words.EVENTS, *words.NAMES))
            case 2:
                record.time_unix_nano = chance.choice(words.TIMES)
            case 3:
                record.span_id = chance.choice((b"", bytes(8), b"short", record.trace_id))
            case _:
                _change_attributes(record.attributes, chance)
    return request.SerializeToString()


def mutated_json(body: bytes, chance: random.Random) -> bytes | None:
    """A JSON document with a few changes; ``None`` where `body` is none."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    for _ in range(chance.randint(1, _MAX_CHANGES)):
        places = _places(document)
        if not places:
            return None
        holder, key = chance.choice(places)
        match chance.randrange(5):
            case 0:
                holder[key] = _json_value(chance)
            case 1:
                del holder[key]
            case 2:
                other, other_key = chance.choice(places)
                holder[key] = json.loads(json.dumps(other.get(other_key) if isinstance(other, dict) else None))
            case 3 if isinstance(holder, list):
                holder.insert(chance.randrange(len(holder) + 1), holder[key])
            case _ if isinstance(holder, dict):
                holder[chance.choice(_VALUE_KEYS)] = holder.pop(key)
    return json.dumps(document).encode()


def as_json(request: Request) -> bytes:
    """The request in OTLP's JSON: ids in hexadecimal, enums as numbers."""
    return json.dumps(_with_hex_ids(MessageToDict(request, use_integers_for_enums=True))).encode()


def _with_hex_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_hex_ids(item) for item in value]
    if isinstance(value, dict):
        return {k: _hex(v) if k in _IDS and isinstance(v, str) else _with_hex_ids(v) for k, v in value.items()}
    return value


def _hex(encoded: str) -> str:
    return base64.b64decode(encoded).hex()


def any_value(chance: random.Random, depth: int = 0) -> AnyValue:
    """An attribute value of any type; now and then one that nests deeply."""
    match chance.randrange(9 if depth < 4 else 6):
        case 0 | 1:
            return AnyValue(string_value=chance.choice(words.TEXTS))
        case 2:
            return AnyValue(int_value=chance.choice(words.INTEGERS))
        case 3:
            return AnyValue(double_value=chance.choice(words.DOUBLES))
        case 4:
            return AnyValue(bytes_value=chance.choice(words.BYTES))
        case 5:
            return chance.choice((AnyValue(), AnyValue(bool_value=True), AnyValue(bool_value=False)))
        case 6:
            value = AnyValue()
            value.array_value.values.extend(any_value(chance, depth + 1) for _ in range(chance.randrange(4)))
            return value
        case 7:
            value = AnyValue()
            value.kvlist_value.values.extend(_pair(chance, depth + 1) for _ in range(chance.randrange(4)))
            return value
        case _:
            return _deep(chance.randrange(36))


def _deep(levels: int) -> AnyValue:
    value = AnyValue(string_value="deep")
    for _ in range(levels):
        outer = AnyValue()
        outer.array_value.values.append(value)
        value = outer
    return value


def _pair(chance: random.Random, depth: int = 0) -> KeyValue:
    key = chance.choice(("", "role", "content", "name", "error", "usage", "0", "a\0b", chance.choice(words.KEYS)))
    return KeyValue(key=key, value=any_value(chance, depth))


def _change_attributes(attributes: Any, chance: random.Random) -> None:
    """Another type, another name, a key twice, a new one, or none at all."""
    if not attributes or chance.random() < 0.3:
        attributes.append(KeyValue(key=chance.choice(words.KEYS), value=any_value(chance)))
        return
    at = chance.randrange(len(attributes))
    match chance.randrange(5):
        case 0:
            attributes[at].value.CopyFrom(any_value(chance))
        case 1:
            attributes[at].key = chance.choice(words.KEYS)
        case 2:
            attributes.append(KeyValue(key=attributes[at].key, value=any_value(chance)))
        case 3:
            _as_other_type(attributes[at].value, chance)
        case _:
            del attributes[at]


def _as_other_type(value: AnyValue, chance: random.Random) -> None:
    """The same content, written differently: in a list, as JSON text, as bytes, under a name."""
    inner = AnyValue()
    inner.CopyFrom(value)
    match chance.randrange(4):
        case 0:
            value.array_value.values.append(inner)
        case 1:
            value.kvlist_value.values.append(KeyValue(key="value", value=inner))
        case 2:
            value.string_value = json.dumps(MessageToDict(inner))
        case _:
            value.bytes_value = inner.SerializeToString()


Change: TypeAlias = Callable[[ExportTraceServiceRequest, Span, Sequence[Span], random.Random], None]


def _attributes(request: ExportTraceServiceRequest, span: Span, spans: Sequence[Span], chance: random.Random) -> None:
    _change_attributes(span.attributes, chance)


def _borrowed(request: ExportTraceServiceRequest, span: Span, spans: Sequence[Span], chance: random.Random) -> None:
    """Attributes of another span, which makes it a span of two kinds."""
    other = chance.choice(spans)
    kept = [KeyValue.FromString(pair.SerializeToString()) for pair in other.attributes if chance.random() < 0.5]
    span.attributes.extend(kept)


def _resource(request: ExportTraceServiceRequest, span: Span, spans: Sequence[Span], chance: random.Random) -> None:
    group = chance.choice(request.resource_spans)
    _change_attributes(group.resource.attributes, chance)
    for scope in group.scope_spans:
        if chance.random() < 0.5:
            scope.scope.name = chance.choice(words.SCOPES)


def _times(request: ExportTraceServiceRequest, span: Span, spans: Sequence[Span], chance: random.Random) -> None:
    match chance.randrange(5):
        case 0:
            span.start_time_unix_nano = chance.choice(words.TIMES)
        case 1:
            span.end_time_unix_nano = chance.choice(words.TIMES)
        case 2:
            span.start_time_unix_nano, span.end_time_unix_nano = span.end_time_unix_nano, span.start_time_unix_nano
        case 3:
            span.end_time_unix_nano = span.start_time_unix_nano
        case _:
            span.start_time_unix_nano = chance.choice(spans).start_time_unix_nano


def _family(request: ExportTraceServiceRequest, span: Span, spans: Sequence[Span], chance: random.Random) -> None:
    match chance.randrange(5):
        case 0 | 1:
            span.parent_span_id = chance.choice(spans).span_id
        case 2:
            span.parent_span_id = chance.choice((b"", bytes(8), b"missing!", b"short"))
        case 3:
            span.trace_id = chance.choice((chance.choice(spans).trace_id, bytes(16), b"other trace ids!"))
        case _:
            span.span_id = chance.choice((chance.choice(spans).span_id, bytes(8), b"own id 8", b""))


def _ending(request: ExportTraceServiceRequest, span: Span, spans: Sequence[Span], chance: random.Random) -> None:
    span.status.code = chance.choice((0, 1, 2, 7))  # type: ignore[assignment]
    span.status.message = chance.choice(words.TEXTS)
    span.flags = chance.choice((0, 0x100, 0x300, 2**32 - 1))
    span.kind = chance.choice((0, 1, 2, 3, 4, 5, 99))  # type: ignore[assignment]


def _names(request: ExportTraceServiceRequest, span: Span, spans: Sequence[Span], chance: random.Random) -> None:
    span.name = chance.choice((*words.NAMES, chance.choice(spans).name))


def _events(request: ExportTraceServiceRequest, span: Span, spans: Sequence[Span], chance: random.Random) -> None:
    event = span.events.add(name=chance.choice(words.EVENTS), time_unix_nano=chance.choice(words.TIMES))
    event.attributes.extend(_pair(chance) for _ in range(chance.randrange(3)))
    if chance.random() < 0.3:
        span.links.add(trace_id=chance.choice((span.trace_id, b"", b"x" * 40)), span_id=span.span_id)


def _repetition(request: ExportTraceServiceRequest, span: Span, spans: Sequence[Span], chance: random.Random) -> None:
    scopes = [scope for group in request.resource_spans for scope in group.scope_spans]
    if len(spans) < 60:
        chance.choice(scopes).spans.append(span)


_CHANGES: Final[Sequence[tuple[Change, int]]] = (
    (_attributes, 8),
    (_borrowed, 2),
    (_resource, 1),
    (_times, 2),
    (_family, 3),
    (_ending, 1),
    (_names, 1),
    (_events, 2),
    (_repetition, 1),
)


def _change_of(chance: random.Random) -> Change:
    return chance.choices([change for change, _ in _CHANGES], [weight for _, weight in _CHANGES])[0]


_VALUE_KEYS: Final = ("stringValue", "intValue", "doubleValue", "boolValue", "bytesValue", "arrayValue", "kvlistValue")


def _json_value(chance: random.Random) -> Any:
    plain: tuple[Any, ...] = (
        None,
        True,
        *words.TEXTS,
        *words.INTEGERS,
        *words.DOUBLES,
        2**64,
        -(2**70),
        10**400,
        [],
        {},
        [[]],
        [{}],
    )
    value = chance.choice(plain)
    return {chance.choice(_VALUE_KEYS): value} if chance.random() < 0.3 else value


def _places(document: Any) -> list[tuple[Any, Any]]:
    """Every place in a document that holds a value, as its holder and the key or index in it."""
    found: list[tuple[Any, Any]] = []
    holders = [document] if isinstance(document, dict | list) else []
    for holder in holders:
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        found.extend((holder, key) for key in keys)
        holders.extend(holder[key] for key in keys if isinstance(holder[key], dict | list))
    return found


Mutation: TypeAlias = Callable[[bytes, random.Random], bytes | None]
MUTATIONS: Final[Mapping[str, Mutation]] = {
    "traces_protobuf": mutated_traces,
    "traces_json": mutated_json,
    "logs_protobuf": mutated_logs,
    "logs_json": mutated_json,
    "metrics_json": mutated_json,
}
"""How the bodies of each target are changed; those of others only blindly."""

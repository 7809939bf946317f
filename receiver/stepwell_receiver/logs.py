"""From OTLP log records to those of steps: one pure function over a decoded request.

OpenTelemetry's GenAI instrumentations report prompts and completions as events, which travel as log records: those
become input and output of their step. Every other record becomes a line of its log.
"""

import hashlib
from typing import Final

from stepwell_receiver import values, wire
from stepwell_receiver.dialects import genai
from stepwell_receiver.wire import Attributes, Value
from stepwell_storage.model import LogRecord

_EVENT_NAME: Final = "event.name"
"""Where events had their name before log records got a field for it."""
_SEVERITIES: Final = range(1, 25)
_KEY_BYTES: Final = 16


def map_logs(request: wire.LogRequest, *, max_attribute_bytes: int, key_id: str | None = None) -> list[LogRecord]:
    """Maps every record of a request that has a span; the order is the request's.

    Args:
        request: a decoded request.
        max_attribute_bytes: a longer body or attribute is cut, and the record gets the flag ``attribute_cut``.
        key_id: the API key that the request came by.
    """
    return [_map_record(record, max_attribute_bytes, key_id) for record in request.records]


def _map_record(record: wire.LogRecord, max_bytes: int, key_id: str | None) -> LogRecord:
    body = values.cut(record.body, max_bytes)
    attributes = {key: values.cut(value, max_bytes) for key, value in record.attributes.items()}
    is_cut = body is not record.body or any(attributes[key] is not record.attributes[key] for key in attributes)
    name = values.as_name(record.event_name) or values.as_name(attributes.get(_EVENT_NAME)) or ""
    given, returned = genai.messages_of(name, _content(name, body, attributes))
    return LogRecord(
        trace_id=record.trace_id,
        span_id=record.span_id,
        time_ns=_micro(record.time_ns or record.observed_ns),
        record_key=_key(record),
        event_name=name or None,
        severity_number=record.severity_number if record.severity_number in _SEVERITIES else None,
        severity_text=values.as_name(record.severity_text),
        input_json=values.as_json(given) if given else None,
        output_json=values.as_json(returned) if returned else None,
        body_json=None if body is None or given or returned else values.as_json(body),
        attributes_json=_attributes_json(attributes, genai.MESSAGE_KEYS if given or returned else ()),
        flags=("attribute_cut",) if is_cut else (),
        key_id=key_id,
    )


def _content(name: str, body: Value, attributes: Attributes) -> Attributes:
    """What a message event says: in its body, which may be bare text, else, in newer conventions, in its attributes."""
    if isinstance(body, dict):
        return {**attributes, **body} if name.endswith(".details") else body
    if body is None or name.endswith(".details"):
        return attributes
    return {"content": body}


def _attributes_json(attributes: Attributes, consumed: tuple[str, ...]) -> str | None:
    rest = {key: value for key, value in attributes.items() if key not in consumed}
    return values.as_json(rest) if rest else None


def _key(record: wire.LogRecord) -> bytes:
    """The digest by which a record that comes again is known, in whatever encoding it comes."""
    sent: list[Value] = [
        record.time_ns,
        record.observed_ns,
        record.event_name,
        record.severity_number,
        record.severity_text,
        record.body,
        record.attributes,
    ]
    return hashlib.sha256(values.as_json(sent).encode()).digest()[:_KEY_BYTES]


def _micro(time_ns: int) -> int:
    return time_ns - time_ns % 1000

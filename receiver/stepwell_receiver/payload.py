"""Input and output of a span, wherever its dialect keeps them: attributes, flattened messages, span events."""

from dataclasses import dataclass
from typing import Final

from stepwell.semconv import INPUT, OUTPUT
from stepwell_receiver import naming, values
from stepwell_receiver.dialects import DIALECTS, Dialect, genai
from stepwell_receiver.wire import Attributes, Span, Value


def of_span(span: Span, dialect: Dialect) -> tuple[str | None, str | None, set[str]]:
    """Input and output as JSON text, and the attribute keys that they replace."""
    attributes, consumed = span.attributes, set[str]()
    sources = _PAYLOAD_SOURCES[dialect.name]
    given = _declared(attributes, INPUT, consumed) or _found(attributes, sources.input_keys, consumed)
    returned = _declared(attributes, OUTPUT, consumed) or _found(attributes, sources.output_keys, consumed)
    if given is None and sources.input_prefix:
        given = _json_or_none(values.unflatten(attributes, sources.input_prefix) or None)
    if returned is None and sources.output_prefix:
        returned = _json_or_none(values.unflatten(attributes, sources.output_prefix) or None)
    if span.events and (given is None or returned is None):
        told = genai.messages_of_events(span.events)
        given = given or _json_or_none(told[0])
        returned = returned or _json_or_none(told[1])
    return given, returned, consumed


@dataclass(frozen=True, slots=True)
class _PayloadSources:
    """Where a dialect's spans may carry payload: under its own keys first, then under the others' namespaced ones."""

    input_keys: tuple[str, ...]
    output_keys: tuple[str, ...]
    input_prefix: str | None
    output_prefix: str | None


def _payload_sources(dialect: Dialect) -> _PayloadSources:
    order = (dialect, *DIALECTS)
    return _PayloadSources(
        input_keys=tuple(dict.fromkeys(k for d in order for k in d.input_keys if d is dialect or "." in k)),
        output_keys=tuple(dict.fromkeys(k for d in order for k in d.output_keys if d is dialect or "." in k)),
        input_prefix=dialect.input_prefix or genai.DIALECT.input_prefix,
        output_prefix=dialect.output_prefix or genai.DIALECT.output_prefix,
    )


_PAYLOAD_SOURCES: Final = {dialect.name: _payload_sources(dialect) for dialect in DIALECTS}


def _declared(attributes: Attributes, key: str, consumed: set[str]) -> str | None:
    if key not in attributes:
        return None
    consumed.add(key)
    return values.parsed_json(attributes[key])


def _found(attributes: Attributes, keys: tuple[str, ...], consumed: set[str]) -> str | None:
    for key in keys:
        value = attributes.get(key)
        if value is None:
            continue
        text = values.payload_json(naming.until_reply(key, value))
        if text is not None:
            if key not in naming.TRANSCRIPT_KEYS:
                consumed.add(key)
            return text
    return None


def _json_or_none(value: Value) -> str | None:
    return None if value is None else values.payload_json(value)

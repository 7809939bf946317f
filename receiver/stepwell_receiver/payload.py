"""Input and output of a span, wherever its dialect keeps them: attributes, flattened messages, span events."""

import re
from typing import Final

from stepwell.semconv import INPUT, OUTPUT
from stepwell_receiver import naming, values
from stepwell_receiver.dialects import Dialect, genai
from stepwell_receiver.fields import Fields
from stepwell_receiver.shapes import Shape
from stepwell_receiver.wire import Attributes, Span, Value

_BROKEN_OFF: Final = re.compile(r'^\{"status":"(?:abort|aborted|cancell?ed)"[,}]', re.I)
_MAX_NOTE_CHARACTERS: Final = 200
_OWN: Final = frozenset((INPUT, OUTPUT))


def of_span(span: Span, dialect: Dialect, fields: Fields) -> tuple[str | None, str | None, set[str]]:
    """Input and output as JSON text, and the attribute keys that they replace."""
    shape = fields.shape
    consumed: set[str] = {key for key in _OWN if key in span.attributes} if shape.has_any(_OWN) else set()
    given = fields.json("declared_input") or _found(fields, "input", consumed)
    returned = fields.json("declared_output") or _found(fields, "output", consumed)
    if given is None:
        given = _unflattened(span.attributes, shape, dialect.input_prefix or genai.INPUT_PREFIX)
    if returned is None:
        returned = _unflattened(span.attributes, shape, dialect.output_prefix or genai.OUTPUT_PREFIX)
    if span.events and (given is None or returned is None):
        told = genai.messages_of_events(span.events)
        given = given or _json_or_none(told[0])
        returned = returned or _json_or_none(told[1])
    return given, returned, consumed


def is_answer(returned: str | None) -> bool:
    """Whether an output is one: not where it says no more than that the work was broken off."""
    return returned is not None and not (len(returned) < _MAX_NOTE_CHARACTERS and _BROKEN_OFF.search(returned))


def _found(fields: Fields, name: str, consumed: set[str]) -> str | None:
    """The best value that is not empty; its key counts as consumed, save a transcript's, which says more."""
    for key, value in fields.told(name):
        text = values.payload_json(naming.until_reply(key, value))
        if text is not None:
            if key not in naming.TRANSCRIPT_KEYS:
                consumed.add(key)
            return text
    return None


def _unflattened(attributes: Attributes, shape: Shape, prefix: str) -> str | None:
    if not shape.begins(prefix):
        return None
    return _json_or_none(values.unflatten(attributes, prefix) or None)


def _json_or_none(value: Value) -> str | None:
    return None if value is None else values.payload_json(value)

"""Input and output of a span, wherever its dialect keeps them: attributes, flattened messages, span events."""

import re
from typing import Final

from stepwell_receiver import naming, values
from stepwell_receiver.dialects import genai
from stepwell_receiver.fields import Fields
from stepwell_receiver.wire import Attributes, Span, Value

_BROKEN_OFF: Final = re.compile(r'^\{"status":"(?:abort|aborted|cancell?ed)"[,}]', re.I)
_MAX_NOTE_CHARACTERS: Final = 200


def of_span(span: Span, fields: Fields) -> tuple[str | None, str | None, set[str]]:
    """Input and output as JSON text, and the attribute keys that they replace."""
    layout = fields.layout
    consumed = set(layout.own_payload)
    given = fields.json("declared_input") if consumed else None
    returned = fields.json("declared_output") if consumed else None
    given = given or _found(fields.attributes, layout.inputs, consumed)
    returned = returned or _found(fields.attributes, layout.outputs, consumed)
    if given is None and layout.input_prefix:
        given = _json_or_none(values.unflatten(span.attributes, layout.input_prefix) or None)
    if returned is None and layout.output_prefix:
        returned = _json_or_none(values.unflatten(span.attributes, layout.output_prefix) or None)
    if span.events and (given is None or returned is None):
        told = genai.messages_of_events(span.events)
        given = given or _json_or_none(told[0])
        returned = returned or _json_or_none(told[1])
    return given, returned, consumed


def is_answer(returned: str | None) -> bool:
    """Whether an output is one: not where it says no more than that the work was broken off."""
    return returned is not None and not (len(returned) < _MAX_NOTE_CHARACTERS and _BROKEN_OFF.search(returned))


def _found(attributes: Attributes, keys: tuple[str, ...], consumed: set[str]) -> str | None:
    """The best value that is not empty; its key counts as consumed, save a transcript's, which says more."""
    for key in keys:
        value = attributes[key]
        if value is None or value == "":
            continue
        is_transcript = key in naming.TRANSCRIPT_KEYS
        text = values.payload_json(naming.until_reply(value) if is_transcript else value)
        if text is not None:
            if not is_transcript:
                consumed.add(key)
            return text
    return None


def _json_or_none(value: Value) -> str | None:
    return None if value is None else values.payload_json(value)

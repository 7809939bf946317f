"""What is kept of inputs and outputs: a digest, the words of their values, and the flat inputs of a run.

Dialects wrap the same values differently (`{"inputs": {…}}`, a list of messages, JSON within a text). What is compared
here is what is left without these wrappers.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from zlib import crc32

import orjson

from stepwell_api.insight.sample import Payload

MAX_WORDS: Final = 400
"""Distinct words kept of one payload."""
MAX_KEYS: Final = 60
"""Flat keys kept of one run's input."""
MAX_VALUE: Final = 120
"""Characters up to which a value is one of a few that repeat, and not a text of its own."""
MAX_DEPTH: Final = 6
WRAPPERS: Final = frozenset(("input", "inputs", "args", "kwargs", "arguments", "data", "payload", "value"))
"""A key that stands alone around the run's input."""

_WORD: Final = re.compile(r"[^\W_]+(?:[-_.@:/][^\W_]+)*")
_JSON_STARTS: Final = ("{", "[")


def payload_of(value: Any, *, with_words: bool) -> Payload | None:
    """The payload of a decoded JSON value; ``None`` for a value that tells nothing (null, or nothing recorded)."""
    if value is None:
        return None
    plain = unwrapped(value)
    return Payload(crc32(_canonical(plain)), words_of(plain) if with_words else None)


def words_of(value: Any) -> frozenset[int]:
    """Hashes, of this process alone, of the words of all values in it, at most `MAX_WORDS`; keys are no words."""
    found: set[int] = set()
    for leaf in _leaves(value, MAX_DEPTH * 2):
        found.update(map(hash, _WORD.findall(_text(leaf).casefold())[: MAX_WORDS - len(found)]))
    return frozenset(found)


def flat_inputs(value: Any) -> Mapping[str, str] | None:
    """A run's input as dotted keys and values as text; ``None`` where it holds no keys.

    Lists count as one key without a value (empty text), long texts likewise: that they are there may matter, what
    they say is of each run alone.
    """
    found: dict[str, str] = {}
    plain = unwrapped(value)
    if isinstance(plain, Mapping):
        _flatten(plain, "", found, MAX_DEPTH)
    return found or None


def unwrapped(value: Any) -> Any:
    """The value without what dialects put around it: JSON as text, one key around all, one message around a text."""
    for _ in range(MAX_DEPTH):
        inner = _without_wrapper(value)
        if inner is value:
            break
        value = inner
    return value


def _without_wrapper(value: Any) -> Any:
    if isinstance(value, str):
        return _decoded(value)
    if isinstance(value, Mapping) and len(value) == 1:
        ((key, inner),) = value.items()
        wraps = key.casefold() in WRAPPERS and isinstance(inner, Mapping | str)
        return inner if wraps else value
    if isinstance(value, Sequence) and len(value) == 1:
        content = _message_text(value[0])
        decoded = content if content is None else _decoded(content)
        return decoded if isinstance(decoded, Mapping) else value
    return value


def _decoded(text: str) -> Any:
    """What the text says as JSON, where it is an object or a list; else the text."""
    if not text.lstrip()[:1].startswith(_JSON_STARTS):
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _message_text(message: Any) -> str | None:
    """The text of a message with one part, in the forms of the common conventions."""
    if not isinstance(message, Mapping):
        return None
    content = message.get("content", message.get("parts"))
    if isinstance(content, Sequence) and not isinstance(content, str) and len(content) == 1:
        part = content[0]
        content = part.get("content", part.get("text")) if isinstance(part, Mapping) else part
    return content if isinstance(content, str) else None


def _flatten(value: Mapping[str, Any], prefix: str, found: dict[str, str], depth: int) -> None:
    for key, inner in value.items():
        if len(found) >= MAX_KEYS:
            return
        name = f"{prefix}{key}"
        if isinstance(inner, Mapping) and inner and depth > 1:
            _flatten(inner, f"{name}.", found, depth - 1)
        else:
            found[name] = _value_text(inner)


def _value_text(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ""
    text = _text(value)
    return text if len(text) <= MAX_VALUE else ""


def _text(leaf: Any) -> str:
    if isinstance(leaf, str):
        return leaf
    return _canonical(leaf).decode()


def _canonical(value: Any) -> bytes:
    """JSON with sorted keys; the same for equal values."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError:
        # Integers of more than 64 bits, which only the standard library writes.
        return json.dumps(value, sort_keys=True, default=str).encode("utf-8", "replace")


def _leaves(value: Any, depth: int) -> Iterator[Any]:
    if isinstance(value, str):
        inner = _decoded(value) if depth else value
        if inner is value:
            yield value
            return
        value = inner
    if isinstance(value, Mapping):
        inside: Sequence[Any] = list(value.values())
    elif isinstance(value, Sequence):
        inside = value
    else:
        if value is not None:
            yield value
        return
    if depth:
        for inner in inside:
            yield from _leaves(inner, depth - 1)

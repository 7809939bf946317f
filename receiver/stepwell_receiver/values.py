"""Attribute values as what a step's columns hold: text, numbers, JSON. Nothing here raises on odd input."""

import base64
import math
from contextlib import suppress
from typing import Any, Final

import orjson

from stepwell_receiver.wire import Attributes, Value

_EMPTY_JSON: Final = frozenset(("", "null", "[]", "{}", '""'))
_LONGEST_EMPTY: Final = max(map(len, _EMPTY_JSON))
_OPENING: Final = ("{", "[")
_MAX_COUNT: Final = 10**12
_MAX_AMOUNT: Final = 1e15
"""Beyond these a count or an amount is no measurement; and sums over any number of steps stay in range."""
MAX_NAME_CHARACTERS: Final = 500
"""Longer names and ids are cut: PostgreSQL's indexes take no entry of more than 2,704 bytes, and a name that they
refuse would keep its whole trace from being folded. What was sent stays whole in the attributes."""


def first(attributes: Attributes, keys: tuple[str, ...]) -> Value:
    """The value under the first of `keys` that is there and not empty."""
    for key in keys:
        value = attributes.get(key)
        if value is not None and value != "":
            return value
    return None


def as_text(value: Value) -> str | None:
    """Text as it is, a list's first item, numbers in words; ``None`` for nothing or blank."""
    if isinstance(value, list):
        value = value[0] if value else None
    if value is None or isinstance(value, dict | bytes):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).strip() or None


def as_name(value: Value) -> str | None:
    """Text that names something, cut to `MAX_NAME_CHARACTERS`."""
    text = (value.strip() or None) if type(value) is str else as_text(value)
    return text if text is None or len(text) <= MAX_NAME_CHARACTERS else text[:MAX_NAME_CHARACTERS]


def as_count(value: Value) -> int | None:
    """A non-negative integer from an integer, a float or their text."""
    if type(value) is int and 0 <= value <= _MAX_COUNT:
        return value
    number = as_number(value)
    if number is None or number < 0 or number > _MAX_COUNT:
        return None
    return int(number)


def as_number(value: Value) -> float | None:
    """A number within ±10¹⁵ from an integer, a float or their text."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value if abs(value) <= _MAX_AMOUNT else None


def as_json(value: Value) -> str:
    """JSON text of any attribute value: bytes as base64, numbers that JSON does not know as null.

    What cannot be written (nested hundreds of levels deep, integers over 64 bits) becomes its text.
    """
    written = _written(value)
    return _json_of_text(repr(value)) if written is None else written


def payload_json(value: Value) -> str | None:
    """JSON text of a payload; text that itself holds a JSON object or list is taken as such. ``None`` if empty."""
    parsed = parse_container(value) if isinstance(value, str) else None
    text = (None if parsed is None else _written(parsed)) or as_json(value)
    return None if _is_empty(text) else text


def parsed_json(value: Value) -> str | None:
    """JSON text of an attribute whose content is JSON by definition (``stepwell.input``); other text is a string."""
    parsed = None
    if isinstance(value, str):
        with suppress(orjson.JSONDecodeError):
            parsed = orjson.loads(value)
    text = (None if parsed is None else _written(parsed)) or as_json(value)
    return None if _is_empty(text) else text


def _is_empty(json_text: str) -> bool:
    """Whether JSON says nothing; long text is told by its length, for to look it up it would be hashed."""
    return len(json_text) <= _LONGEST_EMPTY and json_text in _EMPTY_JSON


def parsed_text(json_text: str) -> str | None:
    """The text that a JSON string holds; ``None`` where it is no JSON string."""
    if not json_text.startswith('"'):
        return None
    try:
        text = orjson.loads(json_text)
    except orjson.JSONDecodeError:
        return None
    return text if isinstance(text, str) else None


def parse_container(text: str) -> Any:
    """The object or list that a JSON text holds; ``None`` for everything else."""
    if text[:1] not in _OPENING and text.lstrip()[:1] not in _OPENING:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def cut(value: Value, max_bytes: int) -> Value:
    """The very value where it is not longer, else its beginning; of a list or an object that of its JSON text."""
    if isinstance(value, list | dict):
        text = as_json(value)
        return value if len(text) * 4 <= max_bytes else _cut_text(value, text, max_bytes)
    if isinstance(value, str):
        # A character takes four bytes at the most, so that short text, which is nearly all, is not encoded.
        return value if len(value) * 4 <= max_bytes else _cut_text(value, value, max_bytes)
    return value[:max_bytes] if isinstance(value, bytes) and len(value) > max_bytes else value


def _cut_text(value: Value, text: str, max_bytes: int) -> Value:
    encoded = text.encode()
    return value if len(encoded) <= max_bytes else encoded[:max_bytes].decode(errors="ignore")


def unflatten(attributes: Attributes, prefix: str) -> list[Value]:
    """Messages from ``<prefix><index>.<field>`` attributes, in the order of their index."""
    messages: dict[int, dict[str, Value]] = {}
    for key, value in attributes.items():
        if key.startswith(prefix):
            index, _, name = key[len(prefix) :].partition(".")
            if index.isascii() and index.isdigit() and len(index) < 9:
                messages.setdefault(int(index), {})[name.removeprefix("message.") or "value"] = value
    return [messages[index] for index in sorted(messages)]


def _written(value: Any) -> str | None:
    try:
        text = orjson.dumps(value, default=_as_base64, option=orjson.OPT_NON_STR_KEYS).decode()
    except orjson.JSONEncodeError:
        return None
    # PostgreSQL stores no NUL character, not even escaped. Most text has no backslash, which is found faster.
    return text.replace("\\u0000", "\\ufffd") if "\\" in text and "\\u0000" in text else text


def _json_of_text(text: str) -> str:
    return orjson.dumps(text).decode()


def _as_base64(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value)

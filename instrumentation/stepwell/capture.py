"""Turns what an agent's functions take and return into JSON text of bounded size.

Nothing is consumed, awaited or fetched on the way: of iterators, streams and lazy collections only the class is told.
Whatever fails on the way is told in the text, never raised. Names that hold secrets are masked while walking
(`redaction`), so that they are in no span that leaves the process, whichever exporter takes it.
"""

import dataclasses
import datetime
import decimal
import enum
import json
import math
import pathlib
import uuid
from collections import deque
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final

from stepwell.redaction import MASK, Redaction

MAX_DEPTH: Final = 16
MAX_ITEMS: Final = 1_000
"""Items of one list or object; what is left out is told in its place."""

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_make_quick_encoder: Any = getattr(json.encoder, "c_make_encoder", None)
_quick_encoder: Final[Any] = _make_quick_encoder and _make_quick_encoder(
    None, None, json.encoder.encode_basestring, None, ": ", ", ", False, False, False
)
"""What `_ENCODER` makes anew for each value, in half of its time; only where Python has its part in C."""
_ATOMS: Final = frozenset((bool, float, type(None)))
_BRANCHES: Final = frozenset((dict, list, tuple))
_SHARES: Final = (0.9, 0.4, 0.1)
_NODE_BYTES: Final = 4
"""What a value costs beside its text, so that a million small values are bounded too."""
_PLAIN: Final = (
    *(datetime.date, datetime.time, datetime.timedelta),
    *(uuid.UUID, decimal.Decimal, pathlib.PurePath),
)
_LISTS: Final = (list, tuple, set, frozenset, deque)


def cut(text: str, max_bytes: int) -> str:
    """The text, or its beginning and a marker that says how long it was; about `max_bytes` when encoded."""
    if len(text) <= max_bytes and (text.isascii() or len(text) * 4 <= max_bytes):
        return text
    encoded = text[:max_bytes].encode(errors="replace")
    if len(text) <= max_bytes and len(encoded) <= max_bytes:
        return text
    return f"{encoded[:max_bytes].decode(errors='ignore')}…[cut: {len(text)} characters]"


def as_json(value: object, redaction: Redaction, max_bytes: int) -> str:
    """JSON text of any value, at most `max_bytes` long, with a marker where something was cut.

    Markers and escaped characters may take more than the walk can know; then it is taken again with less.
    """
    try:
        text = _quickly(value, redaction, max_bytes)
        if text is not None:
            return text
        for share in _SHARES:
            text = clean(json.dumps(_Walk(redaction, int(max_bytes * share)).plain(value, 0), ensure_ascii=False))
            if len(text) <= max_bytes and (text.isascii() or len(text.encode()) <= max_bytes):
                return text
    except Exception as error:
        return json.dumps(f"[not captured: {type(error).__name__}]")
    return json.dumps(f"[cut: {_class_name(type(value))}]")


def _quickly(value: object, redaction: Redaction, max_bytes: int) -> str | None:
    """JSON text of a plain value in which nothing is to be masked or cut, as most are; else ``None``.

    The walk tells the same text of it, in about ten times the time.
    """
    if _left_of(value, redaction, max_bytes, 0) < 0:
        return None
    try:
        text = "".join(_quick_encoder(value, 0)) if _quick_encoder else _ENCODER.encode(value)
    except ValueError:  # not a number, or infinite
        return None
    is_short = len(text) * 4 <= max_bytes or (len(text) <= max_bytes * _SHARES[0] and text.isascii())
    return clean(text) if is_short and not redaction.may_mask(text) else None


def _left_of(value: object, redaction: Redaction, left: int, depth: int) -> int:
    """What a value that is made of JSON's own kinds alone leaves of a budget of characters.

    Below 0: it is more than that, or is not so, or has a name whose value is masked.
    """
    kind = type(value)
    if kind is str:
        return left - len(value)  # type: ignore[arg-type]
    if kind in _ATOMS or (kind is int and -(2**63) <= value < 2**63):  # type: ignore[operator]
        return left - _NODE_BYTES
    if depth >= MAX_DEPTH or kind not in _BRANCHES or len(value) > MAX_ITEMS:  # type: ignore[arg-type]
        return -1
    items: Iterable[object] = value  # type: ignore[assignment]
    if kind is dict:
        for name in items:
            if type(name) is not str or redaction.masks_key(name):
                return -1
            left -= len(name)
        items = value.values()  # type: ignore[attr-defined]
    for item in items:
        left = left - len(item) if type(item) is str else _left_of(item, redaction, left, depth + 1)
        if left < 0:
            return -1
    return left - _NODE_BYTES


def clean(text: str) -> str:
    """The text as valid Unicode; surrogates that stand alone become question marks."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode()
    return text


class _Walk:
    """One walk through a value, with what is left of its budget in bytes."""

    __slots__ = ("_inside", "_left", "_redaction")

    def __init__(self, redaction: Redaction, max_bytes: int) -> None:
        self._redaction = redaction
        self._left = max_bytes
        self._inside: set[int] = set()

    def plain(self, value: object, depth: int) -> Any:
        """The value as JSON knows it."""
        kind = type(value)
        self._left -= _NODE_BYTES
        if kind is str:
            return self._text(value)  # type: ignore[arg-type]
        if value is None or kind is bool:
            return value
        if kind is int:
            return value if -(2**63) <= value < 2**63 else self._text(_of_large(value))  # type: ignore[operator,arg-type]
        if kind is float:
            return value if math.isfinite(value) else str(value)  # type: ignore[arg-type]
        if depth >= MAX_DEPTH:
            return f"[cut: {_class_name(kind)}]"
        if id(value) in self._inside:
            return f"[cycle: {_class_name(kind)}]"
        self._inside.add(id(value))
        try:
            return self._of_container(value, depth + 1)
        except Exception as error:
            return f"[not captured: {_class_name(kind)}: {type(error).__name__}]"
        finally:
            self._inside.discard(id(value))

    def _of_container(self, value: object, depth: int) -> Any:
        if isinstance(value, dict):
            return self._object(value.items(), len(value), depth)
        if isinstance(value, _LISTS):
            named = getattr(value, "_fields", None)
            if isinstance(value, tuple) and isinstance(named, tuple):
                return self._object(zip(named, value, strict=False), len(value), depth)
            return self._list(value, len(value), depth)
        return self._of_object(value, depth)

    def _of_object(self, value: object, depth: int) -> Any:
        kind = type(value)
        if isinstance(value, enum.Enum):
            return self.plain(value.value, depth)
        if isinstance(value, str):
            return self._text(str.__str__(value))
        if isinstance(value, _PLAIN):
            return self._text(str(value))
        if isinstance(value, bytes | bytearray | memoryview):
            return f"[{len(value)} bytes]"
        if isinstance(value, BaseException):
            return self._text(f"{kind.__name__}: {value}")
        if dataclasses.is_dataclass(kind):
            names = [field.name for field in dataclasses.fields(kind) if field.repr]
            return self._object(((name, getattr(value, name, None)) for name in names), len(names), depth)
        fields = _model_fields(value)
        if fields is not None:
            return self._object(fields.items(), len(fields), depth)
        if kind.__repr__ is object.__repr__ or _is_lazy(value):
            return f"[{_class_name(kind)}]"
        return self._text(repr(value))

    def _object(self, items: Iterable[tuple[object, object]], size: int, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in islice(items, MAX_ITEMS):
            if self._left <= 0:
                break
            key = self._text(name if type(name) is str else str(name))
            found[key] = MASK if self._redaction.masks_key(key) else self.plain(value, depth)
        if len(found) < size:
            found["…"] = f"[cut: {size - len(found)} more]"
        return found

    def _list(self, values: Iterable[object], size: int, depth: int) -> list[Any]:
        found: list[Any] = []
        for value in islice(values, MAX_ITEMS):
            if self._left <= 0:
                break
            found.append(self.plain(value, depth))
        if len(found) < size:
            found.append(f"[cut: {size - len(found)} more]")
        return found

    def _text(self, text: str) -> str:
        bounded = cut(text, max(self._left, 0))
        masked = self._redaction.text(bounded)
        self._left -= len(masked)
        return masked


def _of_large(value: int) -> str:
    """An integer that JSON readers do not take as one; Python refuses to write very long ones as decimals."""
    return str(value) if value.bit_length() <= 4096 else f"[integer of {value.bit_length()} bits]"


def _class_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _model_fields(value: object) -> Mapping[str, object] | None:
    """The fields of a pydantic or attrs object, read as they are, without running any of its code."""
    kind = type(value)
    names: Iterable[str] | None = None
    if hasattr(kind, "model_fields") or hasattr(kind, "__pydantic_fields__"):
        names = getattr(kind, "__pydantic_fields__", None) or getattr(kind, "model_fields", None)
    elif hasattr(kind, "__attrs_attrs__"):
        names = [attribute.name for attribute in kind.__attrs_attrs__]
    held = getattr(value, "__dict__", None)
    if names is None or not isinstance(held, dict):
        return None
    return {name: held[name] for name in names if name in held}


def _is_lazy(value: object) -> bool:
    """Whether looking at a value may run, fetch or use up something."""
    return any(hasattr(value, name) for name in ("__iter__", "__aiter__", "__next__", "__await__", "read"))

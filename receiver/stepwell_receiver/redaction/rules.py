"""Rules as they are applied to names, texts and values of any depth, and the quick look that spares most requests."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import orjson
import re2

from stepwell_receiver.redaction.forms import FORMS, MASK, SECRET_NAMES, Form, Kind, compiled
from stepwell_receiver.wire import Attributes, Value
from stepwell_storage import metrics
from stepwell_storage.errors import StorageError

_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_JOINTS: Final = re.compile(r"[^a-z0-9]+")
_JSON_STARTS: Final = ("{", "[", '"')
_PAIR: Final = re2.compile(
    r"""("(?P<key>[^"\\\n]{1,100})"\s*:\s*|'(?P<other>[^'\\\n]{1,100})'\s*:\s*)"""
    r"""("(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|[^\s,}\]"'{\[]+)"""
)
"""A name and its value as JSON and Python write them, also where the end is cut off."""
_AFTER_NAME: Final = r"""["'\x12\\]"""
"""What follows a name: the end of its quotes, or protobuf's head of the value."""
_ESCAPES: Final = (b"\\u00", b"\\/")
"""JSON may write any character so, and what is looked for with it."""
MAX_DEPTH: Final = 20


class BadRuleError(StorageError):
    """A rule that cannot be applied; the message says why."""


@dataclass(frozen=True, slots=True)
class Redactor:
    """The rules of a workspace."""

    _forms: tuple[tuple[Any, Form], ...]
    _any_form: Any
    _suspicion: Any
    _names: frozenset[str]
    """Words joined by underscores, of which a masked name is the end."""

    def suspects(self, content: bytes, *, is_json: bool) -> bool:
        """Whether a request's body may hold anything to mask; most do not, and need no further look."""
        if is_json and any(escape in content for escape in _ESCAPES):
            return True
        return self._suspicion.search(content) is not None

    def masks_name(self, name: str) -> bool:
        """Whether a value under this name is masked whatever it is."""
        return bool(self._names) and not self._names.isdisjoint(_ends_of(name))

    def attributes(self, attributes: Attributes) -> Attributes:
        """The attributes with what has to be masked; the same object where there is nothing."""
        masked = {name: self.named(name, value) for name, value in attributes.items()}
        return attributes if all(masked[name] is value for name, value in attributes.items()) else masked

    def named(self, name: str, value: Value, depth: int = 0) -> Value:
        """A value under its name; the same object where there is nothing to mask."""
        if value in (None, "", MASK):
            return value
        if self.masks_name(name):
            metrics.VALUES_REDACTED.labels("name").inc()
            return MASK
        return self.value(value, depth)

    def value(self, value: Value, depth: int = 0) -> Value:
        """A value of any kind; the same object where there is nothing to mask."""
        if isinstance(value, str):
            return self.text(value, depth)
        if isinstance(value, bytes):
            text = value.decode("latin-1")
            return value if self.text(text, depth) == text else MASK
        if depth > MAX_DEPTH:
            return value
        if isinstance(value, list):
            items = [self.value(item, depth + 1) for item in value]
            return value if all(new is old for new, old in zip(items, value, strict=True)) else items
        if isinstance(value, dict):
            pairs = {name: self.named(name, item, depth + 1) for name, item in value.items()}
            return value if all(pairs[name] is item for name, item in value.items()) else pairs
        return value

    def text(self, text: str, depth: int = 0) -> str:
        """A text, which may be JSON or hold some."""
        if not self._suspicion.search(text.encode("utf-8", "replace")):
            return text
        masked = text
        if self._names and ('"' in text or "'" in text):
            masked = self._structured(text, depth)
        if self._any_form.search(masked) is not None:
            for pattern, form in self._forms:
                masked = pattern.sub(lambda found, form=form: _masked(found, form), masked)
        return text if masked == text else masked

    def _structured(self, text: str, depth: int) -> str:
        if text.lstrip().startswith(_JSON_STARTS) and depth < MAX_DEPTH:
            try:
                held = orjson.loads(text)
            except orjson.JSONDecodeError:
                held = None
            if held is not None:
                masked = self.value(held, depth + 1)
                return text if masked is held else orjson.dumps(masked).decode()
        return str(_PAIR.sub(self._pair, text))

    def _pair(self, found: Any) -> str:
        if not self.masks_name(found["key"] or found["other"]):
            return str(found[0])
        metrics.VALUES_REDACTED.labels("name").inc()
        return f'{found[1]}"{MASK}"'


def make(kinds: Iterable[Kind], own: Mapping[str, tuple[str, str]]) -> Redactor | None:
    """The rules of these sets and a workspace's own, each ``(key or pattern, text)``; ``None`` where there are none.

    Raises:
        BadRuleError: one of its own is no pattern, or matches everything.
    """
    kinds = tuple(kinds)
    forms = [form for kind in kinds for form in FORMS[kind]]
    forms += [Form(pattern) for kind, pattern in own.values() if kind == "pattern"]
    names = [name for kind, name in own.values() if kind == "key"]
    names += SECRET_NAMES if Kind.SECRETS in kinds else ()
    if not forms and not names:
        return None
    marks = [form.mark or form.pattern for form in forms]
    marks += [rf"(?i:{_spelling(name)}){_AFTER_NAME}" for name in names]
    patterns = [(_checked(form.pattern), form) for form in forms]
    any_form = compiled("|".join(f"(?:{form.pattern})" for form in forms) or r"\z\A.")
    suspicion = compiled("|".join(f"(?:{mark})" for mark in marks), is_of_bytes=True)
    return Redactor(tuple(patterns), any_form, suspicion, frozenset(map(_words, names)))


def _checked(pattern: str) -> Any:
    try:
        made = compiled(pattern)
    except re2.error as error:
        raise BadRuleError(f"{pattern!r} is no pattern that RE2 takes: {error}") from None
    if made.search("") is not None:
        raise BadRuleError(f"{pattern!r} matches the empty text, and would mask everything")
    return made


def _masked(found: Any, form: Form) -> str:
    if not form.is_meant(found[0]):
        return str(found[0])
    metrics.VALUES_REDACTED.labels("form").inc()
    kept = found[1] if found.re.groups else ""
    end = "@" if kept.endswith(":") and found[0].endswith("@") else ""
    return f"{kept}{MASK}{end}"


@lru_cache(maxsize=8_192)
def _ends_of(name: str) -> frozenset[str]:
    """All that a name ends in: of ``http.request.header.Set-Cookie`` ``cookie``, ``set_cookie`` and so on."""
    words = _words(name).split("_")
    return frozenset("_".join(words[at:]) for at in range(max(len(words) - 4, 0), len(words)))


def _words(name: str) -> str:
    """``apiKey``, ``API-Key`` and ``x.api key`` as words joined by underscores; ``apikey`` is two as well."""
    joined = _JOINTS.sub("_", _CAMEL.sub("_", name).lower()).strip("_")
    return joined.replace("apikey", "api_key")


def _spelling(name: str) -> str:
    """A name however its words are joined."""
    return r"[^a-zA-Z0-9]{0,2}".join(map(re.escape, _words(name).split("_")))

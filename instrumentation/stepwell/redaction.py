"""What must not leave the process: values under names that hold secrets, texts that look like them, and what a
function of the user's own removes.

Applied twice: to what our decorators capture, while it is captured, and to every attribute of every span, whoever
wrote it, before it is exported (`outgoing`).
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from stepwell import notices

Level: TypeAlias = Literal["full", "redacted", "off"]
"""How much content is reported: all, all but secrets, or none."""

Filter: TypeAlias = Callable[[str, object], object]
"""A user's own rule: (key, value) → the value to report instead; ``None`` leaves the attribute out."""

MASK: Final = "[redacted]"

SECRET_KEYS: Final = re.compile(
    r"(?:^|[._-])(?:password|passwd|passphrase|pwd|secret|secrets|token|api[_-]?key|apikey|access[_-]?key|private[_-]?key"
    r"|secret[_-]?key|client[_-]?secret|authorization|auth|credential|credentials|cookie|set[_-]cookie|bearer|jwt)$"
)
"""The last words of names that hold secrets, in lower case; counts such as ``max_tokens`` are none."""


@dataclass(frozen=True, slots=True)
class Form:
    """A pattern, and texts without one of which there is no need to look for it."""

    pattern: re.Pattern[str]
    marks: tuple[str, ...] = ()

    def masked(self, text: str) -> str:
        """The text with everything masked that the pattern finds."""
        if self.marks and not _holds_any(text, self.marks):
            return text
        return self.pattern.sub(MASK, text)


def _holds_any(text: str, words: tuple[str, ...]) -> bool:
    """As ``any(word in text for word in words)``, in a third of the time; this runs for every text."""
    for word in words:  # noqa: SIM110
        if word in text:
            return True
    return False


SECRET_FORMS: Final = (
    Form(re.compile(r"\b(?:Bearer|Basic|bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), ("earer ", "asic ")),
    Form(
        re.compile(r"\b[spr]k[-_](?:[a-z]+[-_])*[A-Za-z0-9_-]{16,}"),
        ("sk-", "sk_", "pk-", "pk_", "rk-", "rk_"),
    ),
    Form(
        re.compile(r"\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bxox[abprs]-[A-Za-z0-9-]{10,}"),
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "xox"),
    ),
    Form(re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[A-Za-z0-9_-]{30,}"), ("AKIA", "ASIA", "AIza")),
    Form(re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"), ("eyJ",)),
    Form(
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S),
        ("PRIVATE KEY",),
    ),
    Form(re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"), ("://",)),
)
"""Credentials that are known by their form: HTTP headers, vendors' keys, JSON web tokens, keys, passwords in URLs."""

_SECRET_WORDS: Final = (
    *("password", "passwd", "passphrase", "pwd", "secret", "secrets", "token", "apikey", "accesskey", "privatekey"),
    *("secretkey", "clientsecret", "authorization", "auth", "credential", "credentials", "cookie", "bearer", "jwt"),
)
"""What `SECRET_KEYS` finds ends in one of these, without what joins words."""

_PAIR: Final = re.compile(r'"(?P<key>[^"\\\n]{1,100})"(?P<sep>\s*:\s*)(?:"(?:[^"\\]|\\.)*"?|[^\s,}\]"]+)')
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Redaction:
    """Rules in the order in which they are applied: keys, patterns, the user's own function."""

    keys: tuple[re.Pattern[str], ...] = ()
    """Searched in names, in lower case and with words joined by underscores."""
    forms: tuple[Form, ...] = ()
    custom: Filter | None = None
    words: tuple[str, ...] = ()
    """Ends of the names that `keys` find, in lower case and without what joins words."""
    _known: dict[str, bool] = field(default_factory=dict, compare=False, repr=False)
    _marks: tuple[str, ...] = field(init=False, compare=False, repr=False)
    """Texts without one of which no form finds anything; the empty text where a form has none."""
    _quoted: tuple[str, ...] = field(init=False, compare=False, repr=False)
    """`words`, each as it stands at the end of a name in JSON."""

    def __post_init__(self) -> None:
        marks = dict.fromkeys(mark for form in self.forms for mark in form.marks or ("",))
        object.__setattr__(self, "_marks", tuple(marks))
        object.__setattr__(self, "_quoted", tuple(f'{word}"' for word in self.words))

    @property
    def is_empty(self) -> bool:
        """Whether nothing would ever be changed."""
        return not (self.keys or self.forms or self.custom)

    def masks_key(self, key: str) -> bool:
        """Whether the value under this name is masked whatever it is."""
        if not self.keys:
            return False
        known = self._known.get(key)
        if known is None:
            words = _words(key)
            known = any(pattern.search(words) for pattern in self.keys)
            if len(self._known) < 10_000:
                self._known[key] = known
        return known

    def text(self, text: str) -> str:
        """The text with everything masked that a pattern finds."""
        if self.may_mask(text):
            for form in self.forms:
                text = form.masked(text)
        return text

    def may_mask(self, text: str) -> bool:
        """Whether a pattern may find something in a text, or in one of those that it was put together from."""
        return _holds_any(text, self._marks)

    def may_hold_keys(self, text: str) -> bool:
        """Whether a text looks like JSON with a name in it that is masked."""
        if not self.words or '"' not in text:
            return False
        joined = text.lower().replace("_", "").replace("-", "").replace("\\", "")
        return _holds_any(joined, self._quoted)

    def masked_pairs(self, text: str) -> str:
        """Text that is no JSON, or was cut, with values masked that stand behind a secret name as in JSON."""

        def masked(found: re.Match[str]) -> str:
            return f'"{found["key"]}"{found["sep"]}"{MASK}"' if self.masks_key(found["key"]) else found[0]

        return _PAIR.sub(masked, text)

    def filtered(self, key: str, value: object) -> object:
        """What the user's function makes of an attribute; where it fails, nothing of the value is told."""
        if self.custom is None:
            return value
        try:
            return self.custom(key, value)
        except Exception as error:
            notices.count("redaction_failed", "A redaction function failed (%s); its values are masked", error)
            return MASK


NOTHING: Final = Redaction()


def rules(
    level: Level,
    *,
    keys: Iterable[str] = (),
    patterns: Iterable[str | re.Pattern[str]] = (),
    custom: Filter | None = None,
) -> Redaction:
    """The rules of a level and the user's own; at ``full`` only the user's own hold.

    Args:
        level: with ``redacted``, names and forms of credentials are masked.
        keys: further names, as they are or as the end of a longer one (``email`` masks ``user.email``).
        patterns: regular expressions that are searched in texts.
        custom: called with key and value of every attribute.

    Raises:
        re.error: a pattern is none.
    """
    names = tuple(keys)
    own = tuple(re.compile(rf"(?:^|[._-]){re.escape(_words(name))}$") for name in names)
    words = tuple(_words(name).replace("_", "").replace("-", "") for name in names)
    found = tuple(Form(re.compile(pattern)) for pattern in patterns)
    if level != "redacted":
        return Redaction(own, found, custom, words)
    return Redaction((SECRET_KEYS, *own), (*SECRET_FORMS, *found), custom, (*_SECRET_WORDS, *words))


@lru_cache(maxsize=4_096)
def _words(key: str) -> str:
    """``apiKey`` and ``API-Key`` as ``api_key`` and ``api-key``."""
    return _CAMEL.sub("_", key).lower()

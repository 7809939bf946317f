"""Words: what a text is searched by. Pure; the API takes questions apart as the worker takes texts.

A word is a run of letters and digits in lower case, cut to `MAX_WORD` characters; each Chinese or Japanese character is
a word of its own, since nothing separates words there. Of a text such as ``ReadTimeout`` the parts are words as well.
"""

import re
from collections.abc import Iterable
from typing import Final

MAX_WORD: Final = 64
MAX_BYTES: Final = 500_000
"""Of all words of one run: PostgreSQL's text search takes no more than 1 MB."""

_UNSPACED: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_WORD: Final = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
_SPACED: Final = bytes(code if code < 128 and chr(code).isalnum() else ord(" ") for code in range(256))
_PART: Final = re.compile(r"([A-Z])(?<=[a-z].)(?=([A-Za-z0-9]*))")
"""Each capital within a word, and the rest of the word; the expression engine is fastest where a letter comes first."""
_ESCAPE: Final = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)")
"""In JSON as PostgreSQL writes it: line ends, quotes and control characters, none of them part of a word."""


def words_in(text: str) -> list[str]:
    """The words in their order."""
    return [word[:MAX_WORD] for word in _runs(text.lower())]


def distinct_words(texts: Iterable[str], documents: Iterable[str]) -> str:
    """Every word of some plain texts and of some JSON documents once, with a space between; the first `MAX_BYTES`."""
    plain = "\n".join([*texts, *(_ESCAPE.sub(" ", document) for document in documents)])
    if plain.isascii():
        # The same words once each, before they are looked at further: texts of a run repeat one another.
        plain = " ".join(dict.fromkeys(_runs(plain)))
    found = dict.fromkeys(words_in(plain))
    found |= dict.fromkeys(words_in(" ".join(first + rest for first, rest in _PART.findall(plain))))
    written = " ".join(found)
    if len(written.encode()) <= MAX_BYTES:
        return written
    return written.encode()[:MAX_BYTES].decode(errors="ignore").rpartition(" ")[0]


def _runs(text: str) -> list[str]:
    """The runs of letters and digits, whole."""
    if text.isascii():
        # Several times faster than the expression, and the same where there are no other letters.
        return text.encode().translate(_SPACED).decode().split()
    return _WORD.findall(text)


def search_query(words: Iterable[str]) -> str:
    """PostgreSQL's tsquery for texts that hold all of these words; the last may be the beginning of one."""
    return " & ".join(f"'{word}'" for word in words) + ":*"

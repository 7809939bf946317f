"""Loads the named SQL texts of ``sql/*.sql``, where all of storage's and the API's SQL is written.

A file is a series of queries, each headed by ``-- name: list_keys`` and a line of comment that says its purpose.
Parameters are psycopg's ``%(name)s``; a literal percent sign is ``%%``. Texts are never changed or put together.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files

from stepwell_storage.errors import StorageError

HEAD = re.compile(r"^-- name:[ \t]*(?P<name>\S*)[ \t]*\n(?:-- (?P<purpose>.+)\n)?", re.MULTILINE)
NAME = re.compile(r"[a-z][a-z0-9_]*")


class QueryFileError(StorageError):
    """A file of SQL is missing or breaks the rules above."""


class UnknownQueryError(StorageError, AttributeError):
    """No query of this name; the message lists those of the file."""


class Queries:
    """The texts of one file, as attributes: ``load("keys").list_keys``."""

    __slots__ = ("_file", "_texts")

    def __init__(self, file: str, texts: Mapping[str, str]) -> None:
        self._file = file
        self._texts = dict(texts)

    def __getattr__(self, name: str) -> str:
        """Raises `UnknownQueryError` for a name that the file does not have."""
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._texts[name]
        except KeyError:
            known = ", ".join(sorted(self._texts))
            raise UnknownQueryError(f"sql/{self._file}.sql has no query {name!r}; it has {known}") from None

    def __dir__(self) -> list[str]:
        return sorted(self._texts)


@cache
def load(name: str) -> Queries:
    """The queries of ``sql/<name>.sql``.

    Raises:
        QueryFileError: there is no such file, or it is not written by the rules.
    """
    source = files("stepwell_storage").joinpath("sql", f"{name}.sql")
    if not source.is_file():
        raise QueryFileError(f"There is no sql/{name}.sql")
    return parse(name, source.read_text(encoding="utf-8"))


def parse(file: str, source: str) -> Queries:
    """The queries of a file's text; `load` is the usual way."""
    texts: dict[str, str] = {}
    for name, purpose, text in _sections(file, source):
        if not NAME.fullmatch(name) or name in texts:
            raise QueryFileError(f"sql/{file}.sql: {name!r} is no name, or is there twice")
        if not purpose or not text:
            raise QueryFileError(f"sql/{file}.sql: {name} lacks its line of purpose or its text")
        texts[name] = text
    if not texts:
        raise QueryFileError(f"sql/{file}.sql has no `-- name:` line")
    return Queries(file, texts)


def _sections(file: str, source: str) -> Iterator[tuple[str, str | None, str]]:
    heads = list(HEAD.finditer(source))
    preamble = source[: heads[0].start()] if heads else source
    if any(line and not line.startswith("--") for line in preamble.splitlines()):
        raise QueryFileError(f"sql/{file}.sql has SQL before the first `-- name:` line")
    ends = [*[head.start() for head in heads[1:]], len(source)]
    for head, end in zip(heads, ends, strict=False):
        yield head["name"], head["purpose"], source[head.end() : end].strip().removesuffix(";")

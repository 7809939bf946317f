"""Loads the named statements of ``sql/*.sql``, in which this package writes its SQL.

A file is a series of ``-- name: word`` lines, each followed by a comment that says what the statement is for, and by
the statement. Names in {braces} are identifiers and literals that psycopg.sql quotes; %(names)s are parameters.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

_HEAD = re.compile(r"^-- name: (?P<name>[a-z_]+)\n-- .+\n", re.MULTILINE)


@cache
def load(file: str) -> Mapping[str, str]:
    """The statements of ``sql/<file>.sql`` by their names."""
    source = files("stepwell_migrations").joinpath("sql", f"{file}.sql").read_text(encoding="utf-8")
    heads = list(_HEAD.finditer(source))
    ends = [*[head.start() for head in heads[1:]], len(source)]
    return {
        head["name"]: source[head.end() : end].strip().removesuffix(";") for head, end in zip(heads, ends, strict=True)
    }

"""Reads COPY lines back as PostgreSQL does, and says where it would refuse them (manual: COPY, "Text Format")."""

import math
import re
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from sqlalchemy import Table
from sqlalchemy.types import BigInteger, Boolean, Double, Integer

from stepwell_storage import facts, schema

_COLUMNS: Final = re.compile(r"COPY analytics\.\w+ \(([^)]*)\)")
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}
_TIME: Final = re.compile(r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}\.\d{6}\+00$")
_BOOLEANS: Final = frozenset(("t", "f", "True", "False"))

Row = dict[str, str | None]


def step_rows(lines: bytes) -> list[Row]:
    """The rows of `rows.step_lines`, each column checked against its type."""
    return _rows(lines, schema.step_facts, facts.SQL.copy_steps)


def log_rows(lines: bytes) -> list[Row]:
    """The rows of `rows.log_lines`, each column checked against its type."""
    return _rows(lines, schema.step_logs, facts.SQL.copy_logs)


def _rows(lines: bytes, table: Table, statement: str) -> list[Row]:
    columns = _columns_of(statement)
    text = lines.decode()
    assert "\0" not in text, "PostgreSQL stores no NUL character"
    rows = []
    for line in text.split("\n")[:-1]:
        fields = line.split("\t")
        assert len(fields) == len(columns), f"{len(fields)} fields for {len(columns)} columns"
        row = {name: _unescaped(field) for name, field in zip(columns, fields, strict=True)}
        for name, field in row.items():
            _check(table.c[name], field)
        rows.append(row)
    return rows


def _columns_of(statement: str) -> list[str]:
    found = _COLUMNS.search(statement)
    assert found is not None, statement
    return [name.strip() for name in found[1].split(",")]


def _unescaped(field: str) -> str | None:
    if field == r"\N":
        return None
    assert field != r"\.", "the end-of-data marker"
    if "\\" not in field:
        return field
    return re.sub(r"\\(.)", lambda found: _ESCAPES[found[1]], field)


def _check(column: Any, field: str | None) -> None:
    if field is None:
        assert column.nullable, f"{column.name} is never NULL"
        return
    kind = column.type
    if isinstance(kind, BigInteger | Integer):
        bits = 63 if isinstance(kind, BigInteger) else 31
        assert -(1 << bits) <= int(field) < 1 << bits, column.name
    elif isinstance(kind, Double):
        assert math.isfinite(float(field)), column.name
    elif isinstance(kind, Boolean):
        assert field in _BOOLEANS, column.name
    elif kind.__visit_name__ == "JSONB":
        check_json(field)
    elif kind.__visit_name__ == "TIMESTAMP":
        assert _TIME.match(field), field
        datetime.strptime(field, "%Y-%m-%d %H:%M:%S.%f+00").replace(tzinfo=UTC)
    elif kind.__visit_name__ == "BYTEA":
        assert field.startswith("\\x"), column.name
        bytes.fromhex(field[2:])


def check_json(text: str) -> None:
    """Whether jsonb takes a text: valid JSON, no half surrogate pairs (orjson refuses them), no NUL."""
    values = [orjson.loads(text)]
    for value in values:
        if isinstance(value, str):
            assert "\0" not in value
        elif isinstance(value, list):
            values.extend(value)
        elif isinstance(value, dict):
            values.extend(value)
            values.extend(value.values())

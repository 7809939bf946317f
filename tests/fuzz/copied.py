"""Reads what COPY is given back as PostgreSQL does, and says where it would refuse it (manual: "COPY")."""

import math
import re
import struct
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
BinaryRow = dict[str, bytes | None]

_YEAR_10000_US: Final = 252_455_616_000_000_000
"""As PostgreSQL counts, from the year 2000 on; what reads from it knows no later year."""
_BYTES_OF: Final = {"TIMESTAMP": 8, "boolean": 1, "UUID": 16}


def step_rows(rows: bytes) -> list[BinaryRow]:
    """The rows of `step_rows.join`, each column checked against its type."""
    columns = _columns_of(facts.SQL.copy_steps)
    found, position = [], 0
    while position < len(rows):
        (count,) = struct.unpack_from(">h", rows, position)
        assert count == len(columns), f"{count} fields for {len(columns)} columns"
        position += 2
        row: BinaryRow = {}
        for name in columns:
            row[name], position = _field(rows, position)
            _check_binary(schema.step_facts.c[name], row[name])
        found.append(row)
    return found


def log_rows(lines: bytes) -> list[Row]:
    """The rows of `rows.log_lines`, each column checked against its type."""
    return _rows(lines, schema.step_logs, facts.SQL.copy_logs)


def _field(rows: bytes, position: int) -> tuple[bytes | None, int]:
    (size,) = struct.unpack_from(">i", rows, position)
    end = position + 4 + max(size, 0)
    assert end <= len(rows), "cut off"
    return (rows[position + 4 : end] if size >= 0 else None), end


def _check_binary(column: Any, field: bytes | None) -> None:
    if field is None:
        assert column.nullable, f"{column.name} is never NULL"
        return
    kind = column.type.__visit_name__
    if kind in _BYTES_OF:
        assert len(field) == _BYTES_OF[kind], column.name
    if kind == "TIMESTAMP":
        assert struct.unpack(">q", field)[0] < _YEAR_10000_US, column.name
    elif isinstance(column.type, BigInteger | Double):
        (number,) = struct.unpack(">q" if isinstance(column.type, BigInteger) else ">d", field)
        assert math.isfinite(number), column.name
    elif kind in ("text", "TEXT"):
        assert "\0" not in field.decode(), column.name
    elif kind == "JSONB":
        assert field[0] == 1, "a version of jsonb that is unknown"
        check_json(field[1:].decode())
    elif kind == "ARRAY":
        _check_texts(field)


def _check_texts(field: bytes) -> None:
    """An array of texts: dimensions, whether it has NULLs, the elements' type; how many they are, and from where on."""
    dimensions, has_nulls, _ = struct.unpack_from(">iii", field)
    assert dimensions in (0, 1)
    assert not has_nulls
    count, position = (struct.unpack_from(">i", field, 12)[0], 20) if dimensions else (0, 12)
    for _ in range(count):
        text, position = _field(field, position)
        assert text is not None
        assert "\0" not in text.decode()
    assert position == len(field)


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

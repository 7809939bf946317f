"""Batches of rows as bytes of a file."""

import csv
import io
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Protocol

import orjson

from stepwell_api.export.columns import Column, ColumnKind
from stepwell_api.export.parquet import ParquetWriter

Row = Mapping[str, Any]


class ExportFormat(StrEnum):
    """The formats."""

    PARQUET = "parquet"
    CSV = "csv"
    JSONL = "jsonl"


MEDIA_TYPES: Final = {
    ExportFormat.PARQUET: "application/vnd.apache.parquet",
    ExportFormat.CSV: "text/csv",
    ExportFormat.JSONL: "application/jsonl",
}
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that begins so for a formula."""
GROUP_BYTES: Final = 16_000_000
GROUP_ROWS: Final = 50_000
"""So much is kept for one group of a Parquet file."""


class Writer(Protocol):
    """Turns batches into bytes."""

    def start(self) -> bytes:
        """What comes first."""
        ...

    def batch(self, rows: Sequence[Row]) -> bytes:
        """Some rows."""
        ...

    def finish(self) -> bytes:
        """What comes last."""
        ...


async def written(
    chosen: ExportFormat, columns: Sequence[Column], batches: AsyncIterator[Sequence[Row]]
) -> AsyncIterator[bytes]:
    """The bytes of the file, as batches come."""
    writer = WRITERS[chosen](columns)
    yield writer.start()
    async for rows in batches:
        yield writer.batch(rows)
    yield writer.finish()


class JsonLines:
    """A line of JSON for each row."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._names = [column.name for column in columns]

    def start(self) -> bytes:
        """Nothing."""
        return b""

    def batch(self, rows: Sequence[Row]) -> bytes:
        """A line for each."""
        option = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE
        return b"".join(orjson.dumps({name: row[name] for name in self._names}, option=option) for row in rows)

    def finish(self) -> bytes:
        """Nothing."""
        return b""


class Csv:
    """A head and a line for each row (RFC 4180), in UTF-8; unknown values are empty.

    A text that a spreadsheet would take for a formula gets an apostrophe before it (OWASP, "CSV Injection").
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns

    def start(self) -> bytes:
        """The head."""
        return self._lines([[column.name for column in self._columns]])

    def batch(self, rows: Sequence[Row]) -> bytes:
        """A line for each."""
        return self._lines([[_cell(column.kind, row[column.name]) for column in self._columns] for row in rows])

    def finish(self) -> bytes:
        """Nothing."""
        return b""

    def _lines(self, lines: Sequence[Sequence[str]]) -> bytes:
        text = io.StringIO()
        csv.writer(text).writerows(lines)
        return text.getvalue().encode()


class Parquet:
    """Groups of rows of bounded size."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._writer = ParquetWriter(columns)
        self._rows: list[list[Any]] = []
        self._bytes = 0

    def start(self) -> bytes:
        """The format's mark."""
        return self._writer.start()

    def batch(self, rows: Sequence[Row]) -> bytes:
        """Nothing, until a group is full."""
        for row in rows:
            values = [_plain(column.kind, row[column.name]) for column in self._columns]
            self._rows.append(values)
            self._bytes += sum(len(value) for value in values if isinstance(value, str))
        return self._group() if self._bytes >= GROUP_BYTES or len(self._rows) >= GROUP_ROWS else b""

    def finish(self) -> bytes:
        """The last group, and the footer."""
        return self._group() + self._writer.finish()

    def _group(self) -> bytes:
        rows, self._rows, self._bytes = self._rows, [], 0
        return self._writer.group(rows) if rows else b""


WRITERS: Final[Mapping[ExportFormat, Callable[[Sequence[Column]], Writer]]] = {
    ExportFormat.PARQUET: Parquet,
    ExportFormat.CSV: Csv,
    ExportFormat.JSONL: JsonLines,
}


def _plain(kind: ColumnKind, value: Any) -> Any:
    """The value with JSON and texts as text."""
    if value is None or kind not in (ColumnKind.JSON, ColumnKind.TEXT):
        return value
    return orjson.dumps(value).decode() if kind is ColumnKind.JSON else str(value)


def _cell(kind: ColumnKind, value: Any) -> str:
    if value is None:
        return ""
    if kind is ColumnKind.BOOLEAN:
        return "true" if value else "false"
    if kind is ColumnKind.TIME:
        return _time(value)
    text = str(_plain(kind, value))
    return f"'{text}" if kind is ColumnKind.TEXT and text.startswith(FORMULA_STARTS) else text


def _time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")

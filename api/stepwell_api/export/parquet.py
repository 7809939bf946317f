"""Writes Parquet files a group of rows at a time, with nothing but the compression that is there anyway.

After the format's specification (apache/parquet-format: ``README.md``, ``Encodings.md``, ``parquet.thrift``, and
Thrift's compact protocol). Every column is optional and flat, each group's column is one data page with plain values,
compressed with Zstandard: what every reader of Parquet takes. Memory is that of one group.
"""

import struct
from collections.abc import Sequence
from typing import Any, Final

import zstandard

from stepwell_api.export.columns import Column, ColumnKind
from stepwell_api.times import to_microseconds

MAGIC: Final = b"PAR1"
CREATED_BY: Final = b"stepwell"
ZSTD: Final = 6
PLAIN, RLE = 0, 3
REQUIRED, OPTIONAL = 0, 1
BOOLEAN, INT64, DOUBLE, BYTE_ARRAY = 0, 2, 5, 6
UTF8, TIMESTAMP_MICROS, JSON = 0, 10, 19
TYPES: Final = {
    ColumnKind.TEXT: (BYTE_ARRAY, UTF8),
    ColumnKind.JSON: (BYTE_ARRAY, JSON),
    ColumnKind.INTEGER: (INT64, None),
    ColumnKind.NUMBER: (DOUBLE, None),
    ColumnKind.BOOLEAN: (BOOLEAN, None),
    ColumnKind.TIME: (INT64, TIMESTAMP_MICROS),
}
"""Physical and converted type; the latter for times means UTC."""

I32, I64, BINARY, LIST, STRUCT = 5, 6, 8, 9, 12
Value = tuple[int, Any]
"""Thrift's type and the value; of a struct its fields by id, of a list the items' type and the items."""


class ParquetWriter:
    """The bytes of a file, group after group; `finish` gives the last ones."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._written = 0
        self._rows = 0
        self._groups: list[Any] = []
        self._compressor = zstandard.ZstdCompressor(level=3)

    def start(self) -> bytes:
        """The file's first bytes."""
        return self._counted(MAGIC)

    def group(self, rows: Sequence[Sequence[Any]]) -> bytes:
        """One group of rows, each with its values in the order of the columns; ``None`` is unknown."""
        found, chunks, size = [], [], 0
        for column, values in zip(self._columns, zip(*rows, strict=True), strict=True):
            offset = self._written
            page, plain_size = self._page(column, values)
            found.append(self._counted(page))
            chunks.append(_chunk(column, len(rows), offset, len(page), plain_size))
            size += plain_size
        self._rows += len(rows)
        self._groups.append({1: (LIST, (STRUCT, chunks)), 2: (I64, size), 3: (I64, len(rows))})
        return b"".join(found)

    def finish(self) -> bytes:
        """The footer."""
        root = {4: (BINARY, b"schema"), 5: (I32, len(self._columns))}
        schema = [root, *map(_schema_element, self._columns)]
        footer = _struct(
            {
                1: (I32, 1),
                2: (LIST, (STRUCT, schema)),
                3: (I64, self._rows),
                4: (LIST, (STRUCT, self._groups)),
                6: (BINARY, CREATED_BY),
            }
        )
        return footer + struct.pack("<I", len(footer)) + MAGIC

    def _page(self, column: Column, values: Sequence[Any]) -> tuple[bytes, int]:
        """A data page with its head, and its size before compression, the head included."""
        known = [value for value in values if value is not None]
        levels = _bits([value is not None for value in values])
        levels = _varint((len(levels) << 1) | 1) + levels
        plain = struct.pack("<I", len(levels)) + levels + _plain(column.kind, known)
        compressed = self._compressor.compress(plain)
        data_page = {1: (I32, len(values)), 2: (I32, PLAIN), 3: (I32, RLE), 4: (I32, RLE)}
        head = _struct({1: (I32, 0), 2: (I32, len(plain)), 3: (I32, len(compressed)), 5: (STRUCT, data_page)})
        return head + compressed, len(head) + len(plain)

    def _counted(self, data: bytes) -> bytes:
        self._written += len(data)
        return data


def _schema_element(column: Column) -> dict[int, Value]:
    physical, converted = TYPES[column.kind]
    element: dict[int, Value] = {1: (I32, physical), 3: (I32, OPTIONAL), 4: (BINARY, column.name.encode())}
    return element if converted is None else {**element, 6: (I32, converted)}


def _chunk(column: Column, rows: int, offset: int, size: int, plain_size: int) -> dict[int, Value]:
    metadata = {
        1: (I32, TYPES[column.kind][0]),
        2: (LIST, (I32, [PLAIN, RLE])),
        3: (LIST, (BINARY, [column.name.encode()])),
        4: (I32, ZSTD),
        5: (I64, rows),
        6: (I64, plain_size),
        7: (I64, size),
        9: (I64, offset),
    }
    return {2: (I64, offset), 3: (STRUCT, metadata)}


def _plain(kind: ColumnKind, values: Sequence[Any]) -> bytes:
    """The plain encoding of known values."""
    if kind is ColumnKind.BOOLEAN:
        return _bits(values)
    if kind is ColumnKind.NUMBER:
        return struct.pack(f"<{len(values)}d", *values)
    if kind is ColumnKind.INTEGER:
        return struct.pack(f"<{len(values)}q", *values)
    if kind is ColumnKind.TIME:
        return struct.pack(f"<{len(values)}q", *map(to_microseconds, values))
    texts = [str(value).encode() for value in values]
    return b"".join(part for text in texts for part in (struct.pack("<I", len(text)), text))


def _bits(values: Sequence[bool]) -> bytes:
    """One bit for each, the first in the lowest, filled up to whole bytes."""
    digits = "".join("1" if value else "0" for value in reversed(values))
    return int(digits or "0", 2).to_bytes(-(-len(values) // 8), "little")


def _struct(fields: dict[int, Value]) -> bytes:
    """A Thrift struct in the compact protocol; `fields` are in order of their ids, which lie less than 16 apart."""
    found, last = [], 0
    for field, (kind, value) in fields.items():
        found.append(bytes([(field - last) << 4 | kind]) + _value(kind, value))
        last = field
    return b"".join(found) + b"\0"


def _value(kind: int, value: Any) -> bytes:
    if kind == BINARY:
        data: bytes = value
        return _varint(len(data)) + data
    if kind == STRUCT:
        return _struct(value)
    if kind == LIST:
        item_kind, items = value
        return _list_head(item_kind, len(items)) + b"".join(_value(item_kind, item) for item in items)
    return _varint(value << 1 if value >= 0 else (-value << 1) - 1)


def _list_head(item_kind: int, size: int) -> bytes:
    return bytes([size << 4 | item_kind]) if size < 15 else bytes([0xF0 | item_kind]) + _varint(size)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)

"""Carries the rows of native tables into their hypertables: a few blocks in a transaction, as often as it takes.

Between `hypertables.begin` and `hypertables.finish`. Each row is deleted here and inserted there by one statement, so
that it is in exactly one place whenever the move is cut off; going on later needs no bookmark.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql

from stepwell_migrations import hypertables
from stepwell_migrations.hypertables import SQL, Hypertable, run

BLOCKS_PER_TRANSACTION: Final = 256
"""Blocks of 8 kB: some thousand rows, a fraction of a second."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a move has come."""

    table: str
    rows: int
    """Moved by this process, of all tables."""
    done_bytes: int
    """Size of what has moved, of all tables; an estimate within a partition."""
    total_bytes: int
    """Size of all that was there when this process began."""
    seconds: float


Report = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A table with rows to move: a partition, or a table without any."""

    table: Hypertable
    name: str
    size_bytes: int
    blocks: int


def move_rows(connection: psycopg.Connection, moving: dict[str, Any], report: Report) -> int:
    """Moves all rows of the tables on the way and gives their number; the connection must not be in a transaction.

    Emptied partitions are dropped as it goes, so that it takes little more room than the data itself.
    """
    tables = [table for table in hypertables.TABLES if table.name in moving["tables"]]
    leaves = [leaf for table in tables for leaf in _leaves(connection, table)]
    columns = {table.name: _columns(connection, table) for table in tables}
    total_bytes = sum(leaf.size_bytes for leaf in leaves)
    rows = done_bytes = 0
    began_s = time.monotonic()
    for leaf in leaves:
        for first in range(0, leaf.blocks, BLOCKS_PER_TRANSACTION):
            last = min(first + BLOCKS_PER_TRANSACTION, leaf.blocks)
            rows += _move_blocks(connection, leaf, columns[leaf.table.name], first, last)
            moved_bytes = done_bytes + leaf.size_bytes * last // leaf.blocks
            report(Progress(leaf.table.name, rows, moved_bytes, total_bytes, time.monotonic() - began_s))
        done_bytes += leaf.size_bytes
        _drop_emptied(connection, leaf)
    return rows


def _leaves(connection: psycopg.Connection, table: Hypertable) -> list[_Leaf]:
    with connection.transaction():
        found = connection.execute(SQL["leaves"], {"table": f"analytics.{table.old}"}).fetchall()
    return [_Leaf(table, *row) for row in found]


def _columns(connection: psycopg.Connection, table: Hypertable) -> Sequence[str]:
    with connection.transaction():
        return [name for (name,) in connection.execute(SQL["columns"], {"table": f"analytics.{table.old}"})]


def _move_blocks(connection: psycopg.Connection, leaf: _Leaf, columns: Sequence[str], first: int, last: int) -> int:
    with connection.transaction():
        cursor = run(
            connection,
            "move_rows",
            leaf=leaf.name,
            new=leaf.table.new,
            columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
            first=sql.Literal(f"({first},0)"),
            last=sql.Literal(f"({last},0)"),
        )
        return cursor.rowcount


def _drop_emptied(connection: psycopg.Connection, leaf: _Leaf) -> None:
    """Drops a partition; what has none is dropped by `hypertables.finish`, which looks whether it is empty."""
    if leaf.name == leaf.table.old:
        return
    with connection.transaction():
        connection.execute(SQL["bound_lock_wait"], {"wait": hypertables.LOCK_WAIT})
        run(connection, "lock", table=leaf.table.old)
        if run(connection, "is_empty", table=leaf.name).fetchone() == (True,):
            run(connection, "drop_table", table=leaf.name)

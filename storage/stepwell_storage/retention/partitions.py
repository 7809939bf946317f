"""The parts of the two large tables, by time: native partitions, or TimescaleDB's chunks.

The one place of retention that knows the engines apart; how parts come to be is in `stepwell_storage.partitions` and in
the migrations.
"""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import psycopg
from psycopg import sql

from stepwell_storage import queries

SQL = queries.load("retention_parts")

Table = Literal["step_facts", "agent_executions"]
LOCK_WAIT: Final = "100ms"
ATTEMPTS: Final = 10
PAUSE_S: Final = 0.2

Connection = psycopg.AsyncConnection[Any]


@dataclass(frozen=True, slots=True)
class Part:
    """A partition or a chunk."""

    table: Table
    schema: str
    name: str
    start: datetime | None
    """``None`` for the default partition, which holds rows of any time."""
    stop: datetime | None
    size_bytes: int
    blocks: int
    is_native: bool
    """Whether it is a partition."""

    @property
    def places(self) -> dict[str, sql.Composable]:
        """Its name for statements."""
        return {"part": sql.Identifier(self.schema, self.name)}

    def begins_before(self, time: datetime) -> bool:
        """Whether it may hold rows of before `time`."""
        return self.start is None or self.start < time

    def ends_before(self, time: datetime) -> bool:
        """Whether it holds nothing else."""
        return self.stop is not None and self.stop <= time


async def parts_of(connection: Connection, table: Table) -> list[Part]:
    """All parts of a table, the oldest first, the default partition last."""
    row = await (await connection.execute(SQL.is_native, {"table": table})).fetchone()
    is_native = bool(row and row[0])
    cursor = await connection.execute(SQL.partitions if is_native else SQL.chunks, {"table": table})
    return [
        Part(table, schema, name, start, stop, size_bytes, blocks, is_native)
        for schema, name, start, stop, size_bytes, blocks in await cursor.fetchall()
    ]


async def holds_rows_of(connection: Connection, part: Part, workspace_ids: Sequence[UUID]) -> bool:
    """Whether any of these workspaces has rows in it."""
    statement = sql.SQL(SQL.holds_rows_of).format(**part.places)
    row = await (await connection.execute(statement, {"workspace_ids": list(workspace_ids)})).fetchone()
    return bool(row and row[0])


async def drop(connection: Connection, part: Part, count: str) -> int | None:
    """Drops a part whole, in a transaction of its own; gives how many rows it had.

    `count` is the query that counts them, and tells whom it concerns, in that transaction. Gives up with ``None`` where
    others use the table too long: whoever waits for the lock also holds up those who come after.
    """
    async with connection.transaction():
        await connection.execute(SQL.bound_lock_wait, {"wait": LOCK_WAIT})
        try:
            async with connection.transaction():
                await connection.execute(sql.SQL(SQL.lock).format(**part.places))
        except psycopg.errors.LockNotAvailable:
            return None
        cursor = await connection.execute(sql.SQL(count).format(**part.places))
        row = await cursor.fetchone()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with connection.transaction():
                    await _drop(connection, part)
                return int(row[0]) if row else 0
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
                await asyncio.sleep(random.uniform(0.5, 1.5) * PAUSE_S * attempt)  # noqa: S311 - spreads the attempts
        raise psycopg.Rollback
    return None


async def _drop(connection: Connection, part: Part) -> None:
    if part.is_native:
        await connection.execute(sql.SQL(SQL.drop_partition).format(**part.places))
        return
    row = await (await connection.execute(SQL.extension_schema)).fetchone()
    assert row is not None
    statement = sql.SQL(SQL.drop_chunk).format(extension=sql.Identifier(row[0]))
    await connection.execute(statement, {"table": f"analytics.{part.table}", "start": part.start, "stop": part.stop})


async def shrink(connection: Connection, part: Part) -> None:
    """Gives the space of emptied columns back, where others leave the part alone for the moment it takes to begin."""
    if not part.is_native:
        return
    await connection.execute(SQL.bound_lock_wait_of_session, {"wait": LOCK_WAIT})
    try:
        for attempt in range(1, ATTEMPTS + 1):
            with suppress(psycopg.errors.LockNotAvailable):
                await connection.execute(sql.SQL(SQL.vacuum).format(**part.places))
                break
            await asyncio.sleep(random.uniform(0.5, 1.5) * PAUSE_S * attempt)  # noqa: S311 - spreads the attempts
    finally:
        await connection.execute(SQL.bound_lock_wait_of_session, {"wait": "0"})

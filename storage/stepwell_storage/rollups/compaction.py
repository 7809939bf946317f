"""Sums up: rows that wait become hours, hours of past days become days.

Where TimescaleDB keeps the days, as a continuous aggregate, it is told to refresh them; else they are rows of ours.
One worker does it at a time; what waits is in every answer all the same, so that nothing depends on when it happens.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import sql

from stepwell_storage import queries
from stepwell_storage.rollups.figures import Kind

SQL = queries.load("rollups")

ROWS_AT_ONCE: Final = 5_000
DAYS_AT_ONCE: Final = 20
TURN: Final = 0x5743_0001
"""Key of the advisory lock; see also `partitions` for another."""

Day = tuple[UUID, datetime]


async def compact(connection: psycopg.AsyncConnection[Any]) -> int:
    """Adds what waits to the hours, in transactions of a bounded size; gives the number of rows."""
    total = 0
    while True:
        async with connection.transaction():
            if not await _has_turn(connection):
                return total
            cursor = await connection.execute(SQL.compact, {"limit": ROWS_AT_ONCE})
            row = await cursor.fetchone()
        count = int(row[0]) if row else 0
        total += count
        if count < ROWS_AT_ONCE:
            return total


async def sum_days(connection: psycopg.AsyncConnection[Any], now: datetime) -> int:
    """Sums up some days that have passed and changed since; gives their number.

    The connection must not be in a transaction: each day takes one of its own.
    """
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    cursor = await connection.execute(SQL.incomplete_days, {"today": today, "limit": DAYS_AT_ONCE})
    days: list[Day] = await cursor.fetchall()
    if not days:
        return 0
    extension = await aggregating_extension(connection)
    if extension is None:
        return await _sum_days(connection, days)
    async with _long_turn(connection) as has_turn:
        return await _refresh_days(connection, days, extension) if has_turn else 0


async def aggregating_extension(connection: psycopg.AsyncConnection[Any]) -> str | None:
    """The schema of TimescaleDB's procedures where it keeps the days; ``None`` where they are in a table of ours."""
    row = await (await connection.execute(SQL.is_aggregate)).fetchone()
    return str(row[1]) if row and row[0] else None


async def refresh_day(connection: psycopg.AsyncConnection[Any], extension: str, day: datetime) -> None:
    """Makes the continuous aggregate of a day what its hours come to; not within a transaction."""
    places = {
        "extension": sql.Identifier(extension),
        "day": sql.Literal(day),
        "next_day": sql.Literal(day + timedelta(days=1)),
    }
    await connection.execute(sql.SQL(SQL.refresh_day).format(**places))


async def _sum_days(connection: psycopg.AsyncConnection[Any], days: Sequence[Day]) -> int:
    for done, (workspace_id, day) in enumerate(days):
        async with connection.transaction():
            if not await _has_turn(connection):
                return done
            parameters = {"workspace_id": workspace_id, "day": day, "kinds": list(Kind)}
            for statement in (SQL.clear_day, SQL.sum_day, SQL.complete_day):
                await connection.execute(statement, parameters)
    return len(days)


async def _refresh_days(connection: psycopg.AsyncConnection[Any], days: Sequence[Day], extension: str) -> int:
    """All workspaces of a day at once, which is how TimescaleDB does it."""
    for day in sorted({day for _, day in days}, reverse=True):
        await refresh_day(connection, extension, day)
        for workspace_id in [workspace_id for workspace_id, other in days if other == day]:
            await connection.execute(SQL.complete_day, {"workspace_id": workspace_id, "day": day})
    return len(days)


@asynccontextmanager
async def _long_turn(connection: psycopg.AsyncConnection[Any]) -> AsyncIterator[bool]:
    """Keeps others from adding up until the end; false where another one does so now."""
    row = await (await connection.execute(SQL.take_long_turn, {"key": TURN})).fetchone()
    has_turn = bool(row and row[0])
    try:
        yield has_turn
    finally:
        if has_turn and not connection.broken:
            await connection.execute(SQL.give_turn_back, {"key": TURN})


async def _has_turn(connection: psycopg.AsyncConnection[Any]) -> bool:
    cursor = await connection.execute(SQL.take_turn, {"key": TURN})
    row = await cursor.fetchone()
    return bool(row and row[0])

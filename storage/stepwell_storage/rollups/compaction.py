"""Sums up: rows that wait become hours, hours of past days become days.

One worker does it at a time; what waits is in every answer all the same, so that nothing depends on when it happens.
"""

from datetime import UTC, datetime
from typing import Any, Final

import psycopg

from stepwell_storage import queries
from stepwell_storage.rollups.figures import Kind

SQL = queries.load("rollups")

ROWS_AT_ONCE: Final = 20_000
DAYS_AT_ONCE: Final = 20
TURN: Final = 0x5743_0001
"""Key of the advisory lock; see also `partitions` for another."""


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
    """Sums up some days that have passed and changed since, each in a transaction; gives their number."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    cursor = await connection.execute(SQL.incomplete_days, {"today": today, "limit": DAYS_AT_ONCE})
    days = await cursor.fetchall()
    for done, (workspace_id, day) in enumerate(days):
        async with connection.transaction():
            if not await _has_turn(connection):
                return done
            parameters = {"workspace_id": workspace_id, "day": day, "kinds": list(Kind)}
            for statement in (SQL.clear_day, SQL.sum_day, SQL.complete_day):
                await connection.execute(statement, parameters)
    return len(days)


async def _has_turn(connection: psycopg.AsyncConnection[Any]) -> bool:
    cursor = await connection.execute(SQL.take_turn, {"key": TURN})
    row = await cursor.fetchone()
    return bool(row and row[0])

"""Shortens the rollups: hours of old days become one, old days go.

The hours of a day are replaced by their sum, kept as the day's first hour. So whatever is still added to such a day,
or taken away, finds its place like on any other, and days are summed up as always.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from stepwell_storage import metrics, queries
from stepwell_storage.retention.partitions import Connection
from stepwell_storage.retention.progress import Report
from stepwell_storage.rollups.compaction import TURN, aggregating_extension, refresh_day
from stepwell_storage.rollups.figures import Kind

SQL = queries.load("retention_history")


async def join_hours(connection: Connection, workspace_id: UUID, before: datetime, report: Report) -> None:
    """Makes one hour of all hours of each complete day before `before`, a day in each transaction."""
    cursor = await connection.execute(SQL.days_with_hours, {"workspace_id": workspace_id, "before": before})
    for (day,) in await cursor.fetchall():
        async with connection.transaction():
            await connection.execute(SQL.take_turn, {"key": TURN})
            parameters = {"workspace_id": workspace_id, "day": day, "kinds": list(Kind)}
            cursor = await connection.execute(SQL.is_complete, parameters)
            if await cursor.fetchone() is None:
                continue
            gone = (await connection.execute(SQL.delete_hours, parameters)).rowcount
            kept = (await connection.execute(SQL.keep_sum, parameters)).rowcount
        _tell("rollup_hours", gone - kept, report)


async def delete_days(connection: Connection, workspace_id: UUID, before: datetime, report: Report) -> None:
    """Deletes all rollups of before `before`, a day in each transaction."""
    parameters = {"workspace_id": workspace_id, "before": before, "kinds": list(Kind)}
    extension = await aggregating_extension(connection)
    cursor = await connection.execute(SQL.old_days, parameters)
    for (day,) in await cursor.fetchall():
        async with connection.transaction():
            await connection.execute(SQL.take_turn, {"key": TURN})
            of_day = {**parameters, "day": day}
            hours = (await connection.execute(SQL.delete_hours, of_day)).rowcount
            await connection.execute(SQL.forget_complete_day, of_day)
            if extension is None:
                days = (await connection.execute(SQL.delete_day, of_day)).rowcount
            else:
                days = await _count_days(connection, of_day)
        if extension is not None:
            await refresh_day(connection, extension, day)
        _tell("rollup_hours", hours, report)
        _tell("rollup_days", days, report)


async def _count_days(connection: Connection, of_day: Mapping[str, Any]) -> int:
    row = await (await connection.execute(SQL.count_day, of_day)).fetchone()
    return int(row[0]) if row else 0


def _tell(table: str, rows: int, report: Report) -> None:
    metrics.RETENTION_ROWS.labels(table).inc(max(rows, 0))
    report(table, rows)

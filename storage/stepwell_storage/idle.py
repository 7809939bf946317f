"""Traces that are no agents': kept for a while, since an agent's span may still come, then dropped and counted.

A pipeline that forwards everything sends mostly requests and queries without any agent in them. ``--keep all`` keeps
those as well.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import psycopg

from stepwell_storage import metrics, queries
from stepwell_storage.traces import TraceWindow, columns_of

SQL = queries.load("idle")
FOLD_SQL = queries.load("fold")

REASON: Final = "no_agent_activity"
MAX_TRACES: Final = 200
"""Traces in one transaction; each takes an advisory lock."""

Connection = psycopg.AsyncConnection[Any]


async def mark(connection: Connection, windows: Sequence[TraceWindow]) -> None:
    """Notes that these traces hold no execution, in the caller's transaction."""
    if windows:
        await connection.execute(SQL.mark_idle, _ids(windows))


async def drop(connection: Connection, drop_after: timedelta) -> int:
    """Deletes what traces hold that have been idle for longer; gives the number of steps and log records.

    Works in transactions of bounded size, under the traces' locks, so that a fold sees all of a trace or nothing.
    """
    dropped = 0
    while True:
        async with connection.transaction():
            cursor = await connection.execute(SQL.idle_traces, {"drop_after": drop_after, "limit": MAX_TRACES})
            found = [TraceWindow(*row) for row in await cursor.fetchall()]
            if not found:
                return dropped
            deleted = await _delete(connection, found)
        dropped += deleted
        if not deleted or len(found) < MAX_TRACES:
            return dropped


async def _delete(connection: Connection, found: Sequence[TraceWindow]) -> int:
    await connection.execute(FOLD_SQL.lock_traces, {"trace_ids": [window.trace_id for window in found]})
    cursor = await connection.execute(SQL.forget_windows, _ids(found))
    windows = [TraceWindow(*row) for row in await cursor.fetchall()]
    if not windows:
        return 0
    finished = await connection.execute(SQL.delete_steps, columns_of(windows))
    live = await connection.execute(SQL.delete_live_steps, _ids(windows))
    logs = await connection.execute(SQL.delete_logs, _ids(windows))
    metrics.SPANS_DROPPED.labels(REASON).inc(finished.rowcount + live.rowcount)
    metrics.LOG_RECORDS.labels("dropped").inc(logs.rowcount)
    return finished.rowcount + live.rowcount + logs.rowcount


def _ids(windows: Sequence[TraceWindow]) -> dict[str, Any]:
    return {
        "workspace_ids": [window.workspace_id for window in windows],
        "trace_ids": [window.trace_id for window in windows],
    }

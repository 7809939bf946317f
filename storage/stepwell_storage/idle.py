"""Traces that are no agents': kept for a while, since an agent's span may still come, then dropped and counted.

A pipeline that forwards everything sends mostly requests and queries without any agent in them. ``--keep all`` keeps
those as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import psycopg

from stepwell_storage import findings, ledger, metrics, queries
from stepwell_storage.traces import TraceWindow, columns_of, ids_of

SQL = queries.load("idle")
FOLD_SQL = queries.load("fold")

REASON: Final = "no_agent_activity"
MAX_TRACES: Final = 200
"""Traces in one transaction; each takes an advisory lock."""

Connection = psycopg.AsyncConnection[Any]


async def mark(connection: Connection, windows: Sequence[TraceWindow]) -> None:
    """Notes that these traces hold no execution, in the caller's transaction."""
    if windows:
        await connection.execute(SQL.mark_idle, ids_of(windows))


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
        # Counted only once the deletion has committed.
        ledger.observe(deleted.findings)
        metrics.SPANS_DROPPED.labels(REASON).inc(deleted.spans)
        metrics.LOG_RECORDS.labels("dropped").inc(deleted.logs)
        dropped += deleted.items
        if not deleted.items or len(found) < MAX_TRACES:
            return dropped


@dataclass(frozen=True, slots=True)
class _Deleted:
    """What a transaction of `drop` deletes."""

    spans: int = 0
    logs: int = 0
    findings: ledger.Tally = field(default_factory=ledger.Tally)

    @property
    def items(self) -> int:
        return self.spans + self.logs


async def _delete(connection: Connection, found: Sequence[TraceWindow]) -> _Deleted:
    await connection.execute(FOLD_SQL.lock_traces, {"trace_ids": [window.trace_id for window in found]})
    cursor = await connection.execute(SQL.forget_windows, ids_of(found))
    windows = [TraceWindow(*row) for row in await cursor.fetchall()]
    if not windows:
        return _Deleted()
    told = {"reason": REASON}
    finished = await _count(connection, SQL.delete_steps, {**columns_of(windows), **told})
    live = await _count(connection, SQL.delete_live_steps, {**ids_of(windows), **told})
    logs = await _count(connection, SQL.delete_logs, {**ids_of(windows), **told})
    return _Deleted(finished + live, logs, await findings.forget(connection, windows))


async def _count(connection: Connection, statement: str, parameters: dict[str, Any]) -> int:
    row = await (await connection.execute(statement, parameters)).fetchone()
    return 0 if row is None else int(row[0])

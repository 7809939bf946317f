"""Deletes executions and agents with their traces, under the traces' locks, so that no fold brings them back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import psycopg

from stepwell_storage import executions, ledger, queries
from stepwell_storage.deletion import rows, tombstones
from stepwell_storage.deletion.rows import Deleted
from stepwell_storage.executions import Known
from stepwell_storage.retention import horizon
from stepwell_storage.rollups import compaction
from stepwell_storage.rollups.figures import ALL_AGENTS, Kind
from stepwell_storage.traces import TraceWindow

SQL = queries.load("deletion")
FOLD_SQL = queries.load("fold")
ALERTING_SQL = queries.load("deletion_alerting")

RUNS_AT_ONCE: Final = 100

Connection = psycopg.AsyncConnection[Any]


@dataclass(frozen=True, slots=True)
class _Run:
    workspace_id: UUID
    execution_id: str
    trace_id: bytes
    start_time: datetime
    created_at: datetime
    agent_id: str
    span_ids: Sequence[bytes]

    @property
    def known(self) -> Known:
        return Known(self.workspace_id, self.execution_id, self.start_time, self.created_at)


async def delete_execution(connection: Connection, workspace_id: UUID, execution_id: str) -> Deleted | None:
    """Deletes one execution with its steps and their logs, in a transaction of its own; ``None`` where there is none.

    Other executions of its trace stay. Where it is the only one, the trace goes whole.
    """
    parameters = {"workspace_id": workspace_id, "execution_id": execution_id}
    row = await (await connection.execute(SQL.trace_of, parameters)).fetchone()
    if row is None:
        return None
    deleted = await _delete(connection, workspace_id, [row[0]], execution_id=execution_id)
    await connection.execute(ALERTING_SQL.delete_recoveries, {**parameters, "agent_id": None})
    return deleted


async def delete_agent(connection: Connection, workspace_id: UUID, agent_id: str) -> Deleted | None:
    """Deletes all executions of an agent, some in each transaction, and what the rollups hold of it.

    ``None`` where there was nothing of it.
    """
    total = Deleted()
    while True:
        parameters = {"workspace_id": workspace_id, "agent_id": agent_id, "limit": RUNS_AT_ONCE}
        cursor = await connection.execute(SQL.traces_of_agent, parameters)
        trace_ids = [trace_id for (trace_id,) in await cursor.fetchall()]
        deleted = await _delete(connection, workspace_id, trace_ids, agent_id=agent_id) if trace_ids else Deleted()
        total += deleted
        if not deleted.executions:
            break
    had_history = await _delete_history(connection, workspace_id, agent_id)
    await _delete_alerting(connection, workspace_id, agent_id)
    return total if total.executions or had_history else None


async def _delete_alerting(connection: Connection, workspace_id: UUID, agent_id: str) -> None:
    """Deletes what was set up for the agent alone, and what is known of its recoveries and alerts."""
    parameters = {"workspace_id": workspace_id, "agent_id": agent_id, "execution_id": None}
    async with connection.transaction():
        for statement in (
            ALERTING_SQL.delete_recoveries,
            ALERTING_SQL.delete_agent_events,
            ALERTING_SQL.delete_agent_alerts,
            ALERTING_SQL.delete_agent_rules,
            ALERTING_SQL.delete_agent_webhooks,
            ALERTING_SQL.delete_agent_deliveries,
            ALERTING_SQL.delete_lost_attempts,
        ):
            await connection.execute(statement, parameters)


async def _delete(
    connection: Connection,
    workspace_id: UUID,
    trace_ids: Sequence[bytes],
    *,
    execution_id: str | None = None,
    agent_id: str | None = None,
) -> Deleted:
    """Deletes the executions of these traces that have this id or are this agent's, in a transaction of its own."""
    parameters = {"workspace_id": workspace_id, "trace_ids": list(dict.fromkeys(trace_ids))}
    deleted = Deleted()
    async with connection.transaction():
        await connection.execute(FOLD_SQL.lock_traces, {"trace_ids": parameters["trace_ids"]})
        await horizon.hold(connection)
        cursor = await connection.execute(SQL.windows, parameters)
        windows = {row[1]: TraceWindow(*row) for row in await cursor.fetchall()}
        cursor = await connection.execute(SQL.runs_of_traces, parameters)
        runs = [_Run(*row) for row in await cursor.fetchall()]
        gone = [run for run in runs if execution_id == run.execution_id or agent_id == run.agent_id]
        count = await executions.delete_executions(connection, [run.known for run in gone])
        deleted = Deleted(executions=count) + await _delete_spans(connection, windows, runs, gone)
    # Counted only once the deletion has committed.
    rows.observe(deleted)
    ledger.observe(deleted.findings)
    return deleted


async def _delete_spans(
    connection: Connection, windows: dict[bytes, TraceWindow], runs: Sequence[_Run], gone: Sequence[_Run]
) -> Deleted:
    """Deletes the traces that lose all of their executions whole, of the others the spans of those that go."""
    gone_ids = {run.execution_id for run in gone}
    kept = {run.trace_id for run in runs if run.execution_id not in gone_ids}
    deleted = Deleted()
    whole = [windows[trace_id] for trace_id in {run.trace_id for run in gone} - kept if trace_id in windows]
    for window in whole:
        await tombstones.remember(connection, window, None)
    deleted += await rows.delete_traces(connection, whole)
    for run in gone:
        if run.trace_id in kept and run.trace_id in windows:
            window = windows[run.trace_id]
            await tombstones.remember(connection, window, run.span_ids)
            deleted += await rows.delete_spans(connection, window, run.span_ids)
            await connection.execute(SQL.mark_dirty, {"workspace_id": window.workspace_id, "trace_id": window.trace_id})
    return deleted


async def _delete_history(connection: Connection, workspace_id: UUID, agent_id: str) -> bool:
    """Takes away what the rollups hold of runs whose rows are gone already: all from before the horizon.

    Gives whether there was any.
    """
    await compaction.compact(connection)
    parameters = {"workspace_id": workspace_id, "agent_id": agent_id, "all_agents": ALL_AGENTS, "kinds": list(Kind)}
    async with connection.transaction():
        await connection.execute(SQL.take_turn, {"key": compaction.TURN})
        taken = (await connection.execute(SQL.take_history_away, parameters)).rowcount
        days = (await connection.execute(SQL.delete_history_of_days, parameters)).rowcount
    return bool(taken or days)

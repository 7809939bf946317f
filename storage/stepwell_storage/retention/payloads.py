"""Empties the payloads of rows whose own time goes on: what went in and out, attributes, events, texts of logs.

What the fold needs stays, so that a late span still finds the run as it was. Rows are emptied some blocks at a time;
then the part of the table is written anew, which gives the space back.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import sql

from stepwell_storage import metrics, queries
from stepwell_storage.retention import horizon, partitions, raw
from stepwell_storage.retention.partitions import Part
from stepwell_storage.retention.progress import Report
from stepwell_storage.traces import TraceWindow, columns_of

SQL = queries.load("retention_payloads")

BLOCKS_AT_ONCE: Final = 512
_OF_PARTS: Final = {"step_facts": SQL.empty_steps, "agent_executions": SQL.empty_runs}
_OF_CHUNKS: Final = {"step_facts": SQL.empty_steps_of_chunk, "agent_executions": SQL.empty_runs_of_chunk}

Connection = psycopg.AsyncConnection[Any]


async def empty(connection: Connection, workspace_id: UUID, before: datetime, report: Report) -> None:
    """Empties the payloads of a workspace's rows from before a time; what an earlier pass has done is left out.

    The connection must not be in a transaction.
    """
    async with connection.transaction():
        await connection.execute(horizon.SQL.take_turn, {"key": horizon.TURN})
        parameters = {"workspace_id": workspace_id, "before": before}
        row = await (await connection.execute(SQL.advance, parameters)).fetchone()
    done = row[0] if row else None
    if done is not None and done >= before:
        return
    for table in ("step_facts", "agent_executions"):
        for part in await partitions.parts_of(connection, table):
            is_done = done is not None and part.ends_before(done)
            if part.begins_before(before) and not is_done:
                await _empty(connection, part, workspace_id, before, report)
    await raw.sweep(connection, "step_logs", SQL.empty_logs, {workspace_id: before}, report)
    await connection.execute(SQL.note_done, parameters)


async def empty_late(connection: Connection, windows: Sequence[TraceWindow]) -> None:
    """Empties the steps of these traces that came after their payloads' time, in the transaction of their fold."""
    if windows:
        await connection.execute(SQL.empty_late, columns_of(windows))


async def _empty(connection: Connection, part: Part, workspace_id: UUID, before: datetime, report: Report) -> None:
    parameters = {"workspace_id": workspace_id, "start": part.start, "stop": before}
    emptied = 0
    if part.is_native:
        statement = sql.SQL(_OF_PARTS[part.table]).format(**part.places)
        for first in range(0, part.blocks, BLOCKS_AT_ONCE):
            bounds = {"first": f"({first},0)", "last": f"({min(first + BLOCKS_AT_ONCE, part.blocks)},0)"}
            rows = (await connection.execute(statement, {**parameters, **bounds})).rowcount
            report(part.table, rows)
            emptied += rows
    else:
        stop = before if part.stop is None else min(before, part.stop)
        emptied = (await connection.execute(_OF_CHUNKS[part.table], {**parameters, "stop": stop})).rowcount
        report(part.table, emptied)
    metrics.RETENTION_ROWS.labels(part.table).inc(emptied)
    if emptied:
        await partitions.shrink(connection, part)

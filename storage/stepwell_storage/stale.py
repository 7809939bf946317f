"""Runs without a sign of life become timeouts; spans that still arrive fold them anew.

The open ones are marked on their keys, since a search for them among all executions would go through every day, and
through every chunk that is stored by columns.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import psycopg

from stepwell_storage import queries
from stepwell_storage.announcing import announce
from stepwell_storage.model import Status
from stepwell_storage.rollups import deltas
from stepwell_storage.rollups.deltas import Changes
from stepwell_storage.rollups.stored import run_of_row

SQL = queries.load("stale")
FOLD_SQL = queries.load("fold")

MAX_RUNS: Final = 200
"""Runs in one transaction; each takes an advisory lock."""

Connection = psycopg.AsyncConnection[Any]


async def time_out(connection: Connection, stale_after: timedelta) -> int:
    """Makes timeouts of the open runs that are silent for longer; gives their number.

    Works in transactions of bounded size, under the traces' locks, so that no fold is overtaken.
    """
    timed_out = 0
    while True:
        async with connection.transaction():
            cursor = await connection.execute(SQL.silent, {"stale_after": stale_after, "limit": MAX_RUNS})
            silent = await cursor.fetchall()
            if not silent:
                return timed_out
            await connection.execute(FOLD_SQL.lock_traces, {"trace_ids": [trace_id for *_, trace_id in silent]})
            ids = {"workspace_ids": [row[0] for row in silent], "execution_ids": [row[1] for row in silent]}
            cursor = await connection.execute(SQL.close, {**ids, "stale_after": stale_after})
            closed = await cursor.fetchall()
            if closed:
                timed_out += await _write(connection, closed)
                await announce(connection, [(workspace_id, trace_id) for workspace_id, _, trace_id in silent])
        if len(silent) < MAX_RUNS:
            return timed_out


async def _write(connection: Connection, closed: Sequence[Sequence[Any]]) -> int:
    workspace_ids, execution_ids, starts = (list(column) for column in zip(*closed, strict=True))
    places = {"workspace_ids": workspace_ids, "execution_ids": execution_ids, "start_times": starts}
    cursor = await connection.execute(SQL.counted_as, {**places, "lowest": min(starts), "highest": max(starts)})
    counted_as = {
        (workspace_id, execution_id): status for workspace_id, execution_id, status in await cursor.fetchall()
    }
    changes = Changes()
    timed_out = 0
    for workspace_id, execution_id, start_time in closed:
        place = {"workspace_id": workspace_id, "execution_id": execution_id, "start_time": start_time}
        row = await (await connection.execute(SQL.time_out, place)).fetchone()
        run = None if row is None else run_of_row(row)
        if run is not None:
            changes.take_away([replace(run, status=Status(counted_as[workspace_id, execution_id]))])
            changes.add([run])
        timed_out += row is not None
    await deltas.write(connection, changes)
    return timed_out


async def find_open(connection: Connection) -> None:
    """Marks what older versions of Stepwell have left open; a search through all executions, so rarely."""
    await connection.execute(SQL.find_open)

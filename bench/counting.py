"""Counts the runs of a data set into the rollups, as the worker would have when it wrote them."""

from datetime import UTC, datetime
from typing import Any

import psycopg

from stepwell_storage.rollups import compaction, deltas
from stepwell_storage.rollups.deltas import Changes
from stepwell_storage.rollups.stored import run_of_row

ROWS_AT_ONCE = 20_000
# In the order of the time of their start, so that the runs of an hour are summed up before they are written.
RUNS = """
SELECT workspace_id, agent_id, environment, version, start_time, last_activity_at, duration_ms, path, error_type,
       error_step_name, error_fingerprint, prompt_tokens, completion_tokens, cost_usd, credits_consumed,
       api_calls_count, memory_usage_mb, steps_total, agent_name, figures
FROM analytics.agent_executions
ORDER BY start_time
"""


async def count_runs(connection: psycopg.AsyncConnection[Any]) -> None:
    """Writes the rollups of every run that is stored; none of them is counted yet."""
    async with connection.transaction(), connection.cursor("runs") as cursor:
        await cursor.execute(RUNS)
        while rows := await cursor.fetchmany(ROWS_AT_ONCE):
            changes = Changes()
            changes.add(run for row in rows if (run := run_of_row(row)) is not None)
            await deltas.write(connection, changes)
    await compaction.compact(connection)
    while await compaction.sum_days(connection, datetime.now(UTC)):
        pass

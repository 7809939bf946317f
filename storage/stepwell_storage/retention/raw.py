"""Deletes the rows of single runs from before the workspaces' horizons; the rollups keep what was counted of them.

Parts of the large tables go whole where nobody keeps anything in them, else row by row; the small tables are swept
some blocks at a time. Each transaction is bounded, and what is done twice changes nothing: it may be cut off anywhere.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from stepwell_storage import metrics, queries
from stepwell_storage.retention import partitions
from stepwell_storage.retention.partitions import Connection, Part
from stepwell_storage.retention.progress import Report

SQL = queries.load("retention_raw")

ROWS_AT_ONCE: Final = 5_000
BLOCKS_AT_ONCE: Final = 512
REASON: Final = "retention"

_COUNTS: Final = {"step_facts": partitions.SQL.count_steps, "agent_executions": partitions.SQL.count_runs}
_BATCHES: Final = {"step_facts": SQL.delete_steps, "agent_executions": SQL.delete_runs}
_SWEEPS: Final = {
    "execution_keys": SQL.sweep_keys,
    "live_steps": SQL.sweep_live_steps,
    "step_logs": SQL.sweep_logs,
    "trace_findings": SQL.sweep_findings,
    "trace_windows": SQL.sweep_windows,
}
"""In this order: what is found of a trace goes before the trace's own row."""

Horizons = Mapping[UUID, datetime]


async def delete(connection: Connection, horizons: Horizons, keeping: frozenset[UUID], report: Report) -> None:
    """Deletes all rows from before the horizons; `keeping` are the workspaces that there are.

    The connection must not be in a transaction.
    """
    if not horizons:
        return
    for table in ("agent_executions", "step_facts"):
        for part in await partitions.parts_of(connection, table):
            await _empty(connection, part, horizons, keeping, report)
    for table, statement in _SWEEPS.items():
        await sweep(connection, table, statement, horizons, report)


async def _empty(
    connection: Connection, part: Part, horizons: Horizons, keeping: frozenset[UUID], report: Report
) -> None:
    expired = {workspace_id: before for workspace_id, before in horizons.items() if part.begins_before(before)}
    if not expired:
        return
    others = keeping - {workspace_id for workspace_id, before in expired.items() if part.ends_before(before)}
    is_past = part.stop is not None and part.stop <= datetime.now(UTC)
    if is_past and not await partitions.holds_rows_of(connection, part, list(others)):
        rows = await partitions.drop(connection, part, _COUNTS[part.table])
        if rows is not None:
            _observe(part.table, rows)
            report(part.table, rows)
            return
    for workspace_id, before in expired.items():
        bounds = {"start": part.start, "stop": before if part.stop is None else min(before, part.stop)}
        rows = ROWS_AT_ONCE
        while rows == ROWS_AT_ONCE:
            parameters = {"workspace_id": workspace_id, **bounds, "limit": ROWS_AT_ONCE}
            row = await (await connection.execute(_BATCHES[part.table], parameters)).fetchone()
            rows = int(row[0]) if row else 0
            _observe(part.table, rows)
            report(part.table, rows)


async def sweep(connection: Connection, table: str, statement: str, times: Horizons, report: Report) -> None:
    """Runs a statement over all blocks of a table, some in each transaction."""
    row = await (await connection.execute(SQL.blocks, {"table": f"analytics.{table}"})).fetchone()
    blocks = int(row[0]) if row else 0
    for first in range(0, blocks, BLOCKS_AT_ONCE):
        parameters = {
            "workspace_ids": list(times),
            "before": list(times.values()),
            "first": f"({first},0)",
            "last": f"({first + BLOCKS_AT_ONCE},0)",
        }
        found = await (await connection.execute(statement, parameters)).fetchone()
        rows = int(found[0]) if found else 0
        _observe(table, rows)
        report(table, rows)


def _observe(table: str, rows: int) -> None:
    metrics.RETENTION_ROWS.labels(table).inc(rows)
    if table in ("step_facts", "live_steps"):
        metrics.SPANS_DROPPED.labels(REASON).inc(rows)

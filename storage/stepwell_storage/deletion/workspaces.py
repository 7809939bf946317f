"""Deletes a workspace: its keys at once, so that nothing more comes in, then everything that is stored of it.

From the first transaction on, folds drop what still waits; what a receiver writes in the seconds in which it still
knows the keys goes with them. Cut off anywhere, the same call, or retention's next pass, goes on.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import psycopg

from stepwell_storage import keys, queries
from stepwell_storage.deletion.tombstones import KEPT_FOR
from stepwell_storage.errors import StorageError
from stepwell_storage.keys import LOCAL_WORKSPACE_ID
from stepwell_storage.retention import horizon, raw
from stepwell_storage.retention.progress import Report, nobody

SQL = queries.load("deletion_workspaces")
ALERTING_SQL = queries.load("deletion_alerting")

Connection = psycopg.AsyncConnection[Any]

END_OF_TIME: Final = datetime(9999, 1, 1, tzinfo=UTC)
_REST: Final[Mapping[str, str]] = {
    "dirty_traces": SQL.delete_dirty_traces,
    "dirty_processes": SQL.delete_dirty_processes,
    "memory_samples": SQL.delete_memory_samples,
    "trace_findings": SQL.delete_findings,
    "deleted_traces": SQL.delete_tombstones,
    "suggestion_states": SQL.delete_suggestion_states,
    "audit_log": SQL.delete_audit_log,
    "recoveries": ALERTING_SQL.delete_all_recoveries,
    "webhooks": ALERTING_SQL.delete_webhooks,
    "webhook_deliveries": ALERTING_SQL.delete_deliveries,
    "webhook_attempts": ALERTING_SQL.delete_attempts,
    "alert_rules": ALERTING_SQL.delete_rules,
    "alert_events": ALERTING_SQL.delete_events,
    "alerts": ALERTING_SQL.delete_alerts,
    "rollup_deltas": SQL.delete_deltas,
    "rollup_hours": SQL.delete_hours,
    "rollup_days": SQL.delete_days,
    "rollup_complete_days": SQL.delete_complete_days,
    "ledger_entries": SQL.delete_ledger_entries,
    "ledger_hours": SQL.delete_ledger_hours,
}


async def delete_workspace(connection: Connection, name: str, report: Report = nobody) -> dict[str, int]:
    """Deletes the workspace of this name with all that is in it; gives how many rows of which relation.

    The connection must not be in a transaction.

    Raises:
        UnknownWorkspaceError: there is none of this name.
        StorageError: it is the one where everything lands without authentication.
    """
    workspace = await keys.find_workspace(connection, name)
    if workspace.workspace_id == LOCAL_WORKSPACE_ID:
        raise StorageError(f"The workspace {name!r} cannot be deleted: it is where everything lands without --auth")
    async with connection.transaction():
        await connection.execute(SQL.take_turn, {"key": horizon.TURN})
        await connection.execute(SQL.mark_deleted, {"workspace_id": workspace.workspace_id})
    return await delete_rows(connection, workspace.workspace_id, report)


async def finish(connection: Connection, report: Report = nobody) -> None:
    """Deletes what came of deleted workspaces meanwhile, and forgets those of long ago."""
    for (workspace_id,) in await (await connection.execute(SQL.deleted_workspaces)).fetchall():
        await delete_rows(connection, workspace_id, report)
    await connection.execute(SQL.forget_deleted, {"kept_for": KEPT_FOR})


async def delete_rows(connection: Connection, workspace_id: UUID, report: Report) -> dict[str, int]:
    """Deletes all rows of a workspace that is marked as deleted, in bounded transactions; gives how many."""
    deleted: dict[str, int] = {}

    def tell(relation: str, rows: int) -> None:
        if rows:
            deleted[relation] = deleted.get(relation, 0) + rows
        report(relation, rows)

    cursor = await connection.execute(SQL.other_workspaces, {"workspace_id": workspace_id})
    others = frozenset(other for (other,) in await cursor.fetchall())
    await raw.delete(connection, {workspace_id: END_OF_TIME}, others, tell)
    for relation, statement in _REST.items():
        tell(relation, (await connection.execute(statement, {"workspace_id": workspace_id})).rowcount)
    return deleted

"""One pass over everything whose time is over, and the task in the worker that makes one every now and then."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final

import psycopg

from stepwell_storage import metrics, queries
from stepwell_storage.database import UNAVAILABLE, connect
from stepwell_storage.deletion import tombstones
from stepwell_storage.deletion import workspaces as workspaces_deletion
from stepwell_storage.errors import DatabaseUnavailableError
from stepwell_storage.retention import history, horizon, payloads, policy, raw
from stepwell_storage.retention.policy import Kept, WorkspacePolicy
from stepwell_storage.retention.progress import Report, nobody

SQL = queries.load("retention")

log = logging.getLogger(__name__)
EVERY_S: Final = 6 * 3600.0
TURN: Final = 0x5743_0003

Connection = psycopg.AsyncConnection[Any]


async def make(connection: Connection, now: datetime, report: Report = nobody) -> bool:
    """Deletes what is due at `now`; false where another process is at it.

    Bounded transactions; cut off anywhere, the next pass goes on. The connection must not be in a transaction.
    """
    began_s = time.perf_counter()
    async with _turn(connection) as has_turn:
        if not has_turn:
            return False
        _, workspaces = await policy.read(connection)
        for workspace in workspaces:
            before = workspace.policy.before(Kept.RAW, now)
            if before is not None:
                await horizon.advance(connection, workspace.workspace_id, before)
        cursor = await connection.execute(horizon.SQL.horizons)
        keeping = frozenset(workspace.workspace_id for workspace in workspaces)
        await raw.delete(connection, dict(await cursor.fetchall()), keeping, report)
        for workspace in workspaces:
            before = workspace.policy.before(Kept.PAYLOADS, now)
            if before is not None:
                await payloads.empty(connection, workspace.workspace_id, before, report)
            await _shorten_history(connection, workspace, now, report)
        await workspaces_deletion.finish(connection, report)
        await tombstones.forget_old(connection)
    metrics.RETENTION_SECONDS.observe(time.perf_counter() - began_s)
    return True


async def keep_making(database_url: str, *, every_s: float = EVERY_S) -> None:
    """Makes a pass now and then until it is cancelled; on a connection of its own, for one may take long."""
    while True:
        try:
            async with await connect(database_url, application_name="stepwell retention") as connection:
                await make(connection, datetime.now(UTC))
        except (DatabaseUnavailableError, *UNAVAILABLE) as error:
            log.warning("database unavailable, retention waits", extra={"reason": type(error).__name__})
        except psycopg.Error:
            log.exception("retention failed, it is tried again in its turn")
        await asyncio.sleep(every_s)


async def _shorten_history(connection: Connection, workspace: WorkspacePolicy, now: datetime, report: Report) -> None:
    hours, days = (workspace.policy.before(kept, now) for kept in (Kept.HOURS, Kept.DAYS))
    if days is not None:
        await history.delete_days(connection, workspace.workspace_id, days, report)
    if hours is not None:
        await history.join_hours(connection, workspace.workspace_id, hours, report)


@asynccontextmanager
async def _turn(connection: Connection) -> AsyncIterator[bool]:
    """Whether this process makes the pass; one at a time in the whole database."""
    row = await (await connection.execute(SQL.try_turn, {"key": TURN})).fetchone()
    has_turn = bool(row and row[0])
    try:
        yield has_turn
    finally:
        if has_turn:
            with suppress(*UNAVAILABLE):
                await connection.execute(SQL.end_turn, {"key": TURN})

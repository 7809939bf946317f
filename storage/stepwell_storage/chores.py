"""The worker's housekeeping: what has to be done every so often, one after the other, beside the folds.

On a connection of its own, so that no fold waits for it. A database that is away is waited for.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg

from stepwell_storage import facts, idle, ledger, metrics, partitions, process_memory, stale
from stepwell_storage.database import UNAVAILABLE, connect
from stepwell_storage.errors import DatabaseUnavailableError
from stepwell_storage.rollups import compaction
from stepwell_storage.settings import Settings

log = logging.getLogger(__name__)

_LOOK_S: Final = 0.2
_AWAY_S: Final = 1.0
_SOON_S: Final = 1.0
_HOURLY_S: Final = 3600.0
_CLEANUP_EVERY_S: Final = 60.0
_FIND_OPEN_EVERY_S: Final = 6 * 3600.0
_LEDGER_EVERY_S: Final = 10.0
_COMPACT_EVERY_S: Final = 2.0

Connection = psycopg.AsyncConnection[Any]


async def keep_house(settings: Settings) -> None:
    """Does the chores until it is cancelled."""
    chores = _chores(settings)
    while True:
        try:
            async with await connect(settings.database_url, application_name="stepwell worker chores") as connection:
                await _do(chores, connection)
        except (DatabaseUnavailableError, *UNAVAILABLE) as error:
            log.warning("database unavailable, the chores wait", extra={"reason": type(error).__name__})
        await asyncio.sleep(_AWAY_S)


async def _do(chores: "list[_Chore]", connection: Connection) -> None:
    while True:
        for chore in chores:
            if chore.is_due():
                try:
                    await chore.work(connection)
                except UNAVAILABLE:
                    raise
                except psycopg.Error:
                    log.exception("chore failed, it is tried again in its turn", extra={"chore": chore.name})
        await asyncio.sleep(_LOOK_S)


class _Chore:
    """Something to do every so often; due at once the first time."""

    def __init__(self, name: str, every_s: float, work: Callable[[Connection], Awaitable[object]]) -> None:
        self.name = name
        self.work = work
        self._every_s = every_s
        self._next_at = 0.0

    def is_due(self) -> bool:
        """Whether its time has come; it is then due again only after its period."""
        now = time.monotonic()
        if now < self._next_at:
            return False
        self._next_at = now + self._every_s
        return True


def _chores(settings: Settings) -> list[_Chore]:
    drop_after, stale_after = timedelta(seconds=settings.drop_after_s), timedelta(seconds=settings.stale_after_s)

    async def mark_stale(connection: Connection) -> None:
        metrics.STALE_EXECUTIONS.inc(await stale.time_out(connection, stale_after))

    async def drop_idle(connection: Connection) -> None:
        dropped = await idle.drop(connection, drop_after)
        if dropped:
            log.info("dropped spans of traces without agents", extra={"spans": dropped})

    chores = [
        _Chore("partitions", _HOURLY_S, _ensure_partitions),
        _Chore("open executions", _FIND_OPEN_EVERY_S, stale.find_open),
        _Chore("stale executions", min(max(settings.stale_after_s / 4, _LOOK_S), 2.0), mark_stale),
        _Chore("live steps", _CLEANUP_EVERY_S, facts.delete_superseded_live_steps),
        _Chore("process memory", _SOON_S, process_memory.apply),
        _Chore("old samples", _HOURLY_S, process_memory.drop_old),
        _Chore("ledger", _LEDGER_EVERY_S, ledger.sum_entries),
        _Chore("rollups by hour", _COMPACT_EVERY_S, compaction.compact),
        _Chore("rollups by day", _CLEANUP_EVERY_S, _sum_days),
    ]
    if settings.keep == "agents":
        chores.append(
            _Chore("traces without agents", min(max(settings.drop_after_s / 4, _LOOK_S), _CLEANUP_EVERY_S), drop_idle)
        )
    return chores


async def _ensure_partitions(connection: Connection) -> None:
    await partitions.ensure_ahead(connection, datetime.now(UTC))


async def _sum_days(connection: Connection) -> None:
    await compaction.sum_days(connection, datetime.now(UTC))

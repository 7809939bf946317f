"""The worker: folds dirty traces as they come, and keeps house.

It wakes on the receivers' notification and at least once a second. Any number of workers may run over one database.
A database that is away is waited for; nothing is lost meanwhile, since the marks live there too.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg

from stepwell_storage import (
    facts,
    folding,
    idle,
    ledger,
    metrics,
    packing,
    partitions,
    process_memory,
    searching,
    stale,
)
from stepwell_storage.database import UNAVAILABLE, connect
from stepwell_storage.errors import DatabaseUnavailableError
from stepwell_storage.rests import Rests
from stepwell_storage.retention import passes
from stepwell_storage.rollups import compaction
from stepwell_storage.settings import Settings

log = logging.getLogger(__name__)

_POLL_S: Final = 1.0
_GATHER_S: Final = 0.025
"""After a fold, so that the next one has more than a few traces: each costs something, however few they are."""
_PASSING_REST_S: Final = 0.05
_FAILURE_REST_S: Final = 30.0
_PASSING: Final = (psycopg.errors.CheckViolation, psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
"""What goes away by itself: a day got its own partition meanwhile (23514), two transactions crossed."""
_RECONNECT_RANGE_S: Final = (0.1, 5.0)
_HOURLY_S: Final = 3600.0
_CLEANUP_EVERY_S: Final = 60.0
_FIND_OPEN_EVERY_S: Final = 6 * 3600.0
_LEDGER_EVERY_S: Final = 10.0
_COMPACT_EVERY_S: Final = 2.0

Connection = psycopg.AsyncConnection[Any]


async def run(settings: Settings, *, started: Callable[[], None], stop: asyncio.Event) -> None:
    """Works until `stop` is set; calls `started` once the first connection stands.

    Raises:
        DatabaseUnavailableError: the database cannot be reached at the start.
    """
    announced = False
    delay_s = _RECONNECT_RANGE_S[0]
    while not stop.is_set():
        try:
            async with _session(settings) as worker:
                if not announced:
                    started()
                    announced = True
                delay_s = _RECONNECT_RANGE_S[0]
                await worker.work(stop)
        except (DatabaseUnavailableError, *UNAVAILABLE) as error:
            if not announced:
                raise
            metrics.FOLD_FAILURES.labels(type(error).__name__).inc()
            log.warning("database unavailable, the worker waits", extra={"retry_in_s": delay_s, "reason": str(error)})
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), delay_s)
            delay_s = min(delay_s * 2, _RECONNECT_RANGE_S[1])


@asynccontextmanager
async def _session(settings: Settings) -> AsyncIterator["_Worker"]:
    """A worker with its two connections: one that works, one that listens."""
    working = await connect(settings.database_url, application_name="stepwell worker")
    try:
        listening = await connect(settings.database_url, application_name="stepwell worker listener")
        try:
            yield _Worker(settings, working, listening)
        finally:
            await listening.close()
    finally:
        await working.close()


class _Worker:
    """One session's state: when each trace may be folded again, and when each chore is due."""

    def __init__(self, settings: Settings, working: Connection, listening: Connection) -> None:
        self._connection = working
        self._listening = listening
        self._database_url = settings.database_url
        self._rests = Rests()
        self._resting = asyncio.Event()
        self._drop_after = timedelta(seconds=settings.drop_after_s)
        self._stale_after = timedelta(seconds=settings.stale_after_s)
        stale_every_s = min(max(settings.stale_after_s / 4, 0.2), 2.0)
        self._chores: list[_Chore] = [
            _Chore("partitions", _HOURLY_S, self._ensure_partitions),
            _Chore("open executions", _FIND_OPEN_EVERY_S, self._find_open),
            _Chore("stale executions", stale_every_s, self._mark_stale),
            _Chore("live steps", _CLEANUP_EVERY_S, self._clean_live_steps),
            _Chore("process memory", _POLL_S, self._apply_memory),
            _Chore("old samples", _HOURLY_S, self._drop_old_samples),
            _Chore("ledger", _LEDGER_EVERY_S, self._sum_ledger),
            _Chore("rollups by hour", _COMPACT_EVERY_S, self._compact),
            _Chore("rollups by day", _CLEANUP_EVERY_S, self._sum_days),
        ]
        if settings.keep == "agents":
            every_s = min(max(settings.drop_after_s / 4, 0.2), _CLEANUP_EVERY_S)
            self._chores.append(_Chore("traces without agents", every_s, self._drop_idle))

    async def work(self, stop: asyncio.Event) -> None:
        """Folds and keeps house until `stop` is set or the database goes away."""
        await self._listening.execute("LISTEN stepwell_dirty")
        woken = asyncio.Event()
        listener = asyncio.create_task(self._listen(woken))
        retention = asyncio.create_task(passes.keep_making(self._database_url))
        packer = asyncio.create_task(packing.keep_packing(self._database_url))
        reader = asyncio.create_task(searching.keep_reading(self._database_url, self._resting))
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                woken.clear()
                await self._do_chores()
                pause_s = await self._fold_due()
                if pause_s > 0:
                    self._resting.set()
                    waking = asyncio.create_task(woken.wait())
                    await asyncio.wait(
                        (waking, stopping, listener), timeout=pause_s, return_when=asyncio.FIRST_COMPLETED
                    )
                    waking.cancel()
                    self._resting.clear()
                if listener.done():
                    listener.result()
        finally:
            tasks = (listener, stopping, retention, packer, reader)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self, woken: asyncio.Event) -> None:
        async for _ in self._listening.notifies():
            woken.set()
        raise DatabaseUnavailableError("The connection that listens for new spans was closed")

    async def _fold_due(self) -> float:
        """Folds what is due; gives the seconds until there may be more to do (0: look again at once)."""
        traces = await folding.waiting(self._connection)
        self._observe_lag(traces)
        began_s = time.monotonic()
        waits_s = [self._rests.wait_s(trace, began_s) for trace in traces]
        if sum(len(trace.sequences) for trace in traces) >= folding.MAX_MARKS:
            waits_s = [0.0] * len(traces)  # marks of resting traces would hide the others
        due = [trace for trace, wait_s in zip(traces, waits_s, strict=True) if not wait_s]
        self._rests.forget(began_s)
        for batch in folding.batches(due):
            await self._fold(batch)
        if not due:
            return min([_POLL_S, *waits_s])
        if len(due) < folding.MAX_TRACES:
            if time.monotonic() - began_s < _GATHER_S:
                self._resting.set()
            await asyncio.sleep(_GATHER_S)
            self._resting.clear()
        return 0.0

    async def _fold(self, batch: Sequence[folding.DirtyTrace]) -> None:
        """Folds a batch; where that fails, each trace alone, so that one bad trace holds up no other."""
        try:
            self._rests.folded(await folding.fold(self._connection, batch), time.monotonic())
        except UNAVAILABLE:
            raise
        except Exception as error:  # the border between traces: whatever one of them holds, the others go on
            metrics.FOLD_FAILURES.labels(type(error).__name__).inc()
            if len(batch) > 1:
                for trace in batch:
                    await self._fold([trace])
                return
            passing = isinstance(error, _PASSING)
            if not passing:
                log.exception("fold failed, the trace is tried again later", extra={"trace_id": batch[0].key[1].hex()})
            self._rests.failed(batch[0].key, _PASSING_REST_S if passing else _FAILURE_REST_S, time.monotonic())

    def _observe_lag(self, traces: Sequence[folding.DirtyTrace]) -> None:
        oldest = min((trace.marked_at for trace in traces), default=None)
        lag_s = 0.0 if oldest is None else (datetime.now(UTC) - oldest).total_seconds()
        metrics.FOLD_LAG_SECONDS.set(max(lag_s, 0.0))

    async def _do_chores(self) -> None:
        for chore in self._chores:
            if chore.is_due():
                try:
                    await chore.work()
                except UNAVAILABLE:
                    raise
                except psycopg.Error:
                    log.exception("chore failed, it is tried again in its turn", extra={"chore": chore.name})

    async def _ensure_partitions(self) -> None:
        await partitions.ensure_ahead(self._connection, datetime.now(UTC))

    async def _mark_stale(self) -> None:
        metrics.STALE_EXECUTIONS.inc(await stale.time_out(self._connection, self._stale_after))

    async def _compact(self) -> None:
        await compaction.compact(self._connection)

    async def _sum_days(self) -> None:
        await compaction.sum_days(self._connection, datetime.now(UTC))

    async def _find_open(self) -> None:
        await stale.find_open(self._connection)

    async def _drop_idle(self) -> None:
        dropped = await idle.drop(self._connection, self._drop_after)
        if dropped:
            log.info("dropped spans of traces without agents", extra={"spans": dropped})

    async def _apply_memory(self) -> None:
        await process_memory.apply(self._connection)

    async def _drop_old_samples(self) -> None:
        await process_memory.drop_old(self._connection)

    async def _sum_ledger(self) -> None:
        await ledger.sum_entries(self._connection)

    async def _clean_live_steps(self) -> None:
        await facts.delete_superseded_live_steps(self._connection)


class _Chore:
    """Something to do every so often; due at once the first time."""

    def __init__(self, name: str, every_s: float, work: Callable[[], Awaitable[None]]) -> None:
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

"""The worker: folds dirty traces as they come, two batches side by side, and keeps house beside that.

It wakes on the receivers' notification and at least once a second. Any number of workers may run over one database.
A database that is away is waited for; nothing is lost meanwhile, since the marks live there too. `schedule` tells what
is folded next, `folding` folds it, `chores`, `searching`, `packing` and `retention` do the rest.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final

import psycopg

from stepwell_storage import chores, folding, metrics, packing, partitions, schedule, searching
from stepwell_storage.database import UNAVAILABLE, connect
from stepwell_storage.errors import DatabaseUnavailableError
from stepwell_storage.folding import DirtyTrace, Key
from stepwell_storage.rests import Rests
from stepwell_storage.retention import passes
from stepwell_storage.settings import Settings

log = logging.getLogger(__name__)

LANES: Final = 2
"""Folds at a time: while the database works for one, this process works for the other."""
_POLL_S: Final = 1.0
_PASSING_REST_S: Final = 0.05
_FAILURE_REST_S: Final = 30.0
_PASSING: Final = (psycopg.errors.CheckViolation, psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
"""What goes away by itself: a day got its own partition meanwhile (23514), two transactions crossed."""
_RECONNECT_RANGE_S: Final = (0.1, 5.0)

Connection = psycopg.AsyncConnection[Any]


async def run(settings: Settings, *, started: Callable[[], None], stop: asyncio.Event) -> None:
    """Works until `stop` is set; calls `started` once the first connections stand.

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
    """A worker with its connections: one for each lane, one that listens."""
    names = [*["stepwell worker"] * LANES, "stepwell worker listener"]
    async with AsyncExitStack() as stack:
        connections: list[Connection] = []
        for name in names:
            connection = await connect(settings.database_url, application_name=name)
            stack.push_async_callback(connection.close)
            connections.append(connection)
        for connection in connections[:LANES]:
            await folding.configure(connection)
        yield _Worker(settings, connections[:LANES], connections[LANES])


class _Worker:
    """One session's state: which connections are free, what is being folded, when each trace may be folded again."""

    def __init__(self, settings: Settings, lanes: Sequence[Connection], listening: Connection) -> None:
        self._settings = settings
        self._free = list(lanes)
        self._listening = listening
        self._woken = asyncio.Event()
        self._folds: dict[asyncio.Task[None], tuple[Connection, frozenset[Key]]] = {}
        self._rests = Rests()
        self._resting = asyncio.Event()
        """Set while no fold goes on."""

    async def work(self, stop: asyncio.Event) -> None:
        """Folds and keeps house until `stop` is set or the database goes away."""
        await self._listening.execute("LISTEN stepwell_dirty")
        # Before the first fold, which else puts today's executions into the default partition.
        await partitions.ensure_ahead(self._free[0], datetime.now(UTC))
        url = self._settings.database_url
        listener = asyncio.create_task(self._listen())
        stopping = asyncio.create_task(stop.wait())
        beside = [
            asyncio.create_task(work)
            for work in (
                chores.keep_house(self._settings),
                passes.keep_making(url),
                packing.keep_packing(url),
                searching.keep_reading(url, self._resting),
            )
        ]
        try:
            while not stop.is_set():
                self._woken.clear()
                pause_s = await self._start_due()
                await self._wait(pause_s, listener, stopping)
            if self._folds:
                await asyncio.wait(self._folds)
        finally:
            tasks = (listener, stopping, *beside, *self._folds)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self) -> None:
        async for _ in self._listening.notifies():
            self._woken.set()
        raise DatabaseUnavailableError("The connection that listens for new spans was closed")

    async def _start_due(self) -> float:
        """Starts folds while lanes are free and traces are due; gives the seconds until there may be more to do."""
        while self._free:
            traces = await folding.waiting(self._free[-1])
            self._observe_lag(traces)
            now_s = time.monotonic()
            self._rests.forget(now_s)
            held = frozenset[Key]().union(*[keys for _, keys in self._folds.values()])
            batch, wait_s = schedule.next_batch(traces, self._rests, held, now_s=now_s, now=datetime.now(UTC))
            if not batch:
                return min(wait_s, _POLL_S)
            connection = self._free.pop()
            fold = asyncio.create_task(self._fold(connection, batch))
            self._folds[fold] = connection, frozenset(trace.key for trace in batch)
        return _POLL_S

    async def _wait(self, pause_s: float, listener: "asyncio.Task[None]", stopping: "asyncio.Task[bool]") -> None:
        """Until a fold is done, something may be due, or everything ends; raises what a fold or the listener raised."""
        if not self._folds:
            self._resting.set()
        waking = asyncio.create_task(self._woken.wait())
        awaited = {listener, stopping, *self._folds, *([waking] if self._free else [])}
        await asyncio.wait(awaited, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
        waking.cancel()
        self._resting.clear()
        for fold in [fold for fold in self._folds if fold.done()]:
            connection, _ = self._folds.pop(fold)
            self._free.append(connection)
            fold.result()
        if listener.done():
            listener.result()

    async def _fold(self, connection: Connection, batch: Sequence[DirtyTrace]) -> None:
        """Folds a batch; where that fails, each trace alone, so that one bad trace holds up no other."""
        try:
            self._rests.folded(await folding.fold(connection, batch), time.monotonic())
        except Exception as error:  # the border between traces: whatever one of them holds, the others go on
            passing = isinstance(error, _PASSING)
            if isinstance(error, UNAVAILABLE) and not passing:
                raise
            metrics.FOLD_FAILURES.labels(type(error).__name__).inc()
            if len(batch) > 1:
                for trace in batch:
                    await self._fold(connection, [trace])
                return
            if not passing:
                log.exception("fold failed, the trace is tried again later", extra={"trace_id": batch[0].key[1].hex()})
            self._rests.failed(batch[0].key, _PASSING_REST_S if passing else _FAILURE_REST_S, time.monotonic())

    def _observe_lag(self, traces: Sequence[DirtyTrace]) -> None:
        oldest = min((trace.marked_at for trace in traces), default=None)
        lag_s = 0.0 if oldest is None else (datetime.now(UTC) - oldest).total_seconds()
        metrics.FOLD_LAG_SECONDS.set(max(lag_s, 0.0))

"""Hands what happens to runs to whoever watches: one listening connection for each process, bounded queues.

A notification names traces; a moment later, so that what comes together is read together, the hub reads what changed
in them and gives each subscriber of their workspace the events. Whoever reads too slowly, or was away for longer than
is remembered, is told to begin anew with what goes on now (`RESYNC`) instead of being sent what it missed.
"""

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from stepwell_api.live.events import OPEN, Event, Memory, Row, events_of
from stepwell_storage import announcing, queries
from stepwell_storage.announcing import Trace
from stepwell_storage.arrays import array_of_ids, array_of_uuids
from stepwell_storage.database import UNAVAILABLE, connect
from stepwell_storage.errors import DatabaseUnavailableError

log = logging.getLogger(__name__)
SQL = queries.load("live")

GATHER_S: Final = 0.01
"""How long the first notification waits for others that come with it."""
QUEUED: Final = 1_000
"""Events that wait for one subscriber, and that are kept for those who come back."""
KEPT_S: Final = 60.0
"""How long a workspace that nobody watches any more is followed, for those who come back."""
LOOK_BACK: Final = timedelta(seconds=30)
"""Steps that were stored earlier than this before a notification have been told."""
LONGEST_STEP: Final = timedelta(days=2)
STEPS_A_TRACE: Final = 1_000
TRACES_A_LOOK: Final = 500
RECONNECT_RANGE_S: Final = (0.2, 5.0)


class Resync:
    """Stands in a subscriber's queue for events that it does not get."""


class End:
    """Stands in a subscriber's queue for the end of the stream."""


RESYNC: Final = Resync()
END: Final = End()
Item = tuple[str, Event] | Resync | End


@dataclass(slots=True, eq=False)
class Subscription:
    """One watcher's queue."""

    agent_ids: frozenset[str]
    statuses: frozenset[str]
    queue: "asyncio.Queue[Item]" = field(default_factory=lambda: asyncio.Queue(QUEUED + 2))

    def put(self, event_id: str, event: Event) -> None:
        """Queues an event that passes the filters; what has piled up makes way for `RESYNC`."""
        if self.agent_ids and event.agent_id not in self.agent_ids:
            return
        if self.statuses and event.status not in self.statuses:
            return
        if self.queue.qsize() >= QUEUED:
            self.restart()
        else:
            self.queue.put_nowait((event_id, event))

    def restart(self) -> None:
        """Lets the watcher begin anew."""
        self._clear()
        self.queue.put_nowait(RESYNC)

    def end(self) -> None:
        """Ends the stream."""
        self._clear()
        self.queue.put_nowait(END)

    def _clear(self) -> None:
        while not self.queue.empty():
            self.queue.get_nowait()


@dataclass(slots=True)
class _Workspace:
    """What is followed of one workspace."""

    since: datetime
    """The database's time at which following it began."""
    memory: Memory
    told: deque[tuple[int, Event]] = field(default_factory=lambda: deque(maxlen=QUEUED))
    count: int = 0
    subscriptions: set[Subscription] = field(default_factory=set)
    left_at_s: float | None = None

    def tell(self, epoch: str, events: Iterable[Event]) -> None:
        """Gives events to all subscriptions and remembers them."""
        for event in events:
            self.count += 1
            self.told.append((self.count, event))
            for subscription in self.subscriptions:
                subscription.put(f"{epoch}-{self.count}", event)

    def replay(self, subscription: Subscription, epoch: str, last_event_id: str) -> None:
        """Queues what came after an event, or `RESYNC` where that is not known any more."""
        told_by, _, number = last_event_id.rpartition("-")
        is_ours = told_by == epoch and number.isascii() and number.isdigit() and len(number) < 19
        first = self.told[0][0] if self.told else self.count + 1
        if not is_ours or not first - 1 <= int(number) <= self.count:
            subscription.restart()
            return
        for place, event in self.told:
            if place > int(number):
                subscription.put(f"{epoch}-{place}", event)


class Hub:
    """Follows the workspaces that somebody watches."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._epoch = secrets.token_hex(4)
        self._workspaces: dict[UUID, _Workspace] = {}
        self._pending: dict[Trace, None] = {}
        self._wanted = asyncio.Event()
        self._is_closed = False
        self._task: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()

    async def stop(self) -> None:
        """Ends all streams."""
        self._is_closed = True
        for workspace in self._workspaces.values():
            for subscription in workspace.subscriptions:
                subscription.end()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    @asynccontextmanager
    async def subscribe(
        self, workspace_id: UUID, *, agent_ids: Iterable[str], statuses: Iterable[str], last_event_id: str | None
    ) -> AsyncIterator[Subscription]:
        """A queue of what happens in the workspace from now on, or from the event on that was seen last.

        Raises:
            DatabaseUnavailableError: the database cannot be reached.
        """
        workspace = await self._follow(workspace_id)
        subscription = Subscription(frozenset(agent_ids), frozenset(statuses))
        workspace.subscriptions.add(subscription)
        workspace.left_at_s = None
        if last_event_id:
            workspace.replay(subscription, self._epoch, last_event_id)
        if self._is_closed:
            subscription.end()
        try:
            yield subscription
        finally:
            workspace.subscriptions.discard(subscription)
            if not workspace.subscriptions:
                workspace.left_at_s = asyncio.get_running_loop().time()

    def position(self, workspace_id: UUID) -> str:
        """The id of the last event of a workspace that is followed."""
        return f"{self._epoch}-{self._workspaces[workspace_id].count}"

    async def _follow(self, workspace_id: UUID) -> _Workspace:
        if self._task is None or self._task.done():
            self._listening.clear()
            self._task = asyncio.create_task(self._run())
        with suppress(TimeoutError):
            await asyncio.wait_for(self._listening.wait(), RECONNECT_RANGE_S[1])
        if not self._listening.is_set():
            raise DatabaseUnavailableError("The database is not available: changes cannot be listened for")
        if workspace_id not in self._workspaces:
            async with await connect(self._database_url, application_name="stepwell live") as connection:
                cursor = await connection.execute(SQL.read_open, {"workspace_id": workspace_id})
                rows = await cursor.fetchall()
                # What goes on already was not started just now.
                memory = Memory()
                memory.runs.update((row[0], {"status": next(iter(OPEN))}) for row in rows if row[0] is not None)
                self._workspaces.setdefault(workspace_id, _Workspace(rows[0][1], memory))
        return self._workspaces[workspace_id]

    async def _run(self) -> None:
        """Listens and tells until it is cancelled; begins anew after the database was away."""
        delay_s = RECONNECT_RANGE_S[0]
        while True:
            try:
                async with await connect(self._database_url, application_name="stepwell live") as connection:
                    await connection.execute(SQL.listen)
                    # What was announced meanwhile was missed.
                    self._restart_all()
                    self._listening.set()
                    delay_s = RECONNECT_RANGE_S[0]
                    async with asyncio.TaskGroup() as tasks:
                        tasks.create_task(self._listen(connection))
                        tasks.create_task(self._tell())
            except* (DatabaseUnavailableError, *UNAVAILABLE) as errors:
                log.warning("database unavailable, live events wait", extra={"reason": str(errors.exceptions[0])})
            except* psycopg.Error:
                log.exception("live events could not be read, they are read anew")
            self._listening.clear()
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, RECONNECT_RANGE_S[1])

    def _restart_all(self) -> None:
        """Lets whoever watches begin anew."""
        self._pending.clear()
        for workspace in self._workspaces.values():
            for subscription in workspace.subscriptions:
                subscription.restart()

    async def _listen(self, connection: psycopg.AsyncConnection[Any]) -> None:
        async for notification in connection.notifies():
            for trace in announcing.read(notification.payload):
                if trace[0] in self._workspaces:
                    self._pending[trace] = None
                    self._wanted.set()

    async def _tell(self) -> None:
        """Reads what changed and tells it, on a connection of its own."""
        async with await connect(self._database_url, application_name="stepwell live") as connection:
            while True:
                await self._wanted.wait()
                await asyncio.sleep(GATHER_S)
                self._forget_left()
                traces = [trace for trace in list(self._pending)[:TRACES_A_LOOK] if trace[0] in self._workspaces]
                for trace in list(self._pending)[:TRACES_A_LOOK]:
                    del self._pending[trace]
                if not self._pending:
                    self._wanted.clear()
                if traces:
                    await self._look(connection, traces)

    def _forget_left(self) -> None:
        now_s = asyncio.get_running_loop().time()
        for workspace_id, workspace in list(self._workspaces.items()):
            if workspace.left_at_s is not None and now_s - workspace.left_at_s > KEPT_S:
                del self._workspaces[workspace_id]

    async def _look(self, connection: psycopg.AsyncConnection[Any], traces: Sequence[Trace]) -> None:
        runs, steps = await _read(connection, traces, min(self._workspaces[trace[0]].since for trace in traces))
        by_trace: dict[Trace, list[Row]] = {}
        for step in steps:
            if step["created_at"] >= self._workspaces[step["workspace_id"]].since:
                by_trace.setdefault((step["workspace_id"], step["trace_id"]), []).append(step)
        for run in runs:
            workspace = self._workspaces.get(run["workspace_id"])
            if workspace is not None:
                new = by_trace.get((run["workspace_id"], run["trace"]), ())
                workspace.tell(self._epoch, events_of(workspace.memory, run, new))


async def _read(
    connection: psycopg.AsyncConnection[Any], traces: Sequence[Trace], since: datetime
) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """The runs of the traces, and their steps that were stored lately."""
    keys = {
        "workspace_ids": array_of_uuids([workspace_id for workspace_id, _ in traces]),
        "trace_ids": array_of_ids([trace_id for _, trace_id in traces]),
    }
    async with connection.cursor(row_factory=dict_row) as cursor:
        runs = await (await cursor.execute(SQL.read_changed, keys)).fetchall()
        bounds = {"since": since, "look_back": LOOK_BACK, "longest": LONGEST_STEP, "limit": STEPS_A_TRACE}
        steps = await (await cursor.execute(SQL.read_new_steps, {**keys, **bounds})).fetchall()
    return list(runs), list(steps)

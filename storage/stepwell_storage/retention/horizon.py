"""The time before which a workspace has no rows any more, and takes none: a late span would make a second, partial run.

Whoever moves it forward waits for the folds that go on; each fold reads it once it cannot move (`hold`). So a fold has
either seen all of a trace, or leaves the trace alone.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import psycopg

from stepwell_storage import queries
from stepwell_storage.arrays import array_of_times, array_of_uuids
from stepwell_storage.model import STEPS, Fact, LogRecord
from stepwell_storage.times import to_ns
from stepwell_storage.traces import TraceWindow

SQL = queries.load("retention")

TOO_OLD: Final = "too_old"
TURN: Final = 0x5743_0002
"""Key of the advisory lock, shared by folds; `rollups.compaction` and `partitions` have others."""
KNOWN_FOR_S: Final = 5.0

Connection = psycopg.AsyncConnection[Any]


async def hold(connection: Connection) -> None:
    """Keeps all horizons where they are until the caller's transaction ends."""
    await connection.execute(SQL.share_turn, {"key": TURN})


@dataclass(frozen=True, slots=True)
class Aged:
    """The traces of a fold by what they may have lost."""

    windows: list[TraceWindow]
    """To be folded. The others began before their workspace's horizon: some of their rows are gone, so nobody may."""
    without_payloads: list[TraceWindow]
    """Those of them that began before payloads are kept."""


async def sort_out(connection: Connection, windows: Sequence[TraceWindow]) -> Aged:
    """Tells which traces may be folded, and keeps it so until the caller's transaction ends."""
    await hold(connection)
    if not windows:
        return Aged([], [])
    parameters = {
        "workspace_ids": array_of_uuids([window.workspace_id for window in windows]),
        "earliest": array_of_times([window.earliest for window in windows]),
    }
    cursor = await connection.execute(SQL.closed, parameters)
    found = {windows[place - 1]: is_closed for place, is_closed in await cursor.fetchall()}
    kept = [window for window in windows if not found.get(window, False)]
    return Aged(kept, [window for window in kept if window in found])


async def advance(connection: Connection, workspace_id: UUID, before: datetime) -> datetime:
    """Moves a workspace's horizon to `before`, never back; gives where it is then."""
    async with connection.transaction():
        await connection.execute(SQL.take_turn, {"key": TURN})
        cursor = await connection.execute(SQL.advance_raw, {"workspace_id": workspace_id, "before": before})
        row = await cursor.fetchone()
    assert row is not None
    reached: datetime = row[0]
    return reached


@dataclass(slots=True)
class Horizons:
    """The workspaces' horizons as a receiver knows them; what slips in meanwhile, the worker deletes."""

    clock_s: Callable[[], float] = time.monotonic
    _before_ns: dict[UUID, int] = field(default_factory=dict)
    _until_s: float = float("-inf")

    async def refresh(self, connection: Connection) -> None:
        """Asks the database where what is known is older than `KNOWN_FOR_S`."""
        now_s = self.clock_s()
        if now_s < self._until_s:
            return
        cursor = await connection.execute(SQL.horizons)
        self._before_ns = {workspace_id: to_ns(before) for workspace_id, before in await cursor.fetchall()}
        self._until_s = now_s + KNOWN_FOR_S

    def young(self, workspace_id: UUID, facts: Sequence[Fact]) -> Sequence[Fact]:
        """The facts without those before the workspace's horizon; the same sequence where all are."""
        before_ns = self._before_ns.get(workspace_id)
        if before_ns is None or all(_time_ns(fact, before_ns) >= before_ns for fact in facts):
            return facts
        return [fact for fact in facts if _time_ns(fact, before_ns) >= before_ns]


def _time_ns(fact: Fact, otherwise_ns: int) -> int:
    """When it was; samples of memory have a time of their own to go."""
    if isinstance(fact, STEPS):
        return fact.start_ns
    return fact.time_ns if isinstance(fact, LogRecord) else otherwise_ns

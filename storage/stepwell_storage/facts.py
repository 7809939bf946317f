"""Writes steps once each, and marks the traces that have new ones for the worker.

`rows` writes the lines, `commit` brings the transactions, `partitions` the tables. A span is known by its workspace,
trace id, span id and start time; what is stored already is left as it is, so that sending again changes nothing.

Steps go straight into their table by COPY. Those that were seen lately, and all of them where the table says that one
is there already, go through a staging table, which is slower. Rows are written in the order of their keys, so that
two writers of the same spans wait for each other instead of blocking each other for good.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

import psycopg

from stepwell_storage import queries
from stepwell_storage.model import Step
from stepwell_storage.partitions import NS_PER_DAY
from stepwell_storage.rows import NS_PER_US, step_lines, timestamp

SQL = queries.load("facts")

LINES_PER_WRITE = 50
LIVE_BATCH_ROWS = 1_000
RECENT_KEYS = 100_000


class Key(NamedTuple):
    """What makes a step the same step; its order is that of the database's index, day by day."""

    day: int
    workspace: bytes
    trace_id: bytes
    span_id: bytes
    start_us: int


Rows = dict[Key, Step]


@dataclass(frozen=True, slots=True)
class Insertion:
    """What became of the steps of one call; each is in exactly one of the three."""

    stored: int
    """Finished steps that are new."""
    live: int
    """Running steps that are new."""
    repeated: tuple[Step, ...]
    """Steps that were stored already, came twice, or run no more because their finished span came along."""

    @property
    def duplicate(self) -> int:
        """How many steps changed nothing."""
        return len(self.repeated)


@dataclass(slots=True)
class RecentKeys:
    """Remembers the keys of the last steps, at least `RECENT_KEYS` of them; a guess that may be wrong both ways."""

    _newer: set[int] = field(default_factory=set)
    _older: set[int] = field(default_factory=set)

    def holds(self, key: Key) -> bool:
        """Whether the step may have been written lately; remembers that it is now."""
        mark = hash(key)
        if mark in self._newer or mark in self._older:
            return True
        self._newer.add(mark)
        if len(self._newer) >= RECENT_KEYS:
            self._older, self._newer = self._newer, set()
        return False


@dataclass(frozen=True, slots=True)
class _Target:
    copy: str
    insert_staged: str


FACTS = _Target(SQL.copy_steps, SQL.insert_staged_steps)
LIVE = _Target(SQL.copy_live_steps, SQL.insert_staged_live_steps)


async def insert_steps(
    connection: psycopg.AsyncConnection,
    batches: Mapping[UUID, Sequence[Step]],
    *,
    recent: RecentKeys | None = None,
) -> Insertion:
    """Stores the steps of each workspace and marks the traces with new ones, in the caller's transaction.

    Days without a partition are the caller's to ensure (`partitions.KnownDays`). `recent` belongs to one writer.

    Raises:
        UnstorableStepError: a step cannot be written as a row.
        psycopg.Error: what the database says; nothing of the call is to be kept then.
    """
    finished, live, repeated = _sorted_out(batches)
    new = await _insert(connection, FACTS, finished, recent)
    new_live = await _insert(connection, LIVE, live, recent)
    repeated += [step for key, step in finished.items() if key not in new]
    repeated += [step for key, step in live.items() if key not in new_live]
    await _mark_dirty(connection, [*new.items(), *new_live.items()])
    return Insertion(stored=len(new), live=len(new_live), repeated=tuple(repeated))


def _sorted_out(batches: Mapping[UUID, Sequence[Step]]) -> tuple[Rows, Rows, list[Step]]:
    """Finished and running steps in the order of their keys, and the steps that need no row beside them."""
    finished: Rows = {}
    live: Rows = {}
    repeated: list[Step] = []
    for workspace_id, steps in batches.items():
        workspace = workspace_id.bytes
        for step in steps:
            start_ns, rows = step.start_ns, live if step.is_live else finished
            # Live steps have one table, which knows a span by its ids alone.
            day, start_us = (0, 0) if step.is_live else (start_ns // NS_PER_DAY, start_ns // NS_PER_US)
            key = Key(day, workspace, step.trace_id, step.span_id, start_us)
            if key in rows:
                repeated.append(step)
            else:
                rows[key] = step
    if live:
        ended = {key[1:4] for key in finished}
        repeated += [step for key, step in live.items() if key[1:4] in ended]
        live = {key: step for key, step in live.items() if key[1:4] not in ended}
    return _in_order(finished), _in_order(live), repeated


def _in_order(rows: Rows) -> Rows:
    return {key: rows[key] for key in sorted(rows)}


async def _insert(connection: psycopg.AsyncConnection, target: _Target, rows: Rows, recent: RecentKeys | None) -> Rows:
    """Inserts the rows that are not there yet and returns them."""
    suspects = {key: rows[key] for key in rows if recent.holds(key)} if recent else {}
    fresh = {key: step for key, step in rows.items() if key not in suspects} if suspects else rows
    new: Rows = {}
    if fresh:
        try:
            async with connection.transaction():
                await _copy(connection, target.copy, fresh)
            new = fresh
        except psycopg.errors.UniqueViolation:
            suspects = rows
    if suspects:
        new = new | await _insert_staged(connection, target, suspects)
    return new


async def _insert_staged(connection: psycopg.AsyncConnection, target: _Target, rows: Rows) -> Rows:
    await connection.execute(SQL.create_staging)
    await connection.execute(SQL.empty_staging)
    await _copy(connection, SQL.copy_staging, rows)
    cursor = await connection.execute(target.insert_staged)
    new: Rows = {}
    async for workspace_id, trace_id, span_id, start_us in cursor:
        day, start_us = (0, 0) if target is LIVE else (start_us * NS_PER_US // NS_PER_DAY, start_us)
        key = Key(day, workspace_id.bytes, trace_id, span_id, start_us)
        new[key] = rows[key]
    return new


async def _copy(connection: psycopg.AsyncConnection, statement: str, rows: Rows) -> None:
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for workspace, steps in _runs(rows):
            for at in range(0, len(steps), LINES_PER_WRITE):
                await copy.write(step_lines(workspace, steps[at : at + LINES_PER_WRITE]))


def _runs(rows: Rows) -> Iterable[tuple[str, list[Step]]]:
    """The rows in their order, cut where the workspace changes."""
    runs: list[tuple[bytes, list[Step]]] = []
    for key, step in rows.items():
        if not runs or runs[-1][0] != key.workspace:
            runs.append((key.workspace, []))
        runs[-1][1].append(step)
    return [(_workspace_text(workspace), steps) for workspace, steps in runs]


@lru_cache(maxsize=1024)
def _workspace_text(workspace: bytes) -> str:
    return str(UUID(bytes=workspace))


async def _mark_dirty(connection: psycopg.AsyncConnection, new: Iterable[tuple[Key, Step]]) -> None:
    """One mark for each trace with new steps: the span of their start times and how many there are."""
    starts_ns: dict[tuple[bytes, bytes], list[int]] = {}
    for key, step in new:
        starts_ns.setdefault((key.workspace, key.trace_id), []).append(step.start_ns)
    if not starts_ns:
        return
    lines = [
        f"{_workspace_text(workspace)}\t\\\\x{trace_id.hex()}\t{timestamp(min(times))}\t{timestamp(max(times))}\t{len(times)}\n"
        for (workspace, trace_id), times in starts_ns.items()
    ]
    async with connection.cursor() as cursor, cursor.copy(SQL.copy_dirty_marks) as copy:
        await copy.write("".join(lines))
    await connection.execute(SQL.notify_dirty)


async def delete_superseded_live_steps(connection: psycopg.AsyncConnection) -> int:
    """Deletes the running steps whose finished span is stored, and returns how many; the worker's housekeeping.

    Walks the whole table in batches of `LIVE_BATCH_ROWS`, each a transaction of its own unless the caller has one.
    """
    deleted = 0
    after = (UUID(int=0), b"", b"")
    while True:
        parameters = dict(zip(("workspace_id", "trace_id", "span_id"), after, strict=True))
        cursor = await connection.execute(
            SQL.delete_superseded_live_steps, {**parameters, "batch_rows": LIVE_BATCH_ROWS}
        )
        row = await cursor.fetchone()
        if row is None:
            return deleted
        after, deleted = row[:3], deleted + row[3]

"""Writes steps, log records and samples of memory once each, and marks the traces that have new ones for the worker.

`rows` writes the lines, `commit` brings the transactions, `partitions` the tables. A span is known by its workspace,
trace id, span id and start time, a log record by its span, its time and a digest of its content; what is stored already
is left as it is, so that sending again changes nothing.

Rows go straight into their table by COPY. Those that were seen lately, and all of them where the table says that one
is there already, go through a staging table, which is slower. Rows are written in the order of their keys, so that
two writers of the same rows wait for each other instead of blocking each other for good.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Generic, NamedTuple, TypeVar
from uuid import UUID

import psycopg

from stepwell_storage import process_memory, queries
from stepwell_storage.model import Fact, LogRecord, MemorySample, Step
from stepwell_storage.partitions import NS_PER_DAY
from stepwell_storage.process_memory import SampleKey
from stepwell_storage.rows import NS_PER_US, log_lines, step_lines, timestamp

SQL = queries.load("facts")

LINES_PER_WRITE = 50
LIVE_BATCH_ROWS = 1_000
RECENT_KEYS = 100_000


class Key(NamedTuple):
    """What makes a row the same row; its order is that of the database's index, day by day."""

    day: int
    workspace: bytes
    trace_id: bytes
    span_id: bytes
    time_us: int
    record_key: bytes = b""
    """Tells log records of one span and moment apart; steps have none."""


_Fact = TypeVar("_Fact", Step, LogRecord)


@dataclass(frozen=True, slots=True)
class Insertion:
    """What became of the facts of one call; each is in exactly one of the five."""

    stored: int
    """Finished steps that are new."""
    live: int
    """Running steps that are new."""
    logs: int
    """Log records that are new."""
    samples: int
    """Samples of memory that are new."""
    repeated: tuple[Fact, ...]
    """What was stored already, came twice, or runs no more because its finished span came along."""

    @property
    def duplicate(self) -> int:
        """How many facts changed nothing."""
        return len(self.repeated)


@dataclass(slots=True)
class RecentKeys:
    """Remembers the keys of the last rows, at least `RECENT_KEYS` of them; a guess that may be wrong both ways."""

    _newer: set[int] = field(default_factory=set)
    _older: set[int] = field(default_factory=set)

    def holds(self, key: Key) -> bool:
        """Whether the row may have been written lately; remembers that it is now."""
        mark = hash(key)
        if mark in self._newer or mark in self._older:
            return True
        self._newer.add(mark)
        if len(self._newer) >= RECENT_KEYS:
            self._older, self._newer = self._newer, set()
        return False


def _finished_key(workspace: bytes, step: Step) -> Key:
    return Key(step.start_ns // NS_PER_DAY, workspace, step.trace_id, step.span_id, step.start_ns // NS_PER_US)


def _live_key(workspace: bytes, step: Step) -> Key:
    """Live steps have one table, which knows a span by its ids alone."""
    return Key(0, workspace, step.trace_id, step.span_id, 0)


def _log_key(workspace: bytes, record: LogRecord) -> Key:
    return Key(0, workspace, record.trace_id, record.span_id, record.time_ns // NS_PER_US, record.record_key)


def _stored_key(row: Sequence[Any]) -> Key:
    """The key of a finished step from what its insertion returns."""
    workspace_id, trace_id, span_id, start_us = row
    return Key(start_us * NS_PER_US // NS_PER_DAY, workspace_id.bytes, trace_id, span_id, start_us)


def _stored_live_key(row: Sequence[Any]) -> Key:
    return Key(0, row[0].bytes, row[1], row[2], 0)


def _stored_log_key(row: Sequence[Any]) -> Key:
    return Key(0, row[0].bytes, *row[1:])


@dataclass(frozen=True, slots=True)
class _Target(Generic[_Fact]):
    """A table: how its rows are written, straight or through its staging table, and what makes them the same."""

    lines: Callable[[str, Sequence[_Fact]], bytes]
    stored_key: Callable[[Sequence[Any]], Key]
    copy: str
    create_staging: str
    empty_staging: str
    copy_staging: str
    insert_staged: str


_STEP_STAGING = (SQL.create_staging, SQL.empty_staging, SQL.copy_staging)
_LOG_STAGING = (SQL.create_staging_for_logs, SQL.empty_staging_for_logs, SQL.copy_staging_for_logs)

FINISHED: Final[_Target[Step]] = _Target(
    step_lines, _stored_key, SQL.copy_steps, *_STEP_STAGING, SQL.insert_staged_steps
)
LIVE: Final[_Target[Step]] = _Target(
    step_lines, _stored_live_key, SQL.copy_live_steps, *_STEP_STAGING, SQL.insert_staged_live_steps
)
LOGS: Final[_Target[LogRecord]] = _Target(
    log_lines, _stored_log_key, SQL.copy_logs, *_LOG_STAGING, SQL.insert_staged_logs
)


async def insert_facts(
    connection: psycopg.AsyncConnection,
    batches: Mapping[UUID, Sequence[Fact]],
    *,
    recent: RecentKeys | None = None,
) -> Insertion:
    """Stores the facts of each workspace and marks the traces with new ones, in the caller's transaction.

    Days without a partition are the caller's to ensure (`partitions.KnownDays`). `recent` belongs to one writer.

    Raises:
        UnstorableStepError: a fact cannot be written as a row.
        psycopg.Error: what the database says; nothing of the call is to be kept then.
    """
    rows = _sorted_out(batches)
    new = await _insert(connection, FINISHED, rows.finished, recent)
    new_live = await _insert(connection, LIVE, rows.live, recent)
    new_logs = await _insert(connection, LOGS, rows.logs, recent)
    new_samples = await process_memory.insert_samples(connection, rows.samples)
    repeated = [
        *rows.repeated,
        *[step for key, step in rows.finished.items() if key not in new],
        *[step for key, step in rows.live.items() if key not in new_live],
        *[record for key, record in rows.logs.items() if key not in new_logs],
        *[sample for key, sample in rows.samples.items() if key not in new_samples],
    ]
    await _mark_dirty(connection, [*new.items(), *new_live.items()], new_logs)
    return Insertion(len(new), len(new_live), len(new_logs), len(new_samples), tuple(repeated))


@dataclass(slots=True)
class _Rows:
    """The facts of a call by table, each in the order of its keys, and what needs no row beside them."""

    finished: dict[Key, Step] = field(default_factory=dict)
    live: dict[Key, Step] = field(default_factory=dict)
    logs: dict[Key, LogRecord] = field(default_factory=dict)
    samples: dict[SampleKey, MemorySample] = field(default_factory=dict)
    repeated: list[Fact] = field(default_factory=list)


def _sorted_out(batches: Mapping[UUID, Sequence[Fact]]) -> _Rows:
    rows = _Rows()
    for workspace_id, facts in batches.items():
        workspace = workspace_id.bytes
        for fact in facts:
            if isinstance(fact, LogRecord):
                is_new = _added(rows.logs, _log_key(workspace, fact), fact)
            elif isinstance(fact, MemorySample):
                is_new = _added_larger(rows, process_memory.key_of(workspace_id, fact), fact)
            elif fact.is_live:
                is_new = _added(rows.live, _live_key(workspace, fact), fact)
            else:
                is_new = _added(rows.finished, _finished_key(workspace, fact), fact)
            if not is_new:
                rows.repeated.append(fact)
    if rows.live:
        ended = {key[1:4] for key in rows.finished}
        rows.repeated += [step for key, step in rows.live.items() if key[1:4] in ended]
        rows.live = {key: step for key, step in rows.live.items() if key[1:4] not in ended}
    rows.finished, rows.live, rows.logs = _in_order(rows.finished), _in_order(rows.live), _in_order(rows.logs)
    return rows


def _added_larger(rows: _Rows, key: SampleKey, sample: MemorySample) -> bool:
    """Adds a sample, in place of a smaller one of the same moment, which is then a repeated one."""
    known = rows.samples.get(key)
    if known is not None and known.memory_mb >= sample.memory_mb:
        return False
    if known is not None:
        rows.repeated.append(known)
    rows.samples[key] = sample
    return True


def _added(rows: dict[Key, _Fact], key: Key, fact: _Fact) -> bool:
    if key in rows:
        return False
    rows[key] = fact
    return True


def _in_order(rows: dict[Key, _Fact]) -> dict[Key, _Fact]:
    return {key: rows[key] for key in sorted(rows)}


async def _insert(
    connection: psycopg.AsyncConnection, target: _Target[_Fact], rows: dict[Key, _Fact], recent: RecentKeys | None
) -> dict[Key, _Fact]:
    """Inserts the rows that are not there yet and returns them."""
    suspects = {key: rows[key] for key in rows if recent.holds(key)} if recent else {}
    fresh = {key: fact for key, fact in rows.items() if key not in suspects} if suspects else rows
    new: dict[Key, _Fact] = {}
    if fresh:
        try:
            async with connection.transaction():
                await _copy(connection, target.copy, target.lines, fresh)
            new = fresh
        except psycopg.errors.UniqueViolation:
            suspects = rows
    if suspects:
        new = new | await _insert_staged(connection, target, suspects)
    return new


async def _insert_staged(
    connection: psycopg.AsyncConnection, target: _Target[_Fact], rows: dict[Key, _Fact]
) -> dict[Key, _Fact]:
    await connection.execute(target.create_staging)
    await connection.execute(target.empty_staging)
    await _copy(connection, target.copy_staging, target.lines, rows)
    cursor = await connection.execute(target.insert_staged)
    keys = [target.stored_key(row) async for row in cursor]
    return {key: rows[key] for key in keys}


async def _copy(
    connection: psycopg.AsyncConnection,
    statement: str,
    lines: Callable[[str, Sequence[_Fact]], bytes],
    rows: dict[Key, _Fact],
) -> None:
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for workspace, facts in _runs(rows):
            for at in range(0, len(facts), LINES_PER_WRITE):
                await copy.write(lines(workspace, facts[at : at + LINES_PER_WRITE]))


def _runs(rows: dict[Key, _Fact]) -> Iterable[tuple[str, list[_Fact]]]:
    """The rows in their order, cut where the workspace changes."""
    runs: list[tuple[bytes, list[_Fact]]] = []
    for key, fact in rows.items():
        if not runs or runs[-1][0] != key.workspace:
            runs.append((key.workspace, []))
        runs[-1][1].append(fact)
    return [(_workspace_text(workspace), facts) for workspace, facts in runs]


@lru_cache(maxsize=1024)
def _workspace_text(workspace: bytes) -> str:
    return str(UUID(bytes=workspace))


async def _mark_dirty(
    connection: psycopg.AsyncConnection, steps: Iterable[tuple[Key, Step]], logs: Iterable[Key]
) -> None:
    """One mark for each trace with new steps: the span of their start times and how many there are.

    A trace with new log records alone gets one with no spans and the records' times.
    """
    starts_us: dict[tuple[bytes, bytes], list[int]] = {}
    for key, step in steps:
        starts_us.setdefault((key.workspace, key.trace_id), []).append(step.start_ns // NS_PER_US)
    times_us: dict[tuple[bytes, bytes], list[int]] = {}
    for key in logs:
        if (key.workspace, key.trace_id) not in starts_us:
            times_us.setdefault((key.workspace, key.trace_id), []).append(key.time_us)
    marks = [
        *[_mark(*trace, min(times), max(times), len(times)) for trace, times in starts_us.items()],
        *[_mark(*trace, min(times), max(times), 0) for trace, times in times_us.items()],
    ]
    if not marks:
        return
    async with connection.cursor() as cursor, cursor.copy(SQL.copy_dirty_marks) as copy:
        await copy.write("".join(marks))
    await connection.execute(SQL.notify_dirty)


def _mark(workspace: bytes, trace_id: bytes, earliest_us: int, latest_us: int, spans: int) -> str:
    earliest, latest = timestamp(earliest_us * NS_PER_US), timestamp(latest_us * NS_PER_US)
    return f"{_workspace_text(workspace)}\t\\\\x{trace_id.hex()}\t{earliest}\t{latest}\t{spans}\n"


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

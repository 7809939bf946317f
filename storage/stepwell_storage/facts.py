"""Writes steps, log records and samples of memory once each, and marks the traces that have new ones for the worker.

`step_rows` and `rows` write the rows, `row_keys` tells which are the same, `commit` brings the transactions,
`partitions` the tables. What is stored already is left as it is, so that sending again changes nothing.

Rows go straight into their table by COPY. Those that were seen lately, and all of them where the table says that one
is there already, go through a staging table, which is slower. Rows are written in the order of their keys, so that
two writers of the same rows wait for each other instead of blocking each other for good.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from typing import Any, Final, Generic, NamedTuple, TypeVar
from uuid import UUID

import psycopg

from stepwell.semconv import SPAN_SEEN_NS
from stepwell_storage import process_memory, queries, step_rows
from stepwell_storage.arrays import array_of, array_of_ids, array_of_texts
from stepwell_storage.model import Fact, LogRecord, MemorySample, StepRow
from stepwell_storage.process_memory import SampleKey
from stepwell_storage.row_keys import (
    SPAN_IN_KEY,
    TIME_IN_KEY,
    TRACE_IN_KEY,
    WORKSPACE_IN_KEY,
    AnyStep,
    Key,
    RecentKeys,
    finished_key,
    live_key,
    log_key,
    stored_key,
    stored_live_key,
    stored_log_key,
)
from stepwell_storage.rows import NS_PER_US, log_lines, timestamp

SQL = queries.load("facts")

_SEEN: Final = re.compile(rb'"' + re.escape(SPAN_SEEN_NS).encode() + rb'":(\d+)')

ROWS_PER_WRITE = 50
LIVE_BATCH_ROWS = 1_000


_Fact = TypeVar("_Fact", AnyStep, LogRecord)


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


def _step_rows(workspace: bytes, steps: Sequence[AnyStep]) -> bytes:
    return step_rows.join(workspace, steps)


def _log_lines(workspace: bytes, records: Sequence[LogRecord]) -> bytes:
    return log_lines(_workspace_text(workspace), records)


@dataclass(frozen=True, slots=True)
class _Target(Generic[_Fact]):
    """A table: how its rows are written, straight or through its staging table, and what makes them the same."""

    rows: Callable[[bytes, Sequence[_Fact]], bytes]
    """A workspace's rows, as COPY takes them between the next two."""
    before: bytes
    after: bytes
    stored_key: Callable[[Sequence[Any]], Key]
    copy: str
    create_staging: str
    empty_staging: str
    copy_staging: str
    insert_staged: str


_STEP_STAGING = (SQL.create_staging, SQL.empty_staging, SQL.copy_staging)
_LOG_STAGING = (SQL.create_staging_for_logs, SQL.empty_staging_for_logs, SQL.copy_staging_for_logs)

_STEP_ROWS = (_step_rows, step_rows.SIGNATURE, step_rows.TRAILER)
_LOG_ROWS = (_log_lines, b"", b"")

FINISHED: Final[_Target[AnyStep]] = _Target(
    *_STEP_ROWS, stored_key, SQL.copy_steps, *_STEP_STAGING, SQL.insert_staged_steps
)
LIVE: Final[_Target[AnyStep]] = _Target(
    *_STEP_ROWS, stored_live_key, SQL.copy_live_steps, *_STEP_STAGING, SQL.insert_staged_live_steps
)
LOGS: Final[_Target[LogRecord]] = _Target(
    *_LOG_ROWS, stored_log_key, SQL.copy_logs, *_LOG_STAGING, SQL.insert_staged_logs
)


async def insert_facts(
    connection: psycopg.AsyncConnection,
    batches: Mapping[UUID, Sequence[Fact]],
    *,
    recent: RecentKeys | None = None,
) -> Insertion:
    """Stores the facts of each workspace and marks the traces with new ones, in the caller's transaction.

    Days without a partition are the caller's to ensure (`partitions.KnownDays`). `recent` belongs to one writer. With
    it, a row that is there already although nobody suspected it costs the transaction: tried again, all rows are
    suspected, for by then all are remembered.

    Raises:
        psycopg.errors.UniqueViolation: that happened.
        UnstorableStepError: a fact cannot be written as a row.
        psycopg.Error: what the database says; nothing of the call is to be kept then.
    """
    rows = _sorted_out(batches)
    new = await _insert(connection, FINISHED, rows.finished, recent)
    new_live = await _insert(connection, LIVE, rows.live, recent)
    refreshed = await _refreshed(connection, {key: step for key, step in rows.live.items() if key not in new_live})
    new_logs = await _insert(connection, LOGS, rows.logs, recent)
    new_samples = await process_memory.insert_samples(connection, rows.samples)
    repeated = [
        *rows.repeated,
        *_missing(rows.finished, new),
        *_missing(rows.live, new_live),
        *_missing(rows.logs, new_logs),
        *[sample for key, sample in rows.samples.items() if key not in new_samples],
    ]
    await _mark_dirty(connection, [*new.items(), *new_live.items(), *refreshed.items()], new_logs)
    return Insertion(len(new), len(new_live), len(new_logs), len(new_samples), tuple(repeated))


@dataclass(slots=True)
class _Rows:
    """The facts of a call by table, each in the order of its keys, and what needs no row beside them."""

    finished: dict[Key, AnyStep] = field(default_factory=dict)
    live: dict[Key, AnyStep] = field(default_factory=dict)
    logs: dict[Key, LogRecord] = field(default_factory=dict)
    samples: dict[SampleKey, MemorySample] = field(default_factory=dict)
    repeated: list[Fact] = field(default_factory=list)


def _sorted_out(batches: Mapping[UUID, Sequence[Fact]]) -> _Rows:
    rows = _Rows()
    for workspace_id, facts in batches.items():
        workspace = workspace_id.bytes
        for fact in facts:
            if isinstance(fact, LogRecord):
                is_new = _added(rows.logs, log_key(workspace, fact), fact)
            elif isinstance(fact, MemorySample):
                is_new = _added_larger(rows, process_memory.key_of(workspace_id, fact), fact)
            elif fact.is_live:
                is_new = _added_latest(rows, live_key(workspace, fact), fact)
            else:
                is_new = _added(rows.finished, finished_key(workspace, fact), fact)
            if not is_new:
                rows.repeated.append(fact)
    if rows.live:
        ended = {key[SPAN_IN_KEY] for key in rows.finished}
        rows.repeated += [step for key, step in rows.live.items() if key[SPAN_IN_KEY] in ended]
        rows.live = {key: step for key, step in rows.live.items() if key[SPAN_IN_KEY] not in ended}
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


def _added_latest(rows: _Rows, key: Key, step: AnyStep) -> bool:
    """Adds a running step, in place of the same one if that was sent before it, which is then a repeated one."""
    known = rows.live.get(key)
    if known is not None and _seen_ns(known) >= _seen_ns(step):
        return False
    if known is not None:
        rows.repeated.append(known)
    rows.live[key] = step
    return True


def _seen_ns(step: AnyStep) -> int:
    """When a running step says that it was sent again; 0 where it does not."""
    told = _SEEN.search(step.encoded if isinstance(step, StepRow) else (step.attributes_json or "").encode())
    return int(told[1]) if told else 0


async def _refreshed(connection: psycopg.AsyncConnection, repeated: dict[Key, AnyStep]) -> dict[Key, AnyStep]:
    """Takes over what running steps say that are stored already and were sent again later; gives those."""
    if not any(_seen_ns(step) for step in repeated.values()):
        return {}
    cursor = await connection.execute(SQL.refresh_live_steps)
    keys = [stored_live_key(row) async for row in cursor]
    return {key: repeated[key] for key in keys if key in repeated}


def _added(rows: dict[Key, _Fact], key: Key, fact: _Fact) -> bool:
    if key in rows:
        return False
    rows[key] = fact
    return True


def _missing(rows: dict[Key, _Fact], new: dict[Key, _Fact]) -> list[_Fact]:
    return [fact for key, fact in rows.items() if key not in new] if len(new) < len(rows) else []


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
            # Who remembers keys tries again itself; a savepoint would cost all others as much as a commit.
            async with nullcontext() if recent else connection.transaction():
                await _copy(connection, target.copy, target, fresh)
            new = fresh
        except psycopg.errors.UniqueViolation:
            if recent:
                raise
            suspects = rows
    if suspects:
        new = new | await _insert_staged(connection, target, suspects)
    return new


async def _insert_staged(
    connection: psycopg.AsyncConnection, target: _Target[_Fact], rows: dict[Key, _Fact]
) -> dict[Key, _Fact]:
    await connection.execute(target.create_staging)
    await connection.execute(target.empty_staging)
    await _copy(connection, target.copy_staging, target, rows)
    cursor = await connection.execute(target.insert_staged)
    keys = [target.stored_key(row) async for row in cursor]
    return {key: rows[key] for key in keys}


async def _copy(
    connection: psycopg.AsyncConnection, statement: str, target: _Target[_Fact], rows: dict[Key, _Fact]
) -> None:
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        before = target.before
        for workspace, facts in _runs(rows):
            for at in range(0, len(facts), ROWS_PER_WRITE):
                await copy.write(before + target.rows(workspace, facts[at : at + ROWS_PER_WRITE]))
                before = b""
        if target.after:
            await copy.write(target.after)


def _runs(rows: dict[Key, _Fact]) -> Iterable[tuple[bytes, list[_Fact]]]:
    """The rows in their order, cut where the workspace changes."""
    return [
        (workspace, [rows[key] for key in keys])
        for workspace, keys in groupby(rows, key=lambda key: key[WORKSPACE_IN_KEY])
    ]


@lru_cache(maxsize=1024)
def _workspace_text(workspace: bytes) -> str:
    return str(UUID(bytes=workspace))


async def _mark_dirty(
    connection: psycopg.AsyncConnection, steps: Iterable[tuple[Key, AnyStep]], logs: Iterable[Key]
) -> None:
    """One mark for each trace with new steps: their start times, how many there are, whether a run may be over.

    A trace with new log records alone gets one with no spans and the records' times.
    """
    starts_us: dict[bytes, list[int]] = {}
    ended: set[bytes] = set()
    for key, step in steps:
        starts_us.setdefault(key[TRACE_IN_KEY], []).append(step.start_ns // NS_PER_US)
        if step_rows.may_end_run(step):
            ended.add(key[TRACE_IN_KEY])
    times_us: dict[bytes, list[int]] = {}
    for key in logs:
        if key[TRACE_IN_KEY] not in starts_us:
            times_us.setdefault(key[TRACE_IN_KEY], []).append(int.from_bytes(key[TIME_IN_KEY]))
    marks = [
        *[_Mark(trace, min(times), max(times), len(times), trace in ended) for trace, times in starts_us.items()],
        *[_Mark(trace, min(times), max(times), 0, False) for trace, times in times_us.items()],
    ]
    if marks:
        parameters = {
            "workspace_ids": array_of([_workspace_text(mark.trace[:16]) for mark in marks]),
            "trace_ids": array_of_ids([mark.trace[16:] for mark in marks]),
            "earliest": array_of_texts([timestamp(mark.earliest_us * NS_PER_US) for mark in marks]),
            "latest": array_of_texts([timestamp(mark.latest_us * NS_PER_US) for mark in marks]),
            "span_counts": array_of([mark.spans for mark in marks]),
            "may_end_runs": array_of([mark.may_end_run for mark in marks]),
        }
        await connection.execute(SQL.mark_dirty, parameters)


class _Mark(NamedTuple):
    trace: bytes
    """Workspace and trace id."""
    earliest_us: int
    latest_us: int
    spans: int
    may_end_run: bool


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

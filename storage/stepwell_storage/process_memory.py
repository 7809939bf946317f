"""Memory of the processes that agents run in: samples in, and the executions' ``memory_usage_mb`` out.

A run takes what the samples of its process tell of its time (``analytics.process_memory_mb``), unless its spans state
it. Samples and spans come in any order: a fold reads the samples that are there; new samples leave a mark, by which the
worker updates the executions that are there already. Advisory locks by process let a fold and a mark of the same
process not miss each other.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import psycopg

from stepwell_storage import queries
from stepwell_storage.arrays import array_of_ids, array_of_texts, array_of_uuids
from stepwell_storage.model import Execution, MemorySample
from stepwell_storage.rollups import deltas
from stepwell_storage.rollups.deltas import Changes
from stepwell_storage.rollups.stored import run_of_row
from stepwell_storage.rows import timestamp
from stepwell_storage.times import EPOCH, to_datetime
from stepwell_storage.traces import TraceWindow

SQL = queries.load("process_memory")

KEEP: Final = timedelta(days=30)
"""Samples that came longer ago are deleted; runs that are folded anew after that have no memory of their process."""
MAX_MARKS: Final = 100
MAX_EXECUTIONS: Final = 1_000

_NS_PER_US: Final = 1_000

Connection = psycopg.AsyncConnection[Any]
ExecutionKey = tuple[uuid.UUID, str]
ProcessKey = tuple[uuid.UUID, bytes]


class SampleKey(NamedTuple):
    """What makes a sample the same; its order is that of the database's index."""

    workspace_id: uuid.UUID
    process_key: bytes
    time_us: int
    is_resident: bool


@dataclass(frozen=True, slots=True)
class _Mark:
    """A process with new samples, and the times of these."""

    workspace_id: uuid.UUID
    process_key: bytes
    earliest: datetime
    latest: datetime


def key_of(workspace_id: uuid.UUID, sample: MemorySample) -> SampleKey:
    """The sample's key in its workspace."""
    return SampleKey(workspace_id, sample.process_key, sample.time_ns // _NS_PER_US, sample.is_resident)


async def insert_samples(
    connection: psycopg.AsyncConnection, samples: Mapping[SampleKey, MemorySample]
) -> set[SampleKey]:
    """Stores samples and marks their processes, in the caller's transaction; gives the keys of those that are new.

    Of two samples of one moment the larger is kept, so that their order does not matter.
    """
    if not samples:
        return set()
    cursor = await connection.execute(
        SQL.insert_samples,
        {
            "workspace_ids": [key.workspace_id for key in samples],
            "process_keys": [key.process_key for key in samples],
            "times": [to_datetime(sample.time_ns) for sample in samples.values()],
            "is_resident": [key.is_resident for key in samples],
            "memory_mb": [sample.memory_mb for sample in samples.values()],
        },
    )
    new = {SampleKey(*row) for row in await cursor.fetchall()}
    await _mark(connection, [key for key in samples if key in new])
    return new


async def _mark(connection: psycopg.AsyncConnection, new: Iterable[SampleKey]) -> None:
    """One mark for each process, with the first and the last time of its samples."""
    times_us: dict[ProcessKey, list[int]] = {}
    for key in new:
        times_us.setdefault((key.workspace_id, key.process_key), []).append(key.time_us)
    if times_us:
        parameters = {
            "workspace_ids": [workspace_id for workspace_id, _ in times_us],
            "process_keys": [process_key for _, process_key in times_us],
            "earliest": [to_datetime(min(times) * _NS_PER_US) for times in times_us.values()],
            "latest": [to_datetime(max(times) * _NS_PER_US) for times in times_us.values()],
        }
        await connection.execute(SQL.insert_marks, parameters)


async def of_executions(
    connection: Connection, folded: Mapping[TraceWindow, Sequence[Execution]]
) -> dict[ExecutionKey, float]:
    """What the samples tell of the executions whose own steps tell no memory; those of which they tell nothing are left
    out.

    From here on the caller's transaction keeps `apply` from the executions' processes until it has committed.
    """
    asked = [
        (window.workspace_id, execution.process_key, execution)
        for window, executions in folded.items()
        for execution in executions
        if execution.process_key is not None
    ]
    if not asked:
        return {}
    process_keys = array_of_ids([process_key for _, process_key, _ in asked])
    await connection.execute(SQL.lock_readers, {"process_keys": process_keys})
    parameters = {
        "workspace_ids": array_of_uuids([workspace_id for workspace_id, _, _ in asked]),
        "process_keys": process_keys,
        "starts": array_of_texts([timestamp(execution.start_ns) for *_, execution in asked]),
        "ends": array_of_texts([timestamp(execution.last_activity_ns) for *_, execution in asked]),
    }
    cursor = await connection.execute(SQL.memory_of_runs, parameters)
    told = zip(asked, await cursor.fetchall(), strict=True)
    return {
        (workspace_id, execution.execution_id): memory_mb
        for (workspace_id, _, execution), (memory_mb,) in told
        if memory_mb is not None
    }


async def apply(connection: Connection) -> int:
    """Gives executions that are there already the memory that new samples tell; gives how many it changed."""
    changed = 0
    while True:
        async with connection.transaction():
            cursor = await connection.execute(SQL.claim_marks, {"limit": MAX_MARKS})
            claimed = [_Mark(*row) for row in await cursor.fetchall()]
            if claimed:
                await connection.execute(SQL.lock_writers, {"process_keys": [mark.process_key for mark in claimed]})
            for mark in _joined(claimed):
                changed += await _update(connection, mark)
        if len(claimed) < MAX_MARKS:
            return changed


def _joined(marks: Iterable[_Mark]) -> list[_Mark]:
    """One mark for each process."""
    joined: dict[ProcessKey, _Mark] = {}
    for mark in marks:
        known = joined.get((mark.workspace_id, mark.process_key), mark)
        times = min(known.earliest, mark.earliest), max(known.latest, mark.latest)
        joined[mark.workspace_id, mark.process_key] = _Mark(mark.workspace_id, mark.process_key, *times)
    return list(joined.values())


async def _update(connection: Connection, mark: _Mark) -> int:
    """Updates the executions of a process in the time of its new samples, a bounded number at once."""
    process = {"workspace_id": mark.workspace_id, "process_key": mark.process_key}
    bounds = {"earliest": mark.earliest, "latest": mark.latest, "limit": MAX_EXECUTIONS}
    after = {"after_time": EPOCH, "after_id": ""}
    changed = 0
    while True:
        rows = await (await connection.execute(SQL.touched_executions, {**process, **bounds, **after})).fetchall()
        if rows:
            changed += await _update_some(connection, process, rows)
            after = {"after_time": rows[-1][2], "after_id": rows[-1][0]}
        if len(rows) < MAX_EXECUTIONS:
            return changed


async def _update_some(connection: Connection, process: Mapping[str, Any], rows: Sequence[Sequence[Any]]) -> int:
    """Updates executions of (id, start, last activity), and what was counted of them."""
    execution_ids, starts, ends = (list(column) for column in zip(*rows, strict=True))
    times = {"start_times": starts, "last_activity_times": ends, "lowest": min(starts), "highest": max(starts)}
    parameters = {**process, **times, "execution_ids": execution_ids}
    cursor = await connection.execute(SQL.known_memory, parameters)
    known_mb = dict(await cursor.fetchall())
    cursor = await connection.execute(SQL.update_executions, parameters)
    updated = await cursor.fetchall()
    changes = Changes()
    for execution_id, *columns in updated:
        run = run_of_row(columns)
        if run is not None:
            changes.take_away([replace(run, memory_mb=known_mb[execution_id])])
            changes.add([run])
    await deltas.write(connection, changes)
    return len(updated)


async def drop_old(connection: Connection, keep: timedelta = KEEP) -> int:
    """Deletes the samples that came longer ago than `keep`; gives their number."""
    cursor = await connection.execute(SQL.delete_old_samples, {"keep": keep})
    return cursor.rowcount

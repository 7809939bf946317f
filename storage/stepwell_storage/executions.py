"""Writes the executions that a fold finds, in place of those that earlier folds of the same traces had found.

An execution's start time may move while spans arrive, and a partition column is never updated in place: the old row is
deleted and the new one inserted in one transaction, under the trace's lock, which the worker holds.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg

from stepwell_storage import process_memory, queries
from stepwell_storage.announcing import RECENT, Trace, announce
from stepwell_storage.arrays import array_of, array_of_ids, array_of_texts, array_of_times, array_of_uuids
from stepwell_storage.model import Execution, Status
from stepwell_storage.rollups import deltas
from stepwell_storage.rollups.deltas import Changes
from stepwell_storage.rollups.figures import Run
from stepwell_storage.rollups.parts import run_of
from stepwell_storage.rollups.stored import run_of_row
from stepwell_storage.rows import timestamp
from stepwell_storage.run_lines import Payload, run_line
from stepwell_storage.times import to_ns
from stepwell_storage.traces import TraceWindow, columns_of, ids_of

SQL = queries.load("fold")

OPEN: Final = frozenset({Status.PENDING, Status.RUNNING})
"""Of runs that have not ended."""
COLD_AFTER: Final = timedelta(days=1)
"""Well before TimescaleDB stores a chunk by columns; from then on executions are deleted one by one."""

_NOTHING: Final[Payload] = (None, None)


@dataclass(frozen=True, slots=True)
class Known:
    """An execution as an earlier fold wrote it."""

    workspace_id: uuid.UUID
    execution_id: str
    start_time: datetime
    created_at: datetime


async def replace_executions(
    connection: psycopg.AsyncConnection[Any], folded: Mapping[TraceWindow, Sequence[Execution]]
) -> int:
    """Makes the stored executions of these traces equal to `folded`; gives their number.

    Runs in the caller's transaction; the caller holds the traces' locks.
    """
    known = await _known(connection, list(folded))
    changes = Changes()
    changes.take_away(await _delete(connection, known))
    await _write_keys(connection, folded, known)
    created_at = {(k.workspace_id, k.execution_id): k.created_at for k in known}
    payloads = await _payloads(connection, folded)
    memory_mb = await process_memory.of_executions(connection, folded)
    now = datetime.now(UTC)
    lines: list[str] = []
    for window, executions in folded.items():
        for execution in executions:
            key = (window.workspace_id, execution.execution_id)
            told = replace(execution, memory_mb=memory_mb[key]) if key in memory_mb else execution
            run = run_of(window.workspace_id, told)
            changes.add([run])
            lines.append(run_line(run, told, payloads.get(key, _NOTHING), created_at.get(key, now).isoformat()))
    if lines:
        async with connection.cursor() as cursor, cursor.copy(SQL.copy_executions) as copy:
            await copy.write("".join(lines).encode())
    await deltas.write(connection, changes)
    await announce(connection, _recent(folded, now))
    return len(lines)


def _recent(folded: Mapping[TraceWindow, Sequence[Execution]], now: datetime) -> Iterator[Trace]:
    """The traces with a run that somebody may be watching."""
    since_ns = to_ns(now - RECENT)
    for window, executions in folded.items():
        if any(execution.last_activity_ns >= since_ns for execution in executions):
            yield window.workspace_id, window.trace_id


async def delete_executions(connection: psycopg.AsyncConnection[Any], gone: Sequence[Known]) -> int:
    """Deletes executions, their keys and what the rollups have counted of them; gives how many there were.

    Runs in the caller's transaction; the caller holds their traces' locks.
    """
    if not gone:
        return 0
    runs = await _delete(connection, gone)
    changes = Changes()
    changes.take_away(runs)
    await deltas.write(connection, changes)
    await _delete_keys(connection, gone)
    return len(gone)


async def _known(connection: psycopg.AsyncConnection[Any], windows: Sequence[TraceWindow]) -> list[Known]:
    cursor = await connection.execute(SQL.known_executions, ids_of(windows))
    return [Known(*row) for row in await cursor.fetchall()]


async def _delete(connection: psycopg.AsyncConnection[Any], known: Sequence[Known]) -> list[Run]:
    """Deletes the executions and gives what was counted of them."""
    places = [(k.workspace_id, k.execution_id, k.start_time) for k in known]
    hot_since = datetime.now(UTC) - COLD_AFTER
    hot = [place for place in places if place[2] >= hot_since]
    rows: list[Any] = []
    if hot:
        workspace_ids, execution_ids, starts = zip(*hot, strict=True)
        keys = {
            "workspace_ids": array_of_uuids(workspace_ids),
            "execution_ids": array_of_texts(execution_ids),
            "start_times": array_of_times(starts),
        }
        bounds = {"lowest": min(starts), "highest": max(starts)}
        rows += await (await connection.execute(SQL.delete_executions, {**keys, **bounds})).fetchall()
    for workspace_id, execution_id, start_time in places:
        if start_time < hot_since:
            place = {"workspace_id": workspace_id, "execution_id": execution_id, "start_time": start_time}
            rows += await (await connection.execute(SQL.delete_cold_execution, place)).fetchall()
    return [run for row in rows if (run := run_of_row(row)) is not None]


async def _write_keys(
    connection: psycopg.AsyncConnection[Any],
    folded: Mapping[TraceWindow, Sequence[Execution]],
    known: Sequence[Known],
) -> None:
    rows = [(window.workspace_id, execution) for window, executions in folded.items() for execution in executions]
    if known:
        kept = {(workspace_id, execution.execution_id) for workspace_id, execution in rows}
        await _delete_keys(connection, [k for k in known if (k.workspace_id, k.execution_id) not in kept])
    if rows:
        executions = [execution for _, execution in rows]
        parameters = {
            "workspace_ids": array_of_uuids([workspace_id for workspace_id, _ in rows]),
            "execution_ids": array_of_texts([execution.execution_id for execution in executions]),
            "trace_ids": array_of_ids([execution.trace_id for execution in executions]),
            "start_times": array_of_texts([timestamp(execution.start_ns) for execution in executions]),
            "process_keys": array_of_ids([execution.process_key for execution in executions]),
            "last_activity_times": array_of_texts([timestamp(execution.last_activity_ns) for execution in executions]),
            "are_open": array_of([execution.status in OPEN for execution in executions]),
        }
        await connection.execute(SQL.upsert_keys, parameters)


async def _delete_keys(connection: psycopg.AsyncConnection[Any], gone: Sequence[Known]) -> None:
    if gone:
        parameters = {
            "workspace_ids": array_of_uuids([k.workspace_id for k in gone]),
            "execution_ids": array_of_texts([k.execution_id for k in gone]),
        }
        await connection.execute(SQL.delete_keys, parameters)


async def _payloads(
    connection: psycopg.AsyncConnection[Any], folded: Mapping[TraceWindow, Sequence[Execution]]
) -> dict[tuple[uuid.UUID, str], Payload]:
    """(input, output) of each execution that has one, from the spans that the fold chose."""
    wanted: list[tuple[TraceWindow, bytes]] = []
    places: list[tuple[uuid.UUID, str, int | None, int | None]] = []
    for window, executions in folded.items():
        for execution in executions:
            given = returned = None
            if execution.input_span_id is not None:
                wanted.append((window, execution.input_span_id))
                given = len(wanted)
            if execution.output_span_id == execution.input_span_id:
                returned = given
            elif execution.output_span_id is not None:
                wanted.append((window, execution.output_span_id))
                returned = len(wanted)
            places.append((window.workspace_id, execution.execution_id, given, returned))
    if not wanted:
        return {}
    asked = [(given, returned) for *_, given, returned in places]
    found = await _read_payloads(connection, wanted, asked)
    return {
        (workspace_id, execution_id): (found.get(given, _NOTHING)[0], found.get(returned, _NOTHING)[1])
        for workspace_id, execution_id, given, returned in places
    }


async def _read_payloads(
    connection: psycopg.AsyncConnection[Any],
    wanted: Sequence[tuple[TraceWindow, bytes]],
    asked: Iterable[tuple[int | None, int | None]],
) -> dict[int | None, Payload]:
    """The payloads of the wanted spans by their place, counted from 1.

    Where an input or output that is `asked` for, by its place, is missing, messages in the span's logs tell it.
    """
    columns = columns_of([window for window, _ in wanted])
    spans = {"span_ids": array_of_ids([span_id for _, span_id in wanted])}
    cursor = await connection.execute(SQL.read_run_payload, {**columns, **spans})
    found: dict[int | None, Payload] = {place: (given, returned) for place, given, returned in await cursor.fetchall()}
    lacking = {place for pair in asked for side, place in enumerate(pair) if found.get(place, _NOTHING)[side] is None}
    places = sorted(place for place in lacking if place is not None)
    if places:
        some = [wanted[place - 1] for place in places]
        spans = {"span_ids": array_of_ids([span_id for _, span_id in some])}
        cursor = await connection.execute(SQL.read_run_messages, {**ids_of([window for window, _ in some]), **spans})
        for at, *told in await cursor.fetchall():
            place = places[at - 1]
            given, returned = found.get(place, _NOTHING)
            found[place] = told[0] if given is None else given, told[1] if returned is None else returned
    return found

"""Writes the executions that a fold finds, in place of those that earlier folds of the same traces had found.

An execution's start time may move while spans arrive, and a partition column is never updated in place: the old row is
deleted and the new one inserted in one transaction, under the trace's lock, which the worker holds.
"""

import json
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

import orjson
import psycopg
from psycopg.types.json import Jsonb

from stepwell_storage import process_memory, queries
from stepwell_storage.fold.path import logical_names
from stepwell_storage.model import Execution, Status
from stepwell_storage.places import array_of, array_of_ids, columns_of_places
from stepwell_storage.rollups import deltas
from stepwell_storage.rollups.deltas import Changes
from stepwell_storage.rollups.figures import Run, run_of
from stepwell_storage.rollups.stored import figures_of, run_of_row
from stepwell_storage.times import to_datetime
from stepwell_storage.traces import TraceWindow, columns_of

SQL = queries.load("fold")

OPEN: Final = frozenset({Status.PENDING, Status.RUNNING})
"""Of runs that have not ended."""
COLD_AFTER: Final = timedelta(days=1)
"""Well before TimescaleDB stores a chunk by columns; from then on executions are deleted one by one."""

_MAX_EDGES: Final = 500

Payload = tuple[str | None, str | None]


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
    count = 0
    async with connection.cursor() as cursor, cursor.copy(SQL.copy_executions) as copy:
        for window, executions in folded.items():
            for execution in executions:
                key = (window.workspace_id, execution.execution_id)
                told = execution if execution.process_key is None else replace(execution, memory_mb=memory_mb.get(key))
                run = run_of(window.workspace_id, told)
                changes.add([run])
                await copy.write_row(_row(run, told, payloads[key], created_at.get(key, now)))
                count += 1
    await deltas.write(connection, changes)
    return count


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
    ids = {"workspace_ids": [k.workspace_id for k in gone], "execution_ids": [k.execution_id for k in gone]}
    await connection.execute(SQL.delete_keys, ids)
    return len(gone)


async def _known(connection: psycopg.AsyncConnection[Any], windows: Sequence[TraceWindow]) -> list[Known]:
    columns = columns_of(windows)
    parameters = {name: columns[name] for name in ("workspace_ids", "trace_ids")}
    cursor = await connection.execute(SQL.known_executions, parameters)
    return [Known(*row) for row in await cursor.fetchall()]


async def _delete(connection: psycopg.AsyncConnection[Any], known: Sequence[Known]) -> list[Run]:
    """Deletes the executions and gives what was counted of them."""
    places = [(k.workspace_id, k.execution_id, k.start_time) for k in known]
    hot_since = datetime.now(UTC) - COLD_AFTER
    hot = [place for place in places if place[2] >= hot_since]
    rows: list[Any] = []
    if hot:
        workspace_ids, execution_ids, starts = (list(column) for column in zip(*hot, strict=True))
        keys = {"workspace_ids": workspace_ids, "execution_ids": execution_ids, "start_times": starts}
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
    kept = {(workspace_id, execution.execution_id) for workspace_id, execution in rows}
    gone = [k for k in known if (k.workspace_id, k.execution_id) not in kept]
    if gone:
        ids = {"workspace_ids": [k.workspace_id for k in gone], "execution_ids": [k.execution_id for k in gone]}
        await connection.execute(SQL.delete_keys, ids)
    if rows:
        parameters = {
            "workspace_ids": [workspace_id for workspace_id, _ in rows],
            "execution_ids": [execution.execution_id for _, execution in rows],
            "trace_ids": [execution.trace_id for _, execution in rows],
            "start_times": [to_datetime(execution.start_ns) for _, execution in rows],
            "process_keys": [execution.process_key for _, execution in rows],
            "last_activity_times": [to_datetime(execution.last_activity_ns) for _, execution in rows],
            "are_open": [execution.status in OPEN for _, execution in rows],
        }
        await connection.execute(SQL.upsert_keys, parameters)


async def _payloads(
    connection: psycopg.AsyncConnection[Any], folded: Mapping[TraceWindow, Sequence[Execution]]
) -> dict[tuple[uuid.UUID, str], Payload]:
    """(input, output) of each execution, from the spans that the fold chose."""
    wanted = [
        (window, span_id)
        for window, executions in folded.items()
        for execution in executions
        for span_id in {execution.input_span_id, execution.output_span_id}
        if span_id is not None
    ]
    found: dict[tuple[TraceWindow, bytes], Payload] = {}
    if wanted:
        parameters = {**columns_of([window for window, _ in wanted]), "span_ids": [span_id for _, span_id in wanted]}
        cursor = await connection.execute(SQL.read_run_payload, parameters)
        for place, span_id, given, returned in await cursor.fetchall():
            found[wanted[place - 1][0], span_id] = given, returned
    nothing: Payload = (None, None)
    return {
        (window.workspace_id, execution.execution_id): (
            found.get((window, execution.input_span_id or b""), nothing)[0],
            found.get((window, execution.output_span_id or b""), nothing)[1],
        )
        for window, executions in folded.items()
        for execution in executions
    }


def _row(run: Run, execution: Execution, payload: Payload, created_at: datetime) -> tuple[Any, ...]:
    """The columns of ``copy_executions``, in its order."""
    return (
        *_identity(run.workspace_id, execution),
        *payload,
        *_course(execution),
        *_usage(execution),
        *_structure(execution),
        Jsonb(figures_of(run), dumps=_compact),
        created_at,
    )


def _compact(value: Any) -> bytes:
    """JSON of what the fold counted; squares of durations may be larger than the faster writer takes."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return json.dumps(value).encode()


def _identity(workspace_id: uuid.UUID, execution: Execution) -> tuple[Any, ...]:
    """Columns ``id`` to ``trigger_source``."""
    return (
        uuid.uuid5(workspace_id, execution.execution_id),
        workspace_id,
        execution.execution_id,
        execution.trace_id.hex(),
        execution.root_span_id.hex() if execution.root_span_id else None,
        execution.parent_execution_id,
        execution.agent_id,
        execution.agent_name,
        execution.user_id,
        execution.session_id,
        execution.trigger_type,
        execution.trigger_source_json,
    )


def _course(execution: Execution) -> tuple[Any, ...]:
    """Columns ``start_time`` to ``error_fingerprint``."""
    return (
        to_datetime(execution.start_ns),
        None if execution.end_ns is None else to_datetime(execution.end_ns),
        execution.duration_ms,
        to_datetime(execution.last_activity_ns),
        execution.status.value,
        execution.error_type,
        execution.error_message,
        execution.error_step_name,
        execution.error_fingerprint,
    )


def _usage(execution: Execution) -> tuple[Any, ...]:
    """Columns ``credits_consumed`` to ``memory_usage_mb``."""
    return (
        execution.credits,
        tokens_used(execution),
        execution.prompt_tokens,
        execution.completion_tokens,
        execution.cost_usd,
        execution.api_calls,
        execution.memory_mb,
    )


def _structure(execution: Execution) -> tuple[Any, ...]:
    """Columns ``steps_total`` to ``duplicates_of``."""
    return (
        execution.steps_total,
        execution.steps_completed,
        Jsonb(graph_summary(execution), dumps=_compact),
        execution.path,
        _checkpoints(execution),
        execution.environment,
        execution.runtime_mode,
        execution.version,
        execution.service_name,
        execution.framework,
        list(execution.models),
        array_of_ids(place.step.span_id for place in execution.placements),
        array_of(place.attempt for place in execution.placements),
        array_of_ids(place.step.span_id for place in execution.placements if place.duplicate_of is not None),
        *columns_of_places(execution),
    )


def tokens_used(execution: Execution) -> Jsonb | None:
    """The specification's ``tokens_used``: only the classes that are known; ``None`` where none is."""
    told = {
        "prompt": execution.prompt_tokens,
        "completion": execution.completion_tokens,
        "cache_read": execution.cache_read_tokens,
        "cache_write": execution.cache_write_tokens,
        "reasoning": execution.reasoning_tokens,
    }
    known = {name: count for name, count in told.items() if count is not None}
    return Jsonb(known) if known else None


def graph_summary(execution: Execution) -> dict[str, Any]:
    """The stored ``execution_graph``: path, how often each step ran, and which followed which how often.

    Its size is bounded by the number of different names, not of steps; the API adds the tree of single steps.
    """
    steps = [p.step for p in execution.placements if p.duplicate_of is None]
    inner = [step for step in steps if step.span_id != execution.root_span_id] or steps
    names = logical_names(inner)
    follows = Counter(pairwise(names)).most_common(_MAX_EDGES)
    return {
        "path": execution.path,
        "nodes": [{"name": name, "count": count} for name, count in Counter(names).most_common(_MAX_EDGES)],
        "edges": [{"from": a, "to": b, "count": count} for (a, b), count in follows],
    }


def _checkpoints(execution: Execution) -> list[Jsonb]:
    return [
        Jsonb(
            {
                "id": saved.checkpoint.id,
                "time": to_datetime(saved.checkpoint.time_ns).isoformat(),
                "state": None if saved.checkpoint.state_json is None else orjson.loads(saved.checkpoint.state_json),
                "step_name": saved.step.step_name,
                "span_id": saved.step.span_id.hex(),
                "resume": None if saved.checkpoint.resume_json is None else orjson.loads(saved.checkpoint.resume_json),
            }
        )
        for saved in execution.checkpoints
    ]
